"""A head's landmarks as empties that move with it. Needs bpy."""

import re

import bpy
import numpy as np

from .lookup import collection_of

#: Custom property of such an empty: the landmark's number, counted as MediaPipe and iBUG do.
INDEX = "photobust_landmark"
SIZE = 0.0012
#: Name of their collection; Blender counts those of one name.
COLLECTION = re.compile(r".*landmarks(\.\d+)?")


def landmarks_of(head: bpy.types.Object) -> list[bpy.types.Object]:
    """The head's landmark empties."""
    return [child for child in head.children if INDEX in child]


def add_landmarks(head: bpy.types.Object, points: np.ndarray, first: int) -> bpy.types.Collection:
    """Add a head's landmarks as empties that are its children.

    Args:
        head: The head.
        points: (N, 3) float64, head frame, meters; NaN for those that are missing.
        first: The first landmark's number.

    Returns:
        The empties' collection, inside the head's.
    """
    name = f"{head.name} landmarks"
    collection = bpy.data.collections.new(name)
    collection_of(head, bpy.context.scene).children.link(collection)
    for number, point in enumerate(points.tolist(), first):
        if point[0] != point[0]:  # NaN
            continue
        empty = bpy.data.objects.new(f"{name} {number:03d}", None)
        empty.empty_display_type = "SPHERE"
        empty.empty_display_size = SIZE
        empty.parent = head
        empty.location = point
        empty[INDEX] = number
        collection.objects.link(empty)
    return collection


def remove_landmarks(head: bpy.types.Object) -> None:
    """Take them away, and their collection if nothing else was put into it."""
    empties = landmarks_of(head)
    collections = {collection for empty in empties for collection in empty.users_collection}
    bpy.data.batch_remove(empties)
    for collection in collections:
        if not collection.objects and not collection.children and COLLECTION.fullmatch(collection.name):
            bpy.data.collections.remove(collection)
