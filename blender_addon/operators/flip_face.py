"""Swap the two halves of an expression. Needs bpy."""

import bpy

from ..animation import sliders
from ..heads.lookup import require_head
from . import polls
from .reporting import reports_errors


@polls.requires(polls.head, polls.local_head, polls.animation_ready)
class PHOTOBUST_OT_flip_face(bpy.types.Operator):
    """Swap the values of the left and the right blendshapes"""

    bl_idname = "photobust.flip_face"
    bl_label = "Flip Expression"
    bl_options = {"REGISTER", "UNDO"}

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        sliders.flip(require_head(context))
        return {"FINISHED"}
