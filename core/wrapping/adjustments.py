"""What a person corrects of a head by hand: pins, sliders, parts of the photo to be ignored.

As JSON, in requests to the engine, in face.json and in files that a batch repeats:

    {"version": 1,
     "pins": [{"name": "nose_tip", "x": 512.0, "y": 340.5, "corrects": "shape", "locked": false}],
     "sliders": {"nose_width": 0.3},
     "ignored_png": "<base64 of a PNG of the photo's shape, white is ignored>"}

A pin of a head of several photos may have a "photo": the name of the one that it is placed in, if that is not
the main one. What is ignored of these photos stands in "further_ignored": {"side.jpg": "<base64 of a PNG>"}.
"""

import base64
import binascii
import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeGuard

import numpy as np

from ..errors import RequestError
from ..image.structure import has_whole_png_chunks
from .pin_solver import CORRECTIONS, SHAPE, Pin

VERSION = 1
#: More than the template has.
MAX_PINS = 200
MAX_SLIDERS = 200
#: Sliders go from minus this to this.
MAX_SLIDER = 1.0
#: Pixels from the photo's origin.
MAX_COORDINATE = 1e6
#: How far outside of its photo a pin may lie: the point of a face that the edge cuts, in sizes of the photo.
MAX_OUTSIDE = 0.5
MAX_NAME = 60
MAX_FILE_NAME = 1024
#: Further photos of which parts are ignored.
MAX_FURTHER = 64
#: Photos that a sentence names at most.
MAX_NAMED_PHOTOS = 5
#: Sides, pixels, and bytes that a mask may have: it is as coarse as what it corrects.
MAX_MASK_SIDE = 1024
MAX_MASK_BYTES = 400_000


@dataclass(frozen=True)
class Adjustments:
    """The corrections of one head.

    Attributes:
        pins: Where points of it belong.
        sliders: By name, -1 to 1.
        ignored: (h, w) bool, of the photo's shape but coarser: what of it says nothing of the head; None if
            all does.
        further_ignored: The same of the person's further photos, by their names.
    """

    pins: tuple[Pin, ...] = ()
    sliders: Mapping[str, float] = field(default_factory=dict)
    ignored: np.ndarray | None = None
    further_ignored: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __bool__(self) -> bool:
        ignored = self.ignored is not None or self.further_ignored
        return bool(self.pins or any(self.sliders.values()) or ignored)

    @classmethod
    def parse(cls, document: object) -> "Adjustments":
        """From JSON.

        Args:
            document: As the module says; what is missing corrects nothing.

        Raises:
            RequestError: It is not that.
        """
        if not isinstance(document, dict) or document.get("version", VERSION) != VERSION:
            raise RequestError(f'adjustments have to be a JSON object of "version" {VERSION}')
        pins, sliders = document.get("pins", []), document.get("sliders", {})
        if not isinstance(pins, list) or len(pins) > MAX_PINS:
            raise RequestError(f'"pins" have to be a list of at most {MAX_PINS}')
        if not isinstance(sliders, dict) or len(sliders) > MAX_SLIDERS:
            raise RequestError('"sliders" have to be numbers by name')
        for name, value in sliders.items():
            if not (is_name(name) and is_finite(value) and abs(value) <= MAX_SLIDER):
                raise RequestError(f'"sliders" have to be numbers from -{MAX_SLIDER:g} to {MAX_SLIDER:g}')
        found = tuple(_pin(pin) for pin in pins)
        if len({(pin.name, pin.photo) for pin in found}) < len(found):
            raise RequestError('"pins" name a point twice in one photo')
        ignored = _mask(document.get("ignored_png"))
        further = _further_masks(document.get("further_ignored"))
        return cls(found, {name: float(value) for name, value in sliders.items()}, ignored, further)

    def document(self) -> dict[str, Any]:
        """The same as JSON can hold it."""
        pins = [
            {
                "name": pin.name,
                "x": pin.x,
                "y": pin.y,
                "corrects": pin.corrects,
                "locked": pin.locked,
                **({"photo": pin.photo} if pin.photo else {}),
            }
            for pin in self.pins
        ]
        made: dict[str, Any] = {"version": VERSION, "pins": pins, "sliders": dict(self.sliders)}
        if self.ignored is not None:
            made["ignored_png"] = _png(self.ignored)
        if self.further_ignored:
            made["further_ignored"] = {name: _png(mask) for name, mask in self.further_ignored.items()}
        return made

    def named_for(self, main: str, further: Collection[str]) -> "Adjustments":
        """The same with the main photo's corrections where they belong, if they name it as a further one.

        Args:
            main: The main photo's name.
            further: Names of the further photos that the head is made of.

        Raises:
            RequestError: A point has two places in the main photo.
        """
        if not main or main in further or main not in self.photos:
            return self
        pins = tuple(replace(pin, photo="") if pin.photo == main else pin for pin in self.pins)
        if len({(pin.name, pin.photo) for pin in pins}) < len(pins):
            raise RequestError('"pins" name a point twice in one photo')
        others = {name: mask for name, mask in self.further_ignored.items() if name != main}
        ignored, named = self.ignored, self.further_ignored.get(main)
        if named is not None:
            own = self.ignored_at(named.shape[0], named.shape[1])
            ignored = named if own is None else named | own
        return replace(self, pins=pins, ignored=ignored, further_ignored=others)

    @property
    def photos(self) -> set[str]:
        """Names of the photos, beside the main one, that something is corrected over."""
        return {pin.photo for pin in self.pins if pin.photo} | set(self.further_ignored)

    def unused(self, further: Collection[str]) -> str:
        """What to say, a sentence, of corrections over photos that a head is not made of; empty if all are.

        Args:
            further: Names of the further photos that it is made of, but for those that several have.
        """
        missing = sorted(self.photos - set(further))
        if not missing:
            return ""
        more = ", ..." if len(missing) > MAX_NAMED_PHOTOS else ""
        names = ", ".join(missing[:MAX_NAMED_PHOTOS])
        return (
            f"The corrections over {names}{more} are not used: the head is made of no photo of that name,"
            " or of several."
        )

    def check_inside(self, width: int, height: int, name: str, photo: str = "") -> None:
        """Refuse pins so far outside a photo that no head can be meant.

        Args:
            width: Of the photo, pixels.
            height: The same.
            name: Of the photo, for the message.
            photo: Of which further photo pins are checked; empty for the main one.

        Raises:
            RequestError: A pin lies farther outside than MAX_OUTSIDE.
        """
        for pin in self.pins:
            beyond = max(-pin.x, pin.x - width) / width, max(-pin.y, pin.y - height) / height
            if pin.photo == photo and max(beyond) > MAX_OUTSIDE:
                raise RequestError(
                    f"the corrections have the pin {pin.name} at ({pin.x:g}, {pin.y:g}), far outside of"
                    f" {name} with its {width} x {height} pixels: move the pin, or remove it"
                )

    def ignored_at(self, height: int, width: int, photo: str = "") -> np.ndarray | None:
        """What of a photo is ignored.

        Args:
            height: Of the photo, pixels.
            width: The same.
            photo: Which further photo it is; empty for the main one.

        Returns:
            (height, width) bool; None if nothing is.
        """
        mask = self.further_ignored.get(photo) if photo else self.ignored
        if mask is None:
            return None
        rows = np.minimum((np.arange(height) + 0.5) * mask.shape[0] / height, len(mask) - 1)
        columns = np.minimum((np.arange(width) + 0.5) * mask.shape[1] / width, mask.shape[1] - 1)
        return np.asarray(mask[rows.astype(int)[:, None], columns.astype(int)])


def without_repeated(names: Iterable[str]) -> set[str]:
    """The names that only one photo has: corrections could mean any of those that have a name in common."""
    return {name for name, count in Counter(names).items() if count == 1}


def is_name(value: object) -> bool:
    """Whether a JSON value can be the name of a pin or a slider."""
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME and value.isascii()


def is_finite(value: object) -> TypeGuard[float]:
    """Whether a JSON value is a number, and a finite one that a float can hold."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # JSON's whole numbers have any number of digits
        return False


def _pin(value: object) -> Pin:
    if not isinstance(value, dict):
        raise RequestError("a pin has to be a JSON object")
    name, corrects, locked = value.get("name"), value.get("corrects", SHAPE), value.get("locked", False)
    x, y = value.get("x"), value.get("y")
    if not (is_name(name) and corrects in CORRECTIONS and isinstance(locked, bool)):
        raise RequestError(f'a pin has a "name", and "corrects" one of {", ".join(CORRECTIONS)}')
    if not all(is_finite(number) and abs(number) <= MAX_COORDINATE for number in (x, y)):  # type: ignore[arg-type]
        raise RequestError(f'"x" and "y" of the pin {name} have to be pixels of the photo')
    photo = value.get("photo", "")
    if not isinstance(photo, str) or len(photo) > MAX_FILE_NAME:
        raise RequestError(f'"photo" of the pin {name} has to be the name of a file')
    return Pin(str(name), float(x), float(y), corrects, locked, photo)  # type: ignore[arg-type]


def _further_masks(masks: object) -> dict[str, np.ndarray]:
    """By the photos' names, what is ignored of them. Raises RequestError."""
    if masks is None:
        return {}
    if not isinstance(masks, dict) or len(masks) > MAX_FURTHER:
        raise RequestError(f'"further_ignored" has to be a JSON object of at most {MAX_FURTHER} masks')
    if not all(0 < len(name) <= MAX_FILE_NAME for name in masks):
        raise RequestError('"further_ignored" has to have masks by the names of photos')
    found = {name: _mask(png, f'"further_ignored" of {name}') for name, png in masks.items()}
    return {name: mask for name, mask in found.items() if mask is not None}


def _mask(png: object, what: str = '"ignored_png"') -> np.ndarray | None:
    if png is None:
        return None
    import cv2

    problem = f"{what} has to be a PNG file in base64, of at most {MAX_MASK_SIDE} pixels a side"
    try:
        if not isinstance(png, str) or len(png) > MAX_MASK_BYTES:
            raise RequestError(problem)
        data = base64.b64decode(png, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RequestError(problem) from error
    # A PNG says its size in bytes 16 to 23: what is too large is not decoded.
    sides = [int.from_bytes(data[16 + 4 * k : 20 + 4 * k], "big") for k in range(2)]
    is_png = data.startswith(b"\x89PNG\r\n\x1a\n") and has_whole_png_chunks(data)
    if not is_png or not all(1 <= side <= MAX_MASK_SIDE for side in sides):
        raise RequestError(problem)
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    if picture is None:
        raise RequestError(problem)
    mask = picture > 127
    return np.asarray(mask) if mask.any() else None


def _png(mask: np.ndarray) -> str:
    import cv2

    _, data = cv2.imencode(".png", mask.astype(np.uint8) * 255)
    return base64.b64encode(data.tobytes()).decode("ascii")
