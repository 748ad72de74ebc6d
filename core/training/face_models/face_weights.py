"""How much each vertex of the template counts in fits and errors."""

import numpy as np


def face_weights(mean: np.ndarray) -> np.ndarray:
    """Weights of the template's vertices: the face counts nine times the back of the head.

    Args:
        mean: (V, 3) the average head's vertices, head frame, meters.

    Returns:
        (V,) weights, sum 1.
    """
    front = 1 / (1 + np.exp((mean[:, 1] - 0.045) / 0.012))
    height = 1 / (1 + np.exp((-0.135 - mean[:, 2]) / 0.008))
    weight = 0.125 + front * height
    return weight / weight.sum()
