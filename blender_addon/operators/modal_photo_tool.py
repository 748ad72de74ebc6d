"""What operators share that work with the mouse on the photo over a head. Needs bpy."""

from collections.abc import Callable
from typing import Any

import bpy
import numpy as np

from ..blender import redraw
from ..errors import AddonError
from ..heads import photographed
from ..state import session
from ..state.corrected_photo import chosen_photo
from ..state.session import Message
from ..viewport import camera_match
from . import running
from .reporting import report_error

#: The operators that use it: one at a time.
CORRECTIONS = ("photobust.adjust_pins", "photobust.ignore_here")
OTHER_CORRECTION = "End the other correction first, with Enter."
#: Seconds between looks for what the engine has answered.
TICK = 0.02


class ModalPhotoTool:
    """Mixin: shows the photo over the head and takes events until the operator ends.

    The operator calls `_lay_photo_over` and `_take_events` when it begins, takes an event in `_take`, which
    returns what Blender is to do with it, and in `_stop`, which may come twice, calls `_end_taking_events`.
    Of a head of several photos, another may be chosen meanwhile (`photobust.correct_in_photo`): then
    `_show_chosen_photo`, with which `_take` begins, lays that one over.

    Attributes:
        opacity: Of the photo that is laid over the head.
    """

    opacity: float
    _handler: Any
    _timer: Any
    _status: running.StatusText
    _corrected: str
    #: What the further photo's expression differs by, (V, 3) meters; None: the main photo, or not known yet.
    _opened: np.ndarray | None = None

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Take an event."""
        try:
            self._show_as_photographed()  # an undone step has its own pose
            self._status.follow(context)
            return self._take(context, event)
        except Exception as error:  # noqa: BLE001 (the last place before Blender shows a traceback)
            self._stop(context)
            return report_error(self, error)

    def cancel(self, context: bpy.types.Context) -> None:
        """Another file is opened, the window closed, or the add-on switched off."""
        self._stop(context)

    def _lay_photo_over(self, head: bpy.types.Object) -> None:
        """Look through the active head's camera, with the photo before the head. Raises AddonError."""
        number = chosen_photo(head).number
        done = bpy.ops.photobust.match_camera(depth="FRONT", alpha=self.opacity, view=number)
        if done != {"FINISHED"}:
            raise AddonError(session.current().message.text or "The photo cannot be shown.")

    def _show_chosen_photo(self, head: bpy.types.Object) -> bool:
        """Show the photo that was chosen, if another is shown, also because a step was undone.

        Returns:
            Whether another was.
        """
        number = chosen_photo(head).number
        shown = camera_match.shown_view(head)
        if number == shown:
            return False
        self._opened = None
        try:
            self._lay_photo_over(head)
        except AddonError:
            session.current().corrected_photos[head.name] = shown
            if chosen_photo(head).number != shown:
                raise
            return False
        redraw.views()
        redraw.sidebars()
        return True

    def _take_events(
        self,
        context: bpy.types.Context,
        head: bpy.types.Object,
        draw: Callable[[], None],
        status: str,
        message: str,
    ) -> None:
        """Show the head as photographed, and take events, from now on.

        Args:
            context: The operator's.
            head: Is corrected.
            draw: Draws over each 3D view.
            status: What keys and buttons do, for the status bar.
            message: Names the step of the undo history that this begins with; empty for none.
        """
        self._corrected = head.name
        self._show_as_photographed()
        if session.current().message.operator in CORRECTIONS:
            session.current().message = Message()
        self._handler = bpy.types.SpaceView3D.draw_handler_add(draw, (), "WINDOW", "POST_PIXEL")
        self._timer = context.window_manager.event_timer_add(TICK, window=context.window)
        context.window_manager.modal_handler_add(self)
        running.began(self)
        self._status = running.StatusText()
        self._status.show(context, status)
        if message:
            self._push_undo(message)
        redraw.views()
        redraw.sidebars()

    def _push_undo(self, message: str) -> None:
        """Add a step to the undo history, in which the head has its own pose and expression."""
        photographed.restore_all()
        bpy.ops.ed.undo_push(message=message)
        self._show_as_photographed()

    def _show_as_photographed(self) -> None:
        head = bpy.data.objects.get(self._corrected)
        if head is not None:
            photographed.show_as_photographed(head, self._opened)

    def _end_taking_events(self, context: bpy.types.Context, head: bpy.types.Object | None) -> None:
        """Put the photo behind the head, if there still is one, and let go of pose, view and status bar."""
        photographed.restore_all()
        message = session.current().message
        if message.level == "ERROR" and message.operator in CORRECTIONS:
            session.current().message = Message()
        if head is not None:
            camera_match.photo_behind(head)
        context.window_manager.event_timer_remove(self._timer)
        bpy.types.SpaceView3D.draw_handler_remove(self._handler, "WINDOW")
        self._status.clear(context)
        running.ended(self)
        redraw.views()
        redraw.sidebars()

    def _take(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        raise NotImplementedError

    def _stop(self, context: bpy.types.Context) -> None:
        raise NotImplementedError
