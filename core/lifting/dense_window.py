"""The window in which a network looks at a lifted head: upright, the face in its middle, of one size."""

import cv2
import numpy as np

from ..geometry.frames import HEAD_CENTER, AffineFrame, Camera, compose_affine, upright_map
from ..geometry.pose import WeakPerspectivePose

#: Side of the window that the network gets, pixels.
DENSE_SIZE = 160
#: Pixels per cm at the head's center.
DENSE_PX_PER_CM = 7.2
#: The window's middle, pixels.
DENSE_CENTER = (DENSE_SIZE - 1) / 2
#: What the window is centered on, from the head's center, head frame, meters: a point behind the face.
WINDOW_OFFSET = np.array([0.0, -0.06, -0.02])


def dense_frame(pose: WeakPerspectivePose) -> AffineFrame:
    """The window in which the network looks at a head.

    Args:
        pose: The lifted head's.

    Returns:
        View -> window of DENSE_SIZE.
    """
    linear = upright_map(pose.up, 100 * DENSE_PX_PER_CM / pose.scale)
    looked_at = pose.center + pose.scale * (pose.rotation @ WINDOW_OFFSET)[:2]
    return AffineFrame(np.column_stack([linear, DENSE_CENTER - linear @ looked_at]))


def points_in_window(
    points: np.ndarray, pose: WeakPerspectivePose, camera: Camera, window: AffineFrame
) -> np.ndarray:
    """Where a window shows points of a head.

    Args:
        points: (P, 3) head frame, meters.
        pose: The head's.
        camera: Of the view.
        window: View -> window.

    Returns:
        (P, 3) float32, cm from the window's middle: right, down, and away from the camera beyond the head's
        center.
    """
    head = pose.in_camera(camera)
    seen = head.head_to_camera(points.astype(np.float64))
    flat = (window.photo_to_crop(camera.project(seen)) - DENSE_CENTER) / DENSE_PX_PER_CM
    depth = 100 * (seen[:, 2] - head.head_to_camera(HEAD_CENTER)[2])
    return np.column_stack([flat, depth]).astype(np.float32)


def cut_window(crop: np.ndarray, frame: AffineFrame, window: AffineFrame) -> np.ndarray:
    """A window out of the crop of a face.

    Args:
        crop: (192, 192, 3) uint8.
        frame: View -> crop.
        window: View -> window.

    Returns:
        (160, 160, 3) uint8; the crop's border is repeated outside.
    """
    matrix = compose_affine(window.matrix, frame.inverse)
    size = (DENSE_SIZE, DENSE_SIZE)
    return cv2.warpAffine(crop, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
