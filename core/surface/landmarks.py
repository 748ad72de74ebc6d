"""Landmarks of the surface."""

import numpy as np

from ..geometry.frames import CropFrame, HeadPose
from .isosurface import Isosurface

#: How far a landmark may be moved to a ray that meets the surface, pixels.
MAX_SHIFT_PX = 2


def column_crossings(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where functions along rays are zero.

    Args:
        columns: (N, D), from far to near.

    Returns:
        (K,) int, index of the column, and (K,) z, interpolated linearly.
    """
    inside = columns > 0
    column, k = np.nonzero(inside[:, 1:] != inside[:, :-1])
    low, high = columns[column, k], columns[column, k + 1]
    return column, k - low / (high - low)


def landmarks_on_surface(
    isosurface: Isosurface, points: np.ndarray, expected: np.ndarray, frame: CropFrame, pose: HeadPose
) -> np.ndarray:
    """Landmarks on the surface, along the camera rays through their pixels.

    A ray may cross the surface several times: the crossing nearest to the expected depth counts, so that
    landmarks of the far cheek are where they are hidden.

    Args:
        isosurface: Of the head.
        points: (N, 2), photo frame, px.
        expected: (N, 3), head frame, meters, where they should be.
        frame: Of the crop.
        pose: Of the head.

    Returns:
        (N, 3) float32, head frame, meters; NaN where nothing is on the ray or within two pixels of it.
    """
    origin = isosurface.origin[::-1].astype(np.float64)
    crop = frame.photo_to_crop(points[:, :2].astype(np.float64)) - origin[:2]
    depth = frame.camera_to_volume(pose.head_to_camera(expected.astype(np.float64)))[:, 2] - origin[2]
    result = np.full((len(points), 3), np.nan)
    missing = np.arange(len(points))
    for offset in _spiral(MAX_SHIFT_PX):
        columns, valid = _sample_columns(isosurface.sdf, crop[missing] + offset)
        column, z = column_crossings(columns)
        if len(column):
            # Sort by landmark, then by distance: the first of each landmark is the nearest.
            gap = np.abs(z - depth[missing[column]])
            order = np.lexsort((gap, column))
            first = order[np.unique(column[order], return_index=True)[1]]
            first = first[valid[column[first]]]
            found = missing[column[first]]
            result[found] = np.column_stack([crop[found] + offset, z[first]])
        missing = np.flatnonzero(np.isnan(result[:, 0]))
        if len(missing) == 0:
            break
    return pose.camera_to_head(frame.volume_to_camera(result + origin)).astype(np.float32)


def _spiral(reach: int) -> np.ndarray:
    """Offsets (K, 2), dx and dy, pixels, within a distance, the nearest first."""
    steps = np.arange(-reach, reach + 1.0)
    offsets = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)
    length = np.hypot(*offsets.T)
    return offsets[np.argsort(length, kind="stable")][: int((length <= reach).sum())]


def _sample_columns(sdf: np.ndarray, crop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A field (D, H, W) along the rays through pixels (N, 2): (N, D), bilinear, and which are inside it."""
    height, width = sdf.shape[1:]
    valid = ((crop >= 0) & (crop <= [width - 1, height - 1])).all(1)
    x, y = np.clip(crop, 0, [width - 1.001, height - 1.001]).T
    x0, y0 = x.astype(int), y.astype(int)
    fx, fy = (x - x0)[:, None], (y - y0)[:, None]
    corners = [sdf[:, y0 + j, x0 + i].T for j in (0, 1) for i in (0, 1)]
    top, bottom = corners[0] * (1 - fx) + corners[1] * fx, corners[2] * (1 - fx) + corners[3] * fx
    return top * (1 - fy) + bottom * fy, valid
