"""The landmarks of one face, and how two detections compare."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .mediapipe_topology import CHIN, FOREHEAD

#: Two detections are one face's if the smaller is larger than this fraction of the larger, ...
SAME_SIZE = 0.7
#: ... and the middles of their boxes are less than this far apart, in sizes of the larger.
SAME_PLACE = 0.2


@dataclass(frozen=True)
class FaceLandmarks:
    """The landmarks of one face.

    Attributes:
        points: (478, 3) float32, photo frame, px.
        score: How well its detections in several views agree, 0 to 1, 1 if there was only one (MediaPipe's
            API gives no confidence).
        attempt: The view that showed it.
        profile_points: (478, 3) float32, photo frame, px, the profile network's landmarks of a face turned
            far; else None.
    """

    points: np.ndarray
    score: float = 1.0
    attempt: str = "plain"
    profile_points: np.ndarray | None = None

    @cached_property
    def box(self) -> tuple[float, float, float, float]:
        """(left, top, right, bottom) of the landmarks, photo frame, px."""
        low, high = self.points[:, :2].min(0), self.points[:, :2].max(0)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])

    @property
    def size(self) -> float:
        """Longer side of the box, px: the face's height from forehead to chin, or more, at any yaw."""
        left, top, right, bottom = self.box
        return max(right - left, bottom - top)


class DetectedFaces(list[FaceLandmarks]):
    """The faces of a photo, largest first.

    omitted: how many further, smaller ones were found but left out, as they were more than asked for. The
        photo may show more: if one alone was asked for, or a large one was found, no others are searched for
        in tiles.
    """

    def __init__(self, faces: Iterable[FaceLandmarks] = (), omitted: int = 0) -> None:
        super().__init__(faces)
        self.omitted = omitted


def scaled(face: FaceLandmarks, factor: float, offset: np.ndarray | None = None) -> FaceLandmarks:
    """The face in an enlarged picture.

    Args:
        face: In the picture as it is.
        factor: Pixels of the enlarged picture per pixel.
        offset: (2,) where the first pixel lies in the enlarged picture; by default the corners coincide.
    """
    if factor == 1.0 and offset is None:
        return face
    points = face.points * np.float32(factor)
    # Pixel centers, not corners, are at whole numbers.
    points[:, :2] += (factor - 1) / 2 if offset is None else offset
    return replace(face, points=points)


def is_plausible(face: FaceLandmarks, shape: tuple[int, ...]) -> bool:
    """Whether the landmarks can be a face in a picture of this shape: finite, not a speck, mostly inside."""
    if not np.isfinite(face.points).all():
        return False
    left, top, right, bottom = face.box
    height, width = shape[:2]
    inside = max(0.0, min(right, width) - max(left, 0)) * max(0.0, min(bottom, height) - max(top, 0))
    return face.size >= 8 and inside >= 0.4 * (right - left) * (bottom - top)


def distance(a: FaceLandmarks, b: FaceLandmarks) -> float:
    """Mean distance of two faces' landmarks, in sizes of the first."""
    return float(np.linalg.norm(a.points[:, :2] - b.points[:, :2], axis=1).mean()) / a.size


def roll(face: FaceLandmarks) -> float:
    """How far the face is turned clockwise in the photo, degrees, from -180 to 180."""
    up = face.points[FOREHEAD, :2] - face.points[CHIN, :2]
    return float(np.degrees(np.arctan2(up[0], -up[1])))


def turn_between(a: FaceLandmarks, b: FaceLandmarks) -> float:
    """How far the second face is turned clockwise against the first in the photo, degrees, -180 to 180."""
    return (roll(b) - roll(a) + 180.0) % 360.0 - 180.0


def overlap(a: FaceLandmarks, b: FaceLandmarks) -> float:
    """Common area of the two boxes as a fraction of the smaller one's."""
    x = min(a.box[2], b.box[2]) - max(a.box[0], b.box[0])
    y = min(a.box[3], b.box[3]) - max(a.box[1], b.box[1])
    smaller = min((f.box[2] - f.box[0]) * (f.box[3] - f.box[1]) for f in (a, b))
    return max(0.0, x) * max(0.0, y) / max(smaller, 1e-9)


def same_face(a: FaceLandmarks, b: FaceLandmarks) -> bool:
    """Whether two detections are one face's, whichever way up each has it: two faces are never of nearly the
    same size in the same place.
    """
    smaller, larger = sorted((a.size, b.size))
    centers = [(np.array(face.box[:2]) + np.array(face.box[2:])) / 2 for face in (a, b)]
    apart = float(np.linalg.norm(centers[0] - centers[1]))
    return smaller > SAME_SIZE * larger and apart < SAME_PLACE * larger
