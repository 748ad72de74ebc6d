"""Topology of polygon meshes: edges, boundary loops, the graph Laplacian, triangulation."""

import numpy as np
from scipy.sparse import csr_matrix, diags


def boundary_loops(quads: np.ndarray) -> list[list[int]]:
    """Closed loops of vertices along the edges that only one polygon has, in the polygons' direction."""
    count = quads.shape[1]
    edges = {(int(q[i]), int(q[(i + 1) % count])) for q in quads for i in range(count)}
    follow = {a: b for a, b in edges if (b, a) not in edges}
    loops = []
    while follow:
        start, current = follow.popitem()
        loop = [start]
        while current != start:
            loop.append(current)
            current = follow.pop(current)
        loops.append(loop)
    return loops


def polygon_edges(polygons: np.ndarray) -> np.ndarray:
    """(E, 2) unique undirected edges of (F, n) polygons."""
    pairs = np.concatenate(
        [np.stack([polygons[:, i], np.roll(polygons, -1, 1)[:, i]], 1) for i in range(polygons.shape[1])]
    )
    return np.unique(np.sort(pairs, 1), axis=0)


def graph_laplacian(edges: np.ndarray, count: int) -> csr_matrix:
    """Sparse (count, count) graph Laplacian, rows divided by the vertex's degree."""
    ones = np.ones(len(edges))
    adjacent = csr_matrix((ones, (edges[:, 0], edges[:, 1])), (count, count))
    adjacent = adjacent + adjacent.T
    degree = np.maximum(np.asarray(adjacent.sum(1)).ravel(), 1)
    return (diags((degree > 0).astype(float)) - diags(1 / degree) @ adjacent).tocsr()


def triangulate(quads: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """(F, 4) quads -> (2F, 3) triangles, each quad along its shorter diagonal (mirror images alike)."""
    a, b, c, d = quads.T
    first = np.linalg.norm(vertices[a] - vertices[c], axis=1)
    second = np.linalg.norm(vertices[b] - vertices[d], axis=1)
    # Rounded, so that a quad and its mirror image fall on the same side despite rounding errors.
    along = (np.round(first, 7) <= np.round(second, 7))[:, None]
    one = np.where(along, np.stack([a, b, c], 1), np.stack([a, b, d], 1))
    two = np.where(along, np.stack([a, c, d], 1), np.stack([b, c, d], 1))
    return np.stack([one, two], 1).reshape(-1, 3)
