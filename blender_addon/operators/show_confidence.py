"""Show how well the photo saw each spot. Needs bpy."""

import bpy

from ..heads import confidence
from ..heads.lookup import require_head
from ..viewport import view3d
from . import polls
from .reporting import reports_errors


@polls.requires(polls.object_mode, polls.head, polls.local_head, polls.confidence)
class PHOTOBUST_OT_show_confidence(bpy.types.Operator):
    """Color the head by how well the photo saw each spot, yellow well and purple not at all; or as before"""

    bl_idname = "photobust.show_confidence"
    bl_label = "Show Confidence"
    bl_options = {"REGISTER", "UNDO"}

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        head = require_head(context)
        confidence.show_confidence(head, not confidence.shows_confidence(head))
        view3d.show_colors(context, head)
        return {"FINISHED"}
