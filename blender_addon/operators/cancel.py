"""Stop a run. Needs bpy."""

import bpy

from ..blender import redraw
from ..state import session
from . import polls


@polls.requires(polls.run_in_progress)
class PHOTOBUST_OT_cancel(bpy.types.Operator):
    """Stop reconstructing the photo (Esc does the same)"""

    bl_idname = "photobust.cancel"
    bl_label = "Cancel"

    def execute(self, context: bpy.types.Context) -> set[str]:
        run = session.current().run
        if run is not None:
            run.cancel()
        redraw.sidebars()
        return {"FINISHED"}
