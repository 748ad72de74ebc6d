"""Headwear, hair and things before a face that do not touch the head: leaves and furniture behind it."""

import cv2
import numpy as np

from .segments import SEGMENT_CENTER, SEGMENT_SIZE, SEGMENT_WIDTH_CM, Segmentation, SegmentClass

#: What a head consists of.
HEAD = (SegmentClass.SKIN, SegmentClass.HAIR, SegmentClass.FACIAL_HAIR, SegmentClass.ACCESSORY)
#: What has to touch it.
THINGS = (SegmentClass.HEADWEAR, SegmentClass.OCCLUDER)
#: What hair grows from or is seen beside; what may cover that, and the least part of its border that hair
#: then shares with it: a picture's frame on the wall above a hat touches it in a spot.
TOUCHING_HAIR = (SegmentClass.SKIN, SegmentClass.FACIAL_HAIR, SegmentClass.ACCESSORY)
COVERING = (SegmentClass.HEADWEAR, SegmentClass.OCCLUDER, SegmentClass.CLOTHES)
LEAST_SHARED = 0.25
#: What is no farther apart than this touches, pixels of the segment frame.
GAP_PX = 2
#: The head is what lies within this distance of its center, and what is connected with that, pixels.
HEAD_RADIUS_PX = 11.0 * SEGMENT_SIZE / SEGMENT_WIDTH_CM


def without_detached(segmentation: Segmentation) -> Segmentation:
    """A segmentation without headwear, things and hair that do not touch the head: they are background.

    Args:
        segmentation: As the network has found it.

    Returns:
        The same one if all of them touch it, or if no head is seen.
    """
    labels = segmentation.labels
    head = _head(np.isin(labels, HEAD), np.isin(labels, THINGS))
    if not head.any():
        return segmentation
    segmentation = _as_background(segmentation, _detached_things(labels, head), THINGS)
    return _as_background(segmentation, _detached_hair(segmentation.labels), (SegmentClass.HAIR,))


def _detached_things(labels: np.ndarray, head: np.ndarray) -> np.ndarray:
    """(256, 256) bool: headwear and things that do not touch the head (256, 256)."""
    things = np.isin(labels, THINGS)
    count, component = cv2.connectedComponents(things.astype(np.uint8), connectivity=8)
    attached = np.zeros(count, bool)
    attached[component[_grown(head)]] = True
    return np.asarray(things & ~attached[component])


def _detached_hair(labels: np.ndarray) -> np.ndarray:
    """(256, 256) bool: hair that touches no skin, and what covers skin with little of its border only."""
    hair = (labels == SegmentClass.HAIR).astype(np.uint8)
    count, component = cv2.connectedComponents(hair, connectivity=8)
    attached = np.zeros(count, bool)
    attached[component[_grown(np.isin(labels, TOUCHING_HAIR))]] = True
    border = (hair > 0) & (cv2.erode(hair, np.ones((3, 3), np.uint8)) == 0)
    beside = border & _grown(np.isin(labels, COVERING))
    length, shared = (np.bincount(component[part], minlength=count) for part in (border, beside))
    attached |= shared > LEAST_SHARED * length
    return np.asarray((hair > 0) & ~attached[component])


def _grown(mask: np.ndarray) -> np.ndarray:
    """(256, 256) bool: what lies in a mask or touches it."""
    kernel = np.ones((2 * GAP_PX + 1, 2 * GAP_PX + 1), np.uint8)
    return cv2.dilate(mask.astype(np.uint8), kernel) > 0


def _as_background(
    segmentation: Segmentation, detached: np.ndarray, kinds: tuple[SegmentClass, ...]
) -> Segmentation:
    """A segmentation in which parts (256, 256) of these kinds are background."""
    if not detached.any():
        return segmentation
    probabilities = segmentation.probabilities.copy()
    # What the network was less certain of around them belongs to them, too.
    near = detached | (_grown(detached) & (segmentation.labels == SegmentClass.BACKGROUND))
    for kind in kinds:
        probabilities[SegmentClass.BACKGROUND][near] += probabilities[kind][near]
        probabilities[kind][near] = 0
    # Where clothes came second, what is left is background nevertheless.
    wrong = detached & (probabilities.argmax(0) != SegmentClass.BACKGROUND)
    probabilities[:, wrong] = 0
    probabilities[SegmentClass.BACKGROUND, wrong] = 1
    return Segmentation(probabilities, segmentation.frame)


def _head(parts: np.ndarray, things: np.ndarray) -> np.ndarray:
    """(256, 256) bool: the components of a head's parts that reach its middle; where a thing hides the
    middle, that thing is of the head, too.
    """
    y, x = np.mgrid[: parts.shape[0], : parts.shape[1]]
    middle = np.hypot(x - SEGMENT_CENTER[0], y - SEGMENT_CENTER[1]) < HEAD_RADIUS_PX
    _, component = cv2.connectedComponents(parts.astype(np.uint8), connectivity=8)
    chosen = np.unique(component[middle & parts])
    head = np.isin(component, chosen) & parts
    return np.asarray(head | (things & middle))
