"""The signed distance to a closed mesh, on the voxels near it.

Marching cubes of an occupancy shows terraces wherever the surface is nearly parallel to an axis. The
distance to the mesh has none: each voxel takes the mean of its distances from the tangent planes at points
all over the mesh, weighted by nearness (implicit moving least squares: Shen, O'Brien and
Shewchuk, "Interpolating and approximating implicit surfaces from polygon soup", SIGGRAPH 2004).
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..geometry.frames import VOLUME_SHAPE
from .prior_mesh import PriorMesh

#: Area that one sample of the mesh stands for, square voxels.
SAMPLE_AREA = 1.0
#: Standard deviation of a sample's weight, voxels.
SAMPLE_SIGMA = 0.6
#: Distance of all voxels further away, voxels.
FAR = 2.0
#: Distance on the other side than its ray says that a voxel may have, voxels.
SIDE_TOLERANCE = 0.35
#: Distance over which the edge of the neck is rounded, voxels.
NECK_ROUNDING = 1.5
#: Samples that are added at once: so many fit into the processor's cache with the voxels around them.
CHUNK = 8192
#: Bits of a sample's number; some 100,000 samples are the rule, and voxels have 23 bits.
SAMPLE_BITS = 32
#: Powers of the plastic number: M. Roberts, "The unreasonable effectiveness of quasirandom sequences", 2018.
R2 = 1 / 1.32471795724474602596 ** np.array([1, 2])

Box = tuple[slice, slice, slice]


def signed_distance(head: PriorMesh, box: Box) -> np.ndarray:
    """The signed distance of voxels from a mesh.

    Args:
        head: The mesh.
        box: Part of the volume, [z, y, x].

    Returns:
        (D, H, W) float32 [z, y, x], voxels, positive inside, clamped to FAR.
    """
    with ThreadPoolExecutor(1, "photobust-distance") as pool:
        sampling = pool.submit(_samples_of, head, np.array([side.start for side in box])[::-1])
        inside = inside_voxels(head, box)
        border = _border(inside)
    near, distance = _distance_near(*sampling.result(), border)
    field = np.where(inside, np.float32(FAR), np.float32(-FAR))
    # Folds of the mesh that cross each other confuse the mean: there the rays are right.
    side = np.where(inside.ravel()[near], np.float32(1), np.float32(-1))
    right = distance * side > -SIDE_TOLERANCE
    field.ravel()[near] = np.where(right, distance, side * np.float32(SIDE_TOLERANCE))
    _smooth(field)
    _cut(field, head.plane, box)
    return field


def inside_voxels(head: PriorMesh, box: Box) -> np.ndarray:
    """(D, H, W) bool [z, y, x]: which voxels of a box are inside the mesh, wherever its plane is."""
    depth, height, width = (side.stop - side.start for side in box)
    pixel, z, area = head.ray_intersections
    row, column = pixel // VOLUME_SHAPE[2] - box[1].start, pixel % VOLUME_SHAPE[2] - box[2].start
    layer = np.minimum(np.floor(z).astype(np.int64) - box[0].start, depth - 1)
    used = (row >= 0) & (row < height) & (column >= 0) & (column < width) & (layer >= 0)
    # The winding number changes in the first voxel behind each intersection and is the same behind it.
    winding = np.zeros((depth, height, width), np.int8)
    index = (layer[used] * height + row[used]) * width + column[used]
    np.add.at(winding.ravel(), index, np.where(area[used] < 0, np.int8(1), np.int8(-1)))
    for k in range(depth - 1, 0, -1):
        winding[k - 1] += winding[k]
    return winding > 0


def _distance_near(
    samples: np.ndarray, normals: np.ndarray, area: np.ndarray, border: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The distance of the voxels of a box near the surface.

    Args:
        samples: (3, N) float32, see `_samples_of`.
        normals: (3, N) float32, the same.
        area: (N,) float32, the same.
        border: (D, H, W) bool, the voxels that the mesh passes through or beside.

    Returns:
        (M,) int64, flat indices of the voxels, and (M,) float32, voxels.
    """
    depth, height, width = border.shape
    voxel = np.round(samples)
    limits = np.array([[width], [height], [depth]]) - 2
    used = np.flatnonzero(((voxel >= 1) & (voxel <= limits)).all(0))
    x, y, z = voxel[:, used].astype(np.int64)
    first = (z * height + y) * width + x
    # Parts of the mesh inside the head, as where lips touch, are no surface.
    kept = border.ravel()[first]
    first, used = first[kept], used[kept]
    # In the order of the voxels, so that neighbors in memory are added to one after the other.
    # Voxel and sample in one number each: sorting numbers is several times as fast as finding their order.
    keys = np.sort((first << SAMPLE_BITS) | used)
    first, used = keys >> SAMPLE_BITS, keys & ((1 << SAMPLE_BITS) - 1)
    offset = np.take(voxel - samples, used, axis=1)
    normals, area = np.take(normals, used, axis=1), area[used]
    weights, sums = np.zeros(border.size, np.float32), np.zeros(border.size, np.float32)
    for start in range(0, len(first), CHUNK):
        part = slice(start, start + CHUNK)
        _add_samples(
            weights, sums, (height, width), first[part], offset[:, part], normals[:, part], area[part]
        )
    near = np.flatnonzero(weights > 1e-3)
    return near, sums[near] / weights[near]


def _add_samples(
    weights: np.ndarray,
    sums: np.ndarray,
    shape: tuple[int, int],
    voxel: np.ndarray,
    offset: np.ndarray,
    normals: np.ndarray,
    area: np.ndarray,
) -> None:
    """Add samples to the sums of weights and of weighted distances in their voxel and the 26 around it.

    Args:
        weights: (D * H * W,) float32. Changed.
        sums: (D * H * W,) float32. Changed.
        shape: (H, W).
        voxel: (N,) int64, flat index of each sample's voxel.
        offset: (3, N) float32, x, y, z from the sample to its voxel.
        normals: (3, N) float32 unit normals.
        area: (N,) float32, that a sample stands for.
    """
    height, width = shape
    steps = np.arange(-1, 2)
    away = offset[:, None] + steps.astype(np.float32)[:, None]
    gauss = np.exp(away**2 * np.float32(-0.5 / SAMPLE_SIGMA**2))
    along = away * -normals[:, None]
    for k, j in np.ndindex(3, 3):
        part = area * gauss[2, k] * gauss[1, j]
        distance = along[2, k] + along[1, j]
        for i in range(3):
            weight = part * gauss[0, i]
            index = voxel + ((steps[k] * height + steps[j]) * width + steps[i])
            np.add.at(weights, index, weight)
            np.add.at(sums, index, weight * (distance + along[0, i]))


def _samples_of(head: PriorMesh, origin: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points all over a mesh.

    Args:
        head: The mesh.
        origin: (3,) x, y, z, volume frame.

    Returns:
        (3, N) float32 x, y, z, relative to the origin; (3, N) float32 unit normals; (N,) float32, the area
        that each stands for, square voxels.
    """
    above = head.points @ head.plane[:3] + head.plane[3]
    kept = above[head.triangles].max(1) > -2 * FAR  # the rest is cut off
    triangles, area = head.triangles[kept], head.areas[kept]
    count = np.ceil(area / SAMPLE_AREA).astype(int)
    triangle = np.repeat(np.arange(len(count)), count)
    number = np.arange(len(triangle)) - np.repeat(np.cumsum(count) - count, count)
    u, v = (0.5 + np.arange(count.max(initial=0))[:, None] * R2).T % 1
    outside = u + v > 1
    u, v = np.where(outside, 1 - u, u), np.where(outside, 1 - v, v)
    bary = np.stack([1 - u - v, u, v]).astype(np.float32)
    values = np.concatenate([head.points - origin, head.normals], 1).T.astype(np.float32)
    samples = np.zeros((6, len(triangle)), np.float32)
    for corner, weight in zip(triangles.T, bary, strict=True):
        samples += weight[number] * np.take(values, corner[triangle], axis=1)
    normals = samples[3:]
    normals /= np.maximum(np.linalg.norm(normals, axis=0), np.float32(1e-9))
    return samples[:3], normals, (area / np.maximum(count, 1)).astype(np.float32)[triangle]


def _smooth(field: np.ndarray) -> None:
    """Smooth a field (D, H, W) by [1 2 1] / 4 along each axis, in place; its first and last layer stay."""
    import cv2

    # Layer by layer, so that what is worked on stays in the processor's cache.
    below, middle, above = (np.empty(field.shape[1:], np.float32) for _ in range(3))
    for k, layer in enumerate(field):
        below, middle, above = middle, above, below
        cv2.GaussianBlur(layer, (3, 3), 0, dst=above, borderType=cv2.BORDER_REPLICATE)
        if k > 1:
            smoothed = field[k - 1]
            np.add(below, above, out=smoothed)
            smoothed *= np.float32(0.25)
            smoothed += middle * np.float32(0.5)


def _border(inside: np.ndarray) -> np.ndarray:
    """(D, H, W) bool: voxels with both inside and outside among themselves and their 26 neighbors."""
    import cv2

    kernel = np.ones((3, 3), np.uint8)
    layers = inside.view(np.uint8)
    least, most = (
        np.stack([f(layer, kernel) for layer in layers]).view(bool) for f in (cv2.erode, cv2.dilate)
    )
    all_, any_ = least.copy(), most.copy()
    for a, b in ((slice(1, None), slice(-1)), (slice(-1), slice(1, None))):
        all_[a] &= least[b]
        any_[a] |= most[b]
    return all_ != any_


def _cut(field: np.ndarray, plane: np.ndarray, box: Box) -> None:
    """Remove what is on the plane's negative side from a field, in place; the edge is rounded."""
    z, y, x = np.ogrid[box]
    ends = plane[0] * x[..., [0, -1]] + plane[1] * y + plane[2] * z[[0, -1]] + plane[3]
    near = np.flatnonzero((ends < 2 * FAR).any((0, 2)))
    if not len(near):
        return
    rows = slice(near[0], near[-1] + 1)
    above = (plane[0] * x + (plane[1] * y[:, rows] + plane[3])).astype(np.float32)
    for z_at, layer in zip(z[:, 0, 0], field, strict=True):
        part = layer[rows]
        cut = np.clip(above[0] + np.float32(plane[2] * z_at), -FAR, 2 * FAR)
        overlap = np.maximum(1 - np.abs(part - cut) / np.float32(NECK_ROUNDING), 0)
        np.minimum(part, cut, out=part)
        part -= overlap**2 * np.float32(NECK_ROUNDING / 4)
