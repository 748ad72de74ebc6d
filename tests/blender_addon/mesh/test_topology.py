"""What hangs together in a mesh: on real triangulations, and on such as nobody would make on purpose."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blender_addon.mesh import topology


def grid(width, height):
    """Quads of a sheet."""
    corner = np.arange(width * height).reshape(height, width)
    return np.stack([corner[:-1, :-1], corner[:-1, 1:], corner[1:, 1:], corner[1:, :-1]], -1).reshape(-1, 4)


def cube(first=0):
    """Triangles of a closed box."""
    quads = [(0, 3, 2, 1), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7)]
    return topology.triangulated(np.array(quads)) + first


def euler(faces):
    return len(np.unique(faces)) - len(topology.edges_of(faces).vertices) + len(faces)


triangle_soups = st.integers(4, 12).flatmap(
    lambda count: st.lists(
        st.lists(st.integers(0, count - 1), min_size=3, max_size=3, unique=True), min_size=1, max_size=30
    )
)


@given(triangle_soups)
def test_any_soup_becomes_a_manifold_by_cutting(soup):
    faces = np.array(soup)
    faces = faces[np.sort(np.unique(np.sort(faces, 1), axis=0, return_index=True)[1])]
    faces = topology.orient(faces)
    made, origin = topology.cut(faces)
    # The same triangles in the same places; what was manifold is as it was.
    assert np.array_equal(origin[made], faces)
    if topology.is_manifold(faces):
        assert len(origin) == len(np.unique(faces))
    if topology.edges_of(made).faces.max() <= 2:
        assert topology.is_manifold(made)


@given(st.integers(2, 9), st.integers(2, 9), st.randoms(use_true_random=False))
def test_orient_undoes_any_flips(width, height, random):
    faces = topology.triangulated(grid(width, height))
    flipped = faces.copy()
    some = np.array([random.random() < 0.4 for _ in faces])
    flipped[some] = flipped[some][:, ::-1]
    oriented = topology.orient(flipped)
    edges = topology.edges_of(oriented)
    assert (edges.winding[edges.faces == 2] == 0).all()
    # The larger share had it right.
    if some.mean() < 0.5:
        assert {tuple(np.roll(f, -f.argmin())) for f in oriented} == {
            tuple(np.roll(f, -f.argmin())) for f in faces
        }


def test_one_sided_band_is_left_for_the_cut():
    # Moebius' band of five triangles.
    faces = np.array([(k, (k + 1) % 5, (k + 2) % 5) for k in range(5)])
    oriented = topology.orient(faces)
    made, _ = topology.cut(oriented)
    assert topology.is_manifold(made)


@given(st.integers(1, 60), st.lists(st.tuples(st.integers(0, 59), st.integers(0, 59)), max_size=80))
def test_components_are_what_a_flood_finds(count, pairs):
    pairs = np.array([(a % count, b % count) for a, b in pairs]).reshape(-1, 2)
    label = topology.components(count, pairs)
    expected = list(range(count))
    for _ in range(count):
        for a, b in pairs:
            expected[a] = expected[b] = min(expected[a], expected[b])
    assert len(np.unique(label)) == len(set(expected))
    assert all(label[a] == label[b] for a, b in pairs)
    assert set(label) == set(range(int(label.max()) + 1))


def test_box_sheet_and_two_boxes():
    box = cube()
    assert topology.is_manifold(box) and topology.count_border_edges(box) == 0 and euler(box) == 2
    sheet = grid(4, 3)
    assert topology.is_manifold(sheet) and topology.count_border_edges(sheet) == 10
    (loop,) = topology.border_loops(sheet)
    assert sorted(loop) == [0, 1, 2, 3, 4, 7, 8, 9, 10, 11]
    both = np.concatenate([box, cube(8)])
    assert topology.face_components(both).max() == 1 and topology.is_manifold(both)


@pytest.mark.parametrize("shared", [[0], [0, 1]])
def test_boxes_that_touch_are_cut_apart(shared):
    """Two boxes with a common corner, or a common edge."""
    other = cube(8)
    for vertex in shared:
        other[other == 8 + (vertex + 6) % 8] = vertex
    both = np.concatenate([cube(), other])
    assert not topology.is_manifold(both)
    made, origin = topology.cut(both)
    assert topology.is_manifold(made) and topology.count_border_edges(made) == 0
    assert topology.face_components(made).max() == 1 and len(origin) == 16


def test_three_sheets_at_an_edge():
    faces = np.array([(0, 1, 2), (1, 0, 3), (0, 1, 4)])
    assert not topology.is_manifold(faces)
    made, _ = topology.cut(faces)
    assert topology.is_manifold(made)
