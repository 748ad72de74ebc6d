"""The head's texture as it is handed on."""

from dataclasses import dataclass, field

import numpy as np

from .eyes import EyeColors
from .surface_maps import SurfaceMaps

#: albedo_mask.png: where each texel comes from.
EMPTY = 0
PAINTED = 64
COMPLETED = 128
MIRRORED = 192
OBSERVED = 255


def texel_kinds(observed: np.ndarray, mirrored: np.ndarray, completed: np.ndarray) -> np.ndarray:
    """Where most of each texel's color comes from.

    Args:
        observed: (...) float, the fraction that the photo shows.
        mirrored: (...) the same that is mirrored.
        completed: (...) the same that is completed.

    Returns:
        (...) uint8: OBSERVED, MIRRORED or COMPLETED.
    """
    other = np.where(mirrored >= completed, np.uint8(MIRRORED), np.uint8(COMPLETED))
    return np.where(observed >= np.maximum(mirrored, completed), np.uint8(OBSERVED), other)


def kind_fractions(kinds: np.ndarray, of_face: np.ndarray) -> dict[str, float]:
    """How much of the skin and of the face is observed, mirrored and completed.

    Args:
        kinds: (n,) uint8 of the skin's texels, see `texel_kinds`.
        of_face: (n,) bool, which of them are the face's.

    Returns:
        `Albedo.fractions`.
    """
    return {
        prefix + name: float((kinds[chosen] == value).mean())
        for prefix, chosen in (("", slice(None)), ("face_", of_face))
        for name, value in (("observed", OBSERVED), ("mirrored", MIRRORED), ("filled", COMPLETED))
    }


@dataclass(frozen=True)
class Albedo:
    """A texture for the template's coordinates.

    Attributes:
        image: (S, S, 4) uint8 sRGB and coverage, which is below 255 only between lashes.
        mask: (S, S) uint8, how each texel was made: EMPTY, PAINTED, COMPLETED, MIRRORED or OBSERVED.
        fractions: Of the skin's texels that are "observed", "mirrored" and "filled" (completed); with "face_"
            before it, of the face's.
        eyes: The colors found.
        timings: Seconds by step.
        maps: Normals, roughness, occlusion and thickness, if they were asked for.
        light_color: (3,) natural logarithm of the color of strongly colored light that was taken out; zeros
            for usual light.
    """

    image: np.ndarray
    mask: np.ndarray
    fractions: dict[str, float]
    eyes: EyeColors
    timings: dict[str, float] = field(default_factory=dict)
    maps: SurfaceMaps | None = None
    light_color: np.ndarray = field(default_factory=lambda: np.zeros(3))
