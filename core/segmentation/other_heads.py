"""Hair and headwear of other people in a photo, which touch that of the head that is looked at."""

from collections.abc import Sequence

import numpy as np

from .segments import SEGMENT_SIZE, Segmentation, SegmentClass

#: What is taken from whoever is farther from it.
WORN = (SegmentClass.HAIR, SegmentClass.HEADWEAR)
#: Faces whose centers are closer than this, of the smaller one's size, are one face that was found twice.
SAME_FACE = 0.5


def without_other_heads(
    segmentation: Segmentation, face: np.ndarray, others: Sequence[np.ndarray]
) -> Segmentation:
    """A segmentation without what grows or lies on other people's heads: it is background.

    Hair belongs to the face that is nearer, measured in sizes of the faces.

    Args:
        segmentation: What the pixels around a head show.
        face: (L, 2 or more) landmarks of its face, photo frame, pixels.
        others: The same of the photo's other faces.

    Returns:
        The same one if all of it is this head's.
    """
    center, size = _place(face)
    pixels = np.stack(np.meshgrid(np.arange(SEGMENT_SIZE), np.arange(SEGMENT_SIZE)), -1).reshape(-1, 2)
    points = segmentation.frame.crop_to_photo(pixels.astype(float))
    own = np.linalg.norm(points - center, axis=1) / size
    theirs = np.zeros(len(points), bool)
    for other in others:
        middle, extent = _place(other)
        if np.linalg.norm(middle - center) > SAME_FACE * min(size, extent):
            theirs |= np.linalg.norm(points - middle, axis=1) / extent < own
    there = theirs.reshape(SEGMENT_SIZE, SEGMENT_SIZE)
    if not (there & np.isin(segmentation.labels, WORN)).any():
        return segmentation
    probabilities = segmentation.probabilities.copy()
    for kind in WORN:
        probabilities[SegmentClass.BACKGROUND][there] += probabilities[kind][there]
        probabilities[kind][there] = 0
    return Segmentation(probabilities, segmentation.frame)


def _place(landmarks: np.ndarray) -> tuple[np.ndarray, float]:
    """The center (2,) of a face and its longer side, pixels."""
    low, high = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
    return (low + high) / 2, max(float((high - low).max()), 1.0)
