"""Show how well the photo saw each spot. Needs bpy."""

import bpy

from ..heads import surface_materials as materials
from ..heads.lookup import active_head, the_head
from . import needs
from .reporting import reports_errors


class PHOTOBUST_OT_show_confidence(bpy.types.Operator):
    """Colour the head by how well the photo saw each spot, yellow well and purple not at all; or as before"""

    bl_idname = "photobust.show_confidence"
    bl_label = "Show Confidence"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not (needs.object_mode(cls, context) and needs.head(cls, context)):
            return False
        if not materials.has_confidence(active_head(context)):
            cls.poll_message_set("This head has lost its confidence attribute, or its own material")
            return False
        return True

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        head = the_head(context)
        materials.show_confidence(head, not materials.shows_confidence(head))
        return {"FINISHED"}
