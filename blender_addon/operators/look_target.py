"""Let a head's eyes look at something. Needs bpy."""

import bpy

from ..animation import gaze
from ..heads.lookup import collection_of, require_head
from . import polls
from .reporting import reports_errors


@polls.requires(polls.head, polls.local_head, polls.bones)
class PHOTOBUST_OT_look_target(bpy.types.Operator):
    """Let the eyes look at a target, which can be moved; or straight ahead again"""

    bl_idname = "photobust.look_target"
    bl_label = "Look at Target"
    bl_options = {"REGISTER", "UNDO"}

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        head = require_head(context)
        if gaze.target_of(head) is not None:
            gaze.remove_target(head)
        else:
            gaze.add_target(head, collection_of(head, context.scene))
        return {"FINISHED"}
