"""Takes the steps out of the steep sides of a volume and of its surface.

Occupancy ramps along the camera's rays, so surfaces that face the camera come out smooth between the
voxels. Where the surface runs along the rays it jumps from column to column, and marching cubes would
show terraces: there the volume is blurred a little, and the mesh is relaxed. Elsewhere they are left alone,
so that lips and eyelids keep their edges.
"""

import numpy as np

#: Cosines between normal and ray at which the smoothing is complete / at which it begins.
STEEP, FLAT = 0.35, 0.6
#: Blur, voxels, of the depth that the steepness is taken from.
DEPTH_BLUR = 1.5
#: Steps inwards and outwards of the relaxed mesh, and how many pairs of them.
TAUBIN, RELAX_ROUNDS = (0.6, -0.62), 6


def smooth_sides(values: np.ndarray, front: np.ndarray, back: np.ndarray) -> np.ndarray:
    """A copy of occupancy values (D, H, W) float32 [z, y, x], blurred by [1 2 1] / 4 along all axes where
    the surface is steep and on the whole far side, which has no details to lose.

    front, back: (H, W) float32, z of the nearest and the farthest surface; 0 and D - 1 where nothing is,
    which makes the outline steep.
    """
    import cv2

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


def steepness(surface: np.ndarray) -> np.ndarray:
    """(H, W) float32, 0..1: how steep a surface given by its depth (H, W) float32, voxels, is."""
    import cv2

    blurred = cv2.GaussianBlur(surface, (0, 0), DEPTH_BLUR)
    along_y, along_x = np.gradient(blurred)
    cosine = 1 / np.sqrt(1 + along_x**2 + along_y**2)
    return np.clip((FLAT - cosine) / (FLAT - STEEP), 0, 1).astype(np.float32)


def relax_sides(points: np.ndarray, faces: np.ndarray, front: np.ndarray, back: np.ndarray) -> np.ndarray:
    """Vertices (N, 3) float32 (x, y, z) of a closed mesh (M, 3) with the ripples taken out where it is steep.

    front, back: as of `smooth_sides`, in the mesh's frame. G. Taubin, "A signal processing approach to fair
    surface design", SIGGRAPH 1995: steps inwards and outwards in turn, which flatten ripples and leave larger
    shapes alone.
    """
    from scipy.sparse import csr_matrix

    x, y = np.round(points[:, :2].T).astype(np.int32)
    far = points[:, 2] < ((front + back) / 2)[y, x]
    weight = np.where(far, steepness(back)[y, x], steepness(front)[y, x])
    chosen = np.flatnonzero(weight > 0)
    number = np.full(len(points), -1, np.int32)
    number[chosen] = np.arange(len(chosen), dtype=np.int32)
    # In a closed mesh every edge is a side of two triangles, once in each direction.
    start, end = number[faces.ravel()], faces[:, [1, 2, 0]].ravel()
    keep = start >= 0
    start, end = start[keep], end[keep]
    rim = np.zeros(len(points), bool)
    rim[end] = True
    rim = np.flatnonzero(rim & (number < 0))
    number[rim] = len(chosen) + np.arange(len(rim), dtype=np.int32)
    share = weight[chosen] / np.maximum(np.bincount(start, minlength=len(chosen)), 1)
    pull = csr_matrix(
        (share[start].astype(np.float32), (start, number[end])), (len(chosen), len(chosen) + len(rim))
    )
    moving = points[np.concatenate([chosen, rim])]
    own, weight = moving[: len(chosen)], weight[chosen, None]
    for factor in TAUBIN * RELAX_ROUNDS:
        own += np.float32(factor) * (pull @ moving - weight * own)
    relaxed = points.copy()
    relaxed[chosen] = own
    return relaxed
