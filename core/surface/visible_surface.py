"""The surface that the camera sees, from the volume, blended with the prior where it does not see it."""

from dataclasses import dataclass

import numpy as np

from ..geometry.visibility import ramp
from .prior_mesh import PriorMesh
from .settings import DEFAULT_SETTINGS, SurfaceSettings
from .signed_distance import FAR, Box

#: Occupancy of the surface.
LEVEL = 0.5
#: Distance from the prior's front within which the volume's is searched for, voxels.
SEARCH_REACH = 10
#: Greatest difference between flat triangles and the round surface they stand for, voxels.
MAX_ROUNDING = 0.5
#: Difference of neighboring depths above which they are not smoothed together, voxels.
FRONT_STEP = 2.5
#: Standard deviation of the smoothing of the depth that the slope is taken from, voxels.
SLOPE_SIGMA = 1.5
#: Difference of neighboring depths where one part of the head occludes another, voxels.
OCCLUSION_STEP = 8.0
#: Depth behind the front up to which the front alone decides, voxels.
SHALLOW = 3.0
#: Depth behind the front from which on it decides nothing, voxels.
DEEP = 6.0
#: Size of the cells in which visibility is averaged, voxels.
CELL = 4
#: Standard deviation of that average, cells.
CELL_SIGMA = 1.5
#: Weight of the unseen surface in it.
UNSEEN_WEIGHT = 0.15


@dataclass(frozen=True)
class VisibleSurface:
    """What the camera sees in a box of the volume.

    Attributes:
        front: (H, W) float32, z, volume frame.
        slope: (H, W) float32, cosine between its normal and the ray.
        visibility: (D, H, W) float32 [z, y, x], 0..1, how far it decides where the surface is.
    """

    front: np.ndarray
    slope: np.ndarray
    visibility: np.ndarray


def visible_surface(
    volume: np.ndarray,
    flat: PriorMesh,
    head: PriorMesh,
    box: Box,
    settings: SurfaceSettings = DEFAULT_SETTINGS,
) -> VisibleSurface:
    """The front of a volume near that of the prior.

    Args:
        volume: (200, 192, 192) float32 [z, y, x], occupancy 0..1.
        flat: The registered prior, whose flat triangles the occupancy has.
        head: The same, subdivided.
        box: Part of the volume, [z, y, x].
        settings: Give the smoothing and the range of cosines.
    """
    import cv2

    front, known = front_depth(volume, head.front)
    front += rounding(flat.front, head.front)
    front, known = smooth_front(front, settings.front_sigma)[box[1:]], known[box[1:]]
    visibility = mean_visibility(head, box, settings)
    visibility *= known * (1 - occlusion_edges(front))
    along_y, along_x = np.gradient(cv2.GaussianBlur(front, (0, 0), SLOPE_SIGMA))
    slope = 1 / np.sqrt(1 + along_x**2 + along_y**2)
    z = np.arange(box[0].start, box[0].stop, dtype=np.float32)
    for layer, depth in zip(visibility, front - z[:, None, None], strict=True):
        layer *= np.clip((DEEP - depth) / (DEEP - SHALLOW), 0, 1)
    return VisibleSurface(front, slope, visibility)


def blend_distance(distance: np.ndarray, visible: VisibleSurface, box: Box) -> np.ndarray:
    """Blend the distance from the prior with that from the visible surface.

    Args:
        distance: (D, H, W) float32 [z, y, x], voxels, positive inside: from the prior. Overwritten.
        visible: What the camera sees in the same box.
        box: Part of the volume, [z, y, x].

    Returns:
        (D, H, W) float32, positive inside, zero on the surface.
    """
    for z, (layer, visibility) in enumerate(zip(distance, visible.visibility, strict=True), box[0].start):
        from_visible = np.clip((visible.front - np.float32(z)) * visible.slope, -FAR, FAR)
        layer += visibility * (from_visible - layer)
    return distance


def front_depth(volume: np.ndarray, prior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each column of a volume leaves the head toward the camera, nearest to where the prior does.

    Args:
        volume: (200, 192, 192) float32 [z, y, x], occupancy 0..1.
        prior: (192, 192) z of the prior's front, -inf where it has none.

    Returns:
        (192, 192) float32 z, the prior's where the volume has none, -SEARCH_REACH where neither has; and
        (192, 192) float32, 1 where the volume has one, else 0.
    """
    valid = np.isfinite(prior)
    middle = np.where(valid, np.round(prior), 0).astype(np.int64)
    z = np.clip(middle + np.arange(-SEARCH_REACH, SEARCH_REACH + 1)[:, None, None], 0, len(volume) - 1)
    values = np.take_along_axis(volume, z, 0) - LEVEL
    leaving = (values[:-1] >= 0) & (values[1:] < 0)
    leaving &= valid
    distance = np.where(leaving, np.abs(z[:-1] + 0.5 - np.where(valid, prior, 0)), np.inf)
    k = distance.argmin(0)[None]
    inner, outer, low = (np.take_along_axis(a, b, 0)[0] for a, b in ((values, k), (values, k + 1), (z, k)))
    known = np.isfinite(np.take_along_axis(distance, k, 0)[0])
    crossing = low + inner / np.where(known, inner - outer, 1)
    depth = np.where(known, crossing, np.where(valid, prior, -SEARCH_REACH))
    return depth.astype(np.float32), known.astype(np.float32)


def rounding(flat: np.ndarray, rounded: np.ndarray) -> np.ndarray:
    """How much nearer a rounded mesh is than its flat triangles.

    The network corrects the occupancy of flat triangles, a dozen voxels wide on the forehead, which would
    show.

    Args:
        flat: (192, 192) z of the flat mesh's front.
        rounded: (192, 192) z of the rounded one's.

    Returns:
        (192, 192) float32, voxels.
    """
    import cv2

    both = np.isfinite(flat) & np.isfinite(rounded)
    nearer = np.where(both, rounded, 0) - np.where(both, flat, 0)
    # What is more is an edge that has moved sideways.
    return cv2.GaussianBlur(np.where(np.abs(nearer) < MAX_ROUNDING, nearer, 0), (0, 0), 1.0)


def smooth_front(depth: np.ndarray, sigma: float) -> np.ndarray:
    """Smooth a depth a little, but not across steps.

    Args:
        depth: (H, W) float32, z in voxels.
        sigma: Standard deviation, voxels.

    Returns:
        (H, W) float32.
    """
    import cv2

    return cv2.bilateralFilter(depth, 2 * int(np.ceil(2 * sigma)) + 1, FRONT_STEP, sigma)


def occlusion_edges(front: np.ndarray) -> np.ndarray:
    """Find where one part of the head occludes another: the depth says nothing of what is behind.

    Args:
        front: (H, W) float32, z of the front, voxels.

    Returns:
        (H, W) float32, 0..1, how near its steps are.
    """
    import cv2

    edge = np.zeros(front.shape, np.uint8)
    edge[1:][np.abs(np.diff(front, axis=0)) > OCCLUSION_STEP] = 1
    edge[:, 1:][np.abs(np.diff(front, axis=1)) > OCCLUSION_STEP] = 1
    wide = cv2.dilate(edge, np.ones((5, 5), np.uint8)).astype(np.float32)
    return cv2.GaussianBlur(wide, (0, 0), 1.0)


def mean_visibility(head: PriorMesh, box: Box, settings: SurfaceSettings = DEFAULT_SETTINGS) -> np.ndarray:
    """How well the camera sees the surface around each voxel of a box: (D, H, W) float32, 0..1."""
    from scipy.ndimage import gaussian_filter

    shape = tuple(side.stop - side.start for side in box)
    middle = head.points[head.triangles].mean(1)
    cosine = head.cos_incidence[head.triangles].mean(1)
    cells = tuple(-(-n // CELL) + 1 for n in shape)
    origin = np.array([side.start for side in box])
    cell = np.round((middle[:, ::-1] - origin) / CELL).astype(int)
    used = ((cell >= 0) & (cell < cells)).all(1)
    index = np.ravel_multi_index(tuple(cell[used].T), cells)
    seen, all_ = (
        gaussian_filter(np.bincount(index, values[used], int(np.prod(cells))).reshape(cells), CELL_SIGMA)
        for values in (head.areas * cosine**2, head.areas * np.maximum(cosine, UNSEEN_WEIGHT))
    )
    mean = ramp(seen / np.maximum(all_, 1e-6), settings.min_mean_cosine, settings.full_mean_cosine)
    visibility = (mean**2 * (3 - 2 * mean)).astype(np.float32)
    for axis, count in enumerate(shape):
        visibility = _stretched(visibility, axis, count)
    return visibility


def _stretched(cells: np.ndarray, axis: int, count: int) -> np.ndarray:
    """Values of a grid of cells at the voxels along one axis, linear between."""
    position = np.arange(count) / CELL
    low = position.astype(int)
    fraction = (position - low).astype(np.float32)
    fraction = fraction.reshape([-1 if k == axis else 1 for k in range(3)])
    below, above = np.take(cells, low, axis), np.take(cells, low + 1, axis)
    return below + fraction * (above - below)
