"""Let the 3D view show the head's colors. Needs bpy."""

import bpy

from ..heads.lookup import require_head
from ..viewport import view3d
from . import polls
from .reporting import reports_errors


@polls.requires(polls.head)
class PHOTOBUST_OT_show_colors(bpy.types.Operator):
    """Let this Solid view show the active head's colors: a head's texture, or a surface's vertex colors"""

    bl_idname = "photobust.show_colors"
    bl_label = "Show Colors"

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        view3d.show_colors(context, require_head(context))
        return {"FINISHED"}
