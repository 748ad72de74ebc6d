"""Patches of light and shade with edges in the skin's colors: sun between leaves, cast shadows, sheen.

Smooth light is told from skin by smooth fields on the mesh. What has edges is told by its size: pigment of
plain skin varies in spots of millimeters, and little from one square centimeter to the next. A median keeps
edges where they are and drops spots; what of it goes beyond what pigment does is taken for light. Dark spots
that the median does not drop, but that stand alone and are no larger than moles, are pigment as a whole.
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
#: Standard deviation, texels, with which plain skin goes on over brows, eyes, lips and beards; and the
#: fraction of the resolution at which that is blurred.
FILL_SIGMA = 6.0
FILL_SCALE = 0.25
#: Standard deviation of the blur, texels, of the darkness of brows and lids that shade may explain.
SHADE_SIGMA = 4.0
#: The same of the lightness of lids, and the soft limit, natural logarithm, of what is theirs.
GLARE_SIGMA = 2.0
GLARE_LIMIT = 0.35
#: Soft limit, natural logarithm, of how much lighter lips are than their lighter half, and their border than
#: the face's tone; and how much lighter, and bluer beside red, they are from where on, surely, it is sheen.
LIP_LIMIT = 0.2
LIP_LIGHTNESS_RANGE = (0.2, 0.5)
LIP_HUE_RANGE = (0.0, 0.2)
#: Weight of lips from which on a texel says what they look like, and how many there have to be.
LIP = 0.7
LEAST_LIPS = 50
#: Weight of plain skin below which it does.
PLAIN = 0.5
#: Darkness, natural logarithm, from which on a texel belongs to a spot, and that of a mole's darkest one; the
#: greatest diameter of its median, texels, a mole of 11 mm; and the least part of the box around it that it
#: fills (a disk: 0.79).
SPOT_DARKNESS = 0.02
MOLE_DARKNESS = 0.2
SPOT_DIAMETER = 19
SPOT_FILL = 0.6
#: Texels around such a spot that are its edge, and the standard deviation of the blur of that.
SPOT_EDGE = 3
SPOT_SIGMA = 1.5
#: Logarithms by which skin is lighter than the face's tone, and blue beside red, from where on and from where
#: on surely it is sheen, too narrow for the median; and the fraction of its lightness that is taken out.
SHEEN_LIGHTNESS_RANGE = (0.10, 0.30)
SHEEN_HUE_RANGE = (0.08, 0.20)
SHEEN_TAKEN = 0.7
#: (3,) one more of blue beside red, no lightness, and no more green than both.
BLUER = np.array([-0.5, 0.0, 0.5]) - np.array([-0.5, 0.0, 0.5]) @ LUMINANCE
#: Less is no length.
TINY = 1e-6


def patch_light(
    colors: np.ndarray, plain: np.ndarray, brows_and_lids: np.ndarray, lids: np.ndarray, mouth: np.ndarray
) -> np.ndarray:
    """How much lighter or darker, and of what other hue, light in patches makes skin.

    Args:
        colors: (S, S, 3) float32, natural logarithm of the skin's colors beside the face's tone, all over a
            texture, with their fine structure where the photo shows it.
        plain: (S, S) float32, 0..1, plain skin; this and the following at that or at WORKING_SIZE.
        brows_and_lids: (S, S) float32, 0..1: the light around them lies on them, too.
        lids: (S, S) float32, 0..1: skin without hair is never much lighter than the rest.
        mouth: (S, S, 2) float32, 0..1: lips, and the skin right around them: what is much lighter and whiter
            than the lighter half of the lips, or than the face, is sheen.

    Returns:
        (S, S, 3) float32, natural logarithm, to be subtracted.
    """
    full = colors.shape[1::-1]
    weight = at_working_size(plain)
    colors = at_working_size(colors)
    wide = cv2.split(_continued(colors, weight))
    light = _beyond_pigment(cv2.merge([_median(channel) for channel in wide]))
    light *= ((1 - KEPT) * (1 - _moles(_lightness(light), weight)))[..., None]
    beside = at_working_size(brows_and_lids) * (1 - weight)
    around = _not_too_light(_continued(light, weight), colors) * beside[..., None]
    light += _narrow_sheen(colors - light)
    light *= weight[..., None]
    light += around
    bare = at_working_size(lids) * (1 - weight)
    light += (bare * _glare(_lightness(colors - light)))[..., None]
    lips, around = cv2.split(at_working_size(mouth))
    some = (lips > 0) | (around > 0)
    if some.any():
        part = _extent(some)
        light[part] += _sheen_of_mouth(colors[part] - light[part], lips[part], around[part])
    return cv2.resize(light, full, interpolation=cv2.INTER_LINEAR)


def at_working_size(values: np.ndarray) -> np.ndarray:
    """Reduce a picture to the resolution that patches are looked for at.

    Args:
        values: (S, S) or (S, S, C) float32.

    Returns:
        (WORKING_SIZE, WORKING_SIZE) or with C channels, float32.
    """
    return cv2.resize(values, (WORKING_SIZE, WORKING_SIZE), interpolation=cv2.INTER_AREA)


def _not_too_light(light: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Light (h, w, 3), natural logarithm, that is to be taken off colors (h, w, 3), with no more shade than
    makes them as light as the face's tone: lids that stand out of the shade around them are not in it.
    """
    shade = np.minimum(_lightness(light), 0)
    darker = cv2.GaussianBlur(np.minimum(_lightness(colors), 0), (0, 0), SHADE_SIGMA)
    return light + (np.maximum(shade, darker) - shade)[..., None]


def _glare(lightness: np.ndarray) -> np.ndarray:
    """(h, w) float32: what of the lightness (h, w) of lids, natural logarithm, no lid's skin has."""
    smooth = cv2.GaussianBlur(np.maximum(lightness, 0), (0, 0), GLARE_SIGMA)
    return np.float32(1 - KEPT) * beyond(smooth, GLARE_LIMIT)


def _sheen_of_mouth(colors: np.ndarray, lips: np.ndarray, around: np.ndarray) -> np.ndarray:
    """(h, w, 3) float32: the sheen of lips (h, w) and the skin around them (h, w), of their colors (h, w, 3)
    beside the face's tone, natural logarithms.
    """
    sheen = around[..., None] * _sheen(colors)
    certain = lips > LIP
    if certain.sum() >= LEAST_LIPS:
        # Lower lips are lighter than upper ones, by their color and by the light.
        own = colors[certain]
        lightness = own @ LUMINANCE
        lighter = own[lightness >= np.median(lightness)]
        sheen += lips[..., None] * _sheen(colors - np.median(lighter, axis=0))
    return np.asarray(sheen, np.float32)


def _extent(some: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns that hold all of some texels (h, w), at least one."""
    row, column = (np.flatnonzero(some.any(axis)) for axis in (1, 0))
    return slice(int(row[0]), int(row[-1]) + 1), slice(int(column[0]), int(column[-1]) + 1)


def _sheen(colors: np.ndarray) -> np.ndarray:
    """(h, w, 3) float32: what of colors (h, w, 3), natural logarithm, is much lighter and whiter than 0."""
    lighter, bluer = _lightness(colors), colors[..., 2] - colors[..., 0]
    share = ramp(lighter, *LIP_LIGHTNESS_RANGE) * ramp(bluer, *LIP_HUE_RANGE)
    excess = np.float32(1 - KEPT) * beyond(np.maximum(lighter, 0), LIP_LIMIT)
    return np.asarray(share[..., None] * (colors + (excess - lighter)[..., None]), np.float32)


def _beyond_pigment(colors: np.ndarray) -> np.ndarray:
    """(h, w, 3) float32: what of colors (h, w, 3), natural logarithm, goes beyond what pigment does."""
    lightness = _lightness(colors)
    hue = colors - lightness[..., None]
    strength = np.sqrt(cv2.transform(hue * hue, np.ones((1, 3), np.float32)))
    warm = ramp(hue[..., 0] - hue[..., 2], *WARM_RANGE)
    limit = np.float32(COLD_LIMIT) + np.float32(WARM_LIMIT - COLD_LIMIT) * warm
    hue *= (beyond(strength, limit) / np.maximum(strength, TINY))[..., None]
    hue += beyond(lightness, LIGHTNESS_LIMIT)[..., None]
    return hue


def _narrow_sheen(colors: np.ndarray) -> np.ndarray:
    """(h, w, 3) float32: light and hue of lines that are lighter and bluer than skin, of colors (h, w, 3),
    natural logarithm, without patches.
    """
    lightness, bluer = _lightness(colors), colors[..., 2] - colors[..., 0]
    sheen = ramp(lightness, *SHEEN_LIGHTNESS_RANGE) * ramp(bluer, *SHEEN_HUE_RANGE)
    light = SHEEN_TAKEN * beyond(lightness, LIGHTNESS_LIMIT)
    return (sheen * light)[..., None] + (sheen * bluer)[..., None] * BLUER.astype(np.float32)


def _moles(lightness: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(h, w) float32, 0..1: spots of the lightness (h, w) of light that are moles, by their weight (h, w) of
    plain skin. Shade of lips, lids and brows is beside them, a mole is not.
    """
    dark = (lightness < -SPOT_DARKNESS) | (weight <= PLAIN)
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(dark.astype(np.uint8), connectivity=8)
    width, height = boxes[:, cv2.CC_STAT_WIDTH], boxes[:, cv2.CC_STAT_HEIGHT]
    mole = np.maximum(width, height) <= SPOT_DIAMETER
    mole &= boxes[:, cv2.CC_STAT_AREA] >= SPOT_FILL * width * height
    mole &= np.bincount(labels[lightness < -MOLE_DARKNESS], minlength=count) > 0
    mole[labels[weight <= PLAIN]] = False
    mole[0] = False  # what is no spot
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * SPOT_EDGE + 1, 2 * SPOT_EDGE + 1))
    spots = cv2.dilate(mole.astype(np.float32)[labels], kernel)
    return cv2.GaussianBlur(spots, (0, 0), SPOT_SIGMA)


def _lightness(colors: np.ndarray) -> np.ndarray:
    """(h, w) float32 of colors (h, w, 3)."""
    return cv2.transform(colors, LUMINANCE.astype(np.float32)[None])


def beyond(values: np.ndarray, limit: np.ndarray | float) -> np.ndarray:
    """What of values goes beyond a soft limit.

    Args:
        values: Of any shape.
        limit: Of the same shape, or one for all; positive.

    Returns:
        Of the shape of the values: nearly nothing below the limit, the rest above it.
    """
    within = np.asarray(values / limit)
    np.tanh(within, out=within)
    within *= limit
    return np.asarray(np.subtract(values, within, out=within))


def _continued(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Values (h, w, 3) where their weight (h, w) is large, elsewhere the mean of those around."""
    every = cv2.merge([*cv2.split(values * weight[..., None]), weight])
    total = cv2.resize(every, None, fx=FILL_SCALE, fy=FILL_SCALE, interpolation=cv2.INTER_AREA)
    total = cv2.GaussianBlur(total, (0, 0), FILL_SIGMA * FILL_SCALE)
    around = total[..., :3] / np.maximum(total[..., 3:], TINY)
    around = cv2.resize(around, weight.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return cv2.copyTo(values, (weight > PLAIN).astype(np.uint8), around)


def _median(values: np.ndarray) -> np.ndarray:
    """(h, w) float32: the medians around values (h, w)."""
    steps = np.clip(np.round(values / STEP) + 128, 0, 255).astype(np.uint8)
    filtered = (cv2.medianBlur(steps, MEDIAN).astype(np.float32) - 128) * np.float32(STEP)
    return cv2.GaussianBlur(filtered, (0, 0), STEP_SIGMA)
