"""Closest points on a surface, beside trimesh's."""

import numpy as np
import pytest
import trimesh

from core.geometry import closest_point
from core.geometry.closest_point import ClosestPointQuery, closest_on_triangle


@pytest.fixture(scope="module")
def ball() -> trimesh.Trimesh:
    return trimesh.creation.icosphere(3, 0.1)


@pytest.fixture(scope="module")
def query(ball: trimesh.Trimesh) -> ClosestPointQuery:
    return ClosestPointQuery(ball.vertices, ball.faces, np.ones(len(ball.vertices)))


def test_the_closest_points_are_those_of_trimesh(ball, query):
    points = ball.vertices[::8] * np.random.default_rng(0).uniform(0.95, 1.1, (len(ball.vertices[::8]), 1))
    every = np.repeat(points, len(ball.faces), axis=0)
    triangles = np.tile(ball.triangles, (len(points), 1, 1))
    tried = closest_on_triangle(every, triangles)
    np.testing.assert_allclose(tried, trimesh.triangles.closest_point(triangles, every), atol=1e-9)
    expected = np.linalg.norm(tried - every, axis=1).reshape(len(points), -1).min(1)
    # Inside the ball several points may be equally close.
    found, triangle = query.nearest(points)
    np.testing.assert_allclose(np.linalg.norm(found - points, axis=1), expected, atol=1e-9)
    np.testing.assert_allclose(query.distance(points), expected, atol=1e-9)
    np.testing.assert_allclose(closest_on_triangle(points, ball.triangles[triangle]), found, atol=1e-9)


def test_a_triangle_without_area_has_a_closest_point():
    corners = np.array([[[0, 0, 0], [1, 0, 0], [2, 0, 0]], [[3, 3, 3]] * 3], float)
    found = closest_on_triangle(np.array([[1.5, 1, 0], [0, 0, 0]]), corners)
    np.testing.assert_allclose(found, [[1.5, 0, 0], [3, 3, 3]])


def test_chosen_points_are_answered_for_alone_and_none_without_harm(ball, query):
    located = query.locate(ball.vertices[:50] * 1.01)
    found, triangle = located.nearest(np.array([7, 3]))
    every, triangles = located.nearest()
    np.testing.assert_array_equal(found, every[[7, 3]])
    np.testing.assert_array_equal(triangle, triangles[[7, 3]])
    assert located.nearest(np.zeros(0, int))[0].shape == (0, 3)


def test_around_a_vertex_without_triangles_there_is_only_itself(ball):
    vertices = np.concatenate([ball.vertices, np.eye(3) + 5])
    query = ClosestPointQuery(vertices, ball.faces, np.ones(len(vertices)))
    found, _ = query.nearest(np.array([[6.1, 5, 5], [0.2, 0, 0]]))
    np.testing.assert_allclose(found[0], [6, 5, 5])
    assert np.linalg.norm(found[1]) == pytest.approx(0.1, rel=0.02)


def test_what_is_found_does_not_depend_on_how_many_threads_search(query, monkeypatch):
    points = np.random.default_rng(1).normal(0, 0.1, (500, 3))
    found = []
    for few in (1, 10**6):
        monkeypatch.setattr(closest_point, "FEW_POINTS", few)
        found.append(query.nearest(points))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)
