"""Triangle meshes: normals, Laplacians, self-intersections."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # scipy takes a tenth of a second: it is loaded when it is first needed
    from scipy.sparse import csr_matrix

#: Cotangents are cut off here: a sliver must not outweigh the mesh.
MAX_COTANGENT = 5.0
#: Squared lengths and areas below this are no direction.
DEGENERATE = 1e-20
#: Direction of normals where a mesh has none, as renderers and file formats want unit vectors: forward.
NO_NORMAL = (0.0, -1.0, 0.0)
#: Barycentric coordinates and fractions of an edge nearer than this to 0 or 1 are touches, no intersections.
TOUCH = 1e-6


def row_dot(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Dot products of rows: numpy's sum over three columns takes several times as long.

    Args:
        one: (N, C).
        other: (N, C).

    Returns:
        (N,).
    """
    return np.einsum("nc,nc->n", one, other)


def lengths(vectors: np.ndarray) -> np.ndarray:
    """Lengths of vectors: `np.linalg.norm` takes three times as long for three numbers, for the same bits.

    Args:
        vectors: (..., C), any unit; C at least 1, and less than 8.

    Returns:
        (...), the same unit.
    """
    first, *others = np.moveaxis(vectors * vectors, -1, 0)
    for squares in others:
        first += squares
    return np.asarray(np.sqrt(first))


def unit_vectors(vectors: np.ndarray, least: float = 1e-9) -> np.ndarray:
    """Vectors of length 1.

    Args:
        vectors: (..., C), any unit; C as in `lengths`.
        least: Length below which vectors have no direction: they stay shorter than 1.

    Returns:
        (..., C).
    """
    return np.asarray(vectors / np.maximum(lengths(vectors), least)[..., None])


def perpendicular_part(vectors: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Vectors without what of them runs along axes: of normals, their course along the surface.

    Args:
        vectors: (N, 3).
        axes: (N, 3) unit vectors.

    Returns:
        (N, 3).
    """
    x, y, z = (vectors * axes).T
    return np.asarray(vectors - (x + y + z)[:, None] * axes)


def even_barycentric(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Points evenly on triangles, of points evenly on a square, whose upper half is folded onto the lower.

    Args:
        u: (N,) 0..1.
        v: (N,) 0..1.

    Returns:
        (N, 3) barycentric coordinates.
    """
    outside = u + v > 1
    u, v = np.where(outside, 1 - u, u), np.where(outside, 1 - v, v)
    return np.stack([1 - u - v, u, v], 1)


def row_cross(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Cross products along the last axis; numpy's takes several times as long on short arrays.

    Args:
        one: (..., 3).
        other: (..., 3), of a shape that broadcasts.

    Returns:
        (..., 3).
    """
    a, b, c = (one[..., k] for k in range(3))
    x, y, z = (other[..., k] for k in range(3))
    return np.stack([b * z - c * y, c * x - a * z, a * y - b * x], -1)


def corner_sum(values: np.ndarray, triangles: np.ndarray, count: int) -> np.ndarray:
    """Sum values of triangles at their corners.

    Args:
        values: (T, C), one row a triangle.
        triangles: (T, 3) int.
        count: Number of vertices V.

    Returns:
        (V, C) float64.
    """
    # As `bincount` works with them: it would convert whole numbers and columns for each column again.
    index = triangles.ravel().astype(np.intp, copy=False)
    repeated = np.repeat(np.ascontiguousarray(values.T), 3, axis=1)
    return np.stack([np.bincount(index, column, count) for column in repeated], 1)


def triangle_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Normals of triangles.

    Args:
        vertices: (V, 3), any frame and unit.
        triangles: (T, 3) int.

    Returns:
        (T, 3) float64; their lengths are twice the triangles' areas.
    """
    # By columns, and not by np.cross: this is called hundreds of times a head.
    columns = np.ascontiguousarray(vertices.T, np.float64)
    # `take` by whole indices in a row: three times as fast as brackets.
    one, a, b = (columns.take(corner, 1) for corner in np.ascontiguousarray(triangles.T, np.intp))
    a -= one
    b -= one
    normals = np.empty((len(triangles), 3))
    for k in range(3):
        i, j = (k + 1) % 3, (k + 2) % 3
        normals[:, k] = a[i] * b[j] - a[j] * b[i]
    return normals


def vertex_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Normals of vertices: the mean of the adjacent triangles' normals, weighted by area.

    Args:
        vertices: (V, 3), any frame and unit.
        triangles: (T, 3) int, counterclockwise from outside.

    Returns:
        (V, 3) float64 unit vectors, zero at vertices without a triangle.
    """
    normals = corner_sum(triangle_normals(vertices, triangles), triangles, len(vertices))
    return normals / np.maximum(np.sqrt(row_dot(normals, normals)), DEGENERATE)[:, None]


def shading_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """`vertex_normals` as renderers and file formats want them: never zero.

    Args:
        vertices: (V, 3), any frame and unit.
        triangles: (T, 3) int, counterclockwise from outside.

    Returns:
        (V, 3) float32 unit vectors, `NO_NORMAL` at vertices without a triangle.
    """
    normals = vertex_normals(vertices, triangles)
    valid = lengths(normals)[:, None] > 0.5
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


def connected_pieces(faces: np.ndarray, count: int) -> tuple[int, np.ndarray]:
    """Which vertices hang together through faces.

    Args:
        faces: (F, C) int, the corners of triangles or quads.
        count: Number of vertices.

    Returns:
        The number of pieces, each vertex of no face being one, and (count,) int32, the piece of each vertex.
    """
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    # All sides of a face but the last join all its corners.
    rows, columns = faces[:, :-1].ravel(), faces[:, 1:].ravel()
    graph = csr_matrix((np.ones(len(rows)), (rows, columns)), (count, count))
    pieces, label = connected_components(graph, directed=False)
    return int(pieces), label


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
    def laplacian(self) -> "csr_matrix":
        """(count, count) sparse: degrees on the diagonal, -1 for each edge."""
        from scipy.sparse import coo_matrix, csr_matrix, diags

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


def neighbor_mean(triangles: np.ndarray, count: int) -> "csr_matrix":
    """(count, count) sparse: means over the neighbors of each vertex; empty rows where there are none.

    Args:
        triangles: (T, 3) int.
        count: Number of vertices.
    """
    from scipy.sparse import csr_matrix, diags

    row, column = triangles[:, [0, 1, 2, 1, 2, 0]].ravel(), triangles[:, [1, 2, 0, 0, 1, 2]].ravel()
    adjacency = csr_matrix((np.ones(len(row)), (row, column)), (count, count))
    adjacency.data[:] = 1
    degree = np.maximum(np.asarray(adjacency.sum(1)).ravel(), 1)
    return csr_matrix(diags(1 / degree) @ adjacency)


def cotangent_laplacian(vertices: np.ndarray, triangles: np.ndarray) -> tuple["csr_matrix", np.ndarray]:
    """The cotangent Laplacian of a mesh.

    U. Pinkall and K. Polthier, "Computing discrete minimal surfaces and their conjugates", Experimental
    Mathematics 1993.

    Args:
        vertices: (V, 3), meters.
        triangles: (T, 3) int.

    Returns:
        The stiffness matrix L (V, V), x' L x = integral of |grad x|², and (V,) the vertices' areas, m².
    """
    from scipy.sparse import csr_matrix

    p = vertices[triangles].astype(np.float64)
    double = lengths(triangle_normals(vertices, triangles))
    pairs, weights = [], []
    for k in range(3):
        a, b = p[:, (k + 1) % 3] - p[:, k], p[:, (k + 2) % 3] - p[:, k]
        cotangent = row_dot(a, b) / np.maximum(double, 1e-12)
        weights.append(np.clip(cotangent, -MAX_COTANGENT, MAX_COTANGENT) / 2)
        pairs.append(triangles[:, [(k + 1) % 3, (k + 2) % 3]])
    (one, other), weight = np.concatenate(pairs).T, np.concatenate(weights)
    count = len(vertices)
    row, column = np.concatenate([one, other, one, other]), np.concatenate([other, one, one, other])
    values = np.concatenate([-weight, -weight, weight, weight])
    laplacian = csr_matrix((values, (row, column)), (count, count))
    area = corner_sum(double[:, None], triangles, count)[:, 0] / 6
    return laplacian, np.maximum(area, 1e-9)


def self_intersections(
    vertices: np.ndarray, triangles: np.ndarray, side: np.ndarray | None = None
) -> np.ndarray:
    """Pairs of triangles without a common vertex of which an edge of one passes through the other.

    T. Moeller and B. Trumbore, "Fast, minimum storage ray/triangle intersection", Journal of Graphics Tools
    1997.

    Args:
        vertices: (V, 3), any frame and unit.
        triangles: (T, 3) int.
        side: (T,) bool: only pairs of one that is on this side and one that is not are found.

    Returns:
        (K, 2) int, indices into `triangles`.
    """
    corners = vertices.astype(np.float64)[triangles]
    low, high = corners.min(1), corners.max(1)
    if side is None:
        one = other = np.arange(len(triangles))
    else:
        one, other = np.flatnonzero(side), np.flatnonzero(~side)
        if not (len(one) and len(other)):
            return np.zeros((0, 2), np.int64)
        # Sides mostly meet along a line: what is beyond the other side's bounding box is left out.
        bounds = [(low[index].min(0), high[index].max(0)) for index in (one, other)]
        one, other = (
            index[((low[index] <= top) & (high[index] >= bottom)).all(1)]
            for index, (bottom, top) in ((one, bounds[1]), (other, bounds[0]))
        )
    pairs = _close_pairs(corners, one, other)
    pairs = pairs[((low[pairs[:, 0]] <= high[pairs[:, 1]]) & (low[pairs[:, 1]] <= high[pairs[:, 0]])).all(1)]
    shared = (triangles[pairs[:, 0]][:, :, None] == triangles[pairs[:, 1]][:, None, :]).any((1, 2))
    pairs = pairs[~shared]
    # The edges of the first triangles through the second ones, and the other way round: all edges at once.
    start = corners[pairs.T.ravel()].reshape(-1, 3)
    along = corners[pairs.T.ravel()][:, [1, 2, 0]].reshape(-1, 3) - start
    faces = np.repeat(corners[pairs[:, ::-1].T.ravel()], 3, axis=0)
    across_face, far = faces[:, 1] - faces[:, 0], faces[:, 2] - faces[:, 0]
    across = row_cross(along, far)
    determinant = row_dot(across_face, across)
    valid = np.abs(determinant) > 1e-18
    scale = 1 / np.where(valid, determinant, 1)
    from_corner = start - faces[:, 0]
    u = row_dot(from_corner, across) * scale
    perpendicular = row_cross(from_corner, across_face)
    v = row_dot(along, perpendicular) * scale
    t = row_dot(far, perpendicular) * scale
    in_triangle = (u > TOUCH) & (v > TOUCH) & (u + v < 1 - TOUCH)
    intersects = valid & in_triangle & (t > TOUCH) & (t < 1 - TOUCH)
    return pairs[intersects.reshape(2, len(pairs), 3).any((0, 2))]


def _close_pairs(corners: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(K, 2) indices of triangles (T, 3, 3), one of `one` and one of `other`, whose centers are near enough
    for them to meet. If both are the same, each pair comes once.
    """
    from scipy.spatial import cKDTree

    middle = corners.mean(1)
    radius = np.linalg.norm(corners - middle[:, None], axis=2).max(1)
    reach = 2 * np.quantile(radius, 0.999) if len(radius) else 0.0
    if one is other:
        return cKDTree(middle).query_pairs(reach, output_type="ndarray")
    if not (len(one) and len(other)):
        return np.zeros((0, 2), np.int64)
    near = cKDTree(middle[one]).sparse_distance_matrix(cKDTree(middle[other]), reach, output_type="ndarray")
    return np.stack([one[near["i"]], other[near["j"]]], 1)
