"""Key an expression. Needs bpy."""

import bpy

from ..animation import sliders
from ..heads.lookup import require_head
from . import polls
from .reporting import reports_errors


@polls.requires(polls.head, polls.local_head, polls.animation_ready)
class PHOTOBUST_OT_key_face(bpy.types.Operator):
    """Insert a key for every blendshape at the current frame"""

    bl_idname = "photobust.key_face"
    bl_label = "Key Expression"
    bl_options = {"REGISTER", "UNDO"}

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        head = require_head(context)
        for shape in sliders.shapes_of(head):
            owner, path = sliders.owner_of(head, shape)
            owner.keyframe_insert(path)
        return {"FINISHED"}
