"""Exposure and white balance of skin: brings a photographed tone to what the skin's albedo probably is.

A dark face may be dark skin in good light or light skin in little. What tells them apart is the white of the
eyes, which has about the same albedo in all people, where the photo shows it; and the rest of the photo: how
light it is, and of what color. No cue is good alone: how much each is worth was learned from portraits made
lighter, darker and tinted, and from rendered heads whose skin is known.
"""

from typing import TYPE_CHECKING

import cv2
import numpy as np

from ..image.color import LUMINANCE, linear_of_bytes_float32

if TYPE_CHECKING:
    from .albedo_model import AlbedoModel

#: Which of the features is the greatest quantile, and which says whether the white of the eyes is seen.
HIGHLIGHTS = 8
WHITE_SEEN = 13
#: Side of the picture that a photo's exposure is judged by, pixels.
SMALL_SIZE = 64
#: Quantiles of luminance that say how a photo is exposed.
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
#: Linear light below which logarithms say nothing.
DARK = 2e-3
#: Linear light from which on a pixel is clipped.
CLIPPED = 0.98
#: Features beyond so many standard deviations are as good as at that.
MAX_DEVIATIONS = 2.5
#: Corrections of lightness and of hue, natural logarithms, that are too small to be certain of. Greater ones
#: are made less, the less the greater they are.
LIGHTNESS_THRESHOLD = 0.14
HUE_THRESHOLD = 0.05
#: Power of threshold over correction that is taken off, as a fraction of the correction.
SHRINKAGE_POWER = 4
#: Lightness is corrected by less than this, natural logarithm, which great corrections come near.
MOST_LIGHTNESS = 0.8
#: The same where the white of the eyes is not seen: what is behind people is no good measure of light. It
#: goes over into the other as the lightest hundredths of the photo get darker than any in good light, linear.
MOST_WITHOUT_WHITE = 0.35
DARK_HIGHLIGHTS = (0.40, 0.20)
#: By how much, natural logarithm, skin may be lighter than the white of the eyes: beyond, that is not seen in
#: good light, or is no white.
DARKEST_WHITE = 0.6
#: Ratio of red to blue, natural logarithm, from which on it is skin between narrow lids, of the skin's.
REDDEST_WHITE = 0.8
#: Luminance, linear, of the white at which a face begins to be in the dark, whatever the rest of the photo is
#: like, and is: the darkest of 52 portraits has 0.08.
DARK_WHITES = (0.08, 0.03)
#: The lightness of skin, natural logarithm of its albedo's luminance, by how much lighter it is than the
#: white of the eyes in the photo: intercept and slope of the regression on the 60 portraits that show the
#: white well. The slope is less than 1, as lids shade deep-set eyes.
SKIN_BY_WHITE = (-1.58, 0.672)
#: How far a tone's hue may be from what people of its lightness have, standard deviations: monochrome photos,
#: and those in colored light, are further off.
MAX_HUE_DEVIATIONS = 2.0
#: The same from which on light is strongly colored.
EXTREME_HUE = 3.0
#: How often light's color and the lightness, which people's hue depends on, are found in turn.
COLOR_ROUNDS = 3
#: Standard deviation of the logarithm of red over blue in a photo up to which it has no color, and from which
#: on it has.
COLORLESS = (0.03, 0.12)
#: Linear light added before that logarithm.
COLOR_FLOOR = 0.01
#: Mean and standard deviation of the natural logarithm of a photo's highlight, linear.
USUAL_HIGHLIGHT = (-0.25, 0.35)
#: Standard deviation of skin's lightness by that of the white of the eyes, natural logarithm.
SKIN_BY_WHITE_DEVIATION = 0.3
#: Darkness, natural logarithm, from which on a photo counts as one in extremely little light, and does fully.
EXTREME_DARK = (0.9, 1.3)
#: The same where the white of the eyes is not seen.
EXTREME_DARK_WITHOUT_WHITE = (1.2, 1.7)
#: Least and greatest luminance of skin's albedo, linear.
LUMINANCE_RANGE = (0.04, 0.45)


def small_picture(rgb: np.ndarray) -> np.ndarray:
    """A photo, averaged down to what its exposure is judged by.

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


def exposure_features(
    tone: np.ndarray, picture: np.ndarray, eye_white: np.ndarray | None = None
) -> np.ndarray:
    """What says how a photo is exposed and balanced.

    Args:
        tone: (3,) natural logarithm of the plain skin's color, as photographed.
        picture: (64, 64, 3) float32 linear, of `small_picture`.
        eye_white: (3,) linear, the white of the eyes, as photographed; None where the photo does not show it.

    Returns:
        (18,) float64.
    """
    colors = picture.reshape(-1, 3).astype(np.float64)
    quantiles = np.log(np.maximum(np.quantile(colors @ LUMINANCE, QUANTILES), DARK))
    mean = np.log(np.maximum(colors.mean(0), DARK))
    lightness = float(tone @ LUMINANCE)
    white = np.zeros(5)
    if eye_white is not None:
        logs = np.log(np.maximum(eye_white, DARK))
        light = lightness - np.log(max(float(eye_white @ LUMINANCE), DARK)) < DARKEST_WHITE
        if light and logs[0] - logs[2] < REDDEST_WHITE * (tone[0] - tone[2]):
            white = np.array([1.0, *logs, lightness])
    return np.concatenate([tone, quantiles, mean, [(colors > CLIPPED).mean()], white])


def tone_gain(
    model: "AlbedoModel", tone: np.ndarray, rgb: np.ndarray, eye_white: np.ndarray | None = None
) -> np.ndarray:
    """What linear colors have to be multiplied by to be the skin's albedo.

    Args:
        model: Of the albedo.
        tone: (3,) natural logarithm of the plain skin's color, as photographed.
        rgb: (H, W, 3) uint8 sRGB, the photo.
        eye_white: (3,) linear, the white of the eyes, as photographed; None where the photo does not show it.

    Returns:
        (3,) float64.
    """
    picture = small_picture(rgb)
    color = light_color(model, tone, picture)
    plain, white = tone - color, None if eye_white is None else eye_white * np.exp(-color)
    features = exposure_features(plain, np.clip(picture * np.exp(-color), 0, 1), white)
    deviations = np.clip(
        (features - model.exposure_mean) / model.exposure_deviation, -MAX_DEVIATIONS, MAX_DEVIATIONS
    )
    excess = deviations @ model.exposure_weights[:-1] + model.exposure_weights[-1]
    lightness = float(excess @ LUMINANCE)
    hue = excess - lightness
    lightness *= kept_fraction(abs(lightness), LIGHTNESS_THRESHOLD)
    most, extreme = MOST_LIGHTNESS, EXTREME_DARK_WITHOUT_WHITE
    white_lightness = None
    if white is not None and features[WHITE_SEEN]:
        extreme = EXTREME_DARK
        white_lightness = float(np.log(white @ LUMINANCE))
        lightness = _in_the_dark(lightness, float(plain @ LUMINANCE), white_lightness)
    else:
        limits = (MOST_WITHOUT_WHITE, MOST_LIGHTNESS)
        most = float(np.interp(-features[HIGHLIGHTS], -np.log(DARK_HIGHLIGHTS), limits))
    lightness = most * np.tanh(lightness / most)
    dark = _probable_excess(model, float(plain @ LUMINANCE), float(features[HIGHLIGHTS]), white_lightness)
    lightness += float(np.interp(-dark, extreme, (0, 1))) * (min(dark, lightness) - lightness)
    hue = hue * kept_fraction(float(np.linalg.norm(hue)), HUE_THRESHOLD)
    logs = _in_range(_probable_hue(model, _in_range(plain - lightness - hue)))
    return np.asarray(np.exp(logs - tone))


def kept_fraction(size: float, threshold: float) -> float:
    """The fraction of a correction that is made: small ones say nothing, great ones are no error.

    The garrote of L. Breiman, "Better subset regression using the nonnegative garrote", 1995, with a power of
    its own.

    Args:
        size: Of the correction, natural logarithm, >= 0.
        threshold: Up to which nothing is made of it.

    Returns:
        0..1.
    """
    return max(1 - (threshold / max(size, 1e-9)) ** SHRINKAGE_POWER, 0.0)


def _in_the_dark(excess: float, skin: float, white: float) -> float:
    """How much too light a photo is, when faces before a bright background are thought of, too.

    Args:
        excess: By all cues, natural logarithm.
        skin: Lightness of the plain skin, as photographed, natural logarithm.
        white: That of the white of the eyes.

    Returns:
        Natural logarithm.
    """
    darkness = float(np.interp(-white, -np.log(DARK_WHITES), (0, 1)))
    intercept, slope = SKIN_BY_WHITE
    by_white = skin - (intercept + slope * (skin - white))
    return (1 - darkness) * excess + darkness * min(excess, by_white)


def _in_range(tone: np.ndarray) -> np.ndarray:
    """The tone (3,), natural logarithm, its luminance brought into LUMINANCE_RANGE."""
    luminance = float(np.exp(tone) @ LUMINANCE)
    return np.asarray(tone + np.log(np.clip(luminance, *LUMINANCE_RANGE) / luminance))


def _probable_hue(model: "AlbedoModel", tone: np.ndarray) -> np.ndarray:
    """The tone (3,), natural logarithm, its hue within MAX_HUE_DEVIATIONS of people's of its lightness."""
    return tone - _hue_of_light(model, tone, MAX_HUE_DEVIATIONS)


def _hue_of_light(model: "AlbedoModel", tone: np.ndarray, most: float) -> np.ndarray:
    """(3,) what light has added to the hue of a tone (3,), natural logarithms.

    Up to `most` standard deviations of people's of its lightness, nothing; the further it is beyond, the
    less of it is the person's.
    """
    weights = LUMINANCE.astype(np.float64)
    along = model.tone_covariance @ weights
    variance = float(weights @ along)
    expected = model.tone_mean + along * float((tone - model.tone_mean) @ weights) / variance
    covariance = model.tone_covariance - np.outer(along, along) / variance
    residual = tone - expected
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


def _probable_excess(
    model: "AlbedoModel", skin: float, highlight: float, white: float | None = None
) -> float:
    """How much too light a photo probably is, natural logarithm, if any exposure is as likely as another.

    Args:
        model: Of the albedo.
        skin: Lightness of the plain skin, as photographed, natural logarithm.
        highlight: That of the lightest fiftieth of the photo.
        white: That of the white of the eyes; None where the photo does not show it.
    """
    usual = float(model.tone_mean @ LUMINANCE)
    deviation = float(np.sqrt(LUMINANCE @ model.tone_covariance @ LUMINANCE))
    if white is not None:
        intercept, slope = SKIN_BY_WHITE
        usual, deviation = intercept + slope * (skin - white), SKIN_BY_WHITE_DEVIATION
    excesses = np.array([skin - usual, highlight - USUAL_HIGHLIGHT[0]])
    return float(np.average(excesses, weights=np.array([deviation, USUAL_HIGHLIGHT[1]]) ** -2.0))
