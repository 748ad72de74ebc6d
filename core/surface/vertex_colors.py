"""Colors of the surface: from the photo where it shows it, else from the other side of the head or nearby."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..geometry.frames import CropFrame
from ..geometry.visibility import ramp, surrounding_pixels, unoccluded
from ..image.sampling import sample_photo
from ..template.regions import EAR_SURROUNDINGS, scalp_half_space
from .isosurface import Isosurface

#: Depth behind the front surface up to which a vertex is fully visible, voxels.
OCCLUSION_TOLERANCE = 1.5
#: Cosine between normal and ray from which on a color counts.
GRAZING_COSINE = 0.1
#: Cosine from which on it counts fully.
FACING_COSINE = 0.35
#: Standard deviation of the smoothing of the depth that normals are taken from, voxels.
DEPTH_SIGMA = 1.0
#: Visibility above which a vertex is a source of color for others.
SOURCE_VISIBILITY = 0.5
#: Visibility from which on a vertex's color is left as it is.
FULL_VISIBILITY = 0.98
#: Confidence of a color from the other side of the head, as a fraction of the source's visibility.
MIRRORED_CONFIDENCE = 0.3
#: Confidence of a color from nearby.
SPREAD_CONFIDENCE = 0.05
#: Distance from the mirrored point within which a source counts as the same point, meters.
MIRROR_REACH = 0.006
#: Size of the cells of the grid in which colors spread, meters.
CELL = 0.01
#: Standard deviations of the spreading, cells.
SPREAD_SIGMAS = (0.8, 1.6, 3.2, 6.4)
#: Weight of each spreading as a fraction of the one before: far less, so that it counts only where that has
#: nothing.
SPREAD_WEIGHT = 1e-3
#: Weight of a color at its mirrored point while it spreads.
MIRROR_WEIGHT = 0.2
#: Fewer sources say nothing about the color of face or scalp.
MIN_SOURCES = 100
#: Color where the photo shows nothing, sRGB.
GRAY = 128


def front_cosines(front: np.ndarray) -> np.ndarray:
    """Cosines between the front surface's normals and the rays.

    Taken from the depth, slightly smoothed, not from the mesh, whose normals show the steps of the voxels.
    They are small along the head's outline and where one part occludes another: colors from there may belong
    to what is behind.

    Args:
        front: (192, 192) float32, z, -inf where there is no surface.

    Returns:
        (192, 192) float32, 0 where there is no surface.
    """
    from scipy.ndimage import gaussian_filter

    valid = np.isfinite(front)
    if not valid.any():
        return np.zeros_like(front)
    depth = gaussian_filter(np.where(valid, front, front[valid].min()), DEPTH_SIGMA)
    along_y, along_x = np.gradient(depth)
    return np.where(valid, 1 / np.sqrt(1 + along_x**2 + along_y**2), 0).astype(np.float32)


def vertex_visibility(isosurface: Isosurface) -> tuple[np.ndarray, np.ndarray]:
    """How well the camera sees each vertex.

    Returns:
        (N,) float32 visibility, 0..1: not occluded and not at a grazing angle; and (N,) float32 cosine
        between the surface's normal and the ray.
    """
    front = isosurface.front
    cosines = front_cosines(front).ravel()
    points = isosurface.volume_points
    around, offset = surrounding_pixels(points[:, :2], front.shape)
    fx, fy = offset.T
    weights = ((1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy)
    cosine = sum(cosines[index] * weight for index, weight in zip(around, weights, strict=True))
    visibility = unoccluded(-front, around, -points[:, 2], OCCLUSION_TOLERANCE)
    visibility = visibility * ramp(cosine, GRAZING_COSINE, FACING_COSINE)
    return visibility.astype(np.float32), cosine.astype(np.float32)


def color_from_photo(
    isosurface: Isosurface, rgb: np.ndarray, frame: CropFrame
) -> tuple[np.ndarray, np.ndarray]:
    """Color the surface.

    Args:
        isosurface: Of the head.
        rgb: (H, W, 3) uint8, the photo.
        frame: Of the crop.

    Returns:
        (N, 3) uint8 sRGB colors of the vertices, and their confidence (N,) float32, 0..1.
    """
    visibility, cosine = vertex_visibility(isosurface)
    visible = np.flatnonzero(visibility > 0)
    pixels = frame.crop_to_photo(isosurface.volume_points[visible, :2])
    sampled, inside = sample_photo(rgb, pixels, 1.0 / frame.scale)
    visibility[visible[~inside]] = 0
    sources = np.flatnonzero(visibility > SOURCE_VISIBILITY)
    if not len(sources):
        return np.full((len(visibility), 3), GRAY, np.uint8), np.zeros(len(visibility), np.float32)
    colors = np.zeros((len(visibility), 3), np.float32)
    colors[visible] = sampled
    confidence = visibility * (0.5 + 0.5 * cosine)
    unobserved = np.flatnonzero(visibility < FULL_VISIBILITY)
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(mirror_colors, isosurface.vertices, colors, visibility, sources, unobserved)
        others = spread_colors(isosurface.vertices, colors, visibility, sources, unobserved)
    mirrored, mirrored_weight = job.result()
    others += (mirrored - others) * mirrored_weight[:, None]
    colors[unobserved] = others + (colors[unobserved] - others) * visibility[unobserved, None]
    confidence[unobserved] = np.maximum(
        confidence[unobserved],
        SPREAD_CONFIDENCE + (MIRRORED_CONFIDENCE - SPREAD_CONFIDENCE) * mirrored_weight,
    )
    return np.clip(colors + 0.5, 0, 255).astype(np.uint8), confidence


def mirror_colors(
    vertices: np.ndarray,
    colors: np.ndarray,
    visibility: np.ndarray,
    sources: np.ndarray,
    unobserved: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Colors from the other side of the head.

    Args:
        vertices: (N, 3) float32, head frame, meters.
        colors: (N, 3) float32.
        visibility: (N,) float32, 0..1.
        sources: (S,) int, vertices that give color.
        unobserved: (K,) int, vertices that need it.

    Returns:
        (K, 3) float32 colors and (K,) float32 weights, 0 where the other side is not seen either.
    """
    from scipy.spatial import cKDTree

    found_colors = np.zeros((len(unobserved), 3), np.float32)
    weights = np.zeros(len(unobserved), np.float32)
    mirrored = vertices[unobserved] * np.array([-1, 1, 1], np.float32)
    # Most of the hidden vertices have hidden counterparts, too, and most sources are nobody's.
    near = np.flatnonzero(_are_near(mirrored, vertices[sources], MIRROR_REACH))
    if not len(near):
        return found_colors, weights
    sources = sources[_are_near(vertices[sources], mirrored[near], MIRROR_REACH)]
    tree = cKDTree(vertices[sources], balanced_tree=False, compact_nodes=False)
    distance, index = tree.query(mirrored[near], k=3, distance_upper_bound=MIRROR_REACH)
    found = np.isfinite(distance)
    weight = np.where(found, 1 / (np.where(found, distance, 1) + 5e-4), 0)
    source = sources[np.where(found, index, 0)]
    total = np.maximum(weight.sum(1), 1e-9)
    found_colors[near] = np.einsum("nk,nkc->nc", weight, colors[source]) / total[:, None]
    nearness = np.clip(2 - 2 * distance[:, 0] / MIRROR_REACH, 0, 1)
    weights[near] = np.where(found[:, 0], nearness * visibility[source[:, 0]], 0)
    return found_colors, weights


def _are_near(points: np.ndarray, others: np.ndarray, reach: float) -> np.ndarray:
    """Which points may be within `reach` of others, by a coarse grid: none is left out that is.

    Args:
        points: (N, 3).
        others: (M, 3), at least one.
        reach: In their unit.

    Returns:
        (N,) bool.
    """
    from scipy.ndimage import maximum_filter1d

    # Coordinate by coordinate: numpy is slow along short rows.
    lows, highs = (np.array([f(column) for column in others.T]) for f in (np.min, np.max))
    lows, highs = lows - reach, highs + reach
    shape = tuple(int(side / reach) + 3 for side in highs - lows)
    occupied = np.zeros(shape, np.uint8)
    occupied[_cell_indices(others, lows, reach)] = 1
    for axis in range(3):
        occupied = maximum_filter1d(occupied, 3, axis)
    near = np.ones(len(points), bool)
    for column, low, high in zip(points.T, lows, highs, strict=True):
        near &= (column > low) & (column < high)
    near[near] = occupied[_cell_indices(points[near], lows, reach)] > 0
    return near


def _cell_indices(points: np.ndarray, lows: np.ndarray, size: float) -> tuple[np.ndarray, ...]:
    """The cells, from 1 on, that points (N, 3) are in along each axis."""
    cells = zip(points.T, lows, strict=True)
    return tuple(((column - low) / size).astype(np.int32) + 1 for column, low in cells)


def spread_colors(
    vertices: np.ndarray,
    colors: np.ndarray,
    visibility: np.ndarray,
    sources: np.ndarray,
    unobserved: np.ndarray,
) -> np.ndarray:
    """Colors from the surface around, the nearer the more.

    Ears give none, and scalp and face each get theirs from their own, if there is enough of it: hair spreads
    over hidden scalp, and skin does not.

    Args:
        vertices: (N, 3) float32, head frame, meters.
        colors: (N, 3) float32.
        visibility: (N,) float32, 0..1.
        sources: (S,) int, vertices that give color.
        unobserved: (K,) int, vertices that need it.

    Returns:
        (K, 3) float32.
    """
    reach = float(np.abs(vertices[:, 0]).max())
    low = np.array([-reach, vertices[:, 1].min(), vertices[:, 2].min()]) - CELL
    high = np.array([reach, vertices[:, 1].max(), vertices[:, 2].max()]) + CELL
    shape = tuple(np.ceil((high - low) / CELL).astype(int) + 1)

    used, points = sources, vertices[sources]
    folded = np.abs(points * np.array([1, 0, 0], np.float32)) + points * np.array([0, 1, 1], np.float32)
    ear = ((folded > EAR_SURROUNDINGS[0]) & (folded < EAR_SURROUNDINGS[1])).all(1)
    if (~ear).sum() > MIN_SOURCES:
        used, points = used[~ear], points[~ear]
    cell = np.round((points - low) / CELL).astype(np.int32)
    flat = np.ravel_multi_index(tuple(cell.T), shape)
    on_scalp = scalp_half_space(points)
    weights = [visibility[used] * (1 - on_scalp), visibility[used] * on_scalp]
    grids = [
        _blurred_grid(np.column_stack([colors[used] * weight[:, None], weight]), flat, shape)
        for weight in weights
        if weight.sum() > MIN_SOURCES
    ]
    if len(grids) == 2:
        cells = np.moveaxis(np.indices(shape), 0, -1).reshape(-1, 3) * CELL + low
        is_scalp = scalp_half_space(cells.astype(np.float32)).reshape(shape)
        grid = grids[0] * (1 - is_scalp) + grids[1] * is_scalp
    else:
        grid = grids[0] if grids else np.broadcast_to(colors[used].mean(0)[:, None, None, None], (3, *shape))
    return _interpolated(grid.astype(np.float32), ((vertices[unobserved] - low) / CELL).astype(np.float32))


def _blurred_grid(values: np.ndarray, flat: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Colors everywhere in a grid, from those in some of its cells.

    The grid, and a little of its mirror image, is blurred more and more: the least blurred one that has a
    color in a cell prevails there.

    Args:
        values: (N, 4), weighted colors and their weights.
        flat: (N,) int, their cells.
        shape: Of the grid.

    Returns:
        (3, *shape).
    """
    grid = np.stack([np.bincount(flat, values[:, k], np.prod(shape)).reshape(shape) for k in range(4)])
    grid += MIRROR_WEIGHT * grid[:, ::-1]
    mixed = np.zeros_like(grid)
    done = 0.0
    for level, spread in enumerate(SPREAD_SIGMAS):
        # A product with a matrix for each axis: for a few cells, that is the fastest way.
        x, y, z = (_blur_matrix(count, np.sqrt(spread**2 - done**2)) for count in shape)
        grid = y @ (grid @ z)
        grid = (x @ grid.reshape(4, shape[0], -1)).reshape(grid.shape)
        mixed += SPREAD_WEIGHT**level * grid
        done = spread
    mean = values[:, :3].sum(0) / values[:, 3].sum()
    known = mixed[3] > 1e-30
    return np.where(known, mixed[:3] / np.where(known, mixed[3], 1), mean[:, None, None, None])


def _blur_matrix(count: int, sigma: float) -> np.ndarray:
    """(count, count) float64, symmetric: blurs values, zero beside them, by a Gaussian cut off at 3 sigma."""
    radius = int(3 * sigma + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    away = np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
    inside = away <= radius
    return np.where(inside, kernel[np.where(inside, away + radius, 0)], 0) / kernel.sum()


def _interpolated(grid: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Values of a grid between its cells, trilinear.

    Args:
        grid: (C, X, Y, Z) float32.
        positions: (N, 3) float32, cells, inside the grid.

    Returns:
        (N, C) float32.
    """
    _, *shape = grid.shape
    columns = np.ascontiguousarray(positions.T)
    x0, y0, z0 = (np.clip(c.astype(np.int64), 0, n - 2) for c, n in zip(columns, shape, strict=True))
    x, y, z = (c - low.astype(np.float32) for c, low in zip(columns, (x0, y0, z0), strict=True))
    first = (x0 * shape[1] + y0) * shape[2] + z0
    result = np.zeros((len(grid), len(positions)), np.float32)
    channels = grid.reshape(len(grid), -1)
    for i, j, k in np.ndindex(2, 2, 2):
        weight = (x if i else 1 - x) * (y if j else 1 - y) * (z if k else 1 - z)
        result += weight * np.take(channels, first + ((i * shape[1] + j) * shape[2] + k), axis=1)
    return np.ascontiguousarray(result.T)
