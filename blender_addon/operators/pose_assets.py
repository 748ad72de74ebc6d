"""Make assets of ten expressions. Needs bpy."""

import bpy

from ..animation.poses import add_pose_assets
from ..heads.lookup import require_head
from . import polls
from .reporting import report_message, reports_errors


@polls.requires(polls.head, polls.animation_ready)
class PHOTOBUST_OT_pose_assets(bpy.types.Operator):
    """Make Actions of ten expressions of the active head, marked as assets"""

    bl_idname = "photobust.pose_assets"
    bl_label = "Expressions as Assets"
    bl_options = {"REGISTER", "UNDO"}

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        made = add_pose_assets(require_head(context))
        report_message(self, "INFO", f"Made {len(made)} Actions, which the Asset Browser shows")
        return {"FINISHED"}
