"""Exposure and white balance of skin: brings a photographed tone into the range of real albedo."""

import numpy as np

from ..image.color import LUMINANCE
from .albedo_model import AlbedoModel

#: Least and greatest luminance of skin's albedo, linear.
LUMINANCE_RANGE = (0.045, 0.42)


def tone_gain(model: AlbedoModel, tone: np.ndarray) -> np.ndarray:
    """What linear colors have to be multiplied by.

    Args:
        model: Of the albedo.
        tone: (3,) natural logarithm of the plain skin's color, as photographed.

    Returns:
        (3,) float64.
    """
    luminance = float(np.exp(tone) @ LUMINANCE)
    return np.full(3, np.clip(luminance, *LUMINANCE_RANGE) / max(luminance, 1e-6))
