"""The looks that the face detector takes at a photo: whole, zoomed, turned, mirrored, in tiles, or at one
face.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..geometry.frames import apply_affine

#: The first look is strict. A later one is a last chance, and what it finds is checked again.
PLAIN_CONFIDENCE, RETRY_CONFIDENCE = 0.5, 0.3
#: Side, pixels, of a tile as the detector gets it, and of the close-up by which a find is checked.
TILE_SIZE, CLOSE_UP_SIZE = 512, 320
#: Tiles overlap by this part, so that a face as large as the overlap is whole in one of them.
TILE_OVERLAP = 0.25
#: The full-range detector sees faces from 5 % of its picture on: below this many photo pixels, tiles
#: bring nothing.
SMALLEST_TILE = 500
TILE_LEVELS = 3


@dataclass(frozen=True)
class View:
    """A look at a picture.

    matrix: (2, 3) similarity, picture -> view. size: (width, height) of the view. attempt: what to call it.
    witnesses: how many of the four close-ups have to confirm what is found.
    """

    matrix: np.ndarray
    size: tuple[int, int]
    attempt: str
    confidence: float = RETRY_CONFIDENCE
    full_range: bool = False
    witnesses: int = 2

    def render(self, rgb: np.ndarray) -> np.ndarray:
        """What the view shows, grey where it leaves the picture."""
        import cv2

        if np.array_equal(self.matrix, np.eye(2, 3)) and self.size == (rgb.shape[1], rgb.shape[0]):
            return rgb
        return cv2.warpAffine(
            rgb, self.matrix, self.size, flags=cv2.INTER_LINEAR, borderValue=(128, 128, 128)
        )


def whole(shape: tuple[int, ...], attempt: str, confidence: float, full_range: bool = False) -> View:
    """The picture as it is."""
    return View(np.eye(2, 3), (shape[1], shape[0]), attempt, confidence, full_range)


def turned(
    centre: np.ndarray, zoom: float, degrees: float, side: int, attempt: str, full_range: bool = False
) -> View:
    """The surroundings of a point, zoomed and turned clockwise, in a square of `side` px."""
    angle = np.radians(degrees)
    linear = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    offset = (side - 1) / 2 - linear @ centre
    return View(np.concatenate([linear, offset[:, None]], 1), (side, side), attempt, full_range=full_range)


def mirrored(view: View) -> View:
    """The view seen in a mirror."""
    flip = np.array([[-1.0, 0.0, view.size[0] - 1], [0.0, 1.0, 0.0]])
    offset = apply_affine(flip, view.matrix[:, 2])
    matrix = np.concatenate([flip[:, :2] @ view.matrix[:, :2], offset[:, None]], 1)
    return replace(view, matrix=matrix, attempt="mirrored")


def retries(shape: tuple[int, ...]) -> Iterator[View]:
    """Looks at the whole picture, to take one after the other until one finds a face: the most fruitful
    first.
    """
    height, width = shape[:2]
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    side, diagonal = max(height, width), round(float(np.hypot(height, width)))
    full = whole(shape, "full range", RETRY_CONFIDENCE, True)
    short = whole(shape, "insistent", RETRY_CONFIDENCE)
    yield full
    yield mirrored(full)
    yield short
    yield mirrored(short)
    for full_range in (True, False):
        yield turned(centre, 0.6, 0, side, "padded", full_range)
        yield turned(centre, 1.5, 0, side, "enlarged", full_range)
    for degrees in (30, -30):
        yield turned(centre, 1.0, degrees, diagonal, "rotated", True)
    for degrees in (90, -90, 180, 60, -60):
        # Clay-like profiles look like faces upside down to the detector: be stricter.
        yield replace(turned(centre, 1.0, degrees, diagonal, "rotated"), witnesses=3)
    for view in (full, short):
        yield replace(view, attempt="insistent", confidence=0.15)
        yield replace(mirrored(view), confidence=0.15)


def close_ups(points: np.ndarray) -> list[View]:
    """Looks at one supposed face, upright and filling the view, by which to check and refine it.

    points: (478, 3) landmarks, px. Near and far, as it is and mirrored; the first is the one to take the
    result from.
    """
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    up = points[10, :2] - points[152, :2]  # forehead, chin
    degrees = -float(np.degrees(np.arctan2(up[0], -up[1])))
    views = []
    for part, full_range in ((0.55, False), (0.4, True)):
        zoom = part * CLOSE_UP_SIZE / max(float((high - low).max()), 1e-6)
        view = turned((low + high) / 2, zoom, degrees, CLOSE_UP_SIZE, "close-up", full_range)
        views += [view, mirrored(view)]
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


def tiles(shape: tuple[int, ...]) -> Iterator[View]:
    """Overlapping squares of TILE_SIZE that cover a picture."""
    height, width = shape[:2]
    step = TILE_SIZE * (1 - TILE_OVERLAP)

    def starts(length: int) -> np.ndarray:
        count = max(1, int(np.ceil((length - TILE_SIZE) / step)) + 1)
        return np.linspace(0, max(0, length - TILE_SIZE), count).round()

    for top in starts(height):
        for left in starts(width):
            matrix = np.array([[1.0, 0.0, -left], [0.0, 1.0, -top]])
            yield View(matrix, (TILE_SIZE, TILE_SIZE), "enlarged", PLAIN_CONFIDENCE, True)
