"""What a person has corrected of a head, as its object keeps it, and what that does to its shape. Needs bpy.

`object.photobust` has the pins, the sliders and the ignored part of the photo. What they change, all shape
keys have: whatever is done with the head, such as an export, is done with what was corrected.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ..blender.coordinates import coordinates
from . import hair_follow
from .build import PHOTO_SHAPE
from .checked_arrays import checked_floats, parse_result_file
from .correctable_photos import camera_in, correctable_photos
from .face_document import PhotoCamera
from .lookup import document_of
from .photographed import shown_shape
from .slider_file import sliders

#: Of the format of face.json and of the files that a batch repeats.
VERSION = 1
MAX_FILE_BYTES = 50_000_000
#: Meters from the origin within which a head lies.
MAX_COORDINATE = 10.0
#: How far outside of its photo a pin may lie, in sizes of the photo: `core.wrapping.adjustments.MAX_OUTSIDE`,
#: which an add-on cannot import.
MAX_OUTSIDE = 0.5
#: The custom property of a head that keeps what its eyes' own surfaces go with.
CARRIERS = "photobust_eye_carriers"
#: Vertex groups of the eyeballs.
EYEBALLS = ("eye_left", "eye_right")


@dataclass(frozen=True)
class NamedPin:
    """A point that can be corrected: its name, what it belongs to, its vertex."""

    name: str
    group: str
    vertex: int


@dataclass(frozen=True)
class AdjustedShape:
    """What the engine makes of a head with corrections.

    Attributes:
        neutral: (V, 3) float32, head frame, meters.
        photo: (V, 3) float32, as photographed.
        view: (V, 3) float32, as in the further photo that was asked for; None if none was.
    """

    neutral: np.ndarray
    photo: np.ndarray
    view: np.ndarray | None = None


def read_adjusted(path: Path, vertices: int) -> AdjustedShape:
    """Read what the engine has written for a head of so many vertices. Raises HeadFileError."""

    def parse(data: bytes) -> AdjustedShape:
        import io

        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {name: file[name] for name in ("neutral", "photo", "view") if name in file}
        shape = (vertices, 3)
        return AdjustedShape(**{name: checked_floats(name, arrays, shape, MAX_COORDINATE) for name in arrays})

    return parse_result_file(path, "a head", MAX_FILE_BYTES, parse)


def document(head: bpy.types.Object) -> dict[str, Any]:
    """The corrections of a head as the engine takes them."""
    note = head.photobust
    pins = [
        {
            "name": pin.name,
            "x": pin.x,
            "y": pin.y,
            "corrects": pin.corrects.lower(),
            "locked": pin.locked,
            **({"photo": pin.photo} if pin.photo else {}),
        }
        for pin in note.pins
    ]
    made: dict[str, Any] = {"version": VERSION, "pins": pins, "sliders": slider_values(head)}
    if note.ignored_png:
        made["ignored_png"] = note.ignored_png
    further = {photo.name: photo.png for photo in note.further_ignored if photo.png}
    if further:
        made["further_ignored"] = further
    return made


def find_pin(head: bpy.types.Object, name: str, photo: str = "") -> int:
    """The number of a point's pin in a photo, empty for the main one; -1 if there is none."""
    pins = enumerate(head.photobust.pins)
    return next((k for k, pin in pins if (pin.name, pin.photo) == (name, photo)), -1)


def ignored_png(head: bpy.types.Object, photo: str = "") -> str:
    """What of a photo, empty for the main one, is ignored; see `ignored_mask`."""
    if not photo:
        return str(head.photobust.ignored_png)
    one = head.photobust.further_ignored.get(photo)
    return str(one.png) if one is not None else ""


def set_ignored_png(head: bpy.types.Object, png: str, photo: str = "") -> None:
    """Say what of a photo, empty for the main one, is ignored."""
    if not photo:
        head.photobust.ignored_png = png
        return
    one = head.photobust.further_ignored.get(photo)
    if one is None:
        one = head.photobust.further_ignored.add()
        one.name = photo
    one.png = png


def is_far_outside(camera: PhotoCamera, x: float, y: float) -> bool:
    """Whether a place, photo frame, pixels, is so far outside a photo that the engine refuses a pin there."""
    beyond = (-x / camera.width, x / camera.width - 1, -y / camera.height, y / camera.height - 1)
    return max(beyond) > MAX_OUTSIDE


def remove_far_pins(head: bpy.types.Object) -> list[str]:
    """Reset pins that the engine would refuse, such as those of an earlier version; their names."""
    document = document_of(head)
    cameras = {photo.name: camera_in(document, photo.number) for photo in correctable_photos(head)}
    far = [
        (index, pin.name)
        for index, pin in enumerate(head.photobust.pins)
        if (camera := cameras.get(pin.photo)) is not None and is_far_outside(camera, pin.x, pin.y)
    ]
    for index, _ in reversed(far):
        head.photobust.pins.remove(index)
    return [name for _, name in far]


def slider_values(head: bpy.types.Object) -> dict[str, float]:
    """The sliders of a head that are not at 0."""
    values = {name: float(getattr(head.photobust.sliders, name, 0.0)) for name in sliders().names}
    return {name: round(value, 4) for name, value in values.items() if value}


def named_pins(head: bpy.types.Object) -> list[NamedPin]:
    """The points that can be corrected; none before the engine has named them."""
    try:
        table = json.loads(head.photobust.pin_table or "[]")
        pins = [NamedPin(str(name), str(group), int(vertex)) for name, group, vertex in table]
    except (TypeError, ValueError):
        return []
    count = len(head.data.vertices)
    return [pin for pin in pins if 0 <= pin.vertex < count]


def set_named_pins(head: bpy.types.Object, answer: object) -> None:
    """Keep what the engine says of the points that can be corrected."""
    found = []
    for entry in answer if isinstance(answer, list) else []:
        if isinstance(entry, dict) and isinstance(entry.get("vertex"), int):
            found.append([str(entry.get("name")), str(entry.get("group")), entry["vertex"]])
    head.photobust.pin_table = json.dumps(found, separators=(",", ":"))


def set_coordinates(key: bpy.types.ShapeKey, points: np.ndarray) -> None:
    """Set the coordinates of a shape key.

    Args:
        key: The shape key.
        points: (V, 3) float, the head's own frame, meters.
    """
    key.data.foreach_set("co", np.ascontiguousarray(points, np.float32).ravel())


def show_adjusted(head: bpy.types.Object, shape: AdjustedShape) -> None:
    """Give a head the shape that the engine made of its corrections.

    Args:
        head: The head.
        shape: Its shape, sliders included as they are now.
    """
    _shift(head, shape.neutral - coordinates(head.data.shape_keys.key_blocks[0].data))
    set_coordinates(head.data.shape_keys.key_blocks[0], shape.neutral)
    photo = head.data.shape_keys.key_blocks.get(PHOTO_SHAPE)
    if photo is not None:
        set_coordinates(photo, shape.photo)
    head.photobust.sculpted = json.dumps(slider_values(head))
    head.data.update()


def sculpt(head: bpy.types.Object) -> None:
    """Let the head follow its sliders."""
    if head.data.shape_keys is None:
        return
    try:
        sculpted = json.loads(head.photobust.sculpted or "{}")
        before = {str(name): float(value) for name, value in sculpted.items()}
    except (AttributeError, TypeError, ValueError):
        before = {}
    now, count = slider_values(head), len(head.data.vertices)
    if now == before:
        return
    offset = sliders().offset(now, count) - sliders().offset(before, count)
    _shift(head, _with_followers(head, offset))
    head.photobust.sculpted = json.dumps(now)
    head.data.update()


def _with_followers(head: bpy.types.Object, offset: np.ndarray) -> np.ndarray:
    """(V, 3) meters: the eyes' own surfaces, of which sliders know nothing, go with the eyeballs."""
    known = int(sliders().vertices.max(initial=-1)) + 1
    carriers = _carriers(head, known) if 0 < known < len(offset) else []
    if not len(carriers):
        return offset
    followed = offset.copy()
    followed[known:] = offset[carriers]
    return followed


def _carriers(head: bpy.types.Object, known: int) -> np.ndarray | list[int]:
    """The eyeballs' vertex that each vertex of a head from `known` on goes with; none without eyeballs.

    Kept with the head: what is nearest changes with the sliders, and they would not come back to where they
    began.
    """
    kept = head.get(CARRIERS)
    if kept is not None and len(kept) == len(head.data.vertices) - known:
        return np.array(kept, int)
    groups = {group.index for group in head.vertex_groups if group.name in EYEBALLS}
    vertices = head.data.vertices[:known]
    eyes = [vertex.index for vertex in vertices if any(element.group in groups for element in vertex.groups)]
    if not eyes:
        return []
    points = coordinates(head.data.shape_keys.key_blocks[0].data)
    distance = ((points[known:, None] - points[eyes]) ** 2).sum(2)
    head[CARRIERS] = np.array(eyes)[distance.argmin(1)].tolist()
    return np.array(head[CARRIERS], int)


def _shift(head: bpy.types.Object, offset: np.ndarray) -> None:
    """Move the vertices of a head in all its shapes by (V, 3) meters, and its hair with them."""
    moved = np.flatnonzero(np.abs(offset).max(1) > 0)
    if not len(moved):
        return
    before = coordinates(head.data.shape_keys.key_blocks[0].data)
    for key in head.data.shape_keys.key_blocks:
        set_coordinates(key, coordinates(key.data) + offset.astype(np.float32))
    points = coordinates(head.data.shape_keys.key_blocks[0].data)
    head.data.vertices.foreach_set("co", points.ravel())
    hair_follow.follow(head, before, offset)


def pin_point(head: bpy.types.Object, vertex: int) -> np.ndarray:
    """(3,) where a vertex of the head is in the photo that it is corrected over, its own frame, meters."""
    return np.array(shown_shape(head).data[vertex].co)


def is_corrected(head: bpy.types.Object) -> bool:
    """Whether anything was corrected by hand."""
    corrections = document(head)
    return any(corrections.get(name) for name in ("pins", "sliders", "ignored_png", "further_ignored"))
