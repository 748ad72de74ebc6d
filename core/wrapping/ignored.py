"""Parts of the photo that a person wants left out: they show something else than the head."""

from dataclasses import replace

import cv2
import numpy as np

from ..geometry.frames import Camera, HeadPose
from ..segmentation.segments import SEGMENT_SIZE, Segmentation, SegmentClass
from ..surface.isosurface import Surface


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
