"""The state of the engine, in words, with the button that repairs it. Needs bpy."""

import bpy

from ..blender import compat
from ..engine.state import EngineAction, EngineState
from ..state import engine_monitor, session
from .text import draw_text


def draw(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """For the preferences: always there, with all its buttons."""
    engine_monitor.ensure_checked(context)
    box = layout.box()
    if _draw_setup(box, context):
        return
    state = session.current().engine_state
    draw_text(box, _words(state), context, _icon(state))
    row = box.row()
    row.operator("photobust.setup_engine", icon="IMPORT", text=_setup_label(state))
    row.operator("photobust.check_engine", icon="FILE_REFRESH")
    row.operator("photobust.stop_engine", icon="PAUSE")
    row = box.row()
    row.operator("photobust.open_log", icon="TEXT").which = "ADDON"
    if session.current().setup_log:
        row.operator("photobust.open_log", icon="TEXT", text="Open Set-up Log").which = "SETUP"


def draw_if_needed(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """For the panel: only if something has to be done, or is being done."""
    engine_monitor.ensure_checked(context)
    if session.current().setup is not None:
        _draw_setup(layout.box(), context)
        return
    state = session.current().engine_state
    if state is None or state.ready:
        return
    box = layout.box()
    draw_text(box, state.message, context, "ERROR")
    if state.action is EngineAction.CHOOSE_PYTHON:
        box.operator("photobust.open_preferences", icon="PREFERENCES")
    else:
        box.operator("photobust.setup_engine", icon="IMPORT", text=_setup_label(state))
    column = box.column(align=True)
    column.operator("photobust.check_engine", icon="FILE_REFRESH")
    if session.current().setup_log:
        column.operator("photobust.open_log", icon="TEXT").which = "SETUP"


def _draw_setup(box: bpy.types.UILayout, context: bpy.types.Context) -> bool:
    shown = context.window_manager.photobust
    if not shown.setting_up:
        return False
    draw_text(box, "Setting up the engine: " + shown.setup_step, context, "IMPORT")
    compat.draw_progress(box, shown, "setup_percent")
    column = box.column(align=True)
    column.operator("photobust.cancel_setup", icon="X")
    column.operator("photobust.open_log", icon="TEXT").which = "SETUP"
    return True


def _words(state: EngineState | None) -> str:
    if state is None:
        return "Checking the engine"
    pid = session.current().engine_pid
    return state.message + (f" It is running (process {pid})." if pid else "")


def _icon(state: EngineState | None) -> str:
    if state is None:
        return "TIME"
    return "CHECKMARK" if state.ready else "ERROR"


def _setup_label(state: EngineState | None) -> str:
    again = state is not None and (state.ready or state.action is EngineAction.REINSTALL)
    return "Set Up Engine Again" if again else "Set Up Engine"
