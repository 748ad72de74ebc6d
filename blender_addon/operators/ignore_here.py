"""Paint over the photo what says nothing of the head: glasses, a hand, a hat. Needs bpy."""

from dataclasses import dataclass, replace
from pathlib import Path

import bpy
import numpy as np

from ..blender import redraw
from ..errors import AddonError
from ..heads import adjustments
from ..heads.correctable_photos import camera_in
from ..heads.ignored_mask import add_runs, empty_mask, mask_text, paint, parse_mask
from ..heads.lookup import document_of, require_head
from ..state import session, settings
from ..state.corrected_photo import chosen_photo
from ..state.segment_question import SegmentQuestion
from ..viewport import pin_overlay
from . import polls
from .modal_photo_tool import OTHER_CORRECTION, ModalPhotoTool
from .reporting import report_message, reports_errors

HELP = (
    "Drag: ignore this part of the photo   |   Ctrl: take back   |   Shift-click: all of a thing   |   "
    "[ ]: size   |   Enter, Esc: done"
)
WAITING_HELP = "Waiting for what the engine sees there   |   Drag: ignore this part   |   Enter, Esc: done"
ENDING = {"ESC", "RET", "NUMPAD_ENTER"}
MOVES = ("MOUSEMOVE", "INBETWEEN_MOUSEMOVE")
#: Radius of the brush at first, its limits, and what [ and ] change it by: region, pixels.
FIRST_RADIUS = 20.0
RADII = (4.0, 200.0)
RADIUS_STEP = 1.2


@dataclass
class Painting:
    """What is painted and drawn.

    Attributes:
        head: Its object's name.
        photo: The name of the photo that is painted over, empty for the main one.
        size: Of the photo, width and height, pixels.
        mask: (h, w) bool.
        kept: What the head had when `mask` was read from it or kept, as text.
        radius: Of the brush, region, pixels.
        mouse: Where the mouse last moved to, window, pixels.
        last: Where the stroke is, shares of the photo; None between strokes.
        question: What the engine is asked; None if it is not.
        ending: Whether it was told to end.
    """

    head: str
    photo: str
    size: tuple[int, int]
    mask: np.ndarray
    kept: str
    radius: float = FIRST_RADIUS
    mouse: tuple[int, int] | None = None
    last: tuple[float, float] | None = None
    question: SegmentQuestion | None = None
    ending: bool = False

    def going_on(self, before: "Painting") -> "Painting":
        """The same over another photo than before: the brush, what was asked and said goes on."""
        return replace(
            self, radius=before.radius, mouse=before.mouse, question=before.question, ending=before.ending
        )


_painting: Painting | None = None


@polls.requires(polls.object_mode, polls.head, polls.local_head, polls.animation_ready)
class PHOTOBUST_OT_ignore_here(ModalPhotoTool, bpy.types.Operator):
    """Paint over parts of the photo that show something else than the head, to be left out of it"""

    bl_idname = "photobust.ignore_here"
    bl_label = "Ignore Here"
    bl_options = {"REGISTER"}

    opacity = 0.8

    @reports_errors
    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        global _painting
        now = session.current()
        if now.correcting:
            raise AddonError(OTHER_CORRECTION)
        head = require_head(context)
        self._lay_photo_over(head)
        _painting = painting_of(head)
        now.ignoring = True
        self._take_events(context, head, _draw, HELP, "Ignore Here")
        return {"RUNNING_MODAL"}

    def _take(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        global _painting
        head = bpy.data.objects.get(_painting.head) if _painting is not None else None
        if _painting is None or head is None or context.mode != "OBJECT":
            self._stop(context)
            return {"FINISHED"}
        if event.type in ENDING and event.value == "PRESS":
            # Pressed once more, it does not wait for the engine.
            return self._end(at_once=_painting.ending)
        if _painting.last is None and self._show_chosen_photo(head):
            _painting = painting_of(head).going_on(_painting)
        if _painting.last is None and adjustments.ignored_png(head, _painting.photo) != _painting.kept:
            self._read(head)
        if event.type == "TIMER":
            self._show_answer(context, head)
            return self._end(at_once=False) if _painting.ending else {"PASS_THROUGH"}
        if event.type in ("LEFT_BRACKET", "RIGHT_BRACKET") and event.value == "PRESS":
            factor = RADIUS_STEP if event.type == "RIGHT_BRACKET" else 1 / RADIUS_STEP
            _painting.radius = float(np.clip(_painting.radius * factor, *RADII))
            redraw.views()
            return {"RUNNING_MODAL"}
        mouse = mouse_at(_painting, event)
        found = pin_overlay.view_at(context, *mouse, head)
        if event.type == "LEFTMOUSE" and event.value == "RELEASE" and _painting.last is not None:
            _painting.last = None
            self._keep(head)
            return {"RUNNING_MODAL"}
        if found is None:
            return {"PASS_THROUGH"}
        if event.type not in (*MOVES, "LEFTMOUSE"):
            return {"PASS_THROUGH"}
        photo, region, _ = found
        return self._stroke(context, event, photo, (mouse[0] - region.x, mouse[1] - region.y))

    def _end(self, at_once: bool) -> set[str]:
        """End, as soon as the engine has answered what it was asked unless `at_once`."""
        if _painting is not None and _painting.question is not None and not at_once:
            _painting.ending = True
            return {"RUNNING_MODAL"}
        self._stop(bpy.context)
        return {"FINISHED"}

    def _stroke(
        self,
        context: bpy.types.Context,
        event: bpy.types.Event,
        photo: pin_overlay.PhotoOnScreen,
        mouse: tuple[int, int],
    ) -> set[str]:
        """The mouse over the view, region, pixels."""
        if _painting is None:
            return {"PASS_THROUGH"}
        x, y = photo.to_photo(*mouse)
        place = ((x + 0.5) / _painting.size[0], (y + 0.5) / _painting.size[1])
        if event.type == "LEFTMOUSE" and event.value == "PRESS" and event.shift:
            self._ask(context, x, y)
            return {"RUNNING_MODAL"}
        pressed = event.type == "LEFTMOUSE" and event.value == "PRESS"
        redraw.views()
        if not pressed and _painting.last is None:
            return {"PASS_THROUGH"}
        radius = _painting.radius / (photo.scale[0] * _painting.size[0])
        paint_stroke(_painting, place, radius, not event.ctrl)
        return {"RUNNING_MODAL"}

    def _ask(self, context: bpy.types.Context, x: float, y: float) -> None:
        """Ask the engine what is at a place of the photo, pixels: a hat, glasses, a hand."""
        head = bpy.data.objects.get(_painting.head) if _painting is not None else None
        if _painting is None or head is None:
            return
        if _painting.question is not None:
            report_message(self, "INFO", "The engine is still at what was clicked before.")
            return
        photo = chosen_photo(head)
        height, width = _painting.mask.shape
        try:
            client = session.current().client(settings.engine_choice(context).find())
            folder = Path(bpy.path.abspath(head.photobust.folder))
            mask = (width, height)
            _painting.question = SegmentQuestion(client, folder, photo.path, (x, y), mask, photo.name)
        except AddonError as error:
            report_message(self, "ERROR", str(error))
            return
        self._status.show(context, WAITING_HELP)

    def _show_answer(self, context: bpy.types.Context, head: bpy.types.Object) -> None:
        """Ignore what the engine sees at the place that it was asked for, if it has answered."""
        if _painting is None or _painting.question is None:
            return
        question = _painting.question
        try:
            found = question.poll()
            if found is None:
                return
            # Another photo may have been chosen since.
            mask = _painting.mask
            if question.view != _painting.photo:
                mask = mask_of(head, question.view, question.shape)
            add_runs(mask, found[1])
        except (AddonError, ValueError) as error:
            said = str(error)
            if not isinstance(error, AddonError):
                said = f"The engine's answer is damaged ({said})."
            report_message(self, "ERROR", said)
        else:
            adjustments.set_ignored_png(head, mask_text(mask), question.view)
            self._push_undo("Ignore Here")
            report_message(self, "INFO", f"Ignored: {found[0]}. Ctrl takes back what is too much.")
        _painting.question = None
        self._status.show(context, HELP)
        redraw.views()
        redraw.sidebars()

    def _keep(self, head: bpy.types.Object) -> None:
        """Keep what is painted, as a step that can be undone."""
        if _painting is not None:
            _painting.kept = mask_text(_painting.mask)
            adjustments.set_ignored_png(head, _painting.kept, _painting.photo)
            self._push_undo("Ignore Here")
            redraw.sidebars()

    def _read(self, head: bpy.types.Object) -> None:
        """Show what the head has, after something was undone or all was taken back in the panel."""
        if _painting is not None:
            _painting.kept = adjustments.ignored_png(head, _painting.photo)
            _painting.mask = mask_of(head, _painting.photo, empty_mask(*_painting.size).shape)
            redraw.views()

    def _stop(self, context: bpy.types.Context) -> None:
        global _painting
        if _painting is None:
            return
        head, _painting = bpy.data.objects.get(_painting.head), None
        session.current().ignoring = False
        self._end_taking_events(context, head)


@polls.requires(polls.object_mode, polls.head, polls.local_head, polls.animation_ready)
class PHOTOBUST_OT_ignore_nothing(bpy.types.Operator):
    """Use the whole photo again; of a head of several photos, all of them"""

    bl_idname = "photobust.ignore_nothing"
    bl_label = "Ignore Nothing"
    bl_options = {"REGISTER", "UNDO"}

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        note = require_head(context).photobust
        note.ignored_png = ""
        note.further_ignored.clear()
        return {"FINISHED"}


def painting_of(head: bpy.types.Object) -> Painting:
    """What is painted over the photo that a head is corrected over. Raises AddonError."""
    photo = chosen_photo(head)
    camera = camera_in(document_of(head), photo.number)
    if camera is None:
        raise AddonError("This head came without its photo's camera: reconstruct the photo again.")
    size = (camera.width, camera.height)
    mask = mask_of(head, photo.name, empty_mask(*size).shape)
    return Painting(head.name, photo.name, size, mask, adjustments.ignored_png(head, photo.name))


def mask_of(head: bpy.types.Object, photo: str, shape: tuple[int, ...]) -> np.ndarray:
    """What is ignored of a photo.

    Args:
        head: The head.
        photo: Its name, empty for the main one.
        shape: Of the mask, if nothing is ignored.

    Returns:
        (h, w) bool, to be painted into.
    """
    known = parse_mask(adjustments.ignored_png(head, photo))
    return np.zeros(shape, bool) if known is None else known.copy()


def mouse_at(painting: Painting, event: bpy.types.Event) -> tuple[int, int]:
    """Where the mouse was at an event, window, pixels; keeps where it last moved to in `painting`."""
    if event.type in MOVES:
        painting.mouse = (event.mouse_x, event.mouse_y)
    elif event.type == "LEFTMOUSE" and event.value == "PRESS" and painting.mouse is not None:
        # A press that Blender has come to late says where the mouse is by now, not where it was.
        return painting.mouse
    return (event.mouse_x, event.mouse_y)


def paint_stroke(painting: Painting, place: tuple[float, float], radius: float, ignored: bool) -> None:
    """Go on with a stroke to a place, shares of the photo."""
    paint(painting.mask, painting.last or place, place, radius, ignored)
    painting.last = place


def _draw() -> None:
    """Draw what is ignored, and the brush, over a view."""
    context = bpy.context
    head = bpy.data.objects.get(_painting.head) if _painting is not None else None
    if _painting is None or head is None or context.region is None or context.region_data is None:
        return
    photo = pin_overlay.photo_of(context.scene, head, context.region, context.region_data)
    if photo is None:
        return
    pin_overlay.draw_ignored(photo, _painting.mask, *_painting.size)
    if _painting.mouse is not None:
        x, y = _painting.mouse
        pin_overlay.draw_brush(x - context.region.x, y - context.region.y, _painting.radius)
