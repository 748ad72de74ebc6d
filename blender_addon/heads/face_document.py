"""What a head's face.json says, as far as Blender's side needs it. No bpy.

The text is kept in the head's object, so that a .blend still knows its photo's camera when the results'
folder is gone.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..blender.regular_file import read_regular
from ..errors import SurfaceFileError

#: Parts that have to be JSON objects.
OBJECTS = (
    *(
        "input",
        "generator",
        "detection",
        "camera",
        "pose",
        "landmarks",
        "quality",
        "timings",
        "files",
        "steps",
    ),
)
#: Sets of landmarks.
LANDMARKS = ("mediapipe478", "ibug68")
#: Figures of the quality that are calculated with or shown, and what stands in lists.
QUALITY_NUMBERS = ("seen_share", "face_height_px", "expected_error_mm")
QUALITY_LISTS = ("warnings", "reasons", "error_spread_mm")
MAX_FILE_BYTES = 20_000_000
#: More than any set of landmarks has.
MAX_LANDMARKS = 10_000
#: Meters from the head's origin.
MAX_COORDINATE = 10.0
#: What 32-bit floating point holds, as Blender keeps numbers.
MAX_NUMBER = 3e38
MAX_PIXELS_OF_A_SIDE = 1_000_000
MAX_FOCAL_PX = 1e8
#: How far a matrix may be from a rotation; face.json has six digits.
ROTATION_TOLERANCE = 1e-3
#: Parts of face.json that are kept in a .blend; the rest is bulky and of no use there.
KEPT = (
    *("schema_version", "generator", "input", "camera", "pose", "landmarks", "quality", "timings"),
    "views",
)
#: The verdict on a photo of a person that the head is made of.
USED = "used"
#: More photos than a person's head is made of.
MAX_VIEWS = 1000


@dataclass(frozen=True)
class PhotoCamera:
    """The pinhole camera that took the photo, and the head before it.

    Pixels in the photo frame: upright, x right, y down, the center of the top-left pixel is (0, 0).
    `rotation` (3, 3) and `translation` (3,) float64: head frame -> camera frame (x right, y down, z forward),
    meters.
    """

    width: int
    height: int
    focal_px: float
    cx: float
    cy: float
    rotation: np.ndarray
    translation: np.ndarray

    def project(self, points: np.ndarray) -> np.ndarray:
        """Project points into the photo.

        Args:
            points: (N, 3) float, head frame, meters.

        Returns:
            (N, 2) float64, photo frame, pixels.
        """
        in_camera = points @ self.rotation.T + self.translation
        return in_camera[:, :2] / in_camera[:, 2:] * self.focal_px + np.array([self.cx, self.cy])


@dataclass(frozen=True)
class PhotoView:
    """What became of one of several photos of a person.

    `name`: the file's. `used`: whether the head is made of it, too; else `reason` says why it is not.
    `main`: whether the surface is from this photo. `camera`: the photo's, None of one that was not used.
    `orientation`: EXIF's number, 1..8, as in `FaceDocument.orientation`.
    """

    name: str
    used: bool
    main: bool
    reason: str
    camera: PhotoCamera | None
    orientation: int

    @classmethod
    def of(cls, about: dict[str, Any]) -> "PhotoView":
        """From an entry of `views` in face.json."""
        name, reason = str(about.get("name", "")), str(about.get("reason", ""))
        return cls(
            name=name,
            used=about.get("verdict") == USED,
            main=about.get("main") is True,
            reason=reason if name in reason else f"{name}: {reason or 'it was not used'}",
            camera=_camera_of(about, about),
            orientation=_orientation_of(about),
        )


@dataclass(frozen=True)
class FaceDocument:
    """A face.json. Parts that another version of the engine did not write are empty."""

    document: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> "FaceDocument":
        """Read a face.json. Raises SurfaceFileError."""
        try:
            return cls.parse(read_regular(path, MAX_FILE_BYTES).decode("utf-8"))
        except OSError as error:
            raise SurfaceFileError(f"{path} cannot be read: {error.strerror}.") from error
        except ValueError as error:
            raise SurfaceFileError(f"{path} is damaged ({error}). Reconstruct the photo again.") from error

    @classmethod
    def parse(cls, text: str) -> "FaceDocument":
        """From JSON. Raises ValueError if it is none, or a part of it is of the wrong kind."""
        try:
            document = json.loads(text)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error
        if not isinstance(document, dict):
            raise ValueError("not a JSON object")
        for name in OBJECTS:
            if not isinstance(document.get(name), dict | None):
                raise ValueError(f"{name} is no JSON object")
        record = cls(document)
        for kind in LANDMARKS:
            record.landmarks(kind)
        if not all(_is_number(seconds) for seconds in record.timings.values()):
            raise ValueError("timings that are no numbers")
        _check_quality(record.quality)
        _check_views(document.get("views"))
        return record

    def compact(self) -> str:
        """JSON of the parts worth keeping in a .blend."""
        kept = {name: self.document[name] for name in KEPT if name in self.document}
        return json.dumps(kept, separators=(",", ":"))

    @property
    def camera(self) -> PhotoCamera | None:
        """The photo's camera, None if the file does not have it."""
        return _camera_of(self.document.get("input"), self.document)

    @property
    def chosen_focal_mm(self) -> float | None:
        """The 35 mm equivalent focal length, if it is one that somebody has given."""
        camera = self.document.get("camera") or {}
        focal = camera.get("focal_length_mm35")
        if camera.get("focal_length_source") != "option" or not isinstance(focal, (int, float)):
            return None
        return float(focal) if 0 < focal <= MAX_FOCAL_PX else None

    @property
    def is_confirmed(self) -> bool:
        """Whether somebody has said that all photos of a person that were used show that person."""
        used = [view for view in self.document.get("views") or () if view.get("verdict") == USED]
        return len(used) > 1 and all(view.get("identity_confirmed") is True for view in used)

    @property
    def orientation(self) -> int:
        """EXIF's number, 1..8, for how the photo's file has to be turned to be upright; 1: it is."""
        return _orientation_of(self.document.get("input") or {})

    @property
    def views(self) -> tuple[PhotoView, ...]:
        """What became of the photos of a person, in their order; empty for the head of one photo."""
        return tuple(PhotoView.of(about) for about in self.document.get("views") or ())

    @property
    def main_view(self) -> int | None:
        """Which of `views` the surface is from, None if there are none."""
        return next((number for number, view in enumerate(self.views) if view.main), None)

    @property
    def quality(self) -> dict[str, Any]:
        """How far to trust the head."""
        return dict(self.document.get("quality") or {})

    @property
    def timings(self) -> dict[str, float]:
        """The engine's seconds by step."""
        return dict(self.document.get("timings") or {})

    def landmarks(self, kind: str) -> np.ndarray:
        """(N, 3) float64, head frame, meters, NaN where there is none; `kind` as in face.json.

        Empty (0, 3) if the file has none of that kind. Raises ValueError if they are no points.
        """
        points = (self.document.get("landmarks") or {}).get(kind) or []
        if not isinstance(points, list) or len(points) > MAX_LANDMARKS:
            raise ValueError(f"landmarks {kind} are no list of points")
        for point in points:
            if point is not None and not (
                isinstance(point, list)
                and len(point) == 3
                and all(_is_number(value) and abs(value) <= MAX_COORDINATE for value in point)
            ):
                raise ValueError(f"landmarks {kind} have a point that is none")
        rows = [point if point is not None else (np.nan, np.nan, np.nan) for point in points]
        return np.array(rows, float).reshape(-1, 3)


def _camera_of(size: Any, about: Any) -> PhotoCamera | None:
    """The camera of a photo, None if there is none or it is impossible.

    Args:
        size: Has the photo's "width" and "height".
        about: Has "camera" and "pose".
    """
    try:
        camera, pose = about["camera"], about["pose"]
        cx, cy = camera["principal_point_px"]
        found = PhotoCamera(
            width=int(size["width"]),
            height=int(size["height"]),
            focal_px=float(camera["focal_length_px"]),
            cx=float(cx),
            cy=float(cy),
            rotation=np.array(pose["rotation_head_to_camera"], float).reshape(3, 3),
            translation=np.array(pose["translation_m"], float).reshape(3),
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return found if _is_possible(found) else None


def _orientation_of(about: dict[str, Any]) -> int:
    value = about.get("orientation", 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _check_views(views: object) -> None:
    """Raises ValueError if they are no list of JSON objects."""
    if views is None:
        return
    if not isinstance(views, list) or len(views) > MAX_VIEWS or not all(isinstance(v, dict) for v in views):
        raise ValueError("views is no list of photos")


def _is_number(value: object) -> bool:
    """Whether a JSON value is a number that a float can hold."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= MAX_NUMBER


def _check_quality(quality: dict[str, Any]) -> None:
    """Raises ValueError if figures that are shown are no numbers, or remarks no list."""
    for name in QUALITY_NUMBERS:
        if quality.get(name) is not None and not _is_number(quality[name]):
            raise ValueError(f"{name} is no number")
    for name in QUALITY_LISTS:
        if not isinstance(quality.get(name) or [], list):
            raise ValueError(f"{name} is no list")
    spread = quality.get("error_spread_mm") or []
    if not all(_is_number(value) for value in spread):
        raise ValueError("error_spread_mm has something that is no number")


def _is_possible(camera: PhotoCamera) -> bool:
    """Whether a camera can have taken a photo: a picture of some size, a rotation, a head somewhere near."""
    numbers = (camera.focal_px, camera.cx, camera.cy, *camera.translation)
    rotation = camera.rotation
    return (
        min(camera.width, camera.height) >= 1
        and max(camera.width, camera.height) <= MAX_PIXELS_OF_A_SIDE
        and bool(np.isfinite(numbers).all() and np.isfinite(rotation).all())
        and 0 < camera.focal_px <= MAX_FOCAL_PX
        and bool(np.abs(rotation @ rotation.T - np.eye(3)).max() < ROTATION_TOLERANCE)
        and bool(np.linalg.det(rotation) > 0)
    )
