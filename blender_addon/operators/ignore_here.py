"""Paint over the photo what says nothing of the head: glasses, a hand, a hat. Needs bpy."""

from dataclasses import dataclass

import bpy
import numpy as np

from ..blender import redraw
from ..engine.client import WorkerClient
from ..errors import AddonError
from ..heads.ignored_mask import add_runs, empty_mask, mask_text, paint, parse_mask
from ..heads.lookup import document_of, require_head
from ..state import session, settings
from ..viewport import pin_overlay
from . import polls
from .modal_photo_tool import OTHER_CORRECTION, ModalPhotoTool
from .reporting import report_message, reports_errors

HELP = (
    "Drag: ignore this part of the photo   |   Ctrl: take back   |   Shift-click: all of a thing   |   "
    "[ ]: size   |   Enter, Esc: done"
)
#: Seconds that the engine is waited for: the first time it reads its network.
PATIENCE = 20.0
#: Of the photo, which is laid over the head.
PHOTO_OPACITY = 0.8
ENDING = {"ESC", "RET", "NUMPAD_ENTER"}
#: Radius of the brush at first, its limits, and what [ and ] change it by: region, pixels.
FIRST_RADIUS = 20.0
RADII = (4.0, 200.0)
RADIUS_STEP = 1.2


@dataclass
class Painting:
    """What is painted and drawn.

    Attributes:
        head: Its object's name.
        size: Of the photo, width and height, pixels.
        mask: (h, w) bool.
        radius: Of the brush, region, pixels.
        mouse: Region, pixels.
        last: Where the stroke is, shares of the photo; None between strokes.
    """

    head: str
    size: tuple[int, int]
    mask: np.ndarray
    radius: float = FIRST_RADIUS
    mouse: tuple[float, float] | None = None
    last: tuple[float, float] | None = None


_painting: Painting | None = None


@polls.requires(polls.object_mode, polls.head, polls.animation_ready)
class PHOTOBUST_OT_ignore_here(ModalPhotoTool, bpy.types.Operator):
    """Paint over parts of the photo that show something else than the head, to be left out of it"""

    bl_idname = "photobust.ignore_here"
    bl_label = "Ignore Here"
    bl_options = {"REGISTER"}

    @reports_errors
    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        global _painting
        now = session.current()
        if now.correcting:
            raise AddonError(OTHER_CORRECTION)
        head = require_head(context)
        self._lay_photo_over(PHOTO_OPACITY)
        camera = document_of(head).camera
        if camera is None:
            raise AddonError("This head came without its photo's camera: reconstruct the photo again.")
        size = (camera.width, camera.height)
        known = parse_mask(head.photobust.ignored_png)
        _painting = Painting(head.name, size, empty_mask(*size) if known is None else known.copy())
        now.ignoring = True
        self._take_events(context, head, _draw, HELP, "Ignore Here")
        return {"RUNNING_MODAL"}

    def _take(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        head = bpy.data.objects.get(_painting.head) if _painting is not None else None
        if _painting is None or head is None or context.mode != "OBJECT":
            self._stop(context)
            return {"FINISHED"}
        if event.type in ENDING and event.value == "PRESS":
            self._stop(context)
            return {"FINISHED"}
        if event.type in ("LEFT_BRACKET", "RIGHT_BRACKET") and event.value == "PRESS":
            factor = RADIUS_STEP if event.type == "RIGHT_BRACKET" else 1 / RADIUS_STEP
            _painting.radius = float(np.clip(_painting.radius * factor, *RADII))
            redraw.views()
            return {"RUNNING_MODAL"}
        found = pin_overlay.view_at(context, event.mouse_x, event.mouse_y, head)
        if event.type == "LEFTMOUSE" and event.value == "RELEASE" and _painting.last is not None:
            _painting.last = None
            head.photobust.ignored_png = mask_text(_painting.mask)
            self._push_undo("Ignore Here")
            redraw.sidebars()
            return {"RUNNING_MODAL"}
        if found is None:
            return {"PASS_THROUGH"}
        if event.type not in ("MOUSEMOVE", "INBETWEEN_MOUSEMOVE", "LEFTMOUSE"):
            if event.type == "Z" and event.value == "RELEASE":  # undone
                self._read(head)
            return {"PASS_THROUGH"}
        return self._stroke(context, event, found[0], found[1])

    def _stroke(
        self,
        context: bpy.types.Context,
        event: bpy.types.Event,
        photo: pin_overlay.PhotoOnScreen,
        region: bpy.types.Region,
    ) -> set[str]:
        if _painting is None:
            return {"PASS_THROUGH"}
        _painting.mouse = (event.mouse_x - region.x, event.mouse_y - region.y)
        x, y = photo.to_photo(*_painting.mouse)
        place = ((x + 0.5) / _painting.size[0], (y + 0.5) / _painting.size[1])
        if event.type == "LEFTMOUSE" and event.value == "PRESS" and event.shift:
            self._add_segment(context, x, y)
            return {"RUNNING_MODAL"}
        pressed = event.type == "LEFTMOUSE" and event.value == "PRESS"
        redraw.views()
        if not pressed and _painting.last is None:
            return {"PASS_THROUGH"}
        radius = _painting.radius / (photo.scale[0] * _painting.size[0])
        paint_stroke(_painting, place, radius, not event.ctrl)
        return {"RUNNING_MODAL"}

    def _add_segment(self, context: bpy.types.Context, x: float, y: float) -> None:
        """Ignore what the engine sees at a place of the photo, pixels: a hat, glasses, a hand."""
        head = bpy.data.objects.get(_painting.head) if _painting is not None else None
        if _painting is None or head is None:
            return
        try:
            kind = add_segment(session.current().client(settings.engine_choice(context).find()), head, x, y)
        except AddonError as error:
            report_message(self, "ERROR", str(error))
            return
        head.photobust.ignored_png = mask_text(_painting.mask)
        self._push_undo("Ignore Here")
        report_message(self, "INFO", f"Ignored: {kind}. Ctrl takes back what is too much.")
        redraw.views()
        redraw.sidebars()

    def _read(self, head: bpy.types.Object) -> None:
        """Show what the head has after something was undone."""
        if _painting is not None:
            known = parse_mask(head.photobust.ignored_png)
            _painting.mask = empty_mask(*_painting.size) if known is None else known.copy()
            redraw.views()

    def _stop(self, context: bpy.types.Context) -> None:
        global _painting
        if _painting is None:
            return
        head, _painting = bpy.data.objects.get(_painting.head), None
        session.current().ignoring = False
        self._end_taking_events(context, head)


@polls.requires(polls.object_mode, polls.head, polls.animation_ready)
class PHOTOBUST_OT_ignore_nothing(bpy.types.Operator):
    """Use the whole photo again"""

    bl_idname = "photobust.ignore_nothing"
    bl_label = "Ignore Nothing"
    bl_options = {"REGISTER", "UNDO"}

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        require_head(context).photobust.ignored_png = ""
        return {"FINISHED"}


def add_segment(client: WorkerClient, head: bpy.types.Object, x: float, y: float) -> str:
    """Let what is painted have all of what the engine sees at a place of the photo, pixels.

    Returns:
        What it is, in a word.

    Raises:
        AddonError: The engine cannot say.
    """
    if _painting is None:
        raise AddonError("Nothing is painted.")
    height, width = _painting.mask.shape
    asked = {
        "photo": bpy.path.abspath(head.photobust.photo),
        "x": x,
        "y": y,
        "mask": [width, height],
    }
    folder = bpy.path.abspath(head.photobust.folder)
    request = client.submit("adjust", folder=folder, out=None, adjustments={}, segment=asked)
    answer = request.wait(PATIENCE, stop_engine=False)
    segment = answer.get("segment")
    found = segment if isinstance(segment, dict) else {}
    try:
        known = add_runs(_painting.mask, found.get("runs"))
    except ValueError as error:
        raise AddonError(f"The engine's answer is damaged ({error}).") from error
    if not known:
        raise AddonError("The engine sees nothing there that could be told apart: paint over it.")
    return str(found.get("class", "it")).replace("_", " ")


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
        pin_overlay.draw_brush(*_painting.mouse, _painting.radius)
