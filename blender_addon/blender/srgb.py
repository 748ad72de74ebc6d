"""sRGB and linear light (IEC 61966-2-1). numpy, no bpy."""

import numpy as np


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
        uint8 of the same shape.
    """
    return np.rint(linear_to_srgb(np.clip(linear, 0.0, 1.0)) * 255.0).astype(np.uint8)
