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
#: Distance from the prior's front beyond which its smoothed distance is that of far voxels, voxels.
PRIOR_REACH = 4
#: Size of the cells in which visibility is averaged, voxels.
CELL = 4
#: Standard deviation of that average, cells.
CELL_SIGMA = 1.5
#: Weight of the unseen surface in it.
UNSEEN_WEIGHT = 0.15


@dataclass(frozen=True)
class VisibilityGrid:
    """How well the camera sees the surface around each voxel of a box, on every CELL-th of its layers.

    Attributes:
        layers: (L, H, W) float32, 0..1, z = 0, CELL, 2 CELL ... in the box.
    """

    layers: np.ndarray

    def at(self, z: np.ndarray, column: np.ndarray) -> np.ndarray:
        """Interpolate it linearly between the layers.

        Args:
            z: (N,) int, of voxels in the box.
            column: (N,) int, y * W + x, of the same.

        Returns:
            (N,) float32, 0..1.
        """
        layers = self.layers.ravel()
        index = z // CELL * self.layers[0].size + column
        below, above = layers[index], layers[index + self.layers[0].size]
        return below + (z % CELL).astype(np.float32) / np.float32(CELL) * (above - below)


@dataclass(frozen=True)
class VisibleSurface:
    """What the camera sees in a box of the volume.

    Attributes:
        front: (H, W) float32, z, volume frame.
        slope: (H, W) float32, cosine between its normal and the ray.
        known: (H, W) float32, 0..1, how far the volume says where the front is.
        top: (H, W) float32, z, volume frame: beyond it nothing of the prior is near.
        visibility: How well the camera sees the surface.
    """

    front: np.ndarray
    slope: np.ndarray
    known: np.ndarray
    top: np.ndarray
    visibility: VisibilityGrid


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
    known = known * (1 - occlusion_edges(front))
    along_y, along_x = np.gradient(cv2.GaussianBlur(front, (0, 0), SLOPE_SIGMA))
    slope = 1 / np.sqrt(1 + along_x**2 + along_y**2)
    top = cv2.dilate(head.front, np.ones((2 * PRIOR_REACH + 1,) * 2, np.uint8))[box[1:]] + PRIOR_REACH
    return VisibleSurface(front, slope, known, top, mean_visibility(head, box, settings))


def blend_distance(distance: np.ndarray, visible: VisibleSurface, box: Box) -> np.ndarray:
    """Blend the distance from the prior with that from the visible surface.

    Args:
        distance: (D, H, W) float32 [z, y, x], voxels, positive inside: from the prior. Overwritten.
        visible: What the camera sees in the same box.
        box: Part of the volume, [z, y, x].

    Returns:
        (D, H, W) float32, positive inside, zero on the surface.
    """
    # Deeper voxels are the prior's alone, and beyond the last ones both are far outside.
    front, slope, known = (values.ravel() for values in (visible.front, visible.slope, visible.known))
    last = np.maximum(front + FAR / slope, visible.top.ravel())
    first = np.clip(np.ceil(front - DEEP).astype(np.int64), box[0].start, box[0].stop)
    last = np.clip(np.floor(last).astype(np.int64) + 1, first, box[0].stop)
    count = np.where(known > 0, last - first, 0)
    column = np.repeat(np.arange(len(count)), count)
    z = np.arange(len(column)) + np.repeat(first - np.cumsum(count) + count, count)
    depth = front[column] - z.astype(np.float32)
    weight = visible.visibility.at(z - box[0].start, column) * known[column]
    weight *= np.clip((DEEP - depth) / (DEEP - SHALLOW), 0, 1)
    index = (z - box[0].start) * len(count) + column
    values = distance.ravel()[index]
    distance.ravel()[index] = values + weight * (np.clip(depth * slope[column], -FAR, FAR) - values)
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
    columns = np.flatnonzero(np.isfinite(prior))
    expected = prior.ravel()[columns]
    reach = np.arange(-SEARCH_REACH, SEARCH_REACH + 1)
    z = np.clip(np.round(expected).astype(np.int64) + reach[:, None], 0, len(volume) - 1)
    values = volume.ravel()[z * prior.size + columns] - np.float32(LEVEL)
    leaving = (values[:-1] >= 0) & (values[1:] < 0)
    distance = np.where(leaving, np.abs(z[:-1].astype(np.float32) + np.float32(0.5) - expected), np.inf)
    k, column = distance.argmin(0), np.arange(len(columns))
    found = leaving[k, column]
    inner, outer = values[k, column], values[k + 1, column]
    crossing = z[k, column] + inner / np.where(found, inner - outer, 1)
    depth = np.full(prior.shape, -SEARCH_REACH, np.float32)
    known = np.zeros(prior.shape, np.float32)
    depth.ravel()[columns] = np.where(found, crossing, expected)
    known.ravel()[columns] = found
    return depth, known


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


def mean_visibility(
    head: PriorMesh, box: Box, settings: SurfaceSettings = DEFAULT_SETTINGS
) -> VisibilityGrid:
    """How well the camera sees the surface around each voxel of a box.

    Args:
        head: The prior, in the volume.
        box: Slices of the volume, by z, y and x.
        settings: From which mean cosine on a surface counts as visible.

    Returns:
        0 to 1, on the box's voxels.
    """
    from scipy.ndimage import gaussian_filter

    shape = tuple(side.stop - side.start for side in box)
    middle, cosine = (_triangle_means(values, head.triangles) for values in (head.points, head.cos_incidence))
    cells = tuple(-(-n // CELL) + 1 for n in shape)
    origin = np.array([side.start for side in box])
    cell = np.round((middle[:, ::-1] - origin) / CELL).astype(int)
    used = ((cell >= 0) & (cell < cells)).all(1)
    index = np.ravel_multi_index(tuple(cell[used].T), cells)
    visible_sum, total = (
        gaussian_filter(np.bincount(index, values[used], int(np.prod(cells))).reshape(cells), CELL_SIGMA)
        for values in (head.areas * cosine**2, head.areas * np.maximum(cosine, UNSEEN_WEIGHT))
    )
    mean = ramp(visible_sum / np.maximum(total, 1e-6), settings.min_mean_cosine, settings.full_mean_cosine)
    layers = (mean**2 * (3 - 2 * mean)).astype(np.float32)
    for axis in (1, 2):
        layers = _stretched(layers, axis, shape[axis])
    return VisibilityGrid(layers)


def _triangle_means(values: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Means of values of vertices (V, ...) over triangles (T, 3): (T, ...)."""
    one, two, three = (np.take(values, corner, axis=0) for corner in triangles.T)
    return np.asarray((one + two + three) / 3)


def _stretched(cells: np.ndarray, axis: int, count: int) -> np.ndarray:
    """Values of a grid of cells at the voxels along one axis, linear between."""
    position = np.arange(count) / CELL
    low = position.astype(int)
    fraction = (position - low).astype(np.float32)
    fraction = fraction.reshape([-1 if k == axis else 1 for k in range(3)])
    below, above = np.take(cells, low, axis), np.take(cells, low + 1, axis)
    return below + fraction * (above - below)
