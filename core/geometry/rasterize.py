"""Rasterizing triangle meshes with numpy and OpenCV alone: the network's guidance at inference.

`core.training.rasterize` does the same compiled, for training; a test holds the two together.
"""

import cv2
import numpy as np

from .frames import CROP_SIZE, VOLUME_SHAPE

#: Rays pass a hair beside the pixel centers so that none runs exactly along a shared edge.
RAY_JITTER = (1.37e-4, 2.11e-4)


def fragments(
    points: np.ndarray, triangles: np.ndarray, size: int = CROP_SIZE
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Find all (triangle, pixel) pairs where the ray of a pixel meets a triangle.

    Args:
        points: (V, 2 or more), x and y in pixels of the picture; further columns are ignored.
        triangles: (T, 3) int.
        size: Side of the picture, pixels.

    Returns:
        For N fragments: triangle (N,) int64; pixel (N,) int64, y * size + x; barycentric coordinates (N, 3)
        float64; and area (N,) float64, twice the signed area of the triangle in the picture, square pixels.
    """
    corners = points[:, :2].astype(np.float64) - np.array(RAY_JITTER)
    (ax, ay), (bx, by), (cx, cy) = (np.take(corners, corner, axis=0).T for corner in triangles.T)
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    first = np.clip(np.ceil(np.minimum(np.minimum(ay, by), cy)), 0, size).astype(np.int64)
    last = np.clip(np.floor(np.maximum(np.maximum(ay, by), cy)), -1, size - 1).astype(np.int64)
    rows = np.where(np.abs(area) < 1e-12, 0, np.maximum(last - first + 1, 0))
    # The corners' weights are affine in (x, y): three numbers a triangle for each.
    safe = np.where(rows > 0, area, 1.0)
    wa_x, wa_y, wa_0 = (by - cy) / safe, (cx - bx) / safe, (bx * cy - by * cx) / safe
    wb_x, wb_y, wb_0 = (cy - ay) / safe, (ax - cx) / safe, (cx * ay - cy * ax) / safe
    # In each row of a triangle, they are all positive from `left` to `right`.
    row_of, y = _ranges(first, rows)
    left, right = np.zeros(len(row_of)), np.full(len(row_of), size - 1.0)
    for along, down, at_0 in (
        (wa_x, wa_y, wa_0),
        (wb_x, wb_y, wb_0),
        (-wa_x - wb_x, -wa_y - wb_y, 1 - wa_0 - wb_0),
    ):
        slope = along[row_of]
        with np.errstate(divide="ignore", invalid="ignore"):  # of level edges, which bound no row
            zero = (at_0[row_of] + down[row_of] * y) / -slope
        left = np.where(slope > 0, np.maximum(left, zero), left)
        right = np.where(slope < 0, np.minimum(right, zero), right)
    start = np.ceil(left).astype(np.int64)
    row, x = _ranges(start, np.maximum(np.floor(right).astype(np.int64) - start + 1, 0))
    triangle, y = row_of[row], y[row]
    wa = wa_0[triangle] + wa_x[triangle] * x + wa_y[triangle] * y
    wb = wb_0[triangle] + wb_x[triangle] * x + wb_y[triangle] * y
    return triangle, y * size + x, np.stack([wa, wb, 1.0 - wa - wb], 1), area[triangle]


def _ranges(starts: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whole numbers that follow one another from each start (N,) on, as many as `counts` (N,) says.

    Returns:
        (M,) int64, of which range each number is, and (M,) int64, the numbers.
    """
    index = np.repeat(np.arange(len(counts)), counts)
    return index, np.arange(len(index)) + np.repeat(starts - np.cumsum(counts) + counts, counts)


def interpolate(
    values: np.ndarray, triangles: np.ndarray, triangle: np.ndarray, bary: np.ndarray
) -> np.ndarray:
    """Interpolate the values of vertices at fragments.

    Args:
        values: (V,) or (V, C).
        triangles: (T, 3) int.
        triangle: (N,) int, of `fragments`.
        bary: (N, 3) float64, of `fragments`.

    Returns:
        (N,) or (N, C).
    """
    corners = values[triangles[triangle]]
    return np.einsum("nk,nk...->n...", bary, corners)


def z_buffer(
    pixel: np.ndarray, z: np.ndarray, *values: np.ndarray, size: int = CROP_SIZE
) -> list[np.ndarray]:
    """For each pixel, take the fragment with the greatest z.

    Args:
        pixel: (N,) int, y * size + x, of `fragments`.
        z: (N,), growing toward the camera.
        values: Each (N,) or (N, C), of the fragments.
        size: Side of the picture, pixels.

    Returns:
        First (size * size,) int64, the index of the fragment or -1, then each of `values` at it,
        (size * size,) or (size * size, C) float32, zero where nothing is.
    """
    nearest = np.full(size * size, -np.inf)
    np.maximum.at(nearest, pixel, z)
    front = np.flatnonzero(z == nearest[pixel])
    index = np.full(size * size, -1, np.int64)
    index[pixel[front]] = front  # of several at the same depth the last one
    filled = index >= 0
    maps: list[np.ndarray] = [index]
    for value in values:
        out = np.zeros((size * size, *value.shape[1:]), np.float32)
        out[filled] = value[index[filled]]
        maps.append(out)
    return maps


def ray_intersections(points: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the rays of the volume's columns meet a mesh.

    Args:
        points: (V, 3) volume frame, voxels.
        triangles: (T, 3) int, outward.

    Returns:
        (N,) int64 pixel, y * 192 + x; (N,) float64 z, volume frame; (N,) float64, twice the signed area of
            the triangle in the picture, square pixels, negative where a ray enters.
    """
    triangle, pixel, bary, area = fragments(points, triangles)
    return pixel, interpolate(points[:, 2].astype(np.float64), triangles, triangle, bary), area


def ray_distance_volume(
    intersections: tuple[np.ndarray, np.ndarray, np.ndarray], plane: np.ndarray, reach: int
) -> np.ndarray:
    """Signed distance along the camera's rays to the surface of a closed mesh, clamped: positive inside.

    Args:
        intersections: Of the mesh, from `ray_intersections`.
        plane: (4,) n, d, volume frame: solid only where n . p + d >= 0.
        reach: Distance, voxels, at which it is clamped.

    Returns:
        (200, 192, 192) float32 [z, y, x], -reach to reach, voxels, smoothed by [1 2 1] / 4 along x and y.
    """
    depth, height, width = VOLUME_SHAPE
    pixel, z, area = intersections
    entry, exit_, column = ray_spans(pixel, z, np.where(area < 0, 1, -1), plane)
    if len(column) == 0:
        return np.full(VOLUME_SHAPE, -reach, np.float32)

    top, bottom = depth - 0.5, -0.5
    entry, exit_ = np.clip(entry, bottom, top), np.clip(exit_, bottom, top)
    # Work on the occupied box only, with a margin for the blur.
    ys, xs = column // width, column % width
    y0, y1 = max(ys.min() - 1, 0), min(ys.max() + 2, height)
    x0, x1 = max(xs.min() - 1, 0), min(xs.max() + 2, width)
    z0, z1 = max(int(exit_.min()) - reach, 0), min(int(entry.max()) + reach + 2, depth)
    rows, cols = y1 - y0, x1 - x0
    cell = (ys - y0) * cols + (xs - x0)
    # Far from all edges the distance is reach inside, -reach outside; counted from 0 as that is what lies
    # around.
    steps = np.zeros((z1 - z0 + 1, rows * cols), np.int8)
    # By flat indices: numpy takes several times as long with two.
    for layer, change in ((np.ceil(exit_), 1), (np.floor(entry) + 1, -1)):
        np.add.at(steps.ravel(), (layer.astype(np.int64) - z0) * len(steps[0]) + cell, np.int8(change))
    for k in range(
        1, len(steps) - 1
    ):  # layer by layer: several times as fast as np.cumsum along the first axis
        steps[k] += steps[k - 1]
    distance = np.multiply(steps[:-1], np.float32(2 * reach), dtype=np.float32)
    flat = distance.ravel()
    for edge, direction, low, high in _edge_spans(entry, exit_, column, reach):
        first = np.maximum(np.ceil(edge - low).astype(np.int64), z0)
        last = np.minimum(np.floor(edge + high), z1 - 1)
        index = (first - z0) * len(steps[0]) + cell
        from_edge = direction * (first - edge) + reach
        for k in range(2 * reach + 1):
            keep = np.flatnonzero(first + k <= last)
            flat[index[keep] + k * len(steps[0])] = from_edge[keep] + direction * k
    out = np.full(VOLUME_SHAPE, -reach, np.float32)
    kernel = np.array([0.25, 0.5, 0.25], np.float32)
    for z_at, layer in enumerate(distance.reshape(-1, rows, cols), z0):
        smooth = cv2.sepFilter2D(layer, -1, kernel, kernel, borderType=cv2.BORDER_CONSTANT)
        np.subtract(smooth, reach, out=out[z_at, y0:y1, x0:x1])
    return out


def _edge_spans(
    entry: np.ndarray, exit_: np.ndarray, column: np.ndarray, reach: int
) -> list[tuple[np.ndarray, int, np.ndarray, np.ndarray]]:
    """The stretches of rays that are nearer to one edge than to all others and not further than `reach`.

    Intervals are those of `ray_spans`, nearest first on each ray. Returns, for entries and for exits:
    (z of the edge, direction +1 if the distance grows with z, how far the stretch goes below it, above it).
    """
    same = column[1:] == column[:-1]
    half = np.minimum(reach, (entry - exit_) / 2)
    gap = np.full(len(column) + 1, float(reach))  # from each interval up to the next nearer one on its ray
    gap[1:-1][same] = np.minimum(reach, (exit_[:-1] - entry[1:])[same] / 2)
    return [(entry, -1, half, gap[:-1]), (exit_, 1, gap[1:], half)]


def ray_spans(
    pixel: np.ndarray, z: np.ndarray, sign: np.ndarray, plane: np.ndarray, size: int = CROP_SIZE
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Solid stretches of each ray: where the winding number is positive and the half-space allows it.

    Args:
        pixel: (N,) int, y * size + x: the ray of each intersection.
        z: (N,) float64, volume frame, where the ray meets the surface.
        sign: (N,) int, 1 where the ray enters the solid, -1 where it leaves it.
        plane: (4,) n, d, volume frame: solid only where n . p + d >= 0.
        size: Side of the picture, pixels.

    Returns:
        For M stretches: entry z (M,), exit z (M,), pixel (M,); entry > exit, as rays run away from the camera
        and z grows toward it.
    """
    order = np.lexsort((-z, pixel))
    pixel, z, sign = pixel[order], z[order], sign[order]
    winding = np.cumsum(sign)  # a closed mesh returns to zero at the end of each ray
    solid = winding > 0
    before = np.concatenate([[False], solid[:-1]])
    entry, exit_ = z[solid & ~before], z[~solid & before]
    column = pixel[solid & ~before]
    n = min(len(entry), len(exit_))
    entry, exit_, column = entry[:n], exit_[:n], column[:n]
    rest = plane[0] * (column % size) + plane[1] * (column // size) + plane[3]
    if abs(plane[2]) > 1e-6:
        cut = -rest / plane[2]
        entry = entry if plane[2] > 0 else np.minimum(entry, cut)
        exit_ = np.maximum(exit_, cut) if plane[2] > 0 else exit_
        keep = entry > exit_
    else:
        keep = rest >= 0
    return entry[keep], exit_[keep], column[keep]
