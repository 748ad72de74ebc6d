"""Stop setting up the engine. Needs bpy."""

import bpy

from ..blender import redraw
from ..state import session
from . import polls


class PHOTOBUST_OT_cancel_setup(bpy.types.Operator):
    """Stop setting up the engine, and remove what is only half there"""

    bl_idname = "photobust.cancel_setup"
    bl_label = "Cancel"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return polls.available(cls, context, polls.setup_in_progress)

    def execute(self, context: bpy.types.Context) -> set[str]:
        setup = session.current().setup
        if setup is not None:
            setup.cancel()
        redraw.sidebars()
        return {"FINISHED"}
