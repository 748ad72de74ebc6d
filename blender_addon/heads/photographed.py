"""Shows a head as photographed while it is corrected, whatever its pose and expression are. Needs bpy.

The armature goes into its rest position, and the object shows one shape key alone: that of the main photo, or
one that is there only meanwhile, the head in a further photo of the person. Bones, values of shape keys and
their drivers stay untouched. What was set before is kept with the data, so that it can be restored even if
the file is saved, or a step of the undo history restored, meanwhile.
"""

import bpy
import numpy as np

from ..blender.coordinates import coordinates
from .armature import rig_of
from .build import PHOTO_SHAPE

#: The custom property of head and armature that keeps what was set before.
KEPT = "photobust_before_correction"
#: The shape key that shows the head in a further photo.
VIEW_SHAPE = "Photo being corrected"


def show_as_photographed(head: bpy.types.Object, opened: np.ndarray | None = None) -> None:
    """Show a head as photographed, until `restore_all`; nothing changes if it is shown so already.

    Args:
        head: The head.
        opened: (V, 3) what a further photo's expression differs by from that of the main photo, meters; None
            to show the head as in the main photo.
    """
    rig = rig_of(head)
    if rig is not None and rig.data.pose_position != "REST":
        rig.data[KEPT] = True  # it was posed
        rig.data.pose_position = "REST"
    if head.data is None or head.data.shape_keys is None:
        return
    before = (head.show_only_shape_key, head.active_shape_key_index)
    keys = head.data.shape_keys.key_blocks
    if opened is None:
        _remove_view(head)
    elif VIEW_SHAPE not in keys:
        head.shape_key_add(name=VIEW_SHAPE, from_mix=False).value = 0.0
        set_view(head, opened)
    name = PHOTO_SHAPE if opened is None else VIEW_SHAPE
    shown = (True, max(keys.find(name), 0))
    if before != shown:
        # Another key may be chosen meanwhile: what was before that is kept.
        if KEPT not in head:
            head[KEPT] = [int(value) for value in before]
        head.show_only_shape_key, head.active_shape_key_index = shown


def set_view(head: bpy.types.Object, opened: np.ndarray) -> None:
    """Let the shape key of a further photo, if it is there, be that of the main photo and something more.

    Args:
        head: The head.
        opened: See `show_as_photographed`.
    """
    keys = head.data.shape_keys.key_blocks
    view = keys.get(VIEW_SHAPE)
    if view is None:
        return
    points = coordinates((keys.get(PHOTO_SHAPE) or keys[0]).data) + opened.astype(np.float32)
    view.data.foreach_set("co", points.ravel())
    head.data.update()


def shown_shape(head: bpy.types.Object) -> bpy.types.ShapeKey:
    """The shape key that has the head as the photo that is being corrected over shows it."""
    keys = head.data.shape_keys.key_blocks
    return keys.get(VIEW_SHAPE) or keys.get(PHOTO_SHAPE) or keys[0]


def restore_all() -> None:
    """Give all heads of the file back the pose and the expression that they had."""
    for armature in bpy.data.armatures:
        if KEPT in armature:
            armature.pose_position = "POSE"
            del armature[KEPT]
    for head in bpy.data.objects:
        if KEPT in head:
            _remove_view(head)
            alone, index = head[KEPT]
            head.show_only_shape_key, head.active_shape_key_index = bool(alone), index
            del head[KEPT]


def _remove_view(head: bpy.types.Object) -> None:
    if head.data is None or getattr(head.data, "shape_keys", None) is None:
        return
    view = head.data.shape_keys.key_blocks.get(VIEW_SHAPE)
    if view is not None:
        head.shape_key_remove(view)
