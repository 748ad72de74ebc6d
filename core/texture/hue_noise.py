"""Hues that neither pigment nor blood nor hair has: what noise and coding make of the colors of dark places.

Melanin, blood and gray hair move a color between blue and orange, blood toward magenta, too, where it is red
as well. Purple stubble, green corners of the mouth and yellow necks are noise of the channel that has least
light, and chroma that JPEG kept for blocks only.
"""

import cv2
import numpy as np

from ..geometry.visibility import ramp
from ..image.color import LUMINANCE
from .light_patches import beyond

#: Side of the texture, texels, at which such hues are looked for: 0.7 mm of the face each.
WORKING_SIZE = 512
#: Soft limits, natural logarithm of green beside the mean of red and blue, as the face's tone has it: of what
#: is greener, of what is less green and blue, and of what is less green and red.
GREEN_LIMIT = 0.05
PURPLE_LIMIT = 0.04
RED_LIMIT = 0.20
#: Red beside blue, natural logarithm, over which the limit grows from purple's to red's.
RED_RANGE = (-0.05, 0.15)
#: Standard deviation of the blur, texels, after which hues are judged.
SIGMA = 0.8
#: (3, 2): what changes green or blue by one, and no lightness.
WITHOUT_LIGHTNESS = (np.eye(3)[:, 1:] - LUMINANCE[None, 1:]).astype(np.float32)


def hue_noise(colors: np.ndarray, features: np.ndarray) -> np.ndarray:
    """What of the skin's hue no skin has.

    Args:
        colors: (S, S, 3) float32, natural logarithm of the skin's colors beside the face's tone, all over a
            texture.
        features: (S, S) float32, 0..1, lips, lids and brows: they have other hues.

    Returns:
        (S, S, 3) float32, natural logarithm, to be subtracted; it changes no lightness.
    """
    small, full = (WORKING_SIZE, WORKING_SIZE), features.shape[::-1]
    red, green, blue = cv2.split(cv2.resize(colors, small, interpolation=cv2.INTER_AREA))
    greener = cv2.GaussianBlur(green - (red + blue) / 2, (0, 0), SIGMA)
    warm = ramp(cv2.GaussianBlur(red - blue, (0, 0), SIGMA), *RED_RANGE)
    limit = np.float32(PURPLE_LIMIT) + np.float32(RED_LIMIT - PURPLE_LIMIT) * warm
    limit[greener > 0] = GREEN_LIMIT
    noise = beyond(greener, limit)
    noise *= 1 - cv2.resize(features, small, interpolation=cv2.INTER_AREA)
    # Yellow is a lack of blue, not too much green.
    lack = noise * warm * (noise > 0)
    parts = cv2.resize(cv2.merge([noise - lack, -2 * lack]), full, interpolation=cv2.INTER_LINEAR)
    return cv2.transform(parts, WITHOUT_LIGHTNESS)
