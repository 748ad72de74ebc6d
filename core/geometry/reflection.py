"""Reflection in the plane x = 0: of landmarks, pictures, cameras and poses."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from ..runtime.weights import model_arrays
from .frames import Camera, HeadPose
from .pose import WeakPerspectivePose

#: Factors of a point's coordinates, and the same as a matrix.
SIGN = np.array([-1.0, 1.0, 1.0])
FLIP = np.diag(SIGN)


def load_landmark_symmetry(models_dir: Path) -> np.ndarray:
    """Read which landmark is which on the other side of the face.

    Args:
        models_dir: The folder of the models.

    Returns:
        (478,) int, the index of each landmark's counterpart.

    Raises:
        ModelError: The file is missing or damaged.
    """
    with model_arrays(Path(models_dir) / "landmark_symmetry.npz") as table:
        return table["mirror"].astype(np.intp)


def mirrored_picture(rgb: np.ndarray) -> np.ndarray:
    """The picture in a mirror.

    Args:
        rgb: (H, W, 3).

    Returns:
        (H, W, 3), a view: copying all of a large photo takes longer than detecting the face in it.
    """
    return rgb[:, ::-1]


def mirrored_camera(camera: Camera, width: int) -> Camera:
    """The camera of the mirrored photo, `width` pixels wide."""
    return replace(camera, cx=width - 1 - camera.cx)


def mirrored_pose(pose: HeadPose) -> HeadPose:
    """The pose of the mirrored head in the mirrored photo."""
    return HeadPose(FLIP @ pose.rotation @ FLIP, pose.translation * SIGN)


def mirrored_weak_pose(pose: WeakPerspectivePose, width: float) -> WeakPerspectivePose:
    """The pose that the mirrored photo, `width` pixels wide, shows."""
    center = np.array([width - 1 - pose.center[0], pose.center[1]])
    return WeakPerspectivePose(FLIP @ pose.rotation @ FLIP, center, pose.scale)
