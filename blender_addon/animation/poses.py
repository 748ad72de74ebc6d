"""Ten expressions, as values of Apple's shapes: to be set, and as Actions that are assets. Needs bpy."""

import bpy
import numpy as np

from ..blender import actions
from ..heads.expressions import POSE_NAMES, pose_values
from . import sliders
from .live_link_csv import SHAPES

#: Tag of the assets.
TAG = "Photobust"


def apply_pose(head: bpy.types.Object, name: str, strength: float = 1.0) -> None:
    """Set a head's shapes to a pose, and no others."""
    sliders.set_values(head, {shape: strength * value for shape, value in pose_values(name).items()})


def add_pose_assets(head: bpy.types.Object) -> list[bpy.types.Action]:
    """Make an Action of each pose, marked as an asset; those that are there already are made anew.

    Args:
        head: The head, whose animation stays as it is.

    Returns:
        The Actions, with a key for each of the head's 52 shapes at frame 1.
    """
    made = []
    keys = head.data.shape_keys
    known = [shape for shape in SHAPES if shape in keys.key_blocks]  # neither visemes nor an artist's own
    before = keys.animation_data is not None
    kept = actions.assignment(keys)
    try:
        for name in POSE_NAMES:
            title = f"{head.name} {name}"
            old = bpy.data.actions.get(title)
            if old is not None and (old.asset_data is None or TAG not in old.asset_data.tags):
                old = None  # somebody's own
            if old is not None:
                old.name = f"{title} before"
            action = bpy.data.actions.new(title)
            curves = actions.assign(keys, action)
            if old is not None:
                if kept[0] == old:  # the head is in this pose
                    kept = actions.assignment(keys)
                old.user_remap(action)
                bpy.data.actions.remove(old)
            values = pose_values(name)
            for shape in known:
                value = np.array([values.get(shape, 0.0)])
                actions.set_keys(curves, f'key_blocks["{shape}"].value', np.array([1.0]), value)
            action.use_fake_user = True
            action.asset_mark()
            action.asset_data.description = f"{name}: values of the 52 blendshapes of a head"
            action.asset_data.tags.new(TAG)
            made.append(action)
    finally:
        if before:
            actions.assign_again(keys, kept)
        else:
            keys.animation_data_clear()
    return made
