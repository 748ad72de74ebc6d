"""Normals of FBX files, the same from run to run. No bpy.

Blender 3.4 sums the normals of the faces around a vertex on several threads, in the order in which these get
there: the last digits differ from run to run. Rounding does not help where a value lies on the edge between
two, so normals of vertices are computed anew, in the order of the faces.
"""

import numpy as np

#: Normals that differ by less from those of the vertices are these; the others belong to flat faces or sharp
#: edges, which no sum is needed for.
SAME_NORMAL = 1e-4
#: Digits that are kept behind the point.
NORMAL_DIGITS = 6


def stable_normals(vertices: np.ndarray, corners: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """The normals of a mesh's corners without the noise of threads.

    Args:
        vertices: (V, 3) float64, any unit and axes.
        corners: (C,) int32 into vertices, polygon after polygon; the last corner of each is -1 - index.
        normals: (C, 3) float64 unit vectors, as Blender wrote them.

    Returns:
        (C, 3) float64, rounded.

    Raises:
        IndexError: There is a corner without a vertex.
    """
    indices = np.where(corners < 0, -1 - corners, corners)
    expected = _vertex_normals(vertices, corners, indices)[indices]
    same = np.abs(expected - normals).max(1) < SAME_NORMAL
    # Adding nothing turns -0 into 0.
    return np.round(np.where(same[:, None], expected, normals), NORMAL_DIGITS) + 0.0


def _vertex_normals(vertices: np.ndarray, corners: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """(V, 3): the normals of the faces around each vertex, weighted by the angles of their corners there."""
    ends = np.flatnonzero(corners < 0)
    starts = np.concatenate([[0], ends[:-1] + 1])
    following, previous = np.arange(1, len(corners) + 1), np.arange(-1, len(corners) - 1)
    following[ends], previous[starts] = starts, ends
    points = vertices[indices]
    # Newell's method: right for polygons that are not flat, too.
    faces = _unit(np.add.reduceat(np.cross(points, points[following]), starts))
    ahead, back = _unit(points[following] - points), _unit(points[previous] - points)
    angles = np.arccos(np.clip((ahead * back).sum(1), -1, 1))
    weighted = np.repeat(faces, ends - starts + 1, axis=0) * angles[:, None]
    sums = [np.bincount(indices, weighted[:, axis], len(vertices)) for axis in range(3)]
    return _unit(np.stack(sums, 1))


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors at length 1; 0 stays 0."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(lengths == 0, 1, lengths)
