"""Pictures of more than 8 bits a channel become pictures of 8 bits."""

import numpy as np

#: Values that stand for white, smallest first: 1 in floating point, else those of 8, 10, 12 and 16 bits. A
#: picture of 14 bits cannot be told from a dark one of 16, and counts as that.
WHITE_LEVELS = (1.0, 255.0, 1023.0, 4095.0, 65535.0)
#: Floating-point pictures may hold highlights brighter than white; what reaches further has another scale.
BRIGHTEST_HIGHLIGHT = 16.0


def white_level(values: np.ndarray) -> float:
    """The value of white: the smallest usual one that no value exceeds.

    Args:
        values: A picture of any shape and number type.
    """
    highest = float(values.max(initial=0))
    if values.dtype.kind == "f" and highest <= BRIGHTEST_HIGHLIGHT:
        return 1.0
    return next((white for white in WHITE_LEVELS if highest <= white), highest)


def to_8_bits(values: np.ndarray, white: float | None = None) -> np.ndarray:
    """Turn a picture into one of 8 bits a channel; what is not finite becomes black.

    Args:
        values: (H, W, ...), of any number type; 0 is black.
        white: The value of white; by default `white_level` finds it.

    Returns:
        uint8 of the same shape.
    """
    if values.dtype.kind == "f":
        values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    factor = 255.0 / (white or white_level(values))
    result = np.empty(values.shape, np.uint8)
    for row, target in zip(values, result, strict=True):  # row by row: floating-point copies stay small
        target[...] = np.clip(row * factor, 0, 255).round()
    return result
