"""Stop setting up the engine. Needs bpy."""

import bpy

from ..blender import redraw
from ..state import session


class PHOTOBUST_OT_cancel_setup(bpy.types.Operator):
    """Stop setting up the engine, and remove what is only half there"""

    bl_idname = "photobust.cancel_setup"
    bl_label = "Cancel"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        setup = session.current().setup
        if setup is None or setup.done:
            cls.poll_message_set("The engine is not being set up")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        setup = session.current().setup
        if setup is not None:
            setup.cancel()
        redraw.sidebars()
        return {"FINISHED"}
