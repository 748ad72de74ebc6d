"""Show the log. Needs bpy."""

import bpy
from bpy.props import EnumProperty

from ..errors import AddonError
from ..state import session
from .opening import open_path
from .reporting import reports_errors


class PHOTOBUST_OT_open_log(bpy.types.Operator):
    """Open the log file, which has the details of what went wrong"""

    bl_idname = "photobust.open_log"
    bl_label = "Open Log"

    which: EnumProperty(
        items=[("ADDON", "Add-on", "Runs and errors"), ("SETUP", "Set-up", "The engine's installation")],
        options={"SKIP_SAVE", "HIDDEN"},
    )

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        now = session.current()
        path = now.setup_log if self.which == "SETUP" and now.setup_log else now.log_path
        if not path.is_file():
            raise AddonError(f"There is no log yet; it will be {path}.")
        open_path(path)
        return {"FINISHED"}
