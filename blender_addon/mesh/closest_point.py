"""The closest point of a surface, for many points at once; relaxing a mesh onto it. Needs bpy."""

from collections.abc import Iterator
from dataclasses import dataclass

import bpy  # noqa: F401  (mathutils is found only once it is there)
import numpy as np
from mathutils.bvhtree import BVHTree

from . import topology
from .arrays import normals_of

#: How far from a surface most points are at most, in mean sides of its triangles.
NEAR_SIDES = 2.0
#: A vertex is projected onto the surface only where the cosine between the normals of both is at least this:
#: in an ear or between lips the nearest point may be on the other side.
MIN_NORMAL_COSINE = 0.2
#: Fraction of the way to the mean of its neighbors that a vertex goes in one round.
RELAXATION = 0.5
#: An edge is sharp, and kept, if the cosine between the normals of its two quads is below this.
SHARP_COSINE = 0.5


@dataclass(frozen=True)
class ClosestPoints:
    """The closest points on a surface to P query points.

    Attributes:
        triangle: (P,) int64, index of the triangle that each lies on.
        weights: (P, 3) float64, its barycentric weights there.
        point: (P, 3) float64, frame and unit of the surface.
        distance: (P,) float64, from the query point.
    """

    triangle: np.ndarray
    weights: np.ndarray
    point: np.ndarray
    distance: np.ndarray

    def interpolate(self, values: np.ndarray) -> np.ndarray:
        """Interpolate values of the triangles' corners.

        Args:
            values: (M, 3, C) float, for each corner of the surface's triangles.

        Returns:
            (P, C) float64, at the closest points.
        """
        return np.einsum("pk,pkc->pc", self.weights, values[self.triangle])


class SurfaceQuery:
    """Triangles (M, 3) over vertices (N, 3) that answers which of its points is closest."""

    def __init__(self, vertices: np.ndarray, triangles: np.ndarray) -> None:
        self.vertices, self.triangles = vertices, triangles
        self._tree = BVHTree.FromPolygons(vertices.tolist(), triangles.tolist())
        self._normals = normals_of(vertices, triangles)
        self._reach = NEAR_SIDES * float(np.sqrt(np.linalg.norm(self._normals, axis=1).mean()))

    def closest(self, points: np.ndarray) -> ClosestPoints:
        """Find the points on the surface that are closest to others.

        Args:
            points: (P, 3) float, frame and unit of the surface.

        Returns:
            The closest point for each.
        """
        index = np.array([found[2] for found in self._nearest(points)], np.int64).reshape(-1)
        corners = self.vertices[self.triangles[index]]
        weights = closest_point_weights(points, corners)
        point = np.einsum("pk,pkc->pc", weights, corners)
        return ClosestPoints(index, weights, point, np.linalg.norm(point - points, axis=1))

    def distance(self, points: np.ndarray) -> np.ndarray:
        """Measure how far points are from the surface.

        Args:
            points: (P, 3) float, frame and unit of the surface.

        Returns:
            (P,) float64 distances, unit of the surface.
        """
        return np.array([found[3] for found in self._nearest(points)], np.float64).reshape(-1)

    def _nearest(self, points: np.ndarray) -> Iterator[tuple]:
        """What Blender finds closest to each of the points (P, 3): place, normal, triangle, distance.

        Most points are near the surface, and those are found in half the time if nothing else is looked at.
        """
        find, reach = self._tree.find_nearest, self._reach
        for point in points.tolist():
            found = find(point, reach)
            # Without a limit there is always one.
            yield find(point) if found[2] is None else found

    def sample(self, count: int) -> np.ndarray:
        """(count, 3) float64: points spread evenly over the area, the same each time."""
        random = np.random.default_rng(0)
        areas = np.cumsum(np.linalg.norm(self._normals, axis=1))
        chosen = np.searchsorted(areas, (np.arange(count) + 0.5) * areas[-1] / count)
        u, v = random.random((2, count))
        flip = u + v > 1
        u, v = np.where(flip, 1 - u, u)[:, None], np.where(flip, 1 - v, v)[:, None]
        a, b, c = (self.vertices[self.triangles[chosen, k]] for k in range(3))
        return a + u * (b - a) + v * (c - a)

    def normals(self, index: np.ndarray) -> np.ndarray:
        """Look up unit normals of triangles.

        Args:
            index: (P,) int, which of the triangles.

        Returns:
            (P, 3) float64.
        """
        normals = self._normals[index]
        return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-300)

    def relax(self, vertices: np.ndarray, quads: np.ndarray, rounds: int) -> np.ndarray:
        """Tangential Laplacian relaxation, with projection onto the surface after each round.

        Args:
            vertices: (N, 3) float64, frame of the surface.
            quads: (Q, 4) int.
            rounds: How many; with 0 the vertices are only projected.

        Returns:
            (N, 3) float64. Vertices on borders and sharp edges move only onto the surface.
        """
        edges = topology.edges_of(quads)
        fixed = np.zeros(len(vertices), bool)
        fixed[edges.vertices[edges.faces == 1]] = True
        fixed[edges.vertices[edges.faces == 2][_dihedral_cosines(vertices, quads, edges) < SHARP_COSINE]] = (
            True
        )
        links = np.concatenate([edges.vertices, edges.vertices[:, ::-1]])
        target, source = links[~fixed[links[:, 0]]].T
        degree = np.bincount(target, minlength=len(vertices))[:, None]
        for k in range(rounds + 1):
            moved = vertices
            if k:
                mean = _sums(target, vertices[source], len(vertices)) / np.maximum(degree, 1)
                offset = np.where(degree > 0, mean - vertices, 0.0)
                normal = vertex_normals(vertices, quads)
                moved = vertices + RELAXATION * (offset - normal * (offset * normal).sum(1, keepdims=True))
            near = self.closest(moved)
            facing = (self.normals(near.triangle) * vertex_normals(moved, quads)).sum(1) > MIN_NORMAL_COSINE
            vertices = np.where(facing[:, None], near.point, moved)
        return vertices


def quad_normals(vertices: np.ndarray, quads: np.ndarray) -> np.ndarray:
    """Compute unit normals of quads, from their diagonals.

    Args:
        vertices: (N, 3) float, any frame and unit.
        quads: (Q, 4) int vertices.

    Returns:
        (Q, 3) float64; 0 for quads without area.
    """
    a, b, c, d = (vertices[quads[:, k]] for k in range(4))
    normals = np.cross(c - a, d - b)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-300)


def vertex_normals(vertices: np.ndarray, quads: np.ndarray) -> np.ndarray:
    """Compute unit normals of vertices, the mean of the quads' around.

    Args:
        vertices: (N, 3) float, any frame and unit.
        quads: (Q, 4) int vertices.

    Returns:
        (N, 3) float64; 0 for vertices without quads.
    """
    spread = np.repeat(quad_normals(vertices, quads), 4, axis=0)
    normals = _sums(quads.ravel(), spread, len(vertices))
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-300)


def closest_point_weights(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Find the point of a triangle that is closest to another point.

    Args:
        points: (P, 3) float, any frame and unit.
        corners: (P, 3, 3) float, the corners of a triangle for each point.

    Returns:
        (P, 3) float64 barycentric weights of the closest points.
    """
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    ab, ac, ap = b - a, c - a, points - a
    d00, d01, d11 = (ab * ab).sum(1), (ab * ac).sum(1), (ac * ac).sum(1)
    d20, d21 = (ap * ab).sum(1), (ap * ac).sum(1)
    area = np.maximum(d00 * d11 - d01 * d01, 1e-300)
    v, w = (d11 * d20 - d01 * d21) / area, (d00 * d21 - d01 * d20) / area
    weights = np.stack([1 - v - w, v, w], 1)
    outside = np.flatnonzero((weights < 0).any(1))
    if len(outside):
        # Then it is the nearest of the three nearest points of the sides.
        best = np.full(len(outside), np.inf)
        for k, n in ((0, 1), (1, 2), (2, 0)):
            start, side = corners[outside, k], corners[outside, n] - corners[outside, k]
            t = ((points[outside] - start) * side).sum(1) / np.maximum((side * side).sum(1), 1e-300)
            t = np.clip(t, 0.0, 1.0)
            far = ((start + t[:, None] * side - points[outside]) ** 2).sum(1)
            better = far < best
            best[better] = far[better]
            found = np.zeros((len(outside), 3))
            found[:, k], found[:, n] = 1 - t, t
            weights[outside[better]] = found[better]
    return weights


def _dihedral_cosines(vertices: np.ndarray, quads: np.ndarray, edges: topology.Edges) -> np.ndarray:
    """Cosine of the angle between the two quads of each edge that has two."""
    normals = quad_normals(vertices, quads)
    one, two = topology.adjacent_faces(edges).T
    return (normals[one] * normals[two]).sum(1)


def _sums(index: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    """(count, C): the sum of the values (P, C) that have each index (P,)."""
    return np.stack([np.bincount(index, values[:, k], count) for k in range(values.shape[1])], 1)
