"""What operators share whose run goes on while Blender answers. Needs bpy."""

from typing import Any

import bpy

from ..blender import redraw
from . import running
from .reporting import report_error

#: Seconds between two looks at how far a run is.
TICK_SECONDS = 0.05


class ModalRun:
    """Mixin: a timer's ticks go on with the run, Esc cancels it.

    The operator has the run in `_run` when it calls `_begin_ticks`, goes on in `_tick`, which returns what
    ends the operator or None, and cleans up in `_stop`, which calls `_end_ticks`.
    """

    _run: Any
    _timer: Any
    _shown_progress: Any

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

    def cancel(self, context: bpy.types.Context) -> None:
        """Another file is opened, the window closed, or the add-on switched off."""
        self._run.cancel()
        self._stop(context)

    def _begin_ticks(self, context: bpy.types.Context) -> set[str]:
        """Go on by ticks from now on; returns what `invoke` does."""
        self._shown_progress = None
        self._timer = context.window_manager.event_timer_add(TICK_SECONDS, window=context.window)
        context.window_manager.modal_handler_add(self)
        running.began(self)
        redraw.sidebars()
        return {"RUNNING_MODAL"}

    def _end_ticks(self, context: bpy.types.Context) -> None:
        context.window_manager.event_timer_remove(self._timer)
        running.ended(self)
        redraw.sidebars()

    def _poll(self) -> bool:
        """Take in what the run has to say, and show it; whether it is over."""
        over = self._run.poll()
        if self._run.progress != self._shown_progress:
            self._shown_progress = self._run.progress
            redraw.sidebars()
        return over

    def _tick(self, context: bpy.types.Context) -> set[str] | None:
        raise NotImplementedError

    def _stop(self, context: bpy.types.Context) -> None:
        raise NotImplementedError

    def _give_up(self, error: Exception) -> set[str]:
        return report_error(self, error)
