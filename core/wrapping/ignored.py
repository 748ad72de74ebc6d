"""Parts of the photo that a person wants left out: they show something else than the head."""

from dataclasses import replace

import cv2
import numpy as np

from ..geometry.frames import Camera, HeadPose
from ..segmentation.segments import SEGMENT_SIZE, Segmentation, SegmentClass
from ..surface.isosurface import Surface

#: Share of a mask's pixel from which on it belongs to a segment: what is ignored had better be too large.
OUTLINE = 0.25


def ignoring(segmentation: Segmentation, ignored: np.ndarray) -> Segmentation:
    """A segmentation in which what is ignored is something before the face: no texture, no hair from there.

    Args:
        segmentation: Of the photo.
        ignored: (H, W) bool, photo frame.
    """
    size = (SEGMENT_SIZE, SEGMENT_SIZE)
    fraction = cv2.warpAffine(
        ignored.astype(np.float32), segmentation.frame.matrix, size, flags=cv2.INTER_LINEAR
    )
    occluder = np.zeros(len(SegmentClass), np.float32)
    occluder[SegmentClass.OCCLUDER] = 1.0
    mixed = segmentation.probabilities * (1 - fraction) + occluder[:, None, None] * fraction
    return replace(segmentation, probabilities=mixed.astype(np.float32))


def segment_at(
    segmentation: Segmentation, x: float, y: float, photo_size: tuple[int, int], mask_size: tuple[int, int]
) -> tuple[SegmentClass, np.ndarray]:
    """What a pixel of the photo belongs to, all of it that hangs together: a hat, a pair of glasses, a hand.

    Args:
        segmentation: Of the photo.
        x: Photo frame, pixels.
        y: The same.
        photo_size: Width and height of the photo, pixels.
        mask_size: The same of the mask, which shows all of the photo.

    Returns:
        What it is, and (h, w) bool, where it is; nothing outside the segment frame.
    """
    place = np.round(segmentation.frame.photo_to_crop(np.array([x, y], float)))
    width, height = mask_size
    if not ((place >= 0) & (place < SEGMENT_SIZE)).all():  # before it is made whole: it may be anywhere
        return SegmentClass.BACKGROUND, np.zeros((height, width), bool)
    column, row = place.astype(int)
    kind = SegmentClass(int(segmentation.labels[row, column]))
    _, parts = cv2.connectedComponents((segmentation.labels == kind).astype(np.uint8), connectivity=8)
    part = (parts == parts[row, column]).astype(np.float32)
    # Mask -> photo -> segment frame; pixels have their centers at whole numbers in all three.
    scale = np.array([photo_size[0] / width, photo_size[1] / height])
    to_photo = np.vstack([np.column_stack([np.diag(scale), (scale - 1) / 2]), [0.0, 0.0, 1.0]])
    matrix = segmentation.frame.matrix @ to_photo
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    # WARP_INVERSE_MAP takes the way from the result to the source.
    return kind, cv2.warpAffine(part, matrix, (width, height), flags=flags) > OUTLINE


def unseen_where_ignored(surface: Surface, ignored: np.ndarray, camera: Camera, pose: HeadPose) -> Surface:
    """A surface without confidence where the photo is ignored: the wrapped head follows it little there.

    Args:
        surface: Head frame, meters.
        ignored: (H, W) bool, photo frame.
        camera: Of the photo.
        pose: Of the head.
    """
    pixels = np.round(camera.project(pose.head_to_camera(surface.vertices.astype(np.float64)))).astype(int)
    height, width = ignored.shape
    inside = (pixels >= 0).all(1) & (pixels < [width, height]).all(1)
    x, y = np.clip(pixels, 0, [width - 1, height - 1]).T
    hidden = inside & ignored[y, x]
    return replace(surface, confidence=np.where(hidden, 0, surface.confidence).astype(np.float32))
