"""Look again whether the engine can be used. Needs bpy."""

import bpy

from .. import engine_watch, settings
from .telling import tell, tells_errors


class PHOTOBUST_OT_check_engine(bpy.types.Operator):
    """Look again whether the engine can be used"""

    bl_idname = "photobust.check_engine"
    bl_label = "Check Again"

    @tells_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        check = settings.check_engine(context, again=True)
        if not bpy.app.background:
            engine_watch.follow()
            return {"FINISHED"}
        state = check.wait()
        if state is not None:
            tell(self, "INFO" if state.ready else "WARNING", state.message)
        return {"FINISHED"}
