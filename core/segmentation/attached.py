"""Headwear and things before a face that do not touch the head: leaves, furniture and the like behind it."""

import cv2
import numpy as np

from .segments import SEGMENT_CENTER, SEGMENT_SIZE, SEGMENT_WIDTH_CM, Segmentation, SegmentClass

#: What a head consists of.
HEAD = (SegmentClass.SKIN, SegmentClass.HAIR, SegmentClass.FACIAL_HAIR, SegmentClass.ACCESSORY)
#: What has to touch it.
THINGS = (SegmentClass.HEADWEAR, SegmentClass.OCCLUDER)
#: What is no farther apart than this touches, pixels of the segment frame.
GAP_PX = 2
#: The head is what lies within this distance of its center, and what is connected with that, pixels.
HEAD_RADIUS_PX = 11.0 * SEGMENT_SIZE / SEGMENT_WIDTH_CM


def without_detached(segmentation: Segmentation) -> Segmentation:
    """A segmentation without headwear and things that do not touch the head: they are background.

    Args:
        segmentation: As the network has found it.

    Returns:
        The same one if all of them touch it, or if no head is seen.
    """
    labels = segmentation.labels
    things = np.isin(labels, THINGS)
    if not things.any():
        return segmentation
    count, component = cv2.connectedComponents(things.astype(np.uint8), connectivity=8)
    kernel = np.ones((2 * GAP_PX + 1, 2 * GAP_PX + 1), np.uint8)
    head = _head(np.isin(labels, HEAD), things)
    if not head.any():
        return segmentation
    attached = np.zeros(count, bool)
    attached[component[cv2.dilate(head.astype(np.uint8), kernel) > 0]] = True
    detached = things & ~attached[component]
    if not detached.any():
        return segmentation
    probabilities = segmentation.probabilities.copy()
    # What the network was less certain of around them belongs to them, too.
    around = cv2.dilate(detached.astype(np.uint8), kernel) > 0
    near = detached | (around & (labels == SegmentClass.BACKGROUND))
    for kind in THINGS:
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
