"""Where to cut a surface open so that it can be laid flat: a few charts, few cuts in a face. numpy, no bpy.

Each face is given the side of a box that it faces; the front, where a face is (-y), and the back reach
farthest round. Then single faces follow their neighbors, and small charts are merged into the one that they
border on most.
"""

import numpy as np

from . import topology

#: Outward normals of the sides of the box.
SIDES = np.array([(0, -1, 0), (0, 1, 0), (1, 0, 0), (-1, 0, 0), (0, 0, 1), (0, 0, -1)], float)
#: Weight of each side: front and back reach 59 degrees round (atan(1 / 0.6)).
SIDE_WEIGHTS = np.array([1.0, 1.0, 0.6, 0.6, 0.6, 0.6])
#: Weight of each neighbor's side in a face's choice.
NEIGHBOR_WEIGHT = 0.35
#: Rounds in which every face chooses again.
ROUNDS = 8
#: A chart with less than this fraction of its component's area is merged into a neighbor.
MIN_CHART_FRACTION = 0.04


def charts(faces: np.ndarray, normals: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """Divide a manifold mesh into charts, each connected and with a border.

    Args:
        faces: (M, n) int vertices.
        normals: (M, 3) float64 unit normals of the faces, z up, the front toward -y.
        areas: (M,) float64 areas of the faces, any unit.

    Returns:
        (M,) int64, each face's chart, from 0 on.
    """
    pairs = topology.adjacent_faces(topology.edges_of(faces))
    score_by_side = normals @ SIDES.T * SIDE_WEIGHTS
    side = score_by_side.argmax(1)
    for _ in range(ROUNDS):
        votes = np.zeros_like(score_by_side)
        np.add.at(votes, pairs[:, 0], np.eye(6)[side[pairs[:, 1]]])
        np.add.at(votes, pairs[:, 1], np.eye(6)[side[pairs[:, 0]]])
        side = (score_by_side + NEIGHBOR_WEIGHT * votes).argmax(1)
    label = topology.components(len(faces), pairs[side[pairs[:, 0]] == side[pairs[:, 1]]])
    return merge_small(faces, label, normals, areas, MIN_CHART_FRACTION)


def merge_small(
    faces: np.ndarray, label: np.ndarray, normals: np.ndarray, areas: np.ndarray, least: float
) -> np.ndarray:
    """Merge charts that have a small fraction of their component's area into neighbors.

    Args:
        faces: (M, n) int vertices of a manifold mesh.
        label: (M,) int64, each face's chart, from 0 on.
        normals: (M, 3) float64 unit normals of the faces.
        areas: (M,) float64 areas of the faces, any unit.
        least: Fraction of the component's area, 0..1, below which a chart is merged.

    Returns:
        (M,) int64, each face's chart, from 0 on.
    """
    pairs = topology.adjacent_faces(topology.edges_of(faces))
    return cut_closed(faces, _merged(label, pairs, areas, topology.face_components(faces), least), normals)


def cut_closed(faces: np.ndarray, label: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Divide charts that cannot be laid flat because they have no border.

    Args:
        faces: (M, n) int vertices of a manifold mesh.
        label: (M,) int64, each face's chart, from 0 on.
        normals: (M, 3) float64 unit normals of the faces.

    Returns:
        (M,) int64, each face's chart, from 0 on; all are connected.
    """
    edges = topology.edges_of(faces)
    one, two = topology.adjacent_faces(edges).T
    has_border = np.zeros(int(label.max()) + 1, bool)
    has_border[label[one[label[one] != label[two]]]] = True
    has_border[label[two[label[one] != label[two]]]] = True
    has_border[label[(edges.faces[edges.half] == 1).any(1)]] = True
    for chart in np.flatnonzero(~has_border):
        label = divide(label, int(chart), normals)
    return connected(faces, label)


def divide(label: np.ndarray, chart: int, normals: np.ndarray) -> np.ndarray:
    """Divide a chart in two: the faces that point one way, and those that point the other.

    Args:
        label: (M,) int64, each face's chart, from 0 on.
        chart: The one to divide.
        normals: (M, 3) float64 unit normals of the faces.

    Returns:
        (M,) int64, each face's chart; one half keeps its number, the other gets the next that is free.
    """
    inside = np.flatnonzero(label == chart)
    middle = normals[inside].mean(0)
    _, _, axes = np.linalg.svd(normals[inside] - middle, full_matrices=False)
    score = (normals[inside] - middle) @ axes[0]
    # Where all look the same way, some half of it.
    other = score > 0 if score.any() else np.arange(len(inside)) >= len(inside) // 2
    result = label.copy()
    result[inside[other]] = label.max() + 1
    return result


def connected(faces: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Make charts that fall apart several.

    Args:
        faces: (M, n) int vertices of a manifold mesh.
        label: (M,) int64, each face's chart.

    Returns:
        (M,) int64, each face's chart, from 0 on; all are connected.
    """
    pairs = topology.adjacent_faces(topology.edges_of(faces))
    return topology.components(len(faces), pairs[label[pairs[:, 0]] == label[pairs[:, 1]]])


def seams(faces: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Find the edges between different charts.

    Args:
        faces: (M, n) int vertices of a manifold mesh.
        label: (M,) int64, each face's chart.

    Returns:
        (S, 2) int64, the vertices of each such edge.
    """
    edges = topology.edges_of(faces)
    shared = edges.vertices[edges.faces == 2]
    one, two = topology.adjacent_faces(edges).T
    return shared[label[one] != label[two]]


def _merged(
    label: np.ndarray, pairs: np.ndarray, areas: np.ndarray, component: np.ndarray, least: float
) -> np.ndarray:
    """Merge small charts, the smallest first, into the neighbor with which they share the most edges."""
    count = int(label.max()) + 1
    size = np.bincount(label, areas, count)
    owner = np.zeros(count, np.int64)
    owner[label] = component
    smallest = least * np.bincount(component, areas)[owner]
    a, b = label[pairs[:, 0]], label[pairs[:, 1]]
    shared: list[dict[int, int]] = [{} for _ in range(count)]
    keys, lengths = np.unique(np.stack([a, b], 1)[a != b], axis=0, return_counts=True)
    for (x, y), length in zip(keys.tolist(), lengths.tolist(), strict=True):
        shared[x][y] = shared[x].get(y, 0) + length
        shared[y][x] = shared[y].get(x, 0) + length
    merged_into = np.arange(count)
    for chart in np.argsort(size).tolist():
        if size[chart] >= smallest[chart] or not shared[chart]:
            continue
        target = max(shared[chart], key=lambda one: (shared[chart][one], -one))
        merged_into[merged_into == chart] = target
        size[target] += size[chart]
        size[chart] = 0.0
        for other, length in shared[chart].items():
            del shared[other][chart]
            if other != target:
                shared[target][other] = shared[target].get(other, 0) + length
                shared[other][target] = shared[other].get(target, 0) + length
    return np.unique(merged_into[label], return_inverse=True)[1]
