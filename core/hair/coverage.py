"""Keeps a corrected volume from losing hair that the photo shows."""

import cv2
import numpy as np

from ..image.sampling import sample_image
from .masks import SIZE, HairMaps

#: Side of the squares of pixels that are looked at together: less than a cell of the volume.
SQUARE = 2
#: The field reaches this, meters, somewhere along each ray on which the photo shows hair, or the construction
#: stands there.
NEEDED = 0.0015
#: Gaps of so many squares between places where the construction stands are closed, and so many are added.
GAPS = 7
ADDED = 3
#: Below the construction by this much, meters, nothing of it is left.
FADE = 0.02


def covering(
    field: np.ndarray, construction: np.ndarray, hidden: np.ndarray, maps: HairMaps, pixels: np.ndarray
) -> np.ndarray:
    """Let the construction stand where a corrected field lacks hair that the photo shows.

    Args:
        field: (N,) float32 meters, corrected, positive in the hair.
        construction: (N,) the same without the correction.
        hidden: (N,) 0..1, how far something hides each point.
        maps: What the photo shows.
        pixels: (N, 2) of `maps`, where the points are.

    Returns:
        (N,) float32 meters.
    """
    side = -(-SIZE // SQUARE)
    visible = np.flatnonzero((hidden < 0.5) & (pixels >= 0).all(1) & (pixels < SIZE).all(1))
    square = (pixels[visible] / SQUARE).astype(np.int32)
    most = np.full(side * side, -np.inf, np.float32)
    np.maximum.at(most, square[:, 1] * side + square[:, 0], field[visible])
    # Rays pass between the points of the grid: neighbors count, too.
    nearby = cv2.dilate(most.reshape(side, side), np.ones((3, 3), np.uint8))
    middle = np.clip(np.arange(side) * SQUARE + SQUARE // 2, 0, SIZE - 1)
    needed = np.minimum(maps.outline[np.ix_(middle, middle)], NEEDED)
    lost = ((needed > 0) & np.isfinite(nearby) & (nearby < needed)).astype(np.uint8)
    lost = cv2.morphologyEx(lost, cv2.MORPH_CLOSE, np.ones((GAPS, GAPS), np.uint8))
    lost = cv2.dilate(lost, np.ones((2 * ADDED + 1, 2 * ADDED + 1), np.uint8))
    kept = cv2.blur(lost.astype(np.float32), (5, 5))
    at = (pixels - SQUARE // 2) / np.float32(SQUARE)
    return np.asarray(np.maximum(field, construction - FADE * (1 - sample_image(kept, at))), np.float32)
