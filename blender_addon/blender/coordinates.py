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
    return read_vectors(points, "co")


def read_vectors(items: bpy.types.bpy_prop_collection, name: str) -> np.ndarray:
    """A property of three numbers of all items of a collection.

    Args:
        items: The collection.
        name: Of the property.

    Returns:
        (N, 3) float32.
    """
    values = np.empty(3 * len(items), np.float32)
    items.foreach_get(name, values)
    return values.reshape(-1, 3)
