"""Takes the steps out of the steep sides of a volume.

Occupancy ramps along the camera's rays, so surfaces that face the camera come out smooth between the
voxels. Where the surface runs along the rays it jumps from column to column, and marching cubes would
show terraces: there the volume is blurred a little. Elsewhere it is left alone, so that lips and eyelids
keep their edges.
"""

import numpy as np

#: Cosines between normal and ray at which the blur is complete / at which it begins.
STEEP, FLAT = 0.35, 0.6
#: Blur, voxels, of the depth that the steepness is taken from.
DEPTH_BLUR = 1.5


def smooth_sides(values: np.ndarray, level: float) -> np.ndarray:
    """A copy of occupancy values (D, H, W) float32 [z, y, x], blurred by [1 2 1] / 4 along all axes where
    the surface is steep and on the whole far side, which has no details to lose.
    """
    import cv2

    inside = values >= level
    front, back = depth_range(inside)
    weight = np.maximum(steepness(front), steepness(back))
    middle = (front + back) / 2
    smooth = np.empty_like(values)
    for source, target in zip(values, smooth, strict=True):
        cv2.GaussianBlur(source, (3, 3), 0, dst=target, borderType=cv2.BORDER_REPLICATE)
    inner = smooth[1:-1] * np.float32(0.5)
    inner += np.float32(0.25) * smooth[:-2]
    inner += np.float32(0.25) * smooth[2:]
    smooth[1:-1] = inner
    smooth -= values
    for z, layer in enumerate(smooth):
        layer *= np.where(z < middle, np.float32(1), weight)
    smooth += values
    return smooth


def depth_range(inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(H, W) float32 z of the nearest and the farthest voxel of a solid (D, H, W) bool in each column.

    What is outside counts as far away, which makes the outline steep.
    """
    depth = len(inside)
    some = inside.any(0)
    front = np.where(some, depth - 1 - np.argmax(inside[::-1], 0), 0)
    back = np.where(some, np.argmax(inside, 0), depth - 1)
    return front.astype(np.float32), back.astype(np.float32)


def steepness(surface: np.ndarray) -> np.ndarray:
    """(H, W) float32, 0..1: how steep a surface given by its depth (H, W) float32, voxels, is."""
    import cv2

    blurred = cv2.GaussianBlur(surface, (0, 0), DEPTH_BLUR)
    along_y, along_x = np.gradient(blurred)
    cosine = 1 / np.sqrt(1 + along_x**2 + along_y**2)
    return np.clip((FLAT - cosine) / (FLAT - STEEP), 0, 1).astype(np.float32)
