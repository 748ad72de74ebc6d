"""The frame in which faces seen from the side are looked at: upright, the face in the middle, of one size.

It is made of landmarks alone. Their root mean square distance in 3D from their mean, which no turn of the
head changes, gives the size; chin and forehead say which way is up.
"""

import numpy as np

from ..geometry.frames import AffineFrame, compose_affine, upright_map
from .mediapipe_topology import CHIN, FOREHEAD

#: Side of the picture that the network gets, pixels.
PROFILE_SIZE = 128
#: The same in radii of the landmarks: some 28 cm of a head.
PROFILE_WIDTH = 4.4
#: Pixels of that picture a radius.
PX_PER_RADIUS = PROFILE_SIZE / PROFILE_WIDTH
#: Its middle.
PROFILE_CENTER = (PROFILE_SIZE - 1) / 2


def landmark_radius(points: np.ndarray) -> float:
    """Root mean square distance of landmarks from their mean.

    Args:
        points: (478, 3) photo frame, px.

    Returns:
        Pixels.
    """
    centered = points - points.mean(0)
    return float(np.sqrt((centered**2).sum(1).mean()))


def profile_frame(points: np.ndarray) -> AffineFrame:
    """The frame of a face as its landmarks place it.

    Args:
        points: (478, 3) landmarks, photo frame, px.

    Returns:
        Photo -> picture of PROFILE_SIZE.
    """
    up = points[FOREHEAD, :2] - points[CHIN, :2]
    linear = upright_map(up / max(float(np.linalg.norm(up)), 1e-9), PX_PER_RADIUS / landmark_radius(points))
    return AffineFrame(np.column_stack([linear, PROFILE_CENTER - linear @ points[:, :2].mean(0)]))


def points_in_frame(points: np.ndarray, frame: AffineFrame) -> np.ndarray:
    """Landmarks in a frame, z at its scale.

    Args:
        points: (478, 3) photo frame, px.
        frame: Photo -> picture.

    Returns:
        (478, 3) pixels of the picture.
    """
    return np.column_stack([frame.photo_to_crop(points[:, :2]), points[:, 2] * frame.scale])


def points_in_photo(points: np.ndarray, frame: AffineFrame) -> np.ndarray:
    """The inverse of `points_in_frame`.

    Args:
        points: (478, 3) pixels of the picture.
        frame: Photo -> picture.

    Returns:
        (478, 3) photo frame, px.
    """
    return np.column_stack([frame.crop_to_photo(points[:, :2]), points[:, 2] / frame.scale])


def mirrored_frame(frame: AffineFrame) -> AffineFrame:
    """The frame of the mirror image of a picture."""
    flip = np.array([[-1.0, 0.0, PROFILE_SIZE - 1], [0.0, 1.0, 0.0]])
    return AffineFrame(compose_affine(flip, frame.matrix))
