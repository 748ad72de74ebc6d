"""Draws a training head: geometry buffers of a pinhole camera."""

from dataclasses import dataclass

import numba as nb
import numpy as np

from ...geometry.frames import Camera
from ..rasterize import rasterize_perspective


@dataclass(frozen=True)
class Buffers:
    """What each pixel of a (H, W) picture shows.

    mask: bool. depth: float32, meters along the optical axis, 0 where nothing is. normals: (H, W, 3) float32
    unit, camera frame. position: (H, W, 3) float32, camera frame. uv: (H, W, 2) float32, atlas. part: (H, W)
    int8, -1 where nothing is.
    """

    mask: np.ndarray
    depth: np.ndarray
    normals: np.ndarray
    position: np.ndarray
    uv: np.ndarray
    part: np.ndarray


@nb.njit(cache=True, fastmath=True)
def compiled_vertex_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """`core.geometry.mesh.vertex_normals`, compiled, as every picture needs them.

    Args:
        vertices: (V, 3) float32, any frame and unit.
        triangles: (T, 3) int32, outward.

    Returns:
        (V, 3) float32 unit normals.
    """
    normals = np.zeros(vertices.shape, np.float32)
    for t in range(triangles.shape[0]):
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ux, uy, uz = (
            vertices[j, 0] - vertices[i, 0],
            vertices[j, 1] - vertices[i, 1],
            vertices[j, 2] - vertices[i, 2],
        )
        vx, vy, vz = (
            vertices[k, 0] - vertices[i, 0],
            vertices[k, 1] - vertices[i, 1],
            vertices[k, 2] - vertices[i, 2],
        )
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for v in (i, j, k):
            normals[v, 0] += nx
            normals[v, 1] += ny
            normals[v, 2] += nz
    for v in range(len(normals)):
        length = np.sqrt(normals[v, 0] ** 2 + normals[v, 1] ** 2 + normals[v, 2] ** 2) + np.float32(1e-20)
        normals[v] /= length
    return normals


@nb.njit(cache=True, fastmath=True)
def _gather(
    index: np.ndarray,
    bary: np.ndarray,
    triangles: np.ndarray,
    corner_uv: np.ndarray,
    normals: np.ndarray,
    out_normals: np.ndarray,
    out_uv: np.ndarray,
) -> None:
    height, width = index.shape
    for y in range(height):
        for x in range(width):
            t = index[y, x]
            if t < 0:
                continue
            for k in range(3):
                w = bary[y, x, k]
                v = triangles[t, k]
                for c in range(3):
                    out_normals[y, x, c] += w * normals[v, c]
                for c in range(2):
                    out_uv[y, x, c] += w * corner_uv[t, k, c]
            n = np.sqrt(
                out_normals[y, x, 0] ** 2 + out_normals[y, x, 1] ** 2 + out_normals[y, x, 2] ** 2
            ) + np.float32(1e-20)
            for c in range(3):
                out_normals[y, x, c] /= n


def draw(
    vertices: np.ndarray,
    triangles: np.ndarray,
    corner_uv: np.ndarray,
    triangle_part: np.ndarray,
    camera: Camera,
    size: int,
) -> Buffers:
    """Rasterize a head before a camera.

    Args:
        vertices: (V, 3), camera frame, meters.
        triangles: (T, 3) int32.
        corner_uv: (T, 3, 2) float32 atlas coordinates of their corners.
        triangle_part: (T,) int8 the part that each belongs to.
        camera: in pixels of the picture.
        size: side of the picture, pixels.

    Returns:
        The buffers of a (size, size) picture.
    """
    vertices = np.ascontiguousarray(vertices, np.float32)
    projected = np.column_stack([camera.project(vertices), vertices[:, 2]]).astype(np.float32)
    index, bary, depth = rasterize_perspective(projected, triangles, size, size)
    normals = np.zeros((size, size, 3), np.float32)
    uv = np.zeros((size, size, 2), np.float32)
    _gather(index, bary, triangles, corner_uv, compiled_vertex_normals(vertices, triangles), normals, uv)
    mask = index >= 0
    ys, xs = np.mgrid[0:size, 0:size].astype(np.float32)
    rays = np.stack(
        [(xs - camera.cx) / camera.focal_px, (ys - camera.cy) / camera.focal_px, np.ones_like(xs)], -1
    )
    part = np.where(mask, triangle_part[np.maximum(index, 0)], -1).astype(np.int8)
    return Buffers(mask, depth, normals, rays.astype(np.float32) * depth[..., None], uv, part)
