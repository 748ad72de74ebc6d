"""Normals, Laplacian, edges and self-intersections, beside closed forms and trimesh."""

import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st

from core.geometry.mesh import (
    NO_NORMAL,
    connected_pieces,
    cotangent_laplacian,
    edges_of,
    self_intersections,
    shading_normals,
    triangle_normals,
    unit_vectors,
    vertex_normals,
)


@pytest.fixture(scope="module")
def ball() -> trimesh.Trimesh:
    return trimesh.creation.icosphere(3)


def test_normals_of_a_ball_point_outwards_and_their_lengths_are_areas(ball):
    np.testing.assert_allclose(vertex_normals(ball.vertices, ball.faces), ball.vertices, atol=0.02)
    length = np.linalg.norm(triangle_normals(ball.vertices, ball.faces), axis=1)
    np.testing.assert_allclose(length / 2, ball.area_faces, rtol=1e-9)


@given(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3), st.sampled_from([np.float32, np.float64]))
def test_unit_vectors_keep_direction_and_precision(vector, kind):
    vector = np.array([vector, [0, 0, 0]], kind)
    found = unit_vectors(vector, 1e-3)
    assert found.dtype == kind
    length = np.linalg.norm(vector[0])
    np.testing.assert_allclose(found * max(length, 1e-3), vector, rtol=1e-5, atol=1e-6)
    assert np.linalg.norm(found[0]) <= 1 + 1e-6
    assert length < 1e-3 or np.linalg.norm(found[0]) == pytest.approx(1, abs=1e-6)


def test_a_vertex_without_triangles_has_no_normal_but_one_for_shading():
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [5, 5, 5]], float)
    triangles = np.array([[0, 1, 2]])
    assert (vertex_normals(vertices, triangles)[3] == 0).all()
    shading = shading_normals(vertices, triangles)
    assert shading.dtype == np.float32
    np.testing.assert_array_equal(shading, [[0, 0, 1]] * 3 + [NO_NORMAL])


def test_edges_are_those_of_trimesh(ball):
    expected = np.unique(np.sort(ball.edges_unique, 1), axis=0)
    np.testing.assert_array_equal(edges_of(np.asarray(ball.faces)), expected)


@given(st.lists(st.floats(-3, 3), min_size=4, max_size=4))
def test_the_laplacian_gives_the_energy_of_a_linear_function(coefficients):
    """On a flat square the integral of the squared gradient of a linear function is known."""
    x, y = np.meshgrid(np.linspace(0, 1, 5), np.linspace(0, 1, 5))
    vertices = np.column_stack([x.ravel(), y.ravel(), np.zeros(25)])
    k = np.arange(20).reshape(4, 5)[:, :4].ravel()
    triangles = np.concatenate([np.stack([k, k + 1, k + 6], 1), np.stack([k, k + 6, k + 5], 1)])
    laplacian, area = cotangent_laplacian(vertices, triangles)
    a, b, c, _ = coefficients
    values = a * vertices[:, 0] + b * vertices[:, 1] + c
    assert values @ (laplacian @ values) == pytest.approx(a**2 + b**2, abs=1e-9)
    assert area.sum() == pytest.approx(1)


def test_self_intersections_are_found_and_neighbors_are_none(ball):
    faces = np.asarray(ball.faces)
    assert not len(self_intersections(ball.vertices, faces))
    both = np.concatenate([ball.vertices, ball.vertices + np.array([1.0, 0.013, 0.017])])
    pairs = self_intersections(both, np.concatenate([faces, faces + len(ball.vertices)]))
    assert len(pairs) > 20
    assert ((pairs < len(faces)).sum(1) == 1).all()


def test_of_two_sides_only_what_intersects_across_is_found(ball):
    vertices = np.concatenate([ball.vertices + shift * np.array([1, 0.1, 0.2]) for shift in (0, 1.1, 1.2)])
    triangles = np.concatenate([ball.faces + k * len(ball.vertices) for k in range(3)])
    side = np.arange(len(triangles)) < len(ball.faces)
    pairs = self_intersections(vertices, triangles)
    across = {tuple(sorted(pair)) for pair in pairs[side[pairs[:, 0]] != side[pairs[:, 1]]]}
    assert across
    found = self_intersections(vertices, triangles, side)
    assert {tuple(sorted(pair)) for pair in found} == across
    assert not len(self_intersections(vertices, triangles, np.ones(len(triangles), bool)))


@given(st.lists(st.integers(0, 19), min_size=3, max_size=60))
def test_pieces_are_those_of_networkx(corners):
    import networkx

    faces = np.array(corners[: len(corners) // 3 * 3]).reshape(-1, 3)
    graph = networkx.Graph()
    graph.add_nodes_from(range(20))
    for a, b, c in faces.tolist():
        graph.add_edges_from([(a, b), (b, c), (c, a)])
    expected = {frozenset(piece) for piece in networkx.connected_components(graph)}
    count, label = connected_pieces(faces, 20)
    found = {frozenset(np.flatnonzero(label == k).tolist()) for k in range(count)}
    assert found == expected


def test_a_quad_joins_all_its_corners():
    count, label = connected_pieces(np.array([[0, 3, 2, 5]]), 6)
    assert count == 3 and len(set(label[[0, 3, 2, 5]].tolist())) == 1
