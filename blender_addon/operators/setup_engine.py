"""Make the engine's private environment. Needs bpy."""

import sys

import bpy

from ..blender import compat
from ..engine.locate import environment_folder
from ..engine.setup import EngineSetup, SetupPlan, plan_setup
from ..errors import AddonError
from ..state import engine_monitor, session, settings
from . import polls
from .reporting import report_message, reports_errors

DIALOG_WIDTH = 640


@polls.requires(polls.online_or_offline_addon, polls.nothing_running)
class PHOTOBUST_OT_setup_engine(bpy.types.Operator):
    """Install what the engine needs into a folder of its own; tells what and from where, and asks first"""

    bl_idname = "photobust.setup_engine"
    bl_label = "Set Up Engine"

    @reports_errors
    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        self._plan = _plan()
        return context.window_manager.invoke_props_dialog(self, width=DIALOG_WIDTH)

    def draw(self, context: bpy.types.Context) -> None:
        column = self.layout.column(align=True)
        for line in self._plan.lines():
            column.label(text=line)

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        now = session.current()
        plan = getattr(self, "_plan", None) or _plan()
        now.stop_engine()  # it may be the one that is about to be replaced
        setup = EngineSetup(plan, online=compat.online_access())
        setup.start()
        now.setup, now.setup_log = setup, setup.log_path
        if not bpy.app.background:
            engine_monitor.start()
            return {"FINISHED"}
        try:
            setup.wait()
        finally:
            now.setup = None
        settings.forget_engine_python(context)
        state = settings.check_engine(context, again=True).wait()
        if state is None or not state.ready:
            raise AddonError(state.message if state else "The engine was set up, but cannot be checked.")
        report_message(self, "INFO", "The engine is set up.")
        return {"FINISHED"}


def _plan() -> SetupPlan:
    return plan_setup(environment_folder(settings.user_folder()), embedded=sys.executable)
