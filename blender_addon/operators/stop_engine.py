"""End the engine process. Needs bpy."""

import bpy

from ..blender import redraw
from ..state import face_choice, session
from . import needs
from .reporting import reports_errors


class PHOTOBUST_OT_stop_engine(bpy.types.Operator):
    """End the engine, which gives back its memory; the next photo starts it again"""

    bl_idname = "photobust.stop_engine"
    bl_label = "Stop the Engine"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if session.current().engine_pid is None:
            cls.poll_message_set("The engine is not running")
            return False
        return needs.nothing_running(cls)

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        face_choice.forget()
        session.current().stop_engine()
        redraw.sidebars()
        return {"FINISHED"}
