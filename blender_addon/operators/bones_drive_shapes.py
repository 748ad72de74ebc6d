"""Let bones drive blendshapes. Needs bpy."""

import bpy

from ..heads import armature
from ..heads.lookup import require_head
from . import polls
from .reporting import reports_errors


@polls.requires(polls.head, polls.local_head, polls.bones)
class PHOTOBUST_OT_bones_drive_shapes(bpy.types.Operator):
    """Let the jaw and eye bones drive blendshapes, whose sliders move to the armature; or as before"""

    bl_idname = "photobust.bones_drive_shapes"
    bl_label = "Bones Drive Shapes"
    bl_options = {"REGISTER", "UNDO"}

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        head = require_head(context)
        rig = armature.rig_of(head)
        if rig is not None:
            wanted = not armature.drives_shapes(rig)
            armature.set_bones_drive_shapes(head, wanted)
            rig.show_in_front = wanted  # they are inside the head, and now there to be turned
        return {"FINISHED"}
