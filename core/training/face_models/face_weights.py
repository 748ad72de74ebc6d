"""How much each vertex of the template counts in fits and errors."""

import numpy as np


def face_weights(mean: np.ndarray) -> np.ndarray:
    """(V,) weights of the template's vertices, sum 1: the face counts eight times the back of the head."""
    front = 1 / (1 + np.exp((mean[:, 1] - 0.045) / 0.012))
    height = 1 / (1 + np.exp((-0.135 - mean[:, 2]) / 0.008))
    weight = 0.125 + front * height
    return weight / weight.sum()
