"""Vertices merged in cells, larger and smaller ones."""

import numpy as np

from core.geometry.decimation import cluster_vertices


def sheet(side):
    """A flat square of `side`² vertices, from 0 to 1."""
    x, y = np.meshgrid(np.linspace(0, 1, side), np.linspace(0, 1, side))
    vertices = np.stack([x, y, np.zeros_like(x)], -1).reshape(-1, 3)
    corner = (np.arange(side - 1)[:, None] * side + np.arange(side - 1)).reshape(-1, 1)
    faces = np.concatenate([corner + np.array(ends) for ends in ((0, 1, side + 1), (0, side + 1, side))])
    return vertices, faces


def test_fine_vertices_stay_denser_than_others_and_coarse_ones_get_rarer():
    vertices, faces = sheet(61)
    left, right = vertices[:, 0] < 0.33, vertices[:, 0] > 0.67
    found = cluster_vertices(vertices, faces, 2000, coarse=left, fine=right)
    middle = found.mean(vertices)
    per_third = [((middle[:, 0] >= k / 3) & (middle[:, 0] < (k + 1) / 3)).sum() for k in range(3)]
    assert per_third[0] * 4 < per_third[1] and per_third[1] * 2 < per_third[2]
    assert abs(len(found.faces) - 2000) < 300
    for number in range(found.count):
        kinds = {(bool(left[k]), bool(right[k])) for k in np.flatnonzero(found.labels == number)}
        assert len(kinds) == 1


def test_without_levels_all_cells_are_alike():
    vertices, faces = sheet(61)
    none = np.zeros(len(vertices), bool)
    plain, marked = cluster_vertices(vertices, faces, 800), cluster_vertices(vertices, faces, 800, none, none)
    assert plain.count == marked.count and (plain.labels == marked.labels).all()
