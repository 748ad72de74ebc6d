"""Where new heads stand in a scene. Needs bpy."""

from collections.abc import Collection

import bpy
from mathutils import Vector

#: Heads stand side by side along x, this far apart, meters.
SPACING = 0.30
#: A head that is nearer than this takes the place, meters: less than SPACING, so that rounding is harmless.
CLEARANCE = 0.25


def free_places(
    scene: bpy.types.Scene, start: Vector, count: int, ignored: Collection[bpy.types.Object] = ()
) -> list[Vector]:
    """Places for new heads where no other reconstructed head stands.

    Args:
        scene: Its heads are left alone, hidden ones too.
        start: The first place, in the world, if it is free; the others are beside it along x.
        count: How many places are wanted.
        ignored: Objects that do not count.

    Returns:
        The places, `SPACING` or more apart.
    """
    taken = [
        ob.matrix_world.translation.copy()
        for ob in scene.objects
        if ob.photobust.is_head and ob not in ignored
    ]
    places: list[Vector] = []
    index = 0
    while len(places) < count:
        place = beside(start, index)
        index += 1
        if all((place - other).length >= CLEARANCE for other in taken):
            places.append(place)
    return places


def beside(start: Vector, index: int) -> Vector:
    """The place number `index` of a row that begins at `start`."""
    return start + Vector((index * SPACING, 0.0, 0.0))
