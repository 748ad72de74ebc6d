"""The frame of a face as its landmarks place it: what is looked at before the head is known."""

import numpy as np

from ..geometry.frames import CROP_CENTRE, Camera, CropFrame
from ..geometry.pose import WeakPerspectivePose

#: Pixels per cm at the head's centre: the face fills two thirds of the picture, as MediaPipe's networks know
#: it.
FACE_PX_PER_CM = 7.2


def face_frame(points: np.ndarray, seen: WeakPerspectivePose) -> CropFrame:
    """The frame of a face: 192 px, upright, the landmarks (478, 3), photo frame, in the middle.

    seen: the pose fitted to the landmarks, which gives roll and size, so that neither jumps with yaw.
    """
    up = seen.rotation @ np.array([0.0, 0.0, 1.0])
    angle = np.arctan2(up[0], -up[1]) if np.hypot(up[0], up[1]) > 1e-9 else 0.0
    scale = 100.0 * FACE_PX_PER_CM / seen.scale
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    linear = np.array([[cos, sin], [-sin, cos]])
    upright = points[:, :2] @ linear.T
    offset = CROP_CENTRE - (upright.min(0) + upright.max(0)) / 2
    return CropFrame(Camera(1.0, 0.0, 0.0), np.column_stack([linear, offset]), 1.0)
