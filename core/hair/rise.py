"""How hair rises from its hairline."""

import numpy as np

#: Thickness of hair at its line, meters, in the volume: less would slip through between the grid's points.
LINE_HEIGHT = 0.0018
#: How steep hair rises from its line, and how much steeper for each meter from it.
SLOPE = 0.5
STEEPER = 110.0


def rise(inside: np.ndarray) -> np.ndarray:
    """How high hair may be over the skin.

    Args:
        inside: (N,) distances from the hairline, meters, 0 and more.

    Returns:
        (N,) meters.
    """
    return np.asarray(inside * (SLOPE + STEEPER * inside))
