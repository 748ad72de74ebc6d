"""Topology of polygon meshes: edges, boundary loops, the graph Laplacian, triangulation."""

import numpy as np
from scipy.sparse import csr_matrix, diags


def boundary_loops(quads: np.ndarray) -> list[list[int]]:
    """Closed loops along the edges that only one polygon has.

    Args:
        quads: (F, n) int polygons.

    Returns:
        The vertices of each loop, in the polygons' direction.
    """
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
    """Undirected edges of polygons.

    Args:
        polygons: (F, n) int.

    Returns:
        (E, 2) int, each edge once, its smaller vertex first.
    """
    pairs = np.concatenate(
        [np.stack([polygons[:, i], np.roll(polygons, -1, 1)[:, i]], 1) for i in range(polygons.shape[1])]
    )
    return np.unique(np.sort(pairs, 1), axis=0)


def graph_laplacian(edges: np.ndarray, count: int) -> csr_matrix:
    """The graph Laplacian, rows divided by the vertex's degree.

    Args:
        edges: (E, 2) int, each undirected edge once.
        count: number of vertices.

    Returns:
        Sparse (count, count).
    """
    ones = np.ones(len(edges))
    adjacent = csr_matrix((ones, (edges[:, 0], edges[:, 1])), (count, count))
    adjacent = adjacent + adjacent.T
    degree = np.maximum(np.asarray(adjacent.sum(1)).ravel(), 1)
    return (diags((degree > 0).astype(float)) - diags(1 / degree) @ adjacent).tocsr()


def triangulate(quads: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """Split quads along their shorter diagonals, mirror images alike.

    Args:
        quads: (F, 4) int.
        vertices: (V, 3), meters.

    Returns:
        (2F, 3) int triangles, the two of each quad after one another.
    """
    a, b, c, d = quads.T
    first = np.linalg.norm(vertices[a] - vertices[c], axis=1)
    second = np.linalg.norm(vertices[b] - vertices[d], axis=1)
    # Rounded, so that a quad and its mirror image fall on the same side despite rounding errors.
    along = (np.round(first, 7) <= np.round(second, 7))[:, None]
    one = np.where(along, np.stack([a, b, c], 1), np.stack([a, b, d], 1))
    two = np.where(along, np.stack([a, c, d], 1), np.stack([b, c, d], 1))
    return np.stack([one, two], 1).reshape(-1, 3)
