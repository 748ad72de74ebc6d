"""Show the add-on's preferences. Needs bpy."""

import bpy

from ..state.settings import PACKAGE
from . import polls


@polls.requires(polls.has_preferences)
class PHOTOBUST_OT_open_preferences(bpy.types.Operator):
    """Open this add-on's preferences"""

    bl_idname = "photobust.open_preferences"
    bl_label = "Preferences"

    def execute(self, context: bpy.types.Context) -> set[str]:
        bpy.ops.preferences.addon_show(module=PACKAGE)
        return {"FINISHED"}
