"""Patches of light and shade with edges in the skin's colors: sun between leaves, cast shadows, sheen.

Smooth light is told from skin by smooth fields on the mesh. What has edges is told by its size: pigment of
plain skin varies in spots of millimeters, and little from one square centimeter to the next. A median keeps
edges where they are and drops spots; what of it goes beyond what pigment does is taken for light.
"""

import cv2
import numpy as np

from ..geometry.visibility import ramp
from ..image.color import LUMINANCE

#: Side of the texture, texels, at which patches are looked for: 0.7 mm of the face each.
WORKING_SIZE = 512
#: Side of the median, such texels: what fills less than half of it is no patch.
MEDIAN = 11
#: Soft limits, natural logarithm, of what pigment differs by from the face's tone: in lightness, in hue
#: toward red, as skin is in places, and toward blue, as sheen and the sky's light are.
LIGHTNESS_LIMIT = 0.07
WARM_LIMIT = 0.18
COLD_LIMIT = 0.05
#: Red beside blue, natural logarithm, over which the limit grows from the one to the other.
WARM_RANGE = (0.0, 0.04)
#: Fraction of what goes beyond that stays.
KEPT = 0.15
#: OpenCV's large medians are of bytes: what one of them is, natural logarithm.
STEP = 1 / 140
#: Standard deviation of the blur, texels, that smooths these steps.
STEP_SIGMA = 1.0
#: Standard deviation, texels, with which plain skin goes on over brows, eyes, lips and beards.
FILL_SIGMA = 6.0
#: Weight of plain skin below which it does.
PLAIN = 0.5
#: Less is no length.
TINY = 1e-6


def patch_light(colors: np.ndarray, plain: np.ndarray, brows_and_lids: np.ndarray) -> np.ndarray:
    """How much lighter or darker, and of what other hue, light in patches makes skin.

    Args:
        colors: (S, S, 3) float32, natural logarithm of the skin's colors beside the face's tone, all over a
            texture, with their fine structure where the photo shows it.
        plain: (S, S) float32, 0..1, plain skin.
        brows_and_lids: (S, S) float32, 0..1: the light around them lies on them, too.

    Returns:
        (S, S, 3) float32, natural logarithm, to be subtracted.
    """
    small, full = (WORKING_SIZE, WORKING_SIZE), plain.shape[::-1]
    weight = cv2.resize(plain, small, interpolation=cv2.INTER_AREA)
    colors = _continued(cv2.resize(colors, small, interpolation=cv2.INTER_AREA), weight)
    colors = np.stack([_median(np.ascontiguousarray(colors[..., k])) for k in range(3)], -1)
    lightness = (colors @ LUMINANCE.astype(np.float32))[..., None]
    hue = colors - lightness
    strength = np.linalg.norm(hue, axis=-1, keepdims=True)
    limit = COLD_LIMIT + (WARM_LIMIT - COLD_LIMIT) * ramp(hue[..., :1] - hue[..., 2:], *WARM_RANGE)
    light = _beyond(lightness, LIGHTNESS_LIMIT) + _beyond(strength, limit) * hue / np.maximum(strength, TINY)
    weight = weight[..., None]
    light = (1 - KEPT) * light.astype(np.float32)
    around = _continued(light, weight[..., 0])
    beside = cv2.resize(brows_and_lids, small, interpolation=cv2.INTER_AREA)[..., None]
    light = weight * light + beside * (1 - weight) * around
    return cv2.resize(light, full, interpolation=cv2.INTER_LINEAR)


def _beyond(values: np.ndarray, limit: float | np.ndarray) -> np.ndarray:
    """What of values goes beyond a soft limit."""
    return np.asarray(values - limit * np.tanh(values / limit))


def _continued(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Values (h, w, 3) where their weight (h, w) is large, elsewhere the mean of those around."""
    total = cv2.GaussianBlur(np.dstack([values * weight[..., None], weight]), (0, 0), FILL_SIGMA)
    around = total[..., :3] / np.maximum(total[..., 3:], TINY)
    return np.where(weight[..., None] > PLAIN, values, around)


def _median(values: np.ndarray) -> np.ndarray:
    """(h, w) float32: the medians around values (h, w)."""
    steps = np.clip(np.round(values / STEP) + 128, 0, 255).astype(np.uint8)
    filtered = (cv2.medianBlur(steps, MEDIAN).astype(np.float32) - 128) * np.float32(STEP)
    return cv2.GaussianBlur(filtered, (0, 0), STEP_SIGMA)
