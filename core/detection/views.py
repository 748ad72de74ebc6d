"""The views of a photo that the face detector is run on: whole, zoomed, rotated, mirrored, in tiles, or of
one face.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..geometry.frames import apply_affine
from .mediapipe_topology import CHIN, FOREHEAD

#: MediaPipe's least confidence: what it finds is verified. Each one takes two graphs of its own, 47 MB.
CONFIDENCE = 0.3
#: The same where nothing is verified, as for training pictures: of faces that are turned far, boxes that are
#: sure of little move the landmarks (beyond 60 degrees 2.8 instead of 2.1 mm as placed; docs/diary.md).
UNVERIFIED_CONFIDENCE = 0.5
#: The same in the last views.
LAST_CONFIDENCE = 0.15
#: Side of a tile as the detector gets it, pixels.
TILE_SIZE = 512
#: Side of the close-up by which a detection is verified, pixels.
CLOSE_UP_SIZE = 320
#: Fraction of a close-up's side that the face covers: for the short-range detector, ...
CLOSE_UP_FILL = 0.55
#: ... and for the full-range one.
FAR_CLOSE_UP_FILL = 0.4
#: Fraction by which tiles overlap, so that a face as large as the overlap is whole in one of them.
TILE_OVERLAP = 0.25
#: The full-range detector sees faces from 5 % of its picture on: tiles of fewer
#: photo pixels than these bring nothing.
SMALLEST_TILE = 500
#: How often tiles are halved at most.
TILE_LEVELS = 3


@dataclass(frozen=True)
class DetectionView:
    """A similarity of a picture, and how the detector is run on it.

    Attributes:
        matrix: (2, 3) similarity, picture -> view.
        size: (width, height) of the view, pixels.
        attempt: Its name.
        confidence: MediaPipe's least confidence, 0..1.
        full_range: Whether to use the detector of small faces.
        confirmations: How many of the four close-ups have to confirm a detection.
    """

    matrix: np.ndarray
    size: tuple[int, int]
    attempt: str
    confidence: float = CONFIDENCE
    full_range: bool = False
    confirmations: int = 2

    def render(self, rgb: np.ndarray) -> np.ndarray:
        """Draw what the view shows, gray where it leaves the picture.

        Args:
            rgb: (H, W, 3) uint8, the picture.

        Returns:
            (height, width, 3) uint8; a part of the picture itself if the view is no more than that.
        """
        import cv2

        left, top = -self.matrix[:, 2]
        right, bottom = left + self.size[0], top + self.size[1]
        inside = min(left, top) >= 0 and right <= rgb.shape[1] and bottom <= rgb.shape[0]
        if inside and np.array_equal(self.matrix[:, :2], np.eye(2)) and left % 1 == top % 1 == 0:
            return rgb[int(top) : int(bottom), int(left) : int(right)]
        return cv2.warpAffine(
            rgb, self.matrix, self.size, flags=cv2.INTER_LINEAR, borderValue=(128, 128, 128)
        )


def whole_picture(shape: tuple[int, ...], attempt: str, full_range: bool = False) -> DetectionView:
    """The picture as it is.

    Args:
        shape: (height, width, ...) of the picture, pixels.
        attempt: The view's name.
        full_range: Whether to use the detector of small faces.
    """
    return DetectionView(np.eye(2, 3), (shape[1], shape[0]), attempt, full_range=full_range)


def rotated(
    center: np.ndarray, zoom: float, degrees: float, side: int, attempt: str, full_range: bool = False
) -> DetectionView:
    """The surroundings of a point, zoomed and rotated, in a square.

    Args:
        center: (2,) the point, pixels of the picture.
        zoom: Pixels of the view per pixel of the picture.
        degrees: Rotation, clockwise.
        side: Of the square, pixels.
        attempt: The view's name.
        full_range: Whether to use the detector of small faces.
    """
    angle = np.radians(degrees)
    linear = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    offset = (side - 1) / 2 - linear @ center
    return DetectionView(
        np.concatenate([linear, offset[:, None]], 1), (side, side), attempt, full_range=full_range
    )


def mirrored_view(view: DetectionView) -> DetectionView:
    """The mirror image of a view."""
    flip = np.array([[-1.0, 0.0, view.size[0] - 1], [0.0, 1.0, 0.0]])
    offset = apply_affine(flip, view.matrix[:, 2])
    matrix = np.concatenate([flip[:, :2] @ view.matrix[:, :2], offset[:, None]], 1)
    return replace(view, matrix=matrix, attempt="mirrored")


def retries(shape: tuple[int, ...]) -> Iterator[DetectionView]:
    """Views of the whole picture, to try in turn until one shows a face: the most fruitful first."""
    height, width = shape[:2]
    center = np.array([(width - 1) / 2, (height - 1) / 2])
    side, diagonal = max(height, width), round(float(np.hypot(height, width)))
    full = whole_picture(shape, "full range", full_range=True)
    short = whole_picture(shape, "insistent")
    yield full
    yield mirrored_view(full)
    yield short
    yield mirrored_view(short)
    for full_range in (True, False):
        yield rotated(center, 0.6, 0, side, "padded", full_range)
        yield rotated(center, 1.5, 0, side, "enlarged", full_range)
    for degrees in (30, -30):
        yield rotated(center, 1.0, degrees, diagonal, "rotated", True)
    for degrees in (90, -90, 180, 60, -60):
        # The detector takes clay-like profiles for faces upside down.
        yield replace(rotated(center, 1.0, degrees, diagonal, "rotated"), confirmations=3)
    for view in (full, short):
        yield replace(view, attempt="insistent", confidence=LAST_CONFIDENCE)
        yield replace(mirrored_view(view), confidence=LAST_CONFIDENCE)


def close_ups(points: np.ndarray) -> list[DetectionView]:
    """Views of one detected face, upright and filling the picture, by which to verify and refine it.

    Args:
        points: (478, 2 or 3) landmarks, px.

    Returns:
        Four: as it is and mirrored, for the short-range and for the full-range detector. The first one's
        landmarks are the best.
    """
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    up = points[FOREHEAD, :2] - points[CHIN, :2]
    degrees = -float(np.degrees(np.arctan2(up[0], -up[1])))
    views = []
    for fill, full_range in ((CLOSE_UP_FILL, False), (FAR_CLOSE_UP_FILL, True)):
        zoom = fill * CLOSE_UP_SIZE / max(float((high - low).max()), 1e-6)
        view = rotated((low + high) / 2, zoom, degrees, CLOSE_UP_SIZE, "close-up", full_range)
        views += [view, mirrored_view(view)]
    return views


def tile_levels(shape: tuple[int, ...]) -> Iterator[float]:
    """Scales at which to cut a picture into tiles of TILE_SIZE: half its longer side, a quarter, an
    eighth.
    """
    longest = max(shape[:2])
    for level in range(1, TILE_LEVELS + 1):
        side = longest / 2**level
        if side < SMALLEST_TILE:
            return
        yield TILE_SIZE / side


def tiles(shape: tuple[int, ...]) -> Iterator[DetectionView]:
    """Overlapping squares of TILE_SIZE that cover a picture."""
    height, width = shape[:2]
    step = TILE_SIZE * (1 - TILE_OVERLAP)

    def starts(length: int) -> np.ndarray:
        count = max(1, int(np.ceil((length - TILE_SIZE) / step)) + 1)
        return np.linspace(0, max(0, length - TILE_SIZE), count).round()

    for top in starts(height):
        for left in starts(width):
            matrix = np.array([[1.0, 0.0, -left], [0.0, 1.0, -top]])
            yield DetectionView(matrix, (TILE_SIZE, TILE_SIZE), "enlarged", full_range=True)
