"""The values of a head's shapes, wherever they are set: at the shape keys or, driven, at the armature.

Needs bpy.
"""

from collections.abc import Mapping

import bpy

from ..heads.armature import drives_shapes, rig_of
from ..heads.build import PHOTO_SHAPE
from . import face_groups


def shapes_of(head: bpy.types.Object) -> list[str]:
    """The shapes that a face is posed with: all but the base and the photo's expression."""
    keys = head.data.shape_keys.key_blocks if head.data.shape_keys else []
    return [key.name for key in keys[1:] if key.name != PHOTO_SHAPE] if keys else []


def owner_of(head: bpy.types.Object, shape: str) -> tuple[bpy.types.bpy_struct, str]:
    """What has a shape's value, and the path to it from there, as layouts and curves want them.

    Where bones drive shapes, the driven ones' values are custom properties of the armature.

    Returns:
        (a shape key, "value") or (the armature, '["jawOpen"]').
    """
    rig = rig_of(head)
    if rig is not None and drives_shapes(rig) and shape in rig:
        return rig, f'["{shape}"]'
    return head.data.shape_keys.key_blocks[shape], "value"


def value_of(head: bpy.types.Object, shape: str) -> float:
    """The value that a shape is set to, without what bones add."""
    owner, path = owner_of(head, shape)
    return float(owner[shape] if path != "value" else owner.value)


def set_value(head: bpy.types.Object, shape: str, value: float) -> None:
    """Set a shape's value."""
    owner, path = owner_of(head, shape)
    if path == "value":
        owner.value = value
    else:
        owner[shape] = value
        owner.update_tag()
    head.data.update_tag()


def set_values(head: bpy.types.Object, values: Mapping[str, float]) -> None:
    """Set the values of these shapes, and all others to 0."""
    for shape in shapes_of(head):
        set_value(head, shape, values.get(shape, 0.0))


def reset(head: bpy.types.Object, group: str | None = None) -> None:
    """Set the shapes of a group to 0; without a group all, the photo's expression and the bones' pose."""
    for shape in shapes_of(head):
        if group in (None, face_groups.group_of(shape)):
            set_value(head, shape, 0.0)
    if group is not None:
        return
    keys = head.data.shape_keys.key_blocks
    if PHOTO_SHAPE in keys:
        keys[PHOTO_SHAPE].value = 0.0
    rig = rig_of(head)
    for bone in rig.pose.bones if rig is not None else []:
        bone.matrix_basis.identity()


def flip(head: bpy.types.Object) -> None:
    """Swap the values of left and right."""
    values = {shape: value_of(head, shape) for shape in shapes_of(head)}
    for shape in values:
        other = face_groups.mirrored(shape)
        if other in values:
            set_value(head, shape, values[other])
