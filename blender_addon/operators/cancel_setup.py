"""Stop setting up the engine. Needs bpy."""

import bpy

from ..blender import redraw
from ..state import session
from . import polls


@polls.requires(polls.setup_in_progress)
class PHOTOBUST_OT_cancel_setup(bpy.types.Operator):
    """Stop setting up the engine, and remove what is only half there"""

    bl_idname = "photobust.cancel_setup"
    bl_label = "Cancel"

    def execute(self, context: bpy.types.Context) -> set[str]:
        setup = session.current().setup
        if setup is not None:
            setup.cancel()
        redraw.sidebars()
        return {"FINISHED"}
