"""Stencils of levels of detail: where the vertices of a coarse level go so that its outline is the head's.

Chords of an arc lie inside it, so a level whose vertices are some of the head's is smaller than the head. Its
vertices are moved instead to where its surface is closest to the head's: each by a fixed combination of the
vertices around it (a stencil, as in subdivision surfaces), so heads, blendshapes and edits all go through one
linear map. The combinations are fitted by Gauss-Newton steps to several shapes of the template at once: the
distances from the planes of the closest triangles, most of all where outlines are. What moves vertices far,
or unlike their neighbors, is penalized.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from ....geometry.closest_point import closest_weights
from ....geometry.mesh import edges_of
from ....template.topology import HeadTopology

#: How many vertices around one its stencil has, and those of vertices on borders, along the border.
STENCIL = 12
BORDER_STENCIL = 4
#: How far away they are at most, in edges.
RINGS = 4
#: Gauss-Newton steps.
STEPS = 4
#: How much distances across the closest triangles' planes count beside those along them.
ALONG = 0.05
#: How much differences between the moves of neighbors count, and the moves themselves.
SMOOTHNESS = 0.05
STIFFNESS = 0.005
#: How much each weight of a stencil counts, times the square of its vertex' distance, in each shape.
DAMPING = 1e-2
#: What keeps unused weights at 0, square meters.
FLOOR = 1e-14
#: Points of triangles that show which of them are near, a side, and how many of these are tried.
GRID = 4
CANDIDATES = 10
#: A barycentric coordinate below this is on an edge.
ON_EDGE = 1e-6


@dataclass(frozen=True)
class Samples:
    """Points of the head's surface, vertices or middles of edges, that a level's surface should go through.

    Attributes:
        ends: (M, 2) vertices, the same twice for a vertex.
        part: (M,) the part of the head that each is on.
        weight: (S, M) how much it counts, in each shape.
    """

    ends: np.ndarray
    part: np.ndarray
    weight: np.ndarray


def surface_samples(topology: HeadTopology) -> tuple[np.ndarray, np.ndarray]:
    """All vertices and middles of edges, part by part: ends (M, 2) and parts (M,) of `Samples`."""
    triangle_part = np.repeat(topology.face_part, 2)
    ends, part = [], []
    for number in range(len(topology.part_names)):
        own = topology.triangles[triangle_part == number]
        vertices = np.unique(own)
        ends.append(np.concatenate([np.stack([vertices, vertices], 1), edges_of(own)]))
        part.append(np.full(len(ends[-1]), number))
    return np.concatenate(ends), np.concatenate(part)


def fit_stencils(
    topology: HeadTopology,
    corners: np.ndarray,
    part: np.ndarray,
    shapes: Sequence[np.ndarray],
    samples: Samples,
) -> tuple[np.ndarray, np.ndarray]:
    """The stencils of a level's vertices.

    Args:
        topology: The head's.
        corners: (T, 3) int: each corner of the level's triangles as a corner of the head's quads, 4 q + c.
        part: (T,) the triangles' parts.
        shapes: S arrays (V, 3), meters, that the level should be close to.
        samples: Where it should be.

    Returns:
        For each of the K vertices that the corners name, in ascending order: (K, STENCIL) int vertices and
        (K, STENCIL) float64 weights w. A vertex k of the level is x_k + sum of w_j (x_j - x_k).
    """
    fit = _StencilFit(topology, corners, part)
    for _ in range(STEPS):
        fit.step(shapes, samples)
    return fit.padded()


class _StencilFit:
    """Weights of the stencils, as one vector, while they are fitted."""

    def __init__(self, topology: HeadTopology, corners: np.ndarray, part: np.ndarray) -> None:
        self.kept, triangles = np.unique(topology.quads.ravel()[corners], return_inverse=True)
        self.triangles, self.part = triangles.reshape(-1, 3), part
        self.stencils = _stencils(topology, self.kept)
        self.count = np.array([len(stencil) for stencil in self.stencils])
        self.first = np.concatenate([[0], np.cumsum(self.count)])
        self.row = np.repeat(np.arange(len(self.kept)), self.count)
        self.source = np.array([vertex for stencil in self.stencils for vertex in stencil])
        self.weights = np.zeros(len(self.source))
        offsets = topology.vertices[self.source] - topology.vertices[self.kept[self.row]]
        self.damping = DAMPING * (offsets.astype(np.float64) ** 2).sum(1)
        edges = edges_of(self.triangles)
        near = _adjacency(edges, len(self.kept))
        laplacian = sparse.diags(np.asarray(near.sum(1)).ravel()) - near
        self.stiffness = (SMOOTHNESS * laplacian + STIFFNESS * sparse.eye(len(self.kept))).tocsr()

    def offsets(self, shape: np.ndarray) -> np.ndarray:
        """(N, 3) of each weight's vertex from the one that it moves."""
        return shape[self.source] - shape[self.kept[self.row]]

    def moves(self, shape: np.ndarray) -> np.ndarray:
        """(K, 3) how far the level's vertices move."""
        found = np.zeros((len(self.kept), 3))
        np.add.at(found, self.row, self.weights[:, None] * self.offsets(shape))
        return found

    def step(self, shapes: Sequence[np.ndarray], samples: Samples) -> None:
        """One Gauss-Newton step over all shapes."""
        count = len(self.weights)
        left, right = sparse.csr_matrix((count, count)), np.zeros(count)
        for shape, weight in zip(shapes, samples.weight, strict=True):
            jacobian, residual = self._distances(shape, samples, weight)
            left = left + jacobian.T @ jacobian
            right -= jacobian.T @ residual
            offsets, moves = self.offsets(shape), self.moves(shape)
            for axis in range(3):
                moved = sparse.csr_matrix(
                    (offsets[:, axis], (self.row, np.arange(count))), (len(self.kept), count)
                )
                stiff = self.stiffness @ moved
                left = left + moved.T @ stiff
                right -= stiff.T @ moves[:, axis]
        damping = len(shapes) * self.damping
        left = left + sparse.diags(damping + FLOOR)
        self.weights = self.weights + splu(left.tocsc()).solve(right - damping * self.weights)

    def padded(self) -> tuple[np.ndarray, np.ndarray]:
        """The stencils as arrays of one width; what is left of them names the vertex itself, weight 0."""
        source = np.repeat(self.kept[:, None], STENCIL, 1)
        weights = np.zeros(source.shape)
        column = np.arange(len(self.source)) - self.first[self.row]
        source[self.row, column], weights[self.row, column] = self.source, self.weights
        return source, weights

    def _distances(
        self, shape: np.ndarray, samples: Samples, weight: np.ndarray
    ) -> tuple[sparse.csr_matrix, np.ndarray]:
        """How far samples are from the level's surface, times the roots of their weights, and how that
        changes with the stencils' weights.
        """
        chosen = weight > 0
        points = shape[samples.ends[chosen]].mean(1)
        vertices = shape[self.kept] + self.moves(shape)
        triangle, within = self._closest(points, samples.part[chosen], vertices)
        corner = self.triangles[triangle]
        residual = np.einsum("mk,mkc->mc", within, vertices[corner]) - points
        a, b, c = vertices[corner].transpose(1, 0, 2)
        normal = np.cross(b - a, c - a)
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
        along = np.where((within > ON_EDGE).all(1), ALONG, 1.0)
        # One entry for each weight of each corner of each sample's triangle.
        each = self.count[corner].ravel()
        sample = np.repeat(np.arange(len(points)), self.count[corner].sum(1))
        entry = np.repeat(self.first[corner].ravel() - (np.cumsum(each) - each), each) + np.arange(each.sum())
        moved = np.repeat(within.ravel(), each)[:, None] * self.offsets(shape)[entry]
        across, all_axes = np.sqrt(weight[chosen] * (1 - along)), np.sqrt(weight[chosen] * along)
        values = [(moved * normal[sample]).sum(1) * across[sample], *(moved * all_axes[sample, None]).T]
        residuals = [(residual * normal).sum(1) * across, *(residual * all_axes[:, None]).T]
        size = len(points), len(self.weights)
        rows = [sparse.csr_matrix((weights, (sample, entry)), size) for weights in values]
        return sparse.vstack(rows).tocsr(), np.concatenate(residuals)

    def _closest(
        self, points: np.ndarray, part: np.ndarray, vertices: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The level's triangles of the same parts that are closest to points, and the barycentric coordinates
        there.
        """
        steps = np.array([(i, j, GRID - i - j) for i in range(GRID + 1) for j in range(GRID + 1 - i)]) / GRID
        triangle, within = np.zeros(len(points), int), np.zeros((len(points), 3))
        for number in np.unique(part):
            own, asked = np.flatnonzero(self.part == number), np.flatnonzero(part == number)
            grid = np.einsum("gk,tkc->tgc", steps, vertices[self.triangles[own]]).reshape(-1, 3)
            near = cKDTree(grid).query(points[asked], k=CANDIDATES)[1] // len(steps)
            least = np.full(len(asked), np.inf)
            for candidate in own[near].T:
                weights, square = closest_weights(points[asked], vertices[self.triangles[candidate]])
                closer = square < least
                least[closer] = square[closer]
                triangle[asked[closer]], within[asked[closer]] = candidate[closer], weights[closer]
        return triangle, within


def _stencils(topology: HeadTopology, kept: np.ndarray) -> list[list[int]]:
    """The vertices around each kept one; on borders and between parts those along them, at ends none."""
    count = len(topology.vertices)
    border_edges = _border_edges(topology)
    border = _adjacency(border_edges, count)
    degree = np.asarray(border.sum(1)).ravel()
    whole = _adjacency(edges_of(topology.triangles), count)
    found = []
    for vertex in kept.tolist():
        graph, most = (border, BORDER_STENCIL) if degree[vertex] else (whole, STENCIL)
        if degree[vertex] not in (0, 2):
            most = 0
        found.append(_around(topology.vertices, graph, vertex, most))
    return found


def _around(points: np.ndarray, graph: sparse.csr_matrix, vertex: int, most: int) -> list[int]:
    """So many vertices around one, ring by ring, in each the nearest first."""
    order: list[int] = []
    visited, front = {vertex}, [vertex]
    for _ in range(RINGS):
        slices = [graph.indices[graph.indptr[inner] : graph.indptr[inner + 1]] for inner in front]
        ring = {int(other) for neighbors in slices for other in neighbors}
        front = sorted(ring - visited, key=lambda one: float(np.linalg.norm(points[one] - points[vertex])))
        visited.update(front)
        order += front
        if len(order) >= most:
            break
    return order[:most]


def _edges(triangles: np.ndarray) -> np.ndarray:
    """(3 T, 2) the edges of triangles, each from its lower vertex."""
    return np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1)


def _border_edges(topology: HeadTopology) -> np.ndarray:
    """(n, 2) edges that have not two triangles of one part."""
    part = np.tile(np.repeat(topology.face_part, 2), 3)
    edges, index, count = np.unique(
        _edges(topology.triangles), axis=0, return_inverse=True, return_counts=True
    )
    index = index.ravel()
    low, high = np.full(len(edges), len(topology.part_names)), np.full(len(edges), -1)
    np.minimum.at(low, index, part)
    np.maximum.at(high, index, part)
    return edges[(count != 2) | (low != high)]


def _adjacency(edges: np.ndarray, count: int) -> sparse.csr_matrix:
    graph = sparse.coo_matrix((np.ones(len(edges)), edges.T), (count, count))
    return (graph + graph.T).tocsr()
