"""A target that a head's eyes look at. Needs bpy."""

from math import radians

import bpy
from mathutils import Matrix, Vector

from ..heads.armature import EYE_LOOK_DEG, EYES, rig_of

#: Name of the constraints.
CONSTRAINT = "Photobust Look"
LIMIT = "Photobust Limit"
#: Custom property of the target: that it is one.
MARK = "photobust_look_target"
#: Where a new target is: so far in front of the eyes, meters.
DISTANCE = 0.6
#: Size of its display, meters.
DISPLAY_SIZE = 0.03
#: How far eyes turn to the sides, as a multiple of how far they turn up and down.
SIDEWAYS = 1.4


def target_of(head: bpy.types.Object) -> bpy.types.Object | None:
    """The target that a head's eyes look at; None if they look where their bones point."""
    rig = rig_of(head)
    if rig is None:
        return None
    for bone in EYES.values():
        constraint = rig.pose.bones[bone].constraints.get(CONSTRAINT) if bone in rig.pose.bones else None
        if constraint is not None and constraint.target is not None:
            return constraint.target
    return None


def add_target(head: bpy.types.Object, collection: bpy.types.Collection) -> bpy.types.Object | None:
    """Let a head's eyes look at a new empty, straight in front of it.

    The eyes turn as far as eyes do, and no farther. Where bones drive shapes, lids follow.

    Args:
        head: A head with bones.
        collection: Where the empty goes.

    Returns:
        The empty; None if the head has no eyes' bones.
    """
    rig = rig_of(head)
    bones = [bone for bone in EYES.values() if rig is not None and bone in rig.data.bones]
    if rig is None or not bones:
        return None
    remove_target(head)  # the user may have deleted the empty, which leaves the constraints
    target = bpy.data.objects.new(f"{head.name} looks here", None)
    target.empty_display_type = "SPHERE"
    target.empty_display_size = DISPLAY_SIZE
    target[MARK] = True
    collection.objects.link(target)
    middle = sum((Vector(rig.data.bones[bone].head_local) for bone in bones), Vector()) / len(bones)
    # A child: where the head goes, it is still looked at.
    target.parent = rig
    target.matrix_parent_inverse = Matrix.Identity(4)
    target.location = middle + Vector((0.0, -DISTANCE, 0.0))
    for name in bones:
        bone = rig.pose.bones[name]
        look = bone.constraints.new("DAMPED_TRACK")
        look.name, look.target, look.track_axis = CONSTRAINT, target, "TRACK_Y"
        limit = bone.constraints.new("LIMIT_ROTATION")
        limit.name, limit.owner_space = LIMIT, "LOCAL"
        limit.use_limit_x = limit.use_limit_z = limit.use_limit_y = True
        full = radians(EYE_LOOK_DEG)
        limit.min_x, limit.max_x = -full, full
        limit.min_z, limit.max_z = -SIDEWAYS * full, SIDEWAYS * full
    return target


def remove_target(head: bpy.types.Object) -> None:
    """Let a head's eyes look where their bones point again; the empty goes if nothing else looks at it."""
    rig = rig_of(head)
    if rig is None:
        return
    target = target_of(head)
    for bone in rig.pose.bones:
        for name in (CONSTRAINT, LIMIT):
            if name in bone.constraints:
                bone.constraints.remove(bone.constraints[name])
    if target is not None and MARK in target:
        bpy.data.objects.remove(target)
