"""End the engine process. Needs bpy."""

import bpy

from ..blender import redraw
from ..state import face_search, session
from . import polls
from .reporting import reports_errors


@polls.requires(polls.engine_running, polls.nothing_running)
class PHOTOBUST_OT_stop_engine(bpy.types.Operator):
    """End the engine, which gives back its memory; the next photo starts it again"""

    bl_idname = "photobust.stop_engine"
    bl_label = "Stop the Engine"

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        face_search.forget()
        session.current().stop_engine()
        redraw.sidebars()
        return {"FINISHED"}
