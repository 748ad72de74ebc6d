"""Bring a face back to rest. Needs bpy."""

import bpy
from bpy.props import StringProperty

from ..animation import sliders
from ..heads.lookup import require_head
from . import polls
from .reporting import reports_errors


@polls.requires(polls.head, polls.local_head, polls.animation_ready)
class PHOTOBUST_OT_reset_face(bpy.types.Operator):
    """Set blendshapes to 0: those of a group, or all, and the bones to rest"""

    bl_idname = "photobust.reset_face"
    bl_label = "Reset Face"
    bl_options = {"REGISTER", "UNDO"}

    group: StringProperty(name="Group", description="Of the panel; empty for all, and the bones")

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        sliders.reset(require_head(context), self.group or None)
        return {"FINISHED"}
