"""Exposure and white balance of skin: brings a photographed tone to what the skin's albedo probably is.

A dark face may be dark skin in good light or light skin in little. What tells them apart is the white of the
eyes, which has about the same albedo in all people, where the photo shows enough of it; and the rest of the
photo: how light it is, and of what color on average. What that says was learned from portraits made lighter,
darker and tinted.
"""

from typing import TYPE_CHECKING

import cv2
import numpy as np

from ..image.color import LUMINANCE, linear_of_bytes_float32

if TYPE_CHECKING:
    from .albedo_model import AlbedoModel

#: Side of the picture that a photo's exposure is judged by, pixels.
SMALL_SIZE = 64
#: Quantiles of luminance that say how a photo is exposed.
QUANTILES = (0.1, 0.5, 0.9, 0.98)
#: Linear light below which logarithms say nothing.
DARK = 2e-3
#: Linear light from which on a pixel is clipped.
CLIPPED = 0.98
#: Features beyond so many standard deviations are as good as at that.
MAX_DEVIATIONS = 2.5
#: Corrections of lightness and of hue, natural logarithms, that are too small to be certain of; greater ones
#: are made less by as much.
LIGHTNESS_THRESHOLD = 0.10
HUE_THRESHOLD = 0.05
#: Fraction of the rest that lightness is corrected by: what is behind people is no good measure of light. Of
#: 0.5, 0.7 and 1 this came nearest to the truth on rendered heads.
LIGHTNESS_FRACTION = 0.7
#: The lightness of skin, natural logarithm of its albedo's luminance, by how much lighter it is than the
#: white of the eyes in the photo: intercept and slope of the regression on the 60 portraits that show the
#: white well. The slope is less than 1, as lids shade deep-set eyes.
SKIN_BY_WHITE = (-1.58, 0.672)
#: From here on, natural logarithm, the white is too dark beside the skin to be seen in good light.
DARKEST_WHITE = 0.1
#: Corrections of lightness by the white of the eyes that are too small to be certain of, natural logarithm,
#: and the fraction of the rest that is corrected: people's skin is as far as 0.5 from what their eyes say.
WHITE_THRESHOLD = 0.10
WHITE_FRACTION = 0.5
#: Greatest such correction, natural logarithm, as photos are mostly exposed well; and in a dark photo, in
#: which the white is darker than the darkest of 52 portraits (0.08): it grows over this range of luminance.
MOST_BY_WHITE = 0.2
MOST_IN_THE_DARK = 0.9
DARK_WHITES = (0.08, 0.03)
#: How far a tone's hue may be from what people of its lightness have, standard deviations: monochrome photos,
#: and those in colored light, are further off.
MAX_HUE_DEVIATIONS = 2.0
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


def exposure_features(tone: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """What says how a photo is exposed and balanced.

    Args:
        tone: (3,) natural logarithm of the plain skin's color, as photographed.
        picture: (64, 64, 3) float32 linear, of `small_picture`.

    Returns:
        (15,) float64.
    """
    colors = picture.reshape(-1, 3).astype(np.float64)
    luminance = colors @ LUMINANCE
    quantiles = np.log(np.maximum(np.quantile(luminance, QUANTILES), DARK))
    mean = np.log(np.maximum(colors.mean(0), DARK))
    lightness = float(tone @ LUMINANCE)
    products = [lightness**2, quantiles[1] ** 2, lightness * quantiles[1], lightness * quantiles[2]]
    return np.concatenate([tone, quantiles, mean, [(colors > CLIPPED).mean()], products])


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
    features = exposure_features(tone, small_picture(rgb))
    deviations = np.clip(
        (features - model.exposure_mean) / model.exposure_deviation, -MAX_DEVIATIONS, MAX_DEVIATIONS
    )
    excess = deviations @ model.exposure_weights[:-1] + model.exposure_weights[-1]
    lightness = float(excess @ LUMINANCE)
    hue = excess - lightness
    lightness = LIGHTNESS_FRACTION * np.sign(lightness) * max(abs(lightness) - LIGHTNESS_THRESHOLD, 0)
    hue *= max(1 - HUE_THRESHOLD / max(float(np.linalg.norm(hue)), 1e-9), 0)
    by_white = _excess_by_white(tone, eye_white)
    if by_white is not None:
        lightness = by_white + (1 - WHITE_FRACTION) * lightness
    logs = _in_range(_likely_hue(model, _in_range(tone - lightness - hue)))
    return np.asarray(np.exp(logs - tone))


def _excess_by_white(tone: np.ndarray, eye_white: np.ndarray | None) -> float | None:
    """How much lightness is to be taken by the eyes' white, natural logarithm; None if that says nothing.

    Args:
        tone: (3,) natural logarithm of the plain skin's color, as photographed.
        eye_white: (3,) linear, as photographed.
    """
    if eye_white is None:
        return None
    lighter = float((tone - np.log(np.maximum(eye_white, DARK))) @ LUMINANCE)
    if lighter > DARKEST_WHITE:
        return None
    intercept, slope = SKIN_BY_WHITE
    excess = float(tone @ LUMINANCE) - (intercept + slope * lighter)
    darkness = np.interp(-np.log(eye_white @ LUMINANCE), -np.log(DARK_WHITES), (0, 1))
    most = MOST_BY_WHITE + (MOST_IN_THE_DARK - MOST_BY_WHITE) * darkness
    fraction = WHITE_FRACTION + (1 - WHITE_FRACTION) * darkness
    correction = fraction * np.sign(excess) * max(abs(excess) - WHITE_THRESHOLD, 0)
    return float(np.clip(correction, -most, most))


def _in_range(tone: np.ndarray) -> np.ndarray:
    """The tone (3,), natural logarithm, its luminance brought into LUMINANCE_RANGE."""
    luminance = float(np.exp(tone) @ LUMINANCE)
    return np.asarray(tone + np.log(np.clip(luminance, *LUMINANCE_RANGE) / luminance))


def _likely_hue(model: "AlbedoModel", tone: np.ndarray) -> np.ndarray:
    """The tone (3,), natural logarithm, its hue within MAX_HUE_DEVIATIONS of people's of its lightness."""
    weights = LUMINANCE.astype(np.float64)
    along = model.tone_covariance @ weights
    variance = float(weights @ along)
    expected = model.tone_mean + along * float((tone - model.tone_mean) @ weights) / variance
    covariance = model.tone_covariance - np.outer(along, along) / variance
    residual = tone - expected
    distance = np.sqrt(max(float(residual @ np.linalg.pinv(covariance, rcond=1e-6) @ residual), 0.0))
    return np.asarray(expected + residual * min(1.0, MAX_HUE_DEVIATIONS / max(distance, 1e-9)))
