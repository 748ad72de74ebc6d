"""What brings photographed colors to albedo: exposure, and the light's color."""

from dataclasses import dataclass

import numpy as np

#: Logarithm of red over blue below which skin has no color beside which that of other things is measured.
LEAST_CHROMA = 0.3


@dataclass(frozen=True)
class ToneCorrection:
    """What brings photographed colors to albedo: exposure, and the light's color.

    Cameras do not add a color, they strengthen all: what has less color than the skin (brows, beards, the
    whites of the eyes) is changed in hue as much less, and gray stays gray.

    Attributes:
        light: (3,) natural logarithm of the factors of red, green and blue by exposure and by strongly
            colored light: those of everything.
        hue: (3,) the same of what more is wrong with the skin's hue: of what has the skin's color.
        chroma: Logarithm of red over blue of the skin in the photo, that light taken out.
        color: (3,) natural logarithm of the color of strongly colored light; zeros for usual light.
    """

    light: np.ndarray
    hue: np.ndarray
    chroma: float
    color: np.ndarray

    @classmethod
    def none(cls) -> "ToneCorrection":
        """Everything as photographed."""
        return cls(np.zeros(3), np.zeros(3), 1.0, np.zeros(3))

    def of(self, logs: np.ndarray) -> np.ndarray:
        """What is added to colors.

        Args:
            logs: (..., 3) natural logarithm of linear colors, as photographed.

        Returns:
            (..., 3) natural logarithms.
        """
        plain = logs + self.light
        part = np.clip((plain[..., 0] - plain[..., 2]) / max(self.chroma, LEAST_CHROMA), 0, 1)
        if self.hue[0] > self.hue[2]:
            part = np.ones_like(part)  # the skin has too little color, which only light makes
        return np.asarray(self.light + part[..., None] * self.hue)
