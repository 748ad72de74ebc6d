"""Where Blender's points are, as numpy arrays. Needs bpy."""

import bpy
import numpy as np


def coordinates(points: bpy.types.bpy_prop_collection) -> np.ndarray:
    """The coordinates of a mesh's vertices, or of the points of a shape key or of curves.

    Args:
        points: All of them, as Blender has them: each has `co`.

    Returns:
        (N, 3) float32, the object's own frame.
    """
    values = np.empty(3 * len(points), np.float32)
    points.foreach_get("co", values)
    return values.reshape(-1, 3)
