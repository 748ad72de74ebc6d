"""The segment frame of a head, and what its pixels show."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import cv2
import numpy as np

from ..geometry.frames import HEAD_CENTER, AffineFrame, Camera, HeadPose, upright_map

#: Side of the segment frame, pixels.
SEGMENT_SIZE = 256
#: Width of the segment frame at the head's center, cm: hair down to the collarbones fits at any pose.
SEGMENT_WIDTH_CM = 56.0
#: Width of one of its pixels there, meters.
SEGMENT_PX_METERS = SEGMENT_WIDTH_CM / 100 / SEGMENT_SIZE
#: Where the head's center lies in the segment frame, x and y, pixels: a little above the middle, as hair and
#: clothes reach further down than up.
SEGMENT_CENTER = ((SEGMENT_SIZE - 1) / 2, 111.5)


class SegmentClass(IntEnum):
    """What a pixel shows; the values index `Segmentation.probabilities`."""

    BACKGROUND = 0
    SKIN = 1
    """Lips, eyes, ears, neck and a shaven scalp, too."""
    HAIR = 2
    FACIAL_HAIR = 3
    """Brows, beard, mustache."""
    ACCESSORY = 4
    """Glasses and jewelry."""
    HEADWEAR = 5
    OCCLUDER = 6
    """A hand or another thing before the face."""
    CLOTHES = 7


@dataclass(frozen=True)
class Segmentation:
    """What the pixels around a head show.

    Attributes:
        probabilities: (8, 256, 256) float32 in the segment frame, 0..1; they sum to 1 over the classes.
        frame: The segment frame.
    """

    probabilities: np.ndarray
    frame: AffineFrame

    @cached_property
    def labels(self) -> np.ndarray:
        """(256, 256) uint8 in the segment frame: the most probable class (`SegmentClass`)."""
        return self.probabilities.argmax(0).astype(np.uint8)

    def probabilities_at(self, points: np.ndarray) -> np.ndarray:
        """The probabilities of the classes at points, interpolated bilinearly.

        Args:
            points: (..., 2) photo frame, pixels.

        Returns:
            (..., 8) float32; all background outside the segment frame.
        """
        pixels = self.frame.photo_to_crop(np.asarray(points, np.float64))
        limit = SEGMENT_SIZE - 1
        inside = ((pixels >= -0.5) & (pixels <= limit + 0.5)).all(-1)  # NaN is outside
        at = np.where(inside[..., None], np.clip(pixels, 0, limit), 0.0)
        low = np.minimum(at.astype(np.int64), limit - 1)
        fraction = (at - low).astype(np.float32)
        x, y = low[..., 0], low[..., 1]
        right, down = fraction[..., 0], fraction[..., 1]
        upper = self.probabilities[:, y, x] * (1 - right) + self.probabilities[:, y, x + 1] * right
        lower = self.probabilities[:, y + 1, x] * (1 - right) + self.probabilities[:, y + 1, x + 1] * right
        values = np.moveaxis(upper * (1 - down) + lower * down, 0, -1)
        return np.where(inside[..., None], values, _background()).astype(np.float32)

    def in_photo(self, height: int, width: int, classes: Sequence[int] | None = None) -> np.ndarray:
        """The probabilities at each pixel of the photo.

        Args:
            height: Of the photo, pixels.
            width: Of the photo, pixels.
            classes: Which classes (`SegmentClass`), in the order of the result (default: all).

        Returns:
            (C, height, width) float32; all background outside the segment frame.
        """
        chosen = range(len(SegmentClass)) if classes is None else classes
        result = np.empty((len(chosen), height, width), np.float32)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        for plane, index in zip(result, chosen, strict=True):
            cv2.warpAffine(
                np.ascontiguousarray(self.probabilities[index]),
                self.frame.matrix,
                (width, height),
                dst=plane,
                flags=flags,
                borderMode=cv2.BORDER_CONSTANT,
                borderValue=(float(index == SegmentClass.BACKGROUND),),
            )
        return result


def _background() -> np.ndarray:
    """(8,) float32: all background."""
    return np.eye(len(SegmentClass), dtype=np.float32)[SegmentClass.BACKGROUND]


def segment_frame(camera: Camera, pose: HeadPose) -> AffineFrame:
    """The segment frame of a head: 256 x 256 px, roll removed, 56 cm across at the head's center.

    Args:
        camera: Of the photo.
        pose: Of the head, meters.

    Returns:
        The frame, photo -> segment frame.
    """
    center = pose.head_to_camera(HEAD_CENTER)
    position = camera.project(center)
    scale = SEGMENT_SIZE / (SEGMENT_WIDTH_CM / 100.0) * float(center[2]) / camera.focal_px
    # The picture of the head's up axis, projected at its center, points up.
    up = camera.project(pose.head_to_camera(HEAD_CENTER + np.array([0.0, 0.0, 0.01]))) - position
    linear = upright_map(up, scale)
    return AffineFrame(np.column_stack([linear, np.array(SEGMENT_CENTER) - linear @ position]))
