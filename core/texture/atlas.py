"""The texels of the head's texture: the point of the mesh that each one shows, and its mirror image."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from ..template.topology import CLEAR, HeadTopology, triangle_corners

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

#: Fractional bits of coordinates handed to OpenCV's drawing.
SHIFT = 6
#: The part that is drawn first, so that the skin's texels are its own where islands touch.
DRAWN_FIRST = "inner"
#: Triangles with less area, square texels, are treated as having one of 1.
DEGENERATE = 1e-9


@dataclass(frozen=True)
class Atlas:
    """The covered texels of a texture, row by row from the top, N of them.

    Attributes:
        size: Side of the square texture, texels.
        texel: (N,) int32, y * size + x.
        corners: (N, 3) int32, vertices of the triangle that the texel shows.
        bary: (N, 3) float32, barycentric coordinates in it.
        part: (N,) int8, the topology's part.
        mirror: (N, 2) float32 texel coordinates (x, y) of the mirrored point of the head.
    """

    size: int
    texel: np.ndarray
    corners: np.ndarray
    bary: np.ndarray
    part: np.ndarray
    mirror: np.ndarray

    @classmethod
    def of(cls, topology: HeadTopology, size: int, parts: Sequence[str] | None = None) -> "Atlas":
        """Rasterize the texture coordinates of parts.

        Args:
            topology: The head's.
            size: Side of the texture, texels.
            parts: Which ones (default: all that have a texture).

        Returns:
            The covered texels.
        """
        triangles, corner_uv, mirrored_uv = _corner_uvs(topology)
        part = np.repeat(topology.face_part, 2)
        points = texel_coordinates(corner_uv, size)
        index = np.full((size, size), -1, np.int32)
        fixed = np.round(points * 2**SHIFT).astype(np.int32)
        inner = topology.part_names.index(DRAWN_FIRST)
        if parts is None:
            parts = [name for name in topology.part_names if name not in CLEAR]
        wanted = np.isin(part, [topology.part_names.index(name) for name in parts])
        order = np.argsort(part != inner, kind="stable")
        for k in order[wanted[order]]:
            cv2.fillConvexPoly(index, fixed[k], (int(k),), cv2.LINE_8, SHIFT)
        texel = np.flatnonzero(index.ravel() >= 0).astype(np.int32)
        triangle = index.ravel()[texel]
        y, x = np.divmod(texel, size)
        bary = _barycentric(points, triangle, x.astype(np.float32), y.astype(np.float32))
        mirrored = texel_coordinates(mirrored_uv, size).astype(np.float32)
        mirror = np.zeros((len(texel), 2), np.float32)
        for k in range(3):
            mirror += bary[:, k, None] * mirrored[:, k].take(triangle, 0)
        return cls(size, texel, triangles[triangle], bary, part[triangle], mirror)

    def interpolation(self, chosen: np.ndarray, count: int) -> "csr_matrix":
        """The matrix that interpolates vertex values at texels; its transpose gathers texels at vertices.

        Args:
            chosen: (n,) int indices of texels.
            count: Number of vertices.

        Returns:
            (n, count) float32.
        """
        return _interpolation(self.bary[chosen], self.corners[chosen], count)

    def whole_interpolation(self, count: int) -> "csr_matrix":
        """`interpolation` at all texels; it shares the atlas's arrays.

        Args:
            count: Number of vertices.

        Returns:
            (N, count) float32.
        """
        return _interpolation(self.bary, self.corners, count)

    def interpolate(self, values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """Interpolate vertex values.

        Args:
            values: (V,) or (V, C).
            chosen: (n,) int indices of texels.

        Returns:
            (n,) or (n, C) float32.
        """
        return self.interpolation(chosen, len(values)) @ np.asarray(values, np.float32)

    def image(self, values: np.ndarray) -> np.ndarray:
        """Lay values of texels out as a picture.

        Args:
            values: (N,) or (N, C).

        Returns:
            (size, size) or (size, size, C) of the same type, 0 where nothing is.
        """
        picture = np.zeros((self.size * self.size, *values.shape[1:]), values.dtype)
        picture[self.texel] = values
        return picture.reshape(self.size, self.size, *values.shape[1:])


def texel_coordinates(uv: np.ndarray, size: int) -> np.ndarray:
    """Texture coordinates as texels.

    Args:
        uv: (..., 2), v up.
        size: Side of the texture, texels.

    Returns:
        (..., 2) float64 (x, y); the center of the top-left texel is (0, 0).
    """
    return np.stack([uv[..., 0] * size - 0.5, (1 - uv[..., 1].astype(np.float64)) * size - 0.5], -1)


def _interpolation(bary: np.ndarray, corners: np.ndarray, count: int) -> "csr_matrix":
    """(n, count) float32: interpolates values of so many vertices by weights (n, 3) of corners (n, 3)."""
    from scipy.sparse import csr_matrix

    starts = np.arange(0, 3 * len(corners) + 1, 3, dtype=np.int32)
    return csr_matrix((bary.ravel(), corners.ravel(), starts), (len(corners), count))


def _corner_uvs(topology: HeadTopology) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The topology's triangles (2F, 3), their corners' texture coordinates (2F, 3, 2) and those of the
    mirrored corners.
    """
    triangles = topology.triangles
    corner_uv = topology.uv[triangle_corners(topology.quad_uv, topology.quads, triangles)]
    # The quad with the mirrored vertices; its corners are found by vertex, as it runs the other way round.
    own, mirrored = (np.sort(quads, 1) for quads in (topology.quads, topology.mirror[topology.quads]))
    order = {quad.tobytes(): face for face, quad in enumerate(own)}
    other = np.array([order[quad.tobytes()] for quad in mirrored.astype(own.dtype)])
    other_uv = triangle_corners(topology.quad_uv[other], topology.quads[other], topology.mirror[triangles])
    return triangles, corner_uv, topology.uv[other_uv]


def _barycentric(points: np.ndarray, triangle: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(N, 3) float32 weights of the corners of triangles (T, 3, 2) at (x, y); kept inside of the triangle."""
    a, b, c = points[:, 0], points[:, 1], points[:, 2]
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    area = np.where(np.abs(area) < DEGENERATE, 1.0, area)
    bary = np.empty((len(triangle), 3), np.float32)
    for k, (p, q) in enumerate(((b, c), (c, a))):
        along_x = ((p[:, 1] - q[:, 1]) / area).astype(np.float32)
        along_y = ((q[:, 0] - p[:, 0]) / area).astype(np.float32)
        constant = ((p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]) / area).astype(np.float32)
        bary[:, k] = constant[triangle] + along_x[triangle] * x + along_y[triangle] * y
    bary[:, 2] = 1 - bary[:, 0] - bary[:, 1]
    # OpenCV draws a polygon's border, too: texels up to half a texel outside.
    np.clip(bary, 0, 1, out=bary)
    bary /= bary.sum(1, keepdims=True)
    return bary
