"""The surface that the camera sees, from the volume, joined to the likely head where it does not see it."""

from dataclasses import dataclass

import numpy as np

from .prior_mesh import PriorMesh
from .signed_distance import FAR, Box

#: Occupancy of the surface.
LEVEL = 0.5
#: Voxels from the likely front within which the volume's is looked for.
REACH = 10
#: The greatest difference, voxels, between flat triangles and the round surface they stand for.
MOST_ROUNDING = 0.5
#: Blur of the front, and how many voxels apart neighbours in depth are no longer one surface.
FRONT_BLUR, FRONT_EDGE = 0.6, 2.5
#: Blur, pixels, of the depth that the slope is taken from.
SLOPE_BLUR = 1.5
#: Voxels between neighbours where one part of the head hides another.
EDGE = 8.0
#: Voxels behind the front from which on, and up to which, it says less and less of the solid.
SHALLOW, DEEP = 3.0, 6.0
#: Cells, voxels, of the grid on which it is decided what the camera sees, and the blur, cells.
CELL, CELL_BLUR = 4, 1.5
#: What unseen surface counts against seen surface in that, and the mean cosines between normal and ray from
#: which the volume counts, and counts alone.
HIDDEN_SHARE, GRAZING, FACING = 0.15, 0.45, 0.75


@dataclass(frozen=True)
class VisibleSurface:
    """What the camera sees in a box of the volume. front: (H, W) float32, z; slope: (H, W) float32, cosine
    between its normal and the ray; share: (D, H, W) float32 [z, y, x], 0..1, how far it decides.
    """

    front: np.ndarray
    slope: np.ndarray
    share: np.ndarray


def see(volume: np.ndarray, flat: PriorMesh, head: PriorMesh, box: Box) -> VisibleSurface:
    """The front of a volume (200, 192, 192) float32 [z, y, x] near that of the head.

    flat: the head before it was refined, whose triangles the volume shows.
    """
    import cv2

    front, known = front_depth(volume, head.front)
    front += rounding(flat.front, head.front)
    front, known = smooth_front(front)[box[1:]], known[box[1:]]
    share = seen_share(head, box)
    share *= known * (1 - occlusion_edges(front))
    along_y, along_x = np.gradient(cv2.GaussianBlur(front, (0, 0), SLOPE_BLUR))
    slope = 1 / np.sqrt(1 + along_x**2 + along_y**2)
    z = np.arange(box[0].start, box[0].stop, dtype=np.float32)
    for layer, before in zip(share, front - z[:, None, None], strict=True):
        layer *= np.clip((DEEP - before) / (DEEP - SHALLOW), 0, 1)
    return VisibleSurface(front, slope, share)


def blend(distance: np.ndarray, seen: VisibleSurface, box: Box) -> np.ndarray:
    """A function (D, H, W) float32 [z, y, x], positive inside, zero on the surface: the distance from what is
    seen, and else `distance` (D, H, W) float32, voxels, which is overwritten.
    """
    for z, (layer, share) in enumerate(zip(distance, seen.share, strict=True), box[0].start):
        layer += share * (np.clip((seen.front - np.float32(z)) * seen.slope, -FAR, FAR) - layer)
    return distance


def front_depth(volume: np.ndarray, likely: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(192, 192) float32 z where each column of a volume (200, 192, 192) leaves the solid towards the camera,
    nearest to where the likely head (192, 192) does; and (192, 192) float32, 1 where it does, else 0.
    Where not, the depth is the likely one, -REACH where that has none.
    """
    there = np.isfinite(likely)
    middle = np.where(there, np.round(likely), 0).astype(np.int64)
    z = np.clip(middle + np.arange(-REACH, REACH + 1)[:, None, None], 0, len(volume) - 1)
    values = np.take_along_axis(volume, z, 0) - LEVEL
    leaving = (values[:-1] >= 0) & (values[1:] < 0)
    leaving &= there
    distance = np.where(leaving, np.abs(z[:-1] + 0.5 - np.where(there, likely, 0)), np.inf)
    k = distance.argmin(0)[None]
    inner, outer, low = (np.take_along_axis(a, b, 0)[0] for a, b in ((values, k), (values, k + 1), (z, k)))
    known = np.isfinite(np.take_along_axis(distance, k, 0)[0])
    crossing = low + inner / np.where(known, inner - outer, 1)
    depth = np.where(known, crossing, np.where(there, likely, -REACH))
    return depth.astype(np.float32), known.astype(np.float32)


def rounding(flat: np.ndarray, rounder: np.ndarray) -> np.ndarray:
    """(192, 192) float32 voxels: how much nearer than the flat triangles of a head, front (192, 192), is the
    rounder one that they stand for.

    The network corrects the occupancy of flat triangles, a dozen voxels wide on the forehead: it would show.
    """
    import cv2

    both = np.isfinite(flat) & np.isfinite(rounder)
    nearer = np.where(both, rounder, 0) - np.where(both, flat, 0)
    # What is more is an edge that has moved sideways.
    return cv2.GaussianBlur(np.where(np.abs(nearer) < MOST_ROUNDING, nearer, 0), (0, 0), 1.0)


def smooth_front(depth: np.ndarray) -> np.ndarray:
    """A depth (H, W) float32 smoothed a little, but not across edges."""
    import cv2

    return cv2.bilateralFilter(depth, 2 * int(np.ceil(2 * FRONT_BLUR)) + 1, FRONT_EDGE, FRONT_BLUR)


def occlusion_edges(front: np.ndarray) -> np.ndarray:
    """(H, W) float32, 0..1: 1 where one part of the head hides another and near there: what is behind, no
    depth says.
    """
    import cv2

    edge = np.zeros(front.shape, np.uint8)
    edge[1:][np.abs(np.diff(front, axis=0)) > EDGE] = 1
    edge[:, 1:][np.abs(np.diff(front, axis=1)) > EDGE] = 1
    wide = cv2.dilate(edge, np.ones((5, 5), np.uint8)).astype(np.float32)
    return cv2.GaussianBlur(wide, (0, 0), 1.0)


def seen_share(head: PriorMesh, box: Box) -> np.ndarray:
    """(D, H, W) float32, 0..1, of the voxels of a box: how well the camera sees the surface around."""
    from scipy.ndimage import gaussian_filter

    shape = tuple(side.stop - side.start for side in box)
    middle = head.points[head.triangles].mean(1)
    facing = head.facing[head.triangles].mean(1)
    cells = tuple(-(-n // CELL) + 1 for n in shape)
    corner = np.array([side.start for side in box])
    cell = np.round((middle[:, ::-1] - corner) / CELL).astype(int)
    some = ((cell >= 0) & (cell < cells)).all(1)
    index = np.ravel_multi_index(tuple(cell[some].T), cells)
    seen, all_ = (
        gaussian_filter(np.bincount(index, values[some], int(np.prod(cells))).reshape(cells), CELL_BLUR)
        for values in (head.areas * facing**2, head.areas * np.maximum(facing, HIDDEN_SHARE))
    )
    share = np.clip((seen / np.maximum(all_, 1e-6) - GRAZING) / (FACING - GRAZING), 0, 1)
    share = (share**2 * (3 - 2 * share)).astype(np.float32)
    for axis, count in enumerate(shape):
        share = _stretched(share, axis, count)
    return share


def _stretched(cells: np.ndarray, axis: int, count: int) -> np.ndarray:
    """Values of a grid of cells at the voxels along one axis, linear between."""
    position = np.arange(count) / CELL
    low = position.astype(int)
    part = (position - low).astype(np.float32)
    part = part.reshape([-1 if k == axis else 1 for k in range(3)])
    below, above = np.take(cells, low, axis), np.take(cells, low + 1, axis)
    return below + part * (above - below)
