"""Shows a head as photographed while it is corrected, whatever its pose and expression are. Needs bpy.

The armature goes into its rest position, and the object shows one shape key alone. Bones, values of shape
keys and their drivers stay untouched. What was set before is kept with the data, so that it can be restored
even if the file is saved, or a step of the undo history restored, meanwhile.
"""

import bpy

from .armature import rig_of
from .build import PHOTO_SHAPE

#: The custom property of head and armature that keeps what was set before.
KEPT = "photobust_before_correction"


def show_as_photographed(head: bpy.types.Object) -> None:
    """Show a head as photographed, until `restore_all`; nothing changes if it is shown so already."""
    rig = rig_of(head)
    if rig is not None and rig.data.pose_position != "REST":
        rig.data[KEPT] = True  # it was posed
        rig.data.pose_position = "REST"
    if head.data is None or head.data.shape_keys is None:
        return
    shown = (True, max(head.data.shape_keys.key_blocks.find(PHOTO_SHAPE), 0))
    before = (head.show_only_shape_key, head.active_shape_key_index)
    if before != shown:
        # Another key may be chosen meanwhile: what was before that is kept.
        if KEPT not in head:
            head[KEPT] = [int(value) for value in before]
        head.show_only_shape_key, head.active_shape_key_index = shown


def restore_all() -> None:
    """Give all heads of the file back the pose and the expression that they had."""
    for armature in bpy.data.armatures:
        if KEPT in armature:
            armature.pose_position = "POSE"
            del armature[KEPT]
    for head in bpy.data.objects:
        if KEPT in head:
            alone, index = head[KEPT]
            head.show_only_shape_key, head.active_shape_key_index = bool(alone), index
            del head[KEPT]
