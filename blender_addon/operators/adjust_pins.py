"""Correct the head by dragging its points over the photo. Needs bpy."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy

from ..blender import redraw
from ..errors import AddonError
from ..heads import adjustments, photographed
from ..heads.correctable_photos import camera_in
from ..heads.head_npz import FILE_NAME
from ..heads.lookup import document_of, require_head
from ..state import session, settings
from ..state.corrected_photo import chosen_photo
from ..state.pin_preview import PinAnswer, PinPreview
from ..viewport import camera_match, pin_overlay
from ..viewport.pin_overlay import ScreenPin
from . import polls
from .modal_photo_tool import OTHER_CORRECTION, ModalPhotoTool
from .reporting import report_message, reports_errors

HELP = (
    "Drag: move a point   |   Right-click, X: reset it   |   L: lock or unlock it   |   "
    "Ctrl-Z: undo   |   Enter, Esc: done"
)
WAITING_HELP = "Waiting for the engine, which names the points   |   Enter, Esc: done"
#: How far the mouse has to go before a pressed point follows it, pixels.
DRAG_THRESHOLD = 2
#: A point that is farther than this from where it was dragged to, of the photo's height, stays behind.
STAYS_BEHIND = 0.005
#: What is said of points that the engine would refuse.
FAR_OUTSIDE = "Far outside the photo, no head can be meant: {} is where it was before."
#: Keys that end it.
ENDING = {"ESC", "RET", "NUMPAD_ENTER"}


@dataclass
class Overlay:
    """What is drawn over the view while points are dragged.

    Attributes:
        head: Its object's name.
        hovered: The point under the mouse.
        ending: Whether it was told to end.
        up_to_date: Whether the head is as its pins are, since the last drag.
        mouse: Where the mouse last moved to, window, pixels.
    """

    head: str
    hovered: str = ""
    ending: bool = False
    up_to_date: bool = True
    mouse: tuple[int, int] | None = None


@dataclass
class Drag:
    """A point being dragged.

    Attributes:
        pin: Its name.
        start: Where the mouse was pressed, window, pixels.
        before: The pins before, to be restored.
        moving: Whether the mouse has gone far enough to mean it.
    """

    pin: str
    start: tuple[int, int]
    before: list[dict[str, Any]]
    moving: bool = False


@dataclass(frozen=True)
class PendingStep:
    """What was done to the pins, and becomes a step of the undo history once the engine has answered.

    Attributes:
        message: Names the step; empty for none.
        dragged: The point that was dragged, empty if none was.
    """

    message: str = ""
    dragged: str = ""


_overlay: Overlay | None = None


@polls.requires(polls.object_mode, polls.head, polls.local_head, polls.animation_ready, polls.engine_usable)
class PHOTOBUST_OT_adjust_pins(ModalPhotoTool, bpy.types.Operator):
    """Drag points of the head to where they are in the photo; once more to end that"""

    bl_idname = "photobust.adjust_pins"
    bl_label = "Adjust Pins"
    bl_options = {"REGISTER"}

    opacity = 0.5  # so that both photo and head can be seen
    _preview: PinPreview
    _drag: Drag | None
    _pending: PendingStep | None
    _named: bool
    _view: "View"
    #: For which further photo and corrections the head was shown last.
    _shown: tuple[str, dict[str, Any]] | None

    @reports_errors
    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        global _overlay
        if _overlay is not None:
            _overlay.ending = True
            return {"CANCELLED"}
        now = session.current()
        if now.correcting:
            raise AddonError(OTHER_CORRECTION)
        head = require_head(context)
        folder = Path(bpy.path.abspath(head.photobust.folder))
        if not head.photobust.folder or not (folder / FILE_NAME).is_file():
            raise AddonError(f"The folder of this head has no {FILE_NAME}. Reconstruct the photo again.")
        client = now.client(settings.engine_choice(context).find())
        self._lay_photo_over(head)
        self._preview = PinPreview(client, folder, now.scratch() / "adjusted.npz")
        far = adjustments.remove_far_pins(head)
        try:
            self._preview.ask(adjustments.document(head), chosen_photo(head).name)
        except AddonError:
            camera_match.photo_behind(head)
            raise
        self._drag, self._named, self._shown = None, False, None
        # The history's first step is to know the points, or the first Ctrl-Z would take them away.
        self._pending = PendingStep("Adjust Pins")
        _overlay = Overlay(head.name, up_to_date=False)
        now.adjusting = True
        self._take_events(context, head, _draw, WAITING_HELP, "")
        if far:
            report_message(self, "INFO", FAR_OUTSIDE.format(", ".join(map(words_of, far))))
        return {"RUNNING_MODAL"}

    def _take(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        head = _head()
        if head is None or _overlay is None or context.mode != "OBJECT":
            return self._finish(context)
        if self._drag is None and self._show_chosen_photo(head):
            _overlay.hovered = ""
        if event.type == "TIMER":
            self._show_answer(context, head)
            return self._end(context, head) if _overlay.ending else {"PASS_THROUGH"}
        if event.type in ENDING and event.value == "PRESS":
            if self._drag is None:
                # Pressed once more, it does not wait for the engine.
                return self._finish(context) if _overlay.ending else self._end(context, head)
            self._give_up_drag(head)
            return {"RUNNING_MODAL"}
        if _overlay.ending:
            return {"PASS_THROUGH"}
        if self._pending is not None and event.type == "Z" and event.ctrl:
            return {"RUNNING_MODAL"}  # what it would undo is not in the history yet
        if self._drag is not None:
            return self._dragged(context, event, head)
        mouse = (event.mouse_x, event.mouse_y)
        view = View.under(context, mouse, head)
        if event.type in ("MOUSEMOVE", "INBETWEEN_MOUSEMOVE"):
            _overlay.mouse = mouse
            self._hover(context, view)
            return {"PASS_THROUGH"}
        if view is None and _overlay.hovered and _overlay.mouse is not None:
            # A press that Blender has come to late says where the mouse is by now, not where it was.
            view = View.under(context, _overlay.mouse, head)
        return {"PASS_THROUGH"} if view is None else self._pressed(context, event, head, view)

    def _hover(self, context: bpy.types.Context, view: "View | None") -> None:
        found = view.pin_at_mouse(context) if view is not None else None
        name = found.name if found else ""
        if _overlay is not None and name != _overlay.hovered:
            _overlay.hovered = name
            redraw.views()

    def _pressed(
        self, context: bpy.types.Context, event: bpy.types.Event, head: bpy.types.Object, view: "View"
    ) -> set[str]:
        """A button or a key over the view."""
        hovered = _overlay.hovered if _overlay is not None else ""
        found = next((pin for pin in view.pins if pin.name == hovered), None) or view.pin_at_mouse(context)
        if found is None or event.value != "PRESS" or event.ctrl or event.alt:
            return {"PASS_THROUGH"}
        if event.type == "LEFTMOUSE":
            if found.locked:
                report_message(self, "INFO", f"{found.name} is locked: L unlocks it.")
                return {"RUNNING_MODAL"}
            mouse = (event.mouse_x, event.mouse_y)
            if _overlay is not None:
                mouse = _overlay.mouse or mouse
                _overlay.up_to_date = False
            self._drag = Drag(found.name, mouse, adjustments.document(head)["pins"])
            self._view = view
        elif event.type in ("RIGHTMOUSE", "X", "DEL"):
            reset_pin(head, found.name)
            self._ask(head, PendingStep(f"Reset {found.name}"))
        elif event.type == "L":
            lock_pin(head, found.name, not found.locked)
            self._ask(head, PendingStep(f"{'Unlock' if found.locked else 'Lock'} {found.name}"))
        else:
            return {"PASS_THROUGH"}
        return {"RUNNING_MODAL"}

    def _dragged(
        self, context: bpy.types.Context, event: bpy.types.Event, head: bpy.types.Object
    ) -> set[str]:
        if self._drag is None:
            return {"PASS_THROUGH"}
        if event.type in ("MOUSEMOVE", "INBETWEEN_MOUSEMOVE", "LEFTMOUSE"):
            drag, released = self._drag, event.type == "LEFTMOUSE" and event.value == "RELEASE"
            away = (event.mouse_x - drag.start[0], event.mouse_y - drag.start[1])
            drag.moving = drag.moving or max(map(abs, away)) > DRAG_THRESHOLD
            if drag.moving:
                self._move(head, drag, self._view.in_photo(event.mouse_x, event.mouse_y), released)
            elif released:
                self._drag = None
                if _overlay is not None:
                    _overlay.up_to_date = self._pending is None
        elif event.type == "RIGHTMOUSE" and event.value == "PRESS":
            self._give_up_drag(head)
        return {"RUNNING_MODAL"}

    def _move(self, head: bpy.types.Object, drag: Drag, place: tuple[float, float], released: bool) -> None:
        """Let a point be where the mouse is, photo frame, pixels; not where no head can be meant."""
        photo = chosen_photo(head)
        camera = camera_in(document_of(head), photo.number)
        if camera is not None and adjustments.is_far_outside(camera, *place):
            if released:
                self._give_up_drag(head)
                report_message(self, "INFO", FAR_OUTSIDE.format(words_of(drag.pin)))
            return
        place_pin(head, drag.pin, *place, photo=photo.name)
        if released:
            self._drag = None
            self._ask(head, PendingStep(f"Move {drag.pin}", drag.pin))
        else:
            self._preview.ask(adjustments.document(head), photo.name)

    def _show_answer(self, context: bpy.types.Context, head: bpy.types.Object) -> None:
        """Show what the engine has made of the pins so far, if it has answered."""
        answer = self._preview.poll()
        if answer is None:
            self._keep_further_photo_shown(head)
            return
        if not self._named:
            adjustments.set_named_pins(head, answer.document.get("pins"))
            self._status.show(context, HELP)
            self._named = True
            self._show_further_photo(head, answer)
        elif self._pending is None and self._drag is None:
            self._show_further_photo(head, answer)  # nothing was corrected: the head stays, to the last bit
        else:
            show_answer(context, head, answer)
            self._show_further_photo(head, answer)
        self._preview.go_on()
        redraw.views()
        if self._pending is not None and self._drag is None and not self._preview.busy:
            self._complete_step(head, self._pending, answer)

    def _show_further_photo(self, head: bpy.types.Object, answer: PinAnswer) -> None:
        """Give the head the expression of the further photo that is corrected over, if the answer has it."""
        if answer.view != chosen_photo(head).name:
            return
        self._shown = (answer.view, answer.adjustments)
        if not answer.view:
            return
        shape = adjustments.read_adjusted(answer.file, len(head.data.vertices))
        self._opened = None if shape.view is None else shape.view - shape.photo
        self._show_as_photographed()
        if self._opened is not None:
            photographed.set_view(head, self._opened)

    def _keep_further_photo_shown(self, head: bpy.types.Object) -> None:
        """Ask what a further photo's expression is after it was chosen, a slider moved, or a step undone."""
        if not self._named or self._drag is not None or self._pending is not None or self._preview.busy:
            return
        photo = chosen_photo(head).name
        if not photo:
            return
        wanted = adjustments.document(head)
        if (photo, wanted) != self._shown:
            self._preview.ask(wanted, photo)

    def _ask(self, head: bpy.types.Object, step: PendingStep) -> None:
        """Let the head be as its pins are: once the engine has answered, as one step that can be undone."""
        self._pending = step
        if _overlay is not None:
            _overlay.up_to_date = False
        self._preview.ask(adjustments.document(head), chosen_photo(head).name)

    def _complete_step(self, head: bpy.types.Object, step: PendingStep, answer: PinAnswer) -> None:
        now = (adjustments.document(head), chosen_photo(head).name)
        if (answer.adjustments, answer.view) != now:  # a slider was moved, or a step undone from the menu
            self._preview.ask(*now)
            return
        self._pending = None
        if step.message:
            self._push_undo(step.message)
        if step.dragged:
            self._hint(head, step.dragged, answer)
        if _overlay is not None:
            _overlay.up_to_date = True
        redraw.sidebars()

    def _hint(self, head: bpy.types.Object, name: str, answer: PinAnswer) -> None:
        """Say what is odd about where a point was dragged to."""
        photo = chosen_photo(head)
        index, camera = (
            adjustments.find_pin(head, name, photo.name),
            camera_in(document_of(head), photo.number),
        )
        if index < 0 or camera is None:
            return
        pin = head.photobust.pins[index]
        errors = answer.document.get("errors_px")
        error = errors.get(name, 0.0) if isinstance(errors, dict) else 0.0
        point = words_of(name)
        if not (0 <= pin.x < camera.width and 0 <= pin.y < camera.height):
            report_message(
                self, "INFO", f"The {point} is outside the photo now, which shows nothing there: X resets it."
            )
        elif error > STAYS_BEHIND * camera.height:
            report_message(self, "INFO", f"The {point} stays behind: on no head it is that far.")

    def _give_up_drag(self, head: bpy.types.Object) -> None:
        if self._drag is not None:
            restore_pins(head, self._drag.before)
            self._drag = None
            self._ask(head, self._pending or PendingStep())
            redraw.views()

    def _end(self, context: bpy.types.Context, head: bpy.types.Object) -> set[str]:
        """End as soon as the head is as its pins are."""
        self._give_up_drag(head)
        if _overlay is not None and self._named and self._pending is not None:
            _overlay.ending = True
            return {"RUNNING_MODAL"}
        return self._finish(context)

    def _finish(self, context: bpy.types.Context) -> set[str]:
        self._stop(context)
        return {"FINISHED"}

    def _stop(self, context: bpy.types.Context) -> None:
        global _overlay
        if _overlay is None:
            return
        head, _overlay = _head(), None
        session.current().adjusting = False
        self._end_taking_events(context, head)


@dataclass(frozen=True)
class View:
    """A camera view with the photo, and where the mouse is in it.

    Attributes:
        photo: Where the photo is in its region.
        pins: All pins that can be seen.
        left: Of the region in the window, pixels.
        bottom: The same.
        mouse: Region, pixels.
    """

    photo: pin_overlay.PhotoOnScreen
    pins: tuple[ScreenPin, ...]
    left: int
    bottom: int
    mouse: tuple[float, float]

    @classmethod
    def under(
        cls, context: bpy.types.Context, mouse: tuple[int, int], head: bpy.types.Object
    ) -> "View | None":
        """The view under the mouse, window pixels, if it is one through the camera of the head."""
        found = pin_overlay.view_at(context, *mouse, head)
        if found is None:
            return None
        photo, region, view = found
        there = (mouse[0] - region.x, mouse[1] - region.y)
        return cls(photo, screen_pins(head, region, view), region.x, region.y, there)

    def in_photo(self, x: float, y: float) -> tuple[float, float]:
        """A place in the window -> photo frame, pixels."""
        return self.photo.to_photo(x - self.left, y - self.bottom)

    def pin_at_mouse(self, context: bpy.types.Context) -> ScreenPin | None:
        """The pin under the mouse."""
        return pin_overlay.nearest(self.pins, *self.mouse, scale=context.preferences.system.ui_scale)


def screen_pins(
    head: bpy.types.Object, region: bpy.types.Region, view: bpy.types.RegionView3D
) -> tuple[ScreenPin, ...]:
    """All pins of a head that a view shows."""
    photo = chosen_photo(head).name
    moved = {pin.name: pin.locked for pin in head.photobust.pins if pin.photo == photo}
    found = []
    for pin in adjustments.named_pins(head):
        place = pin_overlay.on_screen(adjustments.pin_point(head, pin.vertex).tolist(), head, region, view)
        if place is not None:
            found.append(ScreenPin(pin.name, place, pin.name in moved, moved.get(pin.name, False)))
    return tuple(found)


def place_pin(
    head: bpy.types.Object, name: str, x: float, y: float, locked: bool = False, photo: str = ""
) -> None:
    """Say where a point belongs: frame of a further photo, or of the main one, pixels."""
    pins, index = head.photobust.pins, adjustments.find_pin(head, name, photo)
    pin = pins[index] if index >= 0 else pins.add()
    pin.name, pin.photo = name, photo
    pin.x, pin.y, pin.locked = x, y, locked
    if not locked:
        pin.corrects = head.photobust.pins_correct


def reset_pin(head: bpy.types.Object, name: str) -> None:
    """Let a point be where the others take it."""
    index = adjustments.find_pin(head, name, chosen_photo(head).name)
    if index >= 0:
        head.photobust.pins.remove(index)


def lock_pin(head: bpy.types.Object, name: str, locked: bool) -> None:
    """Hold a point where it is, or let it be dragged again."""
    photo = chosen_photo(head)
    index = adjustments.find_pin(head, name, photo.name)
    if index >= 0:
        head.photobust.pins[index].locked = locked
        return
    camera = camera_in(document_of(head), photo.number)
    named = next((pin for pin in adjustments.named_pins(head) if pin.name == name), None)
    if camera is not None and named is not None:
        x, y = camera.project(adjustments.pin_point(head, named.vertex)[None])[0]
        place_pin(head, name, float(x), float(y), locked, photo.name)


def restore_pins(head: bpy.types.Object, pins: list[dict[str, Any]]) -> None:
    """The pins as they were: as in `adjustments.document`."""
    head.photobust.pins.clear()
    for entry in pins:
        pin = head.photobust.pins.add()
        pin.name, pin.x, pin.y, pin.locked = entry["name"], entry["x"], entry["y"], entry["locked"]
        pin.corrects, pin.photo = entry["corrects"].upper(), entry.get("photo", "")


def show_answer(context: bpy.types.Context, head: bpy.types.Object, answer: PinAnswer) -> None:
    """Give a head the shape, and its camera the pose, of the engine's answer."""
    shape = adjustments.read_adjusted(answer.file, len(head.data.vertices))
    adjustments.show_adjusted(head, shape)
    known = json.loads(head.photobust.manifest or "{}")
    if not isinstance(known, dict):
        return
    posed = with_poses(known, answer.document)
    if posed != known:
        head.photobust.manifest = json.dumps(posed, separators=(",", ":"))
        camera = camera_in(document_of(head), camera_match.shown_view(head))
        owner = head.photobust.camera
        if camera is not None and owner is not None:
            owner.matrix_world = camera_match.camera_matrix(head.matrix_world, camera)


def with_poses(known: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    """What is known of a head, with the poses in its photos that the engine has answered."""
    pose, further = answer.get("pose"), answer.get("further_poses")
    posed = {**known, "pose": pose} if isinstance(pose, dict) else dict(known)
    if isinstance(further, dict) and isinstance(known.get("views"), list):
        posed["views"] = [
            {**view, "pose": further[str(view.get("name"))]}
            if isinstance(further.get(str(view.get("name"))), dict) and view.get("main") is not True
            else view
            for view in known["views"]
        ]
    return posed


def words_of(name: str) -> str:
    """A point's name as a sentence has it."""
    return name.replace("_", " ")


def _head() -> bpy.types.Object | None:
    """The head that is corrected; None if it is gone."""
    found = bpy.data.objects.get(_overlay.head) if _overlay is not None else None
    return found if found is not None and found.data and found.data.shape_keys else None


def _draw() -> None:
    """Draw the pins over a view."""
    head, context = _head(), bpy.context
    if head is None or _overlay is None or context.region is None or context.region_data is None:
        return
    if pin_overlay.photo_of(context.scene, head, context.region, context.region_data) is None:
        return
    pins = screen_pins(head, context.region, context.region_data)
    pin_overlay.draw(pins, _overlay.hovered, context.preferences.system.ui_scale)
