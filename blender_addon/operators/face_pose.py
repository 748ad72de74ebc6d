"""Set a face to one of ten expressions. Needs bpy."""

import bpy
from bpy.props import EnumProperty, FloatProperty

from ..animation.poses import apply_pose
from ..heads.expressions import POSE_NAMES
from ..heads.lookup import require_head
from . import polls
from .reporting import reports_errors


@polls.requires(polls.head, polls.local_head, polls.animation_ready)
class PHOTOBUST_OT_face_pose(bpy.types.Operator):
    """Set the blendshapes to an expression, and all others to 0"""

    bl_idname = "photobust.face_pose"
    bl_label = "Expression"
    bl_options = {"REGISTER", "UNDO"}

    pose: EnumProperty(name="Expression", items=[(name.upper(), name, "") for name in POSE_NAMES])
    strength: FloatProperty(
        name="Strength", description="How much of it", default=1.0, min=0.0, max=1.0, subtype="FACTOR"
    )

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        apply_pose(require_head(context), self.pose.title(), self.strength)
        return {"FINISHED"}
