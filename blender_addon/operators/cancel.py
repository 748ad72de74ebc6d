"""Stop a run. Needs bpy."""

import bpy

from ..blender import redraw
from ..state import session


class PHOTOBUST_OT_cancel(bpy.types.Operator):
    """Stop reconstructing the photo (Esc does the same)"""

    bl_idname = "photobust.cancel"
    bl_label = "Cancel"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if session.current().run is None:
            cls.poll_message_set("No photo is being reconstructed")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        run = session.current().run
        if run is not None:
            run.cancel()
        redraw.sidebars()
        return {"FINISHED"}
