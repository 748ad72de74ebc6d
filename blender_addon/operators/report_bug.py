"""Help with reporting a bug. Needs bpy."""

import bpy

from ..state import links, session
from .reporting import report_message, reports_errors


class PHOTOBUST_OT_report_bug(bpy.types.Operator):
    """Copy what a bug report needs to the clipboard: versions, system and the end of the log"""

    bl_idname = "photobust.report_bug"
    bl_label = "Report a Bug"

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        report = links.bug_report(bpy.app.version_string, session.current().log_path)
        context.window_manager.clipboard = report
        if links.TRACKER_URL:
            bpy.ops.wm.url_open(url=links.TRACKER_URL)
        text = "Versions and the end of the log are in the clipboard: paste them into your report."
        report_message(self, "INFO", text)
        return {"FINISHED"}
