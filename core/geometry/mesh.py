"""Triangle meshes: normals, Laplacians, self-intersections."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix, diags
from scipy.spatial import cKDTree

#: Cotangents are cut off here: a sliver must not outweigh the mesh.
MAX_COTANGENT = 5.0
#: Squared lengths and areas below this are no direction.
DEGENERATE = 1e-20
#: Direction of normals where a mesh has none, as renderers and file formats want unit vectors: forward.
NO_NORMAL = (0.0, -1.0, 0.0)
#: Barycentric coordinates and fractions of an edge nearer than this to 0 or 1 are touches, no intersections.
TOUCH = 1e-6


def corner_sum(values: np.ndarray, triangles: np.ndarray, count: int) -> np.ndarray:
    """Sum values of triangles at their corners.

    Args:
        values: (T, C), one row a triangle.
        triangles: (T, 3) int.
        count: Number of vertices V.

    Returns:
        (V, C) float64.
    """
    index = triangles.ravel()
    repeated = np.repeat(values, 3, axis=0)
    return np.stack([np.bincount(index, column, count) for column in repeated.T], 1)


def triangle_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Normals of triangles.

    Args:
        vertices: (V, 3), any frame and unit.
        triangles: (T, 3) int.

    Returns:
        (T, 3) float64; their lengths are twice the triangles' areas.
    """
    p = vertices[triangles].astype(np.float64)
    return np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0])


def vertex_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Normals of vertices: the mean of the adjacent triangles' normals, weighted by area.

    Args:
        vertices: (V, 3), any frame and unit.
        triangles: (T, 3) int, counterclockwise from outside.

    Returns:
        (V, 3) float64 unit vectors, zero at vertices without a triangle.
    """
    normals = corner_sum(triangle_normals(vertices, triangles), triangles, len(vertices))
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), DEGENERATE)


def shading_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """`vertex_normals` as renderers and file formats want them: never zero.

    Args:
        vertices: (V, 3), any frame and unit.
        triangles: (T, 3) int, counterclockwise from outside.

    Returns:
        (V, 3) float32 unit vectors, `NO_NORMAL` at vertices without a triangle.
    """
    normals = vertex_normals(vertices, triangles)
    valid = np.linalg.norm(normals, axis=1, keepdims=True) > 0.5
    return np.where(valid, normals, NO_NORMAL).astype(np.float32)


def edges_of(triangles: np.ndarray) -> np.ndarray:
    """The edges of a mesh.

    Args:
        triangles: (T, 3) int.

    Returns:
        (E, 2) int, each edge once, its lower vertex first, sorted.
    """
    sides = np.concatenate([triangles, triangles[:, [1, 2, 0]]], 1).reshape(-1, 2, 3)
    return np.unique(np.sort(sides.transpose(0, 2, 1).reshape(-1, 2), 1), axis=0)


@dataclass(frozen=True, eq=False)
class MeshTopology:
    """Which vertices triangles join, and what follows from that alone: meshes of one topology share it.

    Attributes:
        triangles: (T, 3) int32, counterclockwise from outside.
        count: Number of vertices.
    """

    triangles: np.ndarray
    count: int

    @cached_property
    def edges(self) -> np.ndarray:
        """(E, 2) int32, each edge once."""
        return edges_of(self.triangles)

    @cached_property
    def laplacian(self) -> csr_matrix:
        """(count, count) sparse: degrees on the diagonal, -1 for each edge."""
        one, two = self.edges.T
        joined = coo_matrix((np.ones(len(one)), (one, two)), (self.count, self.count))
        joined = joined + joined.T
        return csr_matrix(diags(np.asarray(joined.sum(1)).ravel()) - joined)

    @cached_property
    def subdivided(self) -> "MeshTopology":
        """Every triangle divided into four; the vertex in the middle of edge k is number count + k."""
        # Edges are sorted: where one is found by its number.
        key = self.edges[:, 0].astype(np.int64) * self.count + self.edges[:, 1]
        a, b, c = self.triangles.T.astype(np.int64)
        ab, bc, ca = (
            np.searchsorted(key, np.minimum(p, q) * self.count + np.maximum(p, q)) + self.count
            for p, q in ((a, b), (b, c), (c, a))
        )
        parts = ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))
        triangles = np.concatenate([np.stack(part, 1) for part in parts]).astype(np.int32)
        return MeshTopology(triangles, self.count + len(self.edges))


def neighbor_mean(triangles: np.ndarray, count: int) -> csr_matrix:
    """(count, count) sparse: means over the neighbors of each vertex; empty rows where there are none.

    Args:
        triangles: (T, 3) int.
        count: Number of vertices.
    """
    row, column = triangles[:, [0, 1, 2, 1, 2, 0]].ravel(), triangles[:, [1, 2, 0, 0, 1, 2]].ravel()
    adjacency = csr_matrix((np.ones(len(row)), (row, column)), (count, count))
    adjacency.data[:] = 1
    degree = np.maximum(np.asarray(adjacency.sum(1)).ravel(), 1)
    return csr_matrix(diags(1 / degree) @ adjacency)


def cotangent_laplacian(vertices: np.ndarray, triangles: np.ndarray) -> tuple[csr_matrix, np.ndarray]:
    """The cotangent Laplacian of a mesh.

    U. Pinkall and K. Polthier, "Computing discrete minimal surfaces and their conjugates", Experimental
    Mathematics 1993.

    Args:
        vertices: (V, 3), meters.
        triangles: (T, 3) int.

    Returns:
        The stiffness matrix L (V, V), x' L x = integral of |grad x|², and (V,) the vertices' areas, m².
    """
    p = vertices[triangles].astype(np.float64)
    rows, columns, weights = [], [], []
    for k in range(3):
        a, b = p[:, (k + 1) % 3] - p[:, k], p[:, (k + 2) % 3] - p[:, k]
        cotangent = (a * b).sum(1) / np.maximum(np.linalg.norm(np.cross(a, b), axis=1), 1e-12)
        weights.append(np.clip(cotangent, -MAX_COTANGENT, MAX_COTANGENT) / 2)
        rows.append(triangles[:, (k + 1) % 3])
        columns.append(triangles[:, (k + 2) % 3])
    row, column, weight = np.concatenate(rows), np.concatenate(columns), np.concatenate(weights)
    count = len(vertices)
    off = csr_matrix((weight, (row, column)), (count, count))
    off = off + off.T
    laplacian = diags(np.asarray(off.sum(1)).ravel()) - off
    double = np.linalg.norm(triangle_normals(vertices, triangles), axis=1)
    area = corner_sum(double[:, None], triangles, count)[:, 0] / 6
    return laplacian.tocsr(), np.maximum(area, 1e-9)


def self_intersections(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Pairs of triangles without a common vertex of which an edge of one passes through the other.

    T. Moeller and B. Trumbore, "Fast, minimum storage ray/triangle intersection", Journal of Graphics Tools
    1997.

    Args:
        vertices: (V, 3), any frame and unit.
        triangles: (T, 3) int.

    Returns:
        (K, 2) int, indices into `triangles`.
    """
    points = vertices.astype(np.float64)
    corners = points[triangles]
    middle = corners.mean(1)
    radius = np.linalg.norm(corners - middle[:, None], axis=2).max(1)
    pairs = cKDTree(middle).query_pairs(2 * np.quantile(radius, 0.999), output_type="ndarray")
    apart = np.linalg.norm(middle[pairs[:, 0]] - middle[pairs[:, 1]], axis=1)
    pairs = pairs[apart < radius[pairs].sum(1)]
    shared = (triangles[pairs[:, 0]][:, :, None] == triangles[pairs[:, 1]][:, None, :]).any((1, 2))
    pairs = pairs[~shared]
    intersects = np.zeros(len(pairs), bool)
    for one, other in ((0, 1), (1, 0)):
        edges, faces = corners[pairs[:, one]], corners[pairs[:, other]]
        side, far = faces[:, 1] - faces[:, 0], faces[:, 2] - faces[:, 0]
        for k in range(3):
            start = edges[:, k]
            along = edges[:, (k + 1) % 3] - start
            across = np.cross(along, far)
            determinant = (side * across).sum(1)
            valid = np.abs(determinant) > 1e-18
            scale = 1 / np.where(valid, determinant, 1)
            from_corner = start - faces[:, 0]
            u = (from_corner * across).sum(1) * scale
            perpendicular = np.cross(from_corner, side)
            v = (along * perpendicular).sum(1) * scale
            t = (far * perpendicular).sum(1) * scale
            in_triangle = (u > TOUCH) & (v > TOUCH) & (u + v < 1 - TOUCH)
            intersects |= valid & in_triangle & (t > TOUCH) & (t < 1 - TOUCH)
    return pairs[intersects]
