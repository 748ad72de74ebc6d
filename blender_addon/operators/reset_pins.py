"""Take back all that was corrected of a head by hand. Needs bpy."""

from pathlib import Path
from typing import Any

import bpy
from bpy.props import EnumProperty

from ..blender import redraw
from ..heads import adjustments
from ..heads.lookup import require_head
from ..heads.slider_file import sliders
from ..state import session, settings
from ..state.pin_preview import PinPreview
from . import polls, running
from .adjust_pins import restore_pins, show_answer
from .reporting import report_error, reports_errors

#: Seconds between looks for the engine's answer.
TICK = 0.02


@polls.requires(polls.object_mode, polls.head, polls.local_head, polls.animation_ready, polls.engine_usable)
class PHOTOBUST_OT_reset_pins(bpy.types.Operator):
    """Let all points be where the photo alone puts them"""

    bl_idname = "photobust.reset_pins"
    bl_label = "Reset All"
    bl_options = {"REGISTER", "UNDO"}

    what: EnumProperty(name="What", items=[("PINS", "Pins", ""), ("SLIDERS", "Sliders", "")])

    _preview: PinPreview
    _head: str
    _before: list[dict[str, Any]]
    _timer: Any

    @reports_errors
    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if self.what == "SLIDERS":
            return self.execute(context)
        head = require_head(context)
        self._ask(context, head)
        self._timer = context.window_manager.event_timer_add(TICK, window=context.window)
        context.window_manager.modal_handler_add(self)
        running.began(self)
        redraw.sidebars()
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Take an event: the pins are back once the engine has answered; Esc keeps them."""
        head = bpy.data.objects.get(self._head)
        cancelled = event.type == "ESC" and event.value == "PRESS"
        if not cancelled and head is not None and event.type != "TIMER":
            return {"PASS_THROUGH"}
        try:
            answer = None if cancelled or head is None else self._preview.poll()
            if answer is not None and head is not None:
                show_answer(context, head, answer)
        except Exception as error:  # noqa: BLE001 (the last place before Blender shows a traceback)
            self._stop(context, keep=True)
            return report_error(self, error)
        if answer is not None:
            self._stop(context, keep=False)
            return {"FINISHED"}
        if cancelled or head is None:
            self._stop(context, keep=True)
            return {"CANCELLED"}
        return {"PASS_THROUGH"}

    def cancel(self, context: bpy.types.Context) -> None:
        """Another file is opened, the window closed, or the add-on switched off."""
        self._stop(context, keep=True)

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        head = require_head(context)
        if self.what == "SLIDERS":
            for name in sliders().names:
                setattr(head.photobust.sliders, name, 0.0)
            return {"FINISHED"}
        self._ask(context, head)
        try:
            show_answer(context, head, self._preview.wait())
        except Exception:
            restore_pins(head, self._before)
            raise
        return {"FINISHED"}

    def _ask(self, context: bpy.types.Context, head: bpy.types.Object) -> None:
        """Take the pins away, and ask the engine for the head without them."""
        now = session.current()
        client = now.client(settings.engine_choice(context).find())
        folder = Path(bpy.path.abspath(head.photobust.folder))
        before = adjustments.document(head)
        self._head, self._before = head.name, before["pins"]
        self._preview = PinPreview(client, folder, now.scratch() / "reset.npz")
        self._preview.ask({**before, "pins": []})
        head.photobust.pins.clear()

    def _stop(self, context: bpy.types.Context, keep: bool) -> None:
        context.window_manager.event_timer_remove(self._timer)
        running.ended(self)
        head = bpy.data.objects.get(self._head)
        if keep and head is not None:
            restore_pins(head, self._before)
        redraw.views()
        redraw.sidebars()
