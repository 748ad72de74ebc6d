"""sRGB and linear light (IEC 61966-2-1). numpy, no bpy."""

from functools import cache

import numpy as np

#: Steps of linear light in which bytes are looked up: as many as 16 bits number, 20 for each byte of sRGB in
#: the darkest shadows.
STEPS = 65535


def srgb_to_linear(srgb: np.ndarray) -> np.ndarray:
    """Decode sRGB.

    Args:
        srgb: Values in sRGB, 0..1, of any shape, float.

    Returns:
        Linear light, 0..1, of the same shape and type.
    """
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(linear: np.ndarray) -> np.ndarray:
    """Encode linear light as sRGB.

    Args:
        linear: Linear light, 0..1, of any shape, float.

    Returns:
        Values in sRGB, 0..1, of the same shape and type.
    """
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * np.maximum(linear, 0) ** (1 / 2.4) - 0.055)


def linear_to_bytes(linear: np.ndarray) -> np.ndarray:
    """Encode linear light as bytes of sRGB.

    Args:
        linear: Linear light of any shape, float; clipped to 0..1.

    Returns:
        uint8 of the same shape. One or two values in a thousand are rounded the other way: they are looked up
        in a table, which takes a tenth of the time of powers.
    """
    steps = np.clip(linear, 0.0, 1.0) * np.float32(STEPS) + np.float32(0.5)
    return _bytes_of_steps()[steps.astype(np.uint16)]


@cache
def _bytes_of_steps() -> np.ndarray:
    """(STEPS + 1,) uint8 sRGB of linear light from 0 to 1."""
    return np.rint(linear_to_srgb(np.arange(STEPS + 1) / STEPS) * 255.0).astype(np.uint8)
