"""The signed distance to a closed mesh, on the voxels near it.

Marching cubes of an occupancy shows terraces wherever the surface is nearly parallel to an axis. The
distance to the mesh has none: each voxel takes the mean of its distances from the tangent planes at points
all over the mesh, weighted by nearness (implicit moving least squares: Shen, O'Brien and
Shewchuk, "Interpolating and approximating implicit surfaces from polygon soup", SIGGRAPH 2004).
"""

import numpy as np

from ..geometry.frames import VOLUME_SHAPE
from ..geometry.rasterize import interpolate, ray_spans
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
    import cv2

    inside = inside_voxels(head, box)
    near, distance = _distance_near(head, inside, box)
    side = np.where(inside, np.float32(1), np.float32(-1))
    field = side * np.float32(FAR)
    # Folds of the mesh that cross each other confuse the mean: there the rays are right.
    side = side.ravel()[near]
    right = distance * side > -SIDE_TOLERANCE
    field.ravel()[near] = np.where(right, distance, side * np.float32(SIDE_TOLERANCE))
    smooth = np.empty_like(field)
    for source, target in zip(field, smooth, strict=True):
        cv2.GaussianBlur(source, (3, 3), 0, dst=target, borderType=cv2.BORDER_REPLICATE)
    field[1:-1] = smooth[1:-1] / 2
    field[1:-1] += (smooth[:-2] + smooth[2:]) / 4
    _cut(field, head.plane, box)
    return field


def inside_voxels(head: PriorMesh, box: Box) -> np.ndarray:
    """(D, H, W) bool [z, y, x]: which voxels of a box are inside the mesh, wherever its plane is."""
    shape = tuple(side.stop - side.start for side in box)
    pixel, z, area = head.ray_intersections
    nowhere = np.array([0, 0, 0, 1.0])
    entry, leave, column = ray_spans(pixel, z, np.where(area < 0, 1, -1), nowhere)
    row, col = column // VOLUME_SHAPE[2] - box[1].start, column % VOLUME_SHAPE[2] - box[2].start
    used = (row >= 0) & (row < shape[1]) & (col >= 0) & (col < shape[2])
    steps = np.zeros((shape[0] + 1, *shape[1:]), np.int8)
    for first, step in ((np.ceil(leave), 1), (np.floor(entry) + 1, -1)):
        layer = np.clip(first[used].astype(int) - box[0].start, 0, shape[0])
        np.add.at(steps, (layer, row[used], col[used]), step)
    return np.cumsum(steps[:-1], 0, dtype=np.int8) > 0


def _distance_near(head: PriorMesh, inside: np.ndarray, box: Box) -> tuple[np.ndarray, np.ndarray]:
    """Flat indices (N,) of the voxels of a box near the surface, and (N,) float32 their distance, voxels."""
    origin = np.array([side.start for side in box])[::-1]
    samples, normals, area = _samples_of(head)
    samples -= origin
    voxel = np.round(samples).astype(np.int32)
    used = ((voxel >= 1) & (voxel < np.array(inside.shape[::-1]) - 1)).all(1)
    # Parts of the mesh inside the head, as where lips touch, are no surface.
    x, y, z = voxel[used].T
    used[used] = _border(inside)[z, y, x]
    voxel, area = voxel[used], area[used].astype(np.float32)
    difference = (voxel - samples[used]).astype(np.float32)
    normals = normals[used].astype(np.float32)
    _, height, width = inside.shape
    first = (voxel[:, 2] * height + voxel[:, 1]) * width + voxel[:, 0]
    weights = np.zeros(inside.size, np.float32)
    sums = np.zeros(inside.size, np.float32)
    offsets = np.arange(-1, 2, dtype=np.float32)
    gauss = np.exp(-((difference[..., None] + offsets) ** 2) / np.float32(2 * SAMPLE_SIGMA**2))
    along = (difference[..., None] + offsets) * -normals[..., None]
    for k, dz in enumerate((-1, 0, 1)):
        for j, dy in enumerate((-1, 0, 1)):
            part = area * gauss[:, 2, k] * gauss[:, 1, j]
            distance = along[:, 2, k] + along[:, 1, j]
            for i, dx in enumerate((-1, 0, 1)):
                weight = part * gauss[:, 0, i]
                index = first + ((dz * height + dy) * width + dx)
                np.add.at(weights, index, weight)
                np.add.at(sums, index, weight * (distance + along[:, 0, i]))
    near = np.flatnonzero(weights > 1e-3)
    return near, sums[near] / weights[near]


def _samples_of(head: PriorMesh) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points all over a mesh: (N, 3), volume frame, (N, 3) unit normals, (N,) area that each stands for."""
    above = head.points @ head.plane[:3] + head.plane[3]
    kept = above[head.triangles].max(1) > -2 * FAR  # the rest is cut off
    triangles, area = head.triangles[kept], head.areas[kept]
    count = np.ceil(area / SAMPLE_AREA).astype(int)
    triangle = np.repeat(np.arange(len(count)), count)
    k = np.arange(len(triangle)) - np.repeat(np.cumsum(count) - count, count)
    u, v = (0.5 + k[:, None] * R2).T % 1
    outside = u + v > 1
    u, v = np.where(outside, 1 - u, u), np.where(outside, 1 - v, v)
    bary = np.stack([1 - u - v, u, v], 1)
    normals = interpolate(head.normals, triangles, triangle, bary)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    points = interpolate(head.points, triangles, triangle, bary)
    return points, normals, (area / np.maximum(count, 1))[triangle]


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
