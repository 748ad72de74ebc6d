"""Show the add-on's preferences. Needs bpy."""

import bpy

from ..state.settings import PACKAGE
from . import polls


class PHOTOBUST_OT_open_preferences(bpy.types.Operator):
    """Open this add-on's preferences"""

    bl_idname = "photobust.open_preferences"
    bl_label = "Preferences"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return polls.available(cls, context, polls.has_preferences)

    def execute(self, context: bpy.types.Context) -> set[str]:
        bpy.ops.preferences.addon_show(module=PACKAGE)
        return {"FINISHED"}
