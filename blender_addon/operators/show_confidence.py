"""Show how well the photo saw each spot. Needs bpy."""

import bpy

from ..heads import surface_materials as materials
from ..heads.lookup import require_head
from . import polls
from .reporting import reports_errors


class PHOTOBUST_OT_show_confidence(bpy.types.Operator):
    """Colour the head by how well the photo saw each spot, yellow well and purple not at all; or as before"""

    bl_idname = "photobust.show_confidence"
    bl_label = "Show Confidence"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return polls.available(cls, context, polls.object_mode, polls.head, polls.confidence)

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        head = require_head(context)
        materials.show_confidence(head, not materials.shows_confidence(head))
        return {"FINISHED"}
