"""Spheres."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Sphere:
    """A sphere.

    Attributes:
        center: (3,) float64, meters.
        radius: Meters.
    """

    center: np.ndarray
    radius: float


def fit_sphere(points: np.ndarray) -> Sphere:
    """The sphere through points, by linear least squares.

    Args:
        points: (n, 3) float64, meters.

    Returns:
        The sphere.
    """
    matrix = np.column_stack([2 * points, np.ones(len(points))])
    solution = np.linalg.lstsq(matrix, (points**2).sum(1), rcond=None)[0]
    center = solution[:3]
    return Sphere(center, float(np.sqrt(solution[3] + center @ center)))
