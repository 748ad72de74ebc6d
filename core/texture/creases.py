"""Shade of creases in the skin's fine structure: the relief has them, so the albedo need not in full.

Pigment of plain skin varies little within a few millimeters, but for spots. A line that is much darker than
what lies around it is a crease in its own shade, one that is much lighter a ridge that shines.
"""

import cv2
import numpy as np

from ..geometry.visibility import ramp
from ..image.color import LUMINANCE
from .light_patches import beyond

#: Standard deviations of the blurs that creases lie between, texels of a texture of 2048: 0.3 and 4 mm.
FINEST_SIGMA = 1.6
WIDEST_SIGMA = 24.0
#: That of the blur after which lines are told from spots.
LINE_SIGMA = 5.0
#: Fraction of the resolution at which the wide blur is made.
WIDE_SCALE = 0.25
#: Differences of lightness, natural logarithm, that pigment has; what goes beyond is shade.
PIGMENT_LIMIT = 0.1
#: Fraction of the shade's lightness that stays: without any, the old look young where no relief is shown.
KEPT_DARKNESS = 0.5
#: Curvature across a line, of that along it: from where on, and from where on surely, it is a line.
LINE_RANGE = (0.3, 0.7)


def crease_shade(half: np.ndarray, size: int) -> np.ndarray:
    """How much darker or lighter than its pigment skin looks in creases and on ridges.

    Args:
        half: (h, w, 3) float32, natural logarithm of the fine structure of the skin's colors, at half the
            resolution of the texture that it is a part of.
        size: Side of the texture, texels.

    Returns:
        (h, w, 3) float32, natural logarithm, to be subtracted; 0 on spots.
    """
    scale = size / 2048 / 2
    luminance = LUMINANCE.astype(np.float32)[None]
    lines = _lines(_blurred(cv2.transform(half, luminance), LINE_SIGMA * scale))
    wide = _blurred(_reduced(half, WIDE_SCALE), WIDEST_SIGMA * WIDE_SCALE * scale)
    band = _blurred(half, FINEST_SIGMA * scale)
    band -= cv2.resize(wide, half.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    band = beyond(band, PIGMENT_LIMIT)
    return cv2.transform(band, np.eye(3, dtype=np.float32) - KEPT_DARKNESS * luminance) * lines[..., None]


def _lines(values: np.ndarray) -> np.ndarray:
    """(h, w) float32, 0..1: how far values (h, w) are bent in one direction only (Hessian's eigenvalues)."""
    xx, yy, xy = (cv2.Sobel(values, cv2.CV_32F, *order) for order in ((2, 0), (0, 2), (1, 1)))
    mean, spread = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    first, second = np.abs(mean) + spread, np.abs(np.abs(mean) - spread)
    # A spot is bent alike in both directions, a saddle between two creases oppositely.
    return ramp(1 - second / np.maximum(first, 1e-9), *LINE_RANGE)


def _reduced(values: np.ndarray, scale: float) -> np.ndarray:
    """Values (h, w) or (h, w, C) at a fraction of their resolution."""
    size = (max(round(side * scale), 1) for side in values.shape[1::-1])
    return cv2.resize(values, tuple(size), interpolation=cv2.INTER_AREA)


def _blurred(values: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(values, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
