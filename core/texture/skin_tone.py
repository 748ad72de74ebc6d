"""Exposure and white balance of skin: brings a photographed tone to what the skin's albedo probably is.

A dark face may be dark skin in good light or light skin in little. What tells them apart is in the face
itself: how far lips, brows, irises and the whites of the eyes stand out of the skin, and how it shines
(`face_colors`), which no exposure changes. How much each is worth was learned from portraits whose skin was
judged by eye. The tone as photographed counts beside it, the less the further it is off. The hue is that of
measured skin of this lightness (`skin_locus`), and half of what the person's differs from others' in photos.
"""

from typing import TYPE_CHECKING

import cv2
import numpy as np

from ..image.color import LUMINANCE, linear_of_bytes_float32
from .skin_locus import LIGHTNESS_RANGE, luminance_of, skin_color
from .tone_correction import ToneCorrection

if TYPE_CHECKING:
    from ..template.regions import Regions
    from .albedo_model import AlbedoModel
    from .face_colors import FaceColors

#: Value of the region of plain skin from which on a vertex has the person's tone.
PLAIN = 0.9
#: Side of the picture that a photo's colors are judged by, pixels.
SMALL_SIZE = 64
#: Contrasts beyond so many standard deviations are as good as at that.
MAX_DEVIATIONS = 2.5
#: By how much, natural logarithm, photos show skin lighter than its albedo: half of the portraits more.
PHOTO_EXCESS = 0.12
#: How much of the difference between the lightness as photographed and that by the face's contrasts counts,
#: and the difference, natural logarithm, at which only half of that does: great ones are the exposure's.
PHOTO_WEIGHT = 0.65
PHOTO_RANGE = 0.6
#: How much of what a person's hue differs from others' in photos is the person's: as much as makes measured
#: people vary of what makes portraits vary, and the rest is the light's.
OWN_HUE = 0.5
#: How far from usual skin's the hue is at most, natural logarithm.
MAX_HUE = 0.15
#: How far, standard deviations, a tone's hue may be from what people of its lightness have in photos, before
#: that is strongly colored light.
EXTREME_HUE = 3.0
#: How often light's color and the lightness, which people's hue depends on, are found in turn.
COLOR_ROUNDS = 3
#: Standard deviation of the logarithm of red over blue in a photo up to which it has no color, and from which
#: on it has.
COLORLESS = (0.03, 0.12)
#: Linear light added before that logarithm.
COLOR_FLOOR = 0.01
#: Least and greatest luminance of skin's albedo, linear.
LUMINANCE_RANGE = (luminance_of(LIGHTNESS_RANGE[0]), luminance_of(LIGHTNESS_RANGE[1]))


def plain_tone(logs: np.ndarray, regions: "Regions") -> np.ndarray:
    """The tone of a face's plain skin.

    Args:
        logs: (V, 3) natural logarithm of colors.
        regions: Of the head.

    Returns:
        (3,) natural logarithm.
    """
    return np.asarray(np.median(logs[regions.plain > PLAIN], axis=0))


def small_picture(rgb: np.ndarray) -> np.ndarray:
    """A photo, averaged down to what its colors are judged by.

    Args:
        rgb: (H, W, 3) uint8 sRGB.

    Returns:
        (64, 64, 3) float32 linear.
    """
    small = cv2.resize(rgb, (SMALL_SIZE, SMALL_SIZE), interpolation=cv2.INTER_AREA)
    return linear_of_bytes_float32()[small]


def colorfulness(colors: np.ndarray) -> float:
    """Whether a photo has colors.

    Args:
        colors: (..., 3) float32 linear, any of it.

    Returns:
        0 if all of them have one hue, be it gray or that of a tinted print, to 1.
    """
    if not colors.size:
        return 1.0
    red, _, blue = np.log(colors.reshape(-1, 3) + np.float32(COLOR_FLOOR)).T
    return float(np.interp((red - blue).std(), COLORLESS, (0, 1)))


def tone_correction(
    model: "AlbedoModel", tone: np.ndarray, rgb: np.ndarray, face: "FaceColors | None" = None
) -> ToneCorrection:
    """What brings a photo's skin to its albedo.

    Args:
        model: Of the albedo.
        tone: (3,) natural logarithm of the plain skin's color, as photographed.
        rgb: (H, W, 3) uint8 sRGB, the photo.
        face: Colors of the face's parts, as photographed, if they are known.
    """
    picture = small_picture(rgb)
    color = light_color(model, tone, picture)
    plain = tone - color
    photographed = float(np.log(np.exp(plain) @ LUMINANCE)) - PHOTO_EXCESS
    lightness = photographed
    if face is not None:
        within = contrast_lightness(model, face.contrasts(color, colorfulness(picture)))
        if within is not None:
            beside = photographed - within
            lightness = within + PHOTO_WEIGHT * beside / (1 + (beside / PHOTO_RANGE) ** 2)
    luminance = float(np.clip(np.exp(lightness), *LUMINANCE_RANGE))
    change = _skin_tone(model, plain, luminance) - plain
    hue = _hue(change)
    return ToneCorrection(change - hue - color, hue, float(plain[0] - plain[2]), color)


def contrast_lightness(model: "AlbedoModel", contrasts: np.ndarray) -> float | None:
    """The skin's lightness by what stands out of it.

    Args:
        model: Of the albedo.
        contrasts: (C,) of `FaceColors.contrasts`; what is not a number counts as usual.

    Returns:
        Natural logarithm of the albedo's luminance; None if nothing is known.
    """
    if np.isnan(contrasts).all():
        return None
    return float(
        contrast_terms(contrasts, model.lightness_mean, model.lightness_deviation) @ model.lightness_weights
    )


def contrast_terms(contrasts: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """What the lightness of skin is a linear function of.

    Args:
        contrasts: (..., C) of `FaceColors.contrasts`.
        mean: (C,) their means.
        deviation: (C,) their standard deviations.

    Returns:
        (..., 2 C + 1) them, in standard deviations, their squares, and a constant.
    """
    scaled = np.nan_to_num(np.clip((contrasts - mean) / deviation, -MAX_DEVIATIONS, MAX_DEVIATIONS))
    return np.concatenate([scaled, scaled**2, np.ones((*scaled.shape[:-1], 1))], -1)


def _skin_tone(model: "AlbedoModel", plain: np.ndarray, luminance: float) -> np.ndarray:
    """(3,) the skin's color, natural logarithm, of a luminance, by the tone that the photo shows (3,)."""
    own = OWN_HUE * (_hue(plain) - _hue(photo_color(model, float(np.log(luminance)))))
    own *= min(1.0, MAX_HUE / max(float(np.linalg.norm(own)), 1e-9))
    logs = skin_color(luminance) + own
    return np.asarray(logs + np.log(luminance / (np.exp(logs) @ LUMINANCE)))


def _hue(logs: np.ndarray) -> np.ndarray:
    """(3,) what of a color (3,), natural logarithm, is not its lightness."""
    return np.asarray(logs - logs @ LUMINANCE)


def photo_color(model: "AlbedoModel", lightness: float) -> np.ndarray:
    """The most usual color of skin in photos.

    Args:
        model: Of the albedo.
        lightness: Weighted mean of its channels' logarithms.

    Returns:
        (3,) natural logarithm of the linear color.
    """
    weights = LUMINANCE.astype(np.float64)
    along = model.tone_covariance @ weights
    beside = lightness - float(model.tone_mean @ weights)
    return np.asarray(model.tone_mean + along * beside / float(weights @ along))


def _hue_of_light(model: "AlbedoModel", tone: np.ndarray, most: float) -> np.ndarray:
    """(3,) what light has added to the hue of a tone (3,), natural logarithms.

    Up to `most` standard deviations of people's of its lightness, nothing; the further it is beyond, the
    less of it is the person's.
    """
    weights = LUMINANCE.astype(np.float64)
    along = model.tone_covariance @ weights
    covariance = model.tone_covariance - np.outer(along, along) / float(weights @ along)
    residual = tone - photo_color(model, float(tone @ weights))
    distance = np.sqrt(max(float(residual @ np.linalg.pinv(covariance, rcond=1e-6) @ residual), 0.0))
    return np.asarray(residual * (1 - min(1.0, (most / max(distance, 1e-9)) ** 2)))


def light_color(model: "AlbedoModel", tone: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """The color of strongly colored light, by skin that is far from people's hues; no cue was learned for it.

    Args:
        model: Of the albedo.
        tone: (3,) natural logarithm of the plain skin's color, as photographed.
        picture: (64, 64, 3) float32 linear, of `small_picture`.

    Returns:
        (3,) float64, natural logarithm by channel; zeros for usual light.
    """
    colored = colorfulness(picture)
    color = np.zeros(3)
    for _ in range(COLOR_ROUNDS):
        color = color + _hue_of_light(model, tone - color, EXTREME_HUE * colored)
        # Filters, lamps and the sky take light away: the strongest channel is as it was. What has no color
        # has the same luminance.
        color = color - colored * color.max() - (1 - colored) * float(color @ LUMINANCE)
    return np.asarray(color)
