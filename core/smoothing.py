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
    steep.
    """
    import cv2

    weight = steepness(values >= level)
    smooth = np.empty_like(values)
    for source, target in zip(values, smooth, strict=True):
        cv2.GaussianBlur(source, (3, 3), 0, dst=target, borderType=cv2.BORDER_REPLICATE)
    inner = smooth[1:-1] * np.float32(0.5)
    inner += np.float32(0.25) * smooth[:-2]
    inner += np.float32(0.25) * smooth[2:]
    smooth[1:-1] = inner
    smooth -= values
    smooth *= weight
    smooth += values
    return smooth


def steepness(inside: np.ndarray) -> np.ndarray:
    """(H, W) float32, 0..1: how steep the front or the back of a solid (D, H, W) bool is in each column."""
    import cv2

    depth = len(inside)
    some = inside.any(0)
    front = np.where(some, depth - 1 - np.argmax(inside[::-1], 0), 0)
    back = np.where(some, np.argmax(inside, 0), depth - 1)
    steep = np.zeros(some.shape, np.float32)
    for surface in (front, back):
        # What is outside counts as far away, which makes the outline steep.
        blurred = cv2.GaussianBlur(surface.astype(np.float32), (0, 0), DEPTH_BLUR)
        along_y, along_x = np.gradient(blurred)
        cosine = 1 / np.sqrt(1 + along_x**2 + along_y**2)
        steep = np.maximum(steep, np.clip((FLAT - cosine) / (FLAT - STEEP), 0, 1))
    return steep.astype(np.float32)
