"""What operators share whose run goes on while Blender answers. Needs bpy."""

from typing import Any

import bpy

from ..blender import redraw
from .reporting import report_error


class ModalRun:
    """Mixin: a timer's ticks go on with the run, Esc cancels it.

    The operator has the run in `_run`, goes on in `_tick`, which returns what ends the operator or None, and
    cleans up in `_stop`.
    """

    _run: Any

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Take an event."""
        if event.type == "ESC" and event.value == "PRESS":
            self._run.cancel()
            redraw.sidebars()
            return {"RUNNING_MODAL"}
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        try:
            ended = self._tick(context)
        except Exception as error:  # noqa: BLE001 (the last place before Blender shows a traceback)
            ended = self._give_up(error)
        if ended is None:
            return {"PASS_THROUGH"}
        self._stop(context)
        return ended

    def _tick(self, context: bpy.types.Context) -> set[str] | None:
        raise NotImplementedError

    def _stop(self, context: bpy.types.Context) -> None:
        raise NotImplementedError

    def _give_up(self, error: Exception) -> set[str]:
        return report_error(self, error)
