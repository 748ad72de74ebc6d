"""Faces in a photo: MediaPipe's 478 landmarks, searched for again when the first look finds nothing.

MediaPipe's log goes to stderr. Landmark x and y are pixel positions in the photo frame; z has the same scale, smaller
is nearer to the camera, and its zero has no meaning.
"""

import logging
import os
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from core.errors import ModelError
from core.geometry import apply_affine, invert_affine

LANDMARK_COUNT = 478
#: Longest side, pixels, of the picture given to the detector: its own input has 128 or 192 px, the landmarks' 192.
SEARCH_SIZE = 1024
#: Faces covering less of the picture's short side than this are searched for in tiles.
SMALL_FACE = 0.2
#: Retries accept what the first look would not: they are the last chance, and a false find is checked again.
PLAIN_CONFIDENCE, RETRY_CONFIDENCE = 0.5, 0.3
#: Outer corners of the eyes, (subject's right, subject's left).
EYE_CORNERS = (33, 263)


@dataclass(frozen=True)
class FaceLandmarks:
    """One face: points (478, 3) float32, photo frame, px; `attempt` tells how it was found."""

    points: np.ndarray
    score: float = 1.0
    attempt: str = "plain"

    @cached_property
    def box(self) -> tuple[float, float, float, float]:
        """(left, top, right, bottom) of the landmarks, photo frame, px."""
        low, high = self.points[:, :2].min(0), self.points[:, :2].max(0)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])

    @property
    def size(self) -> float:
        """Longer side of the box, px: roughly the face's height from forehead to chin at any yaw."""
        left, top, right, bottom = self.box
        return max(right - left, bottom - top)


@dataclass(frozen=True)
class View:
    """A look at the photo: a (2, 3) similarity photo -> view, the view's (width, height), what to call it."""

    matrix: np.ndarray
    size: tuple[int, int]
    attempt: str
    confidence: float = RETRY_CONFIDENCE
    full_range: bool = False


class FaceDetector:
    """Finds faces. Cheap to make: MediaPipe's graphs are built when first needed, anew in each process."""

    def __init__(self, models_dir: Path):
        self._models_dir = Path(models_dir)
        self._mirror = _load_mirror(self._models_dir / "landmark_symmetry.npz")
        self._landmarkers: dict[tuple[int, bool, float], object] = {}

    @classmethod
    def from_pretrained(cls, models_dir: str | Path | None = None) -> "FaceDetector":
        """The detector with the models of `models_dir` (default: the project's)."""
        return cls(Path(models_dir) if models_dir else Path(__file__).resolve().parent.parent / "models")

    def detect(self, rgb: np.ndarray, max_faces: int = 10, thorough: bool = True) -> list[FaceLandmarks]:
        """Faces in an (H, W, 3) uint8 photo, largest first.

        With `thorough`, a photo without a find is searched again padded, enlarged, mirrored and rotated, and one with
        only small faces in tiles. `max_faces=1` leaves out the look for further, smaller faces.
        """
        rgb = np.ascontiguousarray(rgb)
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
            raise ValueError(f"detect wants an (H, W, 3) uint8 array, not {rgb.dtype} {rgb.shape}")
        height, width = rgb.shape[:2]
        scale = min(1.0, SEARCH_SIZE / max(height, width))
        base = rgb if scale == 1.0 else _shrink(rgb, scale)
        scale = base.shape[1] / width
        faces = self._look(base, whole_view(base.shape, PLAIN_CONFIDENCE))
        if thorough and not faces:
            for view in retry_views(base.shape):
                faces = self._look(base, view)
                if faces:
                    break
        faces = [_scaled(face, 1 / scale, (width, height)) for face in faces]
        faces = without_duplicates(faces)
        return sorted(faces, key=lambda face: -face.size)[:max_faces]

    def _look(self, rgb: np.ndarray, view: View) -> list[FaceLandmarks]:
        """Faces seen in one view, in the frame of `rgb`."""
        import mediapipe as mp

        width, height = view.size
        picture = rgb if view.attempt == "plain" else _render(rgb, view)
        image = mp.Image(image_format=mp.ImageFormat.SRGB, data=picture)
        found = self._landmarker(view.full_range, view.confidence).detect(image).face_landmarks
        inverse = invert_affine(view.matrix)
        determinant = np.linalg.det(inverse[:, :2])
        faces = []
        for landmarks in found:
            points = np.array([(p.x * width, p.y * height, p.z * width) for p in landmarks])
            points[:, :2] = apply_affine(inverse, points[:, :2])
            points[:, 2] *= np.sqrt(abs(determinant))
            if determinant < 0:
                points = points[self._mirror]
            face = FaceLandmarks(points.astype(np.float32), 1.0, view.attempt)
            if is_plausible(face, rgb.shape):
                faces.append(face)
        return faces

    def _landmarker(self, full_range: bool, confidence: float):
        """The MediaPipe task for this detector and threshold, made on first use (again after a fork)."""
        key = (os.getpid(), full_range, confidence)
        if key not in self._landmarkers:
            from mediapipe.tasks.python import BaseOptions, vision

            path = self._models_dir / (
                "face_landmarker_full_range.task" if full_range else "face_landmarker.task"
            )
            if not path.is_file():
                raise ModelError(f"{path} is missing: make it with scripts/build_face_landmarker.py")
            options = vision.FaceLandmarkerOptions(
                base_options=BaseOptions(model_asset_path=str(path)),
                num_faces=20,
                min_face_detection_confidence=confidence,
                min_face_presence_confidence=confidence,
            )
            try:
                landmarker = vision.FaceLandmarker.create_from_options(options)
            except (ValueError, RuntimeError) as error:
                raise ModelError(f"{path} cannot be used: {error}") from error
            self._landmarkers[key] = landmarker
            # MediaPipe's own destructor fails noisily while the interpreter goes down.
            weakref.finalize(self, _close, landmarker, os.getpid())
        return self._landmarkers[key]


def _close(landmarker, pid: int) -> None:
    """Free MediaPipe's graph; at the end of the interpreter or after a fork only keep its destructor from failing."""
    try:
        if os.getpid() == pid:
            landmarker.close()
    except RuntimeError:
        # Its threads are gone because the interpreter is going down: the system frees the rest.
        logging.getLogger(__name__).debug("MediaPipe's threads ended before its graph")
    finally:
        landmarker._handle = None


def _load_mirror(path: Path) -> np.ndarray:
    """(478,) index of each landmark's counterpart on the other side of the face."""
    try:
        with np.load(path) as table:
            return table["mirror"].astype(np.intp)
    except (OSError, KeyError, ValueError) as error:
        raise ModelError(
            f"{path} is missing or damaged ({error}): make it with scripts/build_landmark_symmetry.py"
        ) from error


def _shrink(rgb: np.ndarray, scale: float) -> np.ndarray:
    import cv2

    height, width = rgb.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)


def _render(rgb: np.ndarray, view: View) -> np.ndarray:
    import cv2

    return cv2.warpAffine(rgb, view.matrix, view.size, flags=cv2.INTER_LINEAR, borderValue=(128, 128, 128))


def _scaled(face: FaceLandmarks, factor: float, size: tuple[int, int]) -> FaceLandmarks:
    """The face in a picture enlarged by `factor`."""
    if factor == 1.0:
        return face
    points = face.points * np.float32(factor)
    points[:, :2] += np.float32((factor - 1) / 2)  # pixel centres, not corners, are at whole numbers
    return replace(face, points=points)


def whole_view(shape: tuple[int, ...], confidence: float, full_range: bool = False) -> View:
    """The picture as it is."""
    return View(np.eye(2, 3), (shape[1], shape[0]), "plain", confidence, full_range)


def centred_view(
    shape: tuple[int, ...], attempt: str, zoom: float = 1.0, degrees: float = 0.0, **options
) -> View:
    """The picture zoomed and turned clockwise about its centre, on a canvas that holds all of it if zoom <= 1."""
    height, width = shape[:2]
    side = round(float(np.hypot(width, height))) if degrees % 180 else max(width, height)
    angle = np.radians(degrees)
    linear = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    offset = (side - 1) / 2 - linear @ centre
    return View(np.concatenate([linear, offset[:, None]], 1), (side, side), attempt, **options)


def mirrored(view: View, attempt: str) -> View:
    """The view seen in a mirror."""
    flip = np.array([[-1.0, 0.0, view.size[0] - 1], [0.0, 1.0, 0.0]])
    matrix = np.concatenate(
        [flip[:, :2] @ view.matrix[:, :2], apply_affine(flip, view.matrix[:, 2])[:, None]], 1
    )
    return replace(view, matrix=matrix, attempt=attempt)


def retry_views(shape: tuple[int, ...]) -> Iterator[View]:
    """Looks to try one after the other when the first one finds nothing."""
    plain = whole_view(shape, RETRY_CONFIDENCE)
    yield replace(plain, attempt="insistent")
    yield centred_view(shape, "padded", zoom=0.6)
    yield mirrored(plain, "mirrored")
    yield centred_view(shape, "enlarged", zoom=1.6)
    for degrees in (30, -30, 90, -90, 180, 60, -60):
        yield centred_view(shape, "rotated", degrees=degrees)


def is_plausible(face: FaceLandmarks, shape: tuple[int, ...]) -> bool:
    """Whether the landmarks can be a face in a picture of this shape."""
    points = face.points
    if not np.isfinite(points).all():
        return False
    left, top, right, bottom = face.box
    height, width = shape[:2]
    inside = max(0.0, min(right, width) - max(left, 0)) * max(0.0, min(bottom, height) - max(top, 0))
    return face.size >= 4 and inside >= 0.4 * (right - left) * (bottom - top)


def overlap(a: FaceLandmarks, b: FaceLandmarks) -> float:
    """Intersection over the smaller box."""
    x = min(a.box[2], b.box[2]) - max(a.box[0], b.box[0])
    y = min(a.box[3], b.box[3]) - max(a.box[1], b.box[1])
    smaller = min((f.box[2] - f.box[0]) * (f.box[3] - f.box[1]) for f in (a, b))
    return max(0.0, x) * max(0.0, y) / max(smaller, 1e-9)


def without_duplicates(faces: list[FaceLandmarks]) -> list[FaceLandmarks]:
    """The faces without later ones that mostly cover an earlier one."""
    kept: list[FaceLandmarks] = []
    for face in faces:
        if all(overlap(face, other) < 0.5 for other in kept):
            kept.append(face)
    return kept
