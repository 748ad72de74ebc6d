"""Which triangles of a head are visible from outside: none in nostrils, in the mouth, in folds of ears."""

import numpy as np
from scipy.spatial.transform import Rotation

from ..rasterize import rasterize_perspective

#: A triangle visible from fewer of 54 directions is taken to lie in a nostril or a fold of an ear.
MIN_VIEWS = 7


def visible_triangles(
    vertices: np.ndarray, triangles: np.ndarray, min_views: int = MIN_VIEWS, size: int = 512
) -> np.ndarray:
    """Which triangles of a head are visible from outside; the others lie in a nostril or a fold of an ear.

    Args:
        vertices: (V, 3) float, head frame, meters.
        triangles: (T, 3) int32, outward.
        min_views: of 54 directions around the head, from how many a visible triangle has to be seen.
        size: side of the pictures in which this is tested, pixels.

    Returns:
        (T,) bool.
    """
    views = np.zeros(len(triangles), int)
    middle = (vertices.min(0) + vertices.max(0)) / 2
    reach = np.linalg.norm(vertices - middle, axis=1).max()
    for yaw in range(0, 360, 20):
        for pitch in (-50, -10, 30):
            turn = Rotation.from_euler("xz", [pitch, yaw], degrees=True).as_matrix()
            points = (vertices - middle) @ turn.T / reach
            half = (size - 1) / 2
            # Far away: as good as parallel.
            depth = 100 + points[:, 1]
            screen = np.stack([half + half * points[:, 0], half - half * points[:, 2], depth], 1)
            index = rasterize_perspective(screen.astype(np.float32), triangles, size, size)[0]
            views[np.unique(index[index >= 0])] += 1
    return views >= min_views
