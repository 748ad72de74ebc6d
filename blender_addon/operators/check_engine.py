"""Look again whether the engine can be used. Needs bpy."""

import bpy

from ..state import engine_monitor, settings
from .reporting import report_message, reports_errors


class PHOTOBUST_OT_check_engine(bpy.types.Operator):
    """Look again whether the engine can be used"""

    bl_idname = "photobust.check_engine"
    bl_label = "Check Again"

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        check = settings.check_engine(context, again=True)
        if not bpy.app.background:
            engine_monitor.start()
            return {"FINISHED"}
        state = check.wait()
        if state is not None:
            report_message(self, "INFO" if state.ready else "WARNING", state.message)
        return {"FINISHED"}
