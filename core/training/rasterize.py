"""Rasterizer and voxelizer of triangle meshes, compiled by numba: training calls them all the time.

`core.geometry.rasterize` finds the same intersections in plain numpy, for inference; a test compares the two.
"""

import numba as nb
import numpy as np

from ..geometry.frames import VOLUME_SHAPE
from ..geometry.rasterize import RAY_JITTER

#: Most surfaces that one ray may cross (an ear behind a cheek behind a nose, both ways).
MAX_INTERSECTIONS = 32
#: (x, y), pixels.
Corner = tuple[float, float]


@nb.njit(cache=True, fastmath=True)
def _pixel_range(a: float, b: float, c: float, size: int) -> tuple[int, int]:
    """First and last of `size` pixels that a triangle's corners at a, b and c reach along one axis."""
    return max(0, int(np.floor(min(a, b, c)))), min(size - 1, int(np.ceil(max(a, b, c))))


@nb.njit(cache=True, fastmath=True)
def _barycentric(point: Corner, a: Corner, b: Corner, c: Corner, area: float) -> tuple[float, float, float]:
    """Barycentric coordinates in a triangle of twice the signed `area`; outside of it one is negative."""
    x, y = point
    (ax, ay), (bx, by), (cx, cy) = a, b, c
    wa = ((bx - x) * (cy - y) - (by - y) * (cx - x)) / area
    wb = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) / area
    return wa, wb, 1.0 - wa - wb


@nb.njit(cache=True, fastmath=True)
def rasterize_perspective(
    vertices: np.ndarray, triangles: np.ndarray, height: int, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The nearest triangle of each pixel, seen by a perspective camera.

    Args:
        vertices: (V, 3) float32: x, y in pixels, and z in meters from the camera (smaller = nearer).
        triangles: (T, 3) int32; those with a vertex at z <= 0 are left out.
        height: rows of the picture, pixels.
        width: columns of the picture, pixels.

    Returns:
        index (height, width) int32 of the nearest triangle, -1 = none; bary (height, width, 3) float32, its
        perspective-correct barycentric coordinates; depth (height, width) float32 meters, 0 = none.
    """
    index = np.full((height, width), -1, np.int32)
    bary = np.zeros((height, width, 3), np.float32)
    inverse = np.zeros((height, width), np.float32)
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay, az = vertices[a, 0], vertices[a, 1], vertices[a, 2]
        bx, by, bz = vertices[b, 0], vertices[b, 1], vertices[b, 2]
        cx, cy, cz = vertices[c, 0], vertices[c, 1], vertices[c, 2]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if abs(area) < 1e-12 or az <= 0 or bz <= 0 or cz <= 0:
            continue
        x0, x1 = max(0, int(np.ceil(min(ax, bx, cx)))), min(width - 1, int(np.floor(max(ax, bx, cx))))
        y0, y1 = max(0, int(np.ceil(min(ay, by, cy)))), min(height - 1, int(np.floor(max(ay, by, cy))))
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                wa, wb, wc = _barycentric((x, y), (ax, ay), (bx, by), (cx, cy), area)
                if wa < 0 or wb < 0 or wc < 0:
                    continue
                inv = wa / az + wb / bz + wc / cz
                if inv > inverse[y, x]:
                    inverse[y, x] = inv
                    index[y, x] = t
                    bary[y, x, 0] = wa / az / inv
                    bary[y, x, 1] = wb / bz / inv
                    bary[y, x, 2] = wc / cz / inv
    depth = np.zeros((height, width), np.float32)
    for y in range(height):
        for x in range(width):
            if inverse[y, x] > 0:
                depth[y, x] = 1.0 / inverse[y, x]
    return index, bary, depth


@nb.njit(cache=True, fastmath=True)
def ray_intersections(
    vertices: np.ndarray, triangles: np.ndarray, samples: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where rays along z cross a mesh.

    Args:
        vertices: (V, 3) float32 volume frame, voxels.
        triangles: (T, 3) int32, outward.
        samples: rays a pixel, along x and along y.

    Returns:
        count (R, R) int32 of the intersections of each ray, R = 192 * samples; z (R, R, K) float32 voxels,
        descending; sign (R, R, K) int8, +1 where the ray, going away from the camera, enters the solid, -1
        where it leaves it. K = `MAX_INTERSECTIONS`; what is beyond is left out.
    """
    size = VOLUME_SHAPE[1] * samples
    count = np.zeros((size, size), np.int32)
    zs = np.zeros((size, size, MAX_INTERSECTIONS), np.float32)
    signs = np.zeros((size, size, MAX_INTERSECTIONS), np.int8)
    shift = (samples - 1) / 2.0
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay = vertices[a, 0] * samples + shift, vertices[a, 1] * samples + shift
        bx, by = vertices[b, 0] * samples + shift, vertices[b, 1] * samples + shift
        cx, cy = vertices[c, 0] * samples + shift, vertices[c, 1] * samples + shift
        az, bz, cz = vertices[a, 2], vertices[b, 2], vertices[c, 2]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if abs(area) < 1e-12:
            continue
        # Image axes (x right, y down) with z toward the viewer are left-handed: outward faces have negative
        # area.
        sign = 1 if area < 0 else -1
        x0, x1 = _pixel_range(ax, bx, cx, size)
        y0, y1 = _pixel_range(ay, by, cy, size)
        for iy in range(y0, y1 + 1):
            y = iy + RAY_JITTER[1]
            for ix in range(x0, x1 + 1):
                x = ix + RAY_JITTER[0]
                wa, wb, wc = _barycentric((x, y), (ax, ay), (bx, by), (cx, cy), area)
                if wa < 0 or wb < 0 or wc < 0:
                    continue
                n = count[iy, ix]
                if n >= MAX_INTERSECTIONS:
                    continue
                z = wa * az + wb * bz + wc * cz
                k = n
                while k > 0 and zs[iy, ix, k - 1] < z:
                    zs[iy, ix, k] = zs[iy, ix, k - 1]
                    signs[iy, ix, k] = signs[iy, ix, k - 1]
                    k -= 1
                zs[iy, ix, k] = z
                signs[iy, ix, k] = sign
                count[iy, ix] = n + 1
    return count, zs, signs


@nb.njit(cache=True, fastmath=True)
def voxelize_occupancy(
    count: np.ndarray, zs: np.ndarray, signs: np.ndarray, samples: int, plane: np.ndarray, kernel: np.ndarray
) -> np.ndarray:
    """Smoothed occupancy of the solid that `ray_intersections` found.

    A point is solid where the winding number is positive and n . p + d >= 0 for plane = (n, d). Coverage is
    exact along z, averaged over `samples`² rays, and smoothed by [1 2 1] / 4 along x and y and by `kernel`
    along z. All of this is linear, so it is done on the sparse derivative along z, which is summed up at the
    end: five times faster than blurring the volume.

    Args:
        count: (R, R) int32 of `ray_intersections`, R = 192 * samples.
        zs: (R, R, K) float32 of the same, voxels.
        signs: (R, R, K) int8 of the same.
        samples: rays a pixel, along x and along y.
        plane: (4,) float64 n, d in the volume frame, where the neck is cut.
        kernel: (odd,) float32, sum 1.

    Returns:
        (192, 192, 200) uint8 columns [y, x, z], 255 = solid.
    """
    depth, height, width = VOLUME_SHAPE
    half = len(kernel) // 2
    pad = half + 1
    # rate[y, x, z + pad]: by how much the occupancy grows from voxel z - 1 to z.
    rate = np.zeros((height, width, depth + 2 * pad), np.float32)
    step = np.zeros(len(kernel) + 1, np.float32)
    shift = (samples - 1) / 2.0
    for iy in range(height * samples):
        for ix in range(width * samples):
            n = count[iy, ix]
            if n == 0:
                continue
            residual = plane[0] * ((ix - shift) / samples) + plane[1] * ((iy - shift) / samples) + plane[3]
            low, high = -1e9, 1e9
            if abs(plane[2]) > 1e-6:  # the half-space cuts the ray at one z
                if plane[2] > 0:
                    low = -residual / plane[2]
                else:
                    high = -residual / plane[2]
            elif residual < 0:
                continue
            winding = 0
            top = 0.0
            for k in range(n):
                before = winding
                winding += signs[iy, ix, k]
                if before <= 0 and winding > 0:
                    top = zs[iy, ix, k]
                elif before > 0 and winding <= 0:
                    last = min(top, high)
                    first = max(zs[iy, ix, k], low)
                    if last > first:
                        _add_step(rate, ix // samples, iy // samples, first, 1.0, kernel, step, pad)
                        _add_step(rate, ix // samples, iy // samples, last, -1.0, kernel, step, pad)
    columns = np.zeros((height, width, depth), np.uint8)
    scale = np.float32(255.0 / (16 * samples * samples))
    for y in range(height):
        for x in range(width):
            total = np.float32(0.0)
            for z in range(pad):
                total += rate[y, x, z]
            for z in range(depth):
                total += rate[y, x, z + pad]
                columns[y, x, z] = np.uint8(min(max(total * scale + np.float32(0.5), 0.0), 255.0))
    return columns


@nb.njit(cache=True, fastmath=True)
def _add_step(
    rate: np.ndarray, x: int, y: int, z: float, weight: float, kernel: np.ndarray, step: np.ndarray, pad: int
) -> None:
    """Add a step up at z: covers voxel [k - 0.5, k + 0.5] by its part above z, smoothed by the kernels."""
    height, width, rows = rate.shape
    z = min(max(z, -0.5), rows - 2 * pad - 0.5)
    k = int(np.floor(z + 0.5))
    covered = np.float32((k + 0.5 - z) * weight)
    uncovered = np.float32(weight) - covered
    step[:] = 0
    for i in range(len(kernel)):
        step[i] += kernel[i] * covered
        step[i + 1] += kernel[i] * uncovered
    start = k - len(kernel) // 2 + pad
    for dy in range(-1, 2):
        if y + dy < 0 or y + dy >= height:
            continue
        for dx in range(-1, 2):
            if x + dx < 0 or x + dx >= width:
                continue
            blur = np.float32((2 - abs(dy)) * (2 - abs(dx)))
            for i in range(min(len(step), rows - start)):
                rate[y + dy, x + dx, start + i] += step[i] * blur


TARGET_KERNEL = np.array([0.25, 0.5, 0.25], np.float32)


def occupancy_columns(
    vertices: np.ndarray,
    triangles: np.ndarray,
    plane: np.ndarray,
    samples: int = 2,
    kernel: np.ndarray = TARGET_KERNEL,
) -> np.ndarray:
    """Soft occupancy of a closed mesh.

    With the default kernel this is the training target (hard voxels would teach the network ridges: see
    `voxelize_occupancy`).

    Args:
        vertices: (V, 3) volume frame, voxels.
        triangles: (T, 3) int32, outward.
        plane: (4,) n, d in the volume frame, where the neck is cut: kept where n . p + d >= 0.
        samples: rays a pixel, along x and along y.
        kernel: (odd,) float32, sum 1, by which the occupancy is smoothed along z.

    Returns:
        (192, 192, 200) uint8 columns [y, x, z], 255 = solid.
    """
    count, zs, signs = ray_intersections(np.ascontiguousarray(vertices, np.float32), triangles, samples)
    return voxelize_occupancy(count, zs, signs, samples, np.asarray(plane, np.float64), kernel)


@nb.njit(cache=True, fastmath=True)
def voxelize_distance(  # noqa: C901 (one nest of loops for numba)
    count: np.ndarray, zs: np.ndarray, signs: np.ndarray, plane: np.ndarray, reach: int
) -> np.ndarray:
    """`core.geometry.rasterize.ray_distance_volume`, compiled, from `ray_intersections` of one ray a pixel.

    Args:
        count: (192, 192) int32 of `ray_intersections`.
        zs: (192, 192, K) float32 of the same, voxels.
        signs: (192, 192, K) int8 of the same.
        plane: (4,) float64 n, d in the volume frame, where the neck is cut: kept where n . p + d >= 0.
        reach: greatest distance, voxels.

    Returns:
        (192, 192, 200) uint8 columns [y, x, z]; 0..255 stands for -reach..reach voxels, positive inside.
    """
    depth, height, width = VOLUME_SHAPE
    pad = reach + 2
    top, bottom = depth - 0.5, -0.5
    second = np.zeros((height, width, depth + 2 * pad), np.float32)
    edges = np.zeros(MAX_INTERSECTIONS + 2, np.float64)
    for y in range(height):
        for x in range(width):
            if count[y, x] == 0:
                continue
            residual = plane[0] * x + plane[1] * y + plane[3]
            low, high = -1e9, 1e9
            if abs(plane[2]) > 1e-6:
                if plane[2] > 0:
                    low = -residual / plane[2]
                else:
                    high = -residual / plane[2]
            elif residual < 0:
                continue
            # Edges from the nearest to the farthest: entry, exit, entry, exit ...
            n = 0
            winding = 0
            start = 0.0
            for k in range(count[y, x]):
                before = winding
                winding += signs[y, x, k]
                if before <= 0 and winding > 0:
                    start = zs[y, x, k]
                elif before > 0 and winding <= 0:
                    near, far = min(start, high), max(zs[y, x, k], low)
                    if near > far:
                        edges[n] = min(max(near, bottom), top)
                        edges[n + 1] = min(max(far, bottom), top)
                        n += 2
            if n == 0:
                continue
            for dy in range(-1, 2):
                if y + dy < 0 or y + dy >= height:
                    continue
                for dx in range(-1, 2):
                    if x + dx < 0 or x + dx >= width:
                        continue
                    w = (2 - abs(dy)) * (2 - abs(dx)) / 16.0
                    ray = second[y + dy, x + dx]
                    _add_slope_change(ray, edges[0] + pad, -w)
                    _add_slope_change(ray, edges[0] + reach + pad, w)
                    _add_slope_change(ray, edges[n - 1] - reach + pad, w)
                    _add_slope_change(ray, edges[n - 1] + pad, -w)
                    for k in range(n - 1):
                        half = min(float(reach), (edges[k] - edges[k + 1]) / 2)
                        s = w if k % 2 == 0 else -w
                        _add_slope_change(ray, edges[k + 1] + pad, s)
                        _add_slope_change(ray, edges[k + 1] + half + pad, -s)
                        _add_slope_change(ray, edges[k] - half + pad, -s)
                        _add_slope_change(ray, edges[k] + pad, s)
    out = np.zeros((height, width, depth), np.uint8)
    scale = np.float32(255.0 / (2 * reach))
    for y in range(height):
        for x in range(width):
            slope = np.float32(0.0)
            value = np.float32(0.0)
            for z in range(pad):
                slope += second[y, x, z]
                value += slope
            for z in range(depth):
                out[y, x, z] = np.uint8(
                    min(max(value * scale + np.float32(0.5), np.float32(0.0)), np.float32(255.0))
                )
                slope += second[y, x, z + pad]
                value += slope
    return out


@nb.njit(cache=True, fastmath=True, inline="always")
def _add_slope_change(ray: np.ndarray, at: float, weight: float) -> None:
    """Split a change of slope between the two voxels around it."""
    k = int(np.floor(at))
    ray[k] += np.float32(weight * (1 - (at - k)))
    ray[k + 1] += np.float32(weight * (at - k))


def ray_distance_columns(
    vertices: np.ndarray, triangles: np.ndarray, plane: np.ndarray, reach: int
) -> np.ndarray:
    """Truncated distances along rays through a closed mesh, compiled: as
    `core.geometry.rasterize.ray_distance_volume`.

    Args:
        vertices: (V, 3) volume frame, voxels.
        triangles: (T, 3) int32, outward.
        plane: (4,) n, d in the volume frame, where the neck is cut: kept where n . p + d >= 0.
        reach: greatest distance, voxels.

    Returns:
        (192, 192, 200) uint8 columns [y, x, z]; 0..255 stands for -reach..reach voxels, positive inside.
    """
    count, zs, signs = ray_intersections(np.ascontiguousarray(vertices, np.float32), triangles, 1)
    return voxelize_distance(count, zs, signs, np.asarray(plane, np.float64), reach)


@nb.njit(cache=True, fastmath=True)
def front_and_back(
    vertices: np.ndarray, triangles: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Nearest and farthest surface of each pixel, along z.

    Args:
        vertices: (V, 3) float32 volume frame, voxels; greater z = nearer.
        triangles: (T, 3) int32.
        size: side of the picture, pixels.

    Returns:
        index (size, size) int32 of the front triangle, -1 = none; bary (size, size, 3) float32 on it; front
        and back (size, size) float32, z in voxels, 0 = none.
    """
    index = np.full((size, size), -1, np.int32)
    bary = np.zeros((size, size, 3), np.float32)
    front = np.zeros((size, size), np.float32)
    back = np.zeros((size, size), np.float32)
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay = vertices[a, 0], vertices[a, 1]
        bx, by = vertices[b, 0], vertices[b, 1]
        cx, cy = vertices[c, 0], vertices[c, 1]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if abs(area) < 1e-12:
            continue
        x0, x1 = _pixel_range(ax, bx, cx, size)
        y0, y1 = _pixel_range(ay, by, cy, size)
        for iy in range(y0, y1 + 1):
            y = iy + RAY_JITTER[1]
            for ix in range(x0, x1 + 1):
                x = ix + RAY_JITTER[0]
                wa, wb, wc = _barycentric((x, y), (ax, ay), (bx, by), (cx, cy), area)
                if wa < 0 or wb < 0 or wc < 0:
                    continue
                z = wa * vertices[a, 2] + wb * vertices[b, 2] + wc * vertices[c, 2]
                if index[iy, ix] < 0 or z > front[iy, ix]:
                    if index[iy, ix] < 0:
                        back[iy, ix] = z
                    index[iy, ix] = t
                    front[iy, ix] = z
                    bary[iy, ix, 0] = wa
                    bary[iy, ix, 1] = wb
                    bary[iy, ix, 2] = wc
                if z < back[iy, ix]:
                    back[iy, ix] = z
    return index, bary, front, back
