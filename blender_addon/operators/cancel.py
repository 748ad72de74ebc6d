"""Stop what is going on. Needs bpy."""

from typing import Any

import bpy

from ..blender import redraw
from ..state import session
from . import polls


class StopsRun:
    """Mixin: cancels what is going on, which `_run_in` finds in the session."""

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Cancel it, if it has not just ended."""
        run = self._run_in(session.current())
        if run is not None:
            run.cancel()
        redraw.sidebars()
        return {"FINISHED"}

    def _run_in(self, now: session.AddonSession) -> Any:
        raise NotImplementedError


@polls.requires(polls.run_in_progress)
class PHOTOBUST_OT_cancel(StopsRun, bpy.types.Operator):
    """Stop reconstructing the photo (Esc does the same)"""

    bl_idname = "photobust.cancel"
    bl_label = "Cancel"

    def _run_in(self, now: session.AddonSession) -> Any:
        return now.run


@polls.requires(polls.setup_in_progress)
class PHOTOBUST_OT_cancel_setup(StopsRun, bpy.types.Operator):
    """Stop setting up the engine, and remove what is only half there"""

    bl_idname = "photobust.cancel_setup"
    bl_label = "Cancel"

    def _run_in(self, now: session.AddonSession) -> Any:
        return now.setup


@polls.requires(polls.retopology_in_progress)
class PHOTOBUST_OT_cancel_retopology(StopsRun, bpy.types.Operator):
    """Stop retopologizing; nothing is changed"""

    bl_idname = "photobust.cancel_retopology"
    bl_label = "Cancel"

    def _run_in(self, now: session.AddonSession) -> Any:
        return now.retopology
