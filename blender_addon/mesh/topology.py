"""Connectivity of triangles and quads: edges, components, borders, orientation. numpy, no bpy.

Faces are (M, 3) or (M, 4) int arrays of vertices throughout, counter-clockwise seen from outside. A mesh is
*manifold* here if no edge has more than two faces, faces that share an edge are oriented alike, and
the faces at a vertex form one fan; it may have borders.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Edges:
    """The undirected edges of a mesh.

    Attributes:
        vertices: (E, 2) int64, the smaller first.
        half: (M, n) int64, the edge from corner k of a face to the next.
        forward: (M, n) bool, whether the face walks it from the smaller vertex to the larger.
        faces: (E,) int64, how many faces have it.
        winding: (E,) int64, how many walk it forward, less those that walk it backward.
    """

    vertices: np.ndarray
    half: np.ndarray
    forward: np.ndarray
    faces: np.ndarray
    winding: np.ndarray


def edges_of(faces: np.ndarray) -> Edges:
    """Find the edges of a mesh.

    Args:
        faces: (M, n) int vertices.

    Returns:
        The edges, each once.
    """
    start, end = faces.astype(np.int64), np.roll(faces, -1, axis=1).astype(np.int64)
    forward = start < end
    low, high = np.minimum(start, end), np.maximum(start, end)
    base = int(faces.max()) + 1 if faces.size else 1
    keys, half = np.unique((low * base + high).ravel(), return_inverse=True)
    half = half.reshape(faces.shape)
    counts = np.bincount(half.ravel(), minlength=len(keys))
    ahead = np.bincount(half.ravel(), forward.ravel(), len(keys)).astype(np.int64)
    return Edges(np.stack([keys // base, keys % base], 1), half, forward, counts, 2 * ahead - counts)


def adjacent_faces(edges: Edges) -> np.ndarray:
    """Find which faces are neighbors.

    Args:
        edges: A mesh's, as `edges_of` finds them.

    Returns:
        (P, 2) int64, the faces on both sides of each edge that has exactly two.
    """
    order = np.argsort(edges.half.ravel(), kind="stable")
    owners = order // edges.half.shape[1]
    first = np.concatenate([[0], np.cumsum(edges.faces)[:-1]]).astype(np.int64)[edges.faces == 2]
    return np.stack([owners[first], owners[first + 1]], 1)


def components(count: int, pairs: np.ndarray) -> np.ndarray:
    """Label connected components.

    Each element takes the least label that it touches, until nothing changes; labels are followed to their
    own labels in between (pointer jumping), so that it takes about log(count) rounds.

    Args:
        count: Number of elements.
        pairs: (P, 2) int, the elements that are joined.

    Returns:
        (count,) int64 labels from 0 on: what `pairs` join, directly or not, has the same.
    """
    label = np.arange(count)
    a, b = (pairs[:, 0], pairs[:, 1]) if len(pairs) else (np.empty(0, np.int64),) * 2
    while True:
        low = np.minimum(label[a], label[b])
        before = label.copy()
        np.minimum.at(label, before[a], low)
        np.minimum.at(label, before[b], low)
        while not np.array_equal(label, label[label]):
            label = label[label]
        if np.array_equal(label, before):
            return np.unique(label, return_inverse=True)[1]


def face_components(faces: np.ndarray, edges: Edges | None = None) -> np.ndarray:
    """Label the connected components of a mesh; faces that share an edge are connected.

    Args:
        faces: (M, n) int vertices.
        edges: Its edges, if they are known.

    Returns:
        (M,) int64, each face's component, from 0 on.
    """
    edges = edges or edges_of(faces)
    order = np.argsort(edges.half.ravel(), kind="stable")
    owners, keys = order // faces.shape[1], edges.half.ravel()[order]
    same = keys[1:] == keys[:-1]
    return components(len(faces), np.stack([owners[:-1][same], owners[1:][same]], 1))


def is_manifold(faces: np.ndarray, edges: Edges | None = None) -> bool:
    """Test whether a mesh is manifold, borders allowed.

    Args:
        faces: (M, n) int vertices.
        edges: Its edges, if they are known.

    Returns:
        Whether it is.
    """
    edges = edges or edges_of(faces)
    if (edges.faces > 2).any() or (edges.winding[edges.faces == 2] != 0).any():
        return False
    return len(np.unique(cut(faces, edges)[0])) == len(np.unique(faces))


def count_border_edges(faces: np.ndarray) -> int:
    """Count the edges that have one face only.

    Args:
        faces: (M, n) int vertices.

    Returns:
        Their number.
    """
    return int((edges_of(faces).faces == 1).sum())


def orient(faces: np.ndarray, edges: Edges | None = None) -> np.ndarray:
    """Orient the faces of each component alike where that is possible: as most of them are.

    Args:
        faces: (M, n) int vertices.
        edges: Its edges, if they are known.

    Returns:
        (M, n), the same faces in the same order, some of them reversed.
    """
    edges = edges or edges_of(faces)
    opposed = edges.winding[edges.faces == 2] != 0
    if not opposed.any():
        return faces
    pairs = adjacent_faces(edges)
    # A face and its turned copy: those that agree are joined, and so are those that disagree, crosswise.
    count = len(faces)
    a, b = pairs.T
    crossed = np.where(opposed, count, 0)
    joined = np.concatenate([np.stack([a, b + crossed], 1), np.stack([a + count, b + count - crossed], 1)])
    label = components(2 * count, joined)
    kept, turned = label[:count], label[count:]
    # On a one-sided surface (Moebius' band) the two are the same; it stays as it is, and is cut.
    votes = np.bincount(kept, minlength=label.max() + 1)
    turn = (votes[turned] > votes[kept]) | ((votes[turned] == votes[kept]) & (turned < kept))
    result = faces.copy()
    result[turn] = result[turn][:, ::-1]
    return result


def cut(faces: np.ndarray, edges: Edges | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Make a mesh manifold by cutting it open wherever it is not.

    Corners of two faces stay one vertex only if the faces share an edge there that has just these two,
    oriented alike.

    Args:
        faces: (M, n) int.
        edges: Its edges, if they are known.

    Returns:
        (M, n) int64, the faces with vertices numbered anew; (N,) int64, the old number of each vertex.
    """
    edges = edges or edges_of(faces)
    n = faces.shape[1]
    flat = edges.half.ravel()
    good = (edges.faces == 2) & (edges.winding == 0)
    order = np.argsort(flat, kind="stable")
    first = np.concatenate([[0], np.cumsum(edges.faces)[:-1]]).astype(np.int64)[good]
    one, two = order[first], order[first + 1]

    def following(corner: np.ndarray) -> np.ndarray:
        return np.where(corner % n == n - 1, corner - n + 1, corner + 1)

    # The two walk their edge in opposite directions: one's start is the other's end.
    joined = np.concatenate([np.stack([one, following(two)], 1), np.stack([following(one), two], 1)])
    label = components(faces.size, joined)
    origin = np.empty(int(label.max()) + 1 if faces.size else 0, np.int64)
    origin[label] = faces.ravel()
    return label.reshape(faces.shape), origin


def border_loops(faces: np.ndarray, edges: Edges | None = None) -> list[list[int]]:
    """Find the borders of a manifold mesh.

    Args:
        faces: (M, n) int vertices.
        edges: Its edges, if they are known.

    Returns:
        The vertices of each border, in the direction that its faces walk.
    """
    edges = edges or edges_of(faces)
    single = edges.faces[edges.half] == 1
    start = faces[single]
    end = np.roll(faces, -1, axis=1)[single]
    following = dict(zip(start.tolist(), end.tolist(), strict=True))
    loops = []
    while following:
        first, current = following.popitem()
        loop = [first]
        while current != first:
            loop.append(current)
            current = following.pop(current)
        loops.append(loop)
    return loops


def triangulated(quads: np.ndarray) -> np.ndarray:
    """Cut quads into triangles, from corner 0 to corner 2.

    Args:
        quads: (M, 4) int vertices.

    Returns:
        (2 M, 3), of which quad k becomes the triangles 2 k and 2 k + 1.
    """
    return np.stack([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]], 1).reshape(-1, 3)
