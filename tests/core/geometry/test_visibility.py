"""Facing and occlusion of simple scenes."""

import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st

from core.geometry.visibility import (
    depth_map,
    front_facing,
    ramp,
    ray_cosines,
    surrounding_pixels,
    unoccluded,
)

SIZE = 64


@pytest.fixture(scope="module")
def scene():
    """A small ball before a large one, seen along z: (pixels, depths, triangles, number of the first's)."""
    near, far = trimesh.creation.icosphere(3, 6.0), trimesh.creation.icosphere(3, 20.0)
    points = np.concatenate([near.vertices + np.array([32, 32, 60]), far.vertices + np.array([32, 32, 100])])
    # trimesh's axes are right-handed with y up; here y points down.
    faces = np.concatenate([near.faces, far.faces + len(near.vertices)])
    return points[:, :2], points[:, 2], faces, len(near.vertices)


def test_half_of_a_ball_faces_the_camera(scene):
    pixels, depth, faces, _ = scene
    front = front_facing(pixels, faces)
    nearer = depth[faces].mean(1) < np.where(faces[:, 0] < scene[3], 60, 100)
    # A camera that looks along z, y down, sees what is counterclockwise from outside clockwise.
    assert (front == nearer).mean() > 0.98


def test_depth_map_shows_the_nearest_triangle(scene):
    pixels, depth, faces, first = scene
    shown = faces[front_facing(pixels, faces)]
    map_, triangle = depth_map(pixels, depth, shown, SIZE)
    assert map_.dtype == np.float32
    assert map_[32, 32] == pytest.approx(54, abs=0.3)
    assert (shown[triangle[32, 32]] < first).all()
    assert np.isinf(map_[0, 0])
    assert triangle[0, 0] == -1


def test_what_lies_behind_the_small_ball_is_hidden(scene):
    pixels, depth, faces, first = scene
    map_, _ = depth_map(pixels, depth, faces[front_facing(pixels, faces)], SIZE)
    around, _ = surrounding_pixels(pixels, map_.shape)
    seen = unoccluded(map_, around, depth, 1.0)
    away = np.hypot(*(pixels - 32).T)
    behind = (np.arange(len(pixels)) >= first) & (away < 5)
    beside = (np.arange(len(pixels)) >= first) & (away > 8) & (away < 17)
    assert (seen[behind] == 0).all()
    assert (seen[beside & (depth < 100)] > 0.9).all()
    assert (seen[beside & (depth > 105)] == 0).all()


@given(st.permutations([1.0, 2.0, 3.0, 7.0]), st.floats(0, 10))
def test_the_second_farthest_ray_decides(depths, depth):
    around = np.arange(4)[:, None]
    expected = np.clip(2 - (depth - 3.0) / 0.5, 0, 1)
    assert unoccluded(np.array(depths).reshape(2, 2), around, np.array([depth]), 0.5)[0] == expected


def test_surrounding_pixels_stay_inside():
    around, offset = surrounding_pixels(np.array([[1.25, 2.5], [-3.0, 99.0]]), (10, 20))
    np.testing.assert_array_equal(around[:, 0], [41, 42, 61, 62])
    np.testing.assert_allclose(offset[0], [0.25, 0.5])
    np.testing.assert_array_equal(around[:, 1], [160, 161, 180, 181])
    np.testing.assert_allclose(offset[1], [0, 1])


@given(st.floats(-50, 50), st.floats(-50, 50))
def test_what_is_read_at_points_outside_is_not_extrapolated(x, y):
    values = np.random.default_rng(0).random((10, 20))
    around, offset = surrounding_pixels(np.array([[x, y]]), values.shape)
    right, down = offset[0]
    weights = np.array([(1 - right) * (1 - down), right * (1 - down), (1 - right) * down, right * down])
    value = weights @ values.ravel()[around[:, 0]]
    assert weights.min() >= 0 and values.min() <= value <= values.max()


def test_cosines_and_ramps():
    points, normals = np.array([[0.0, 0, 2], [2, 0, 2]]), np.array([[0.0, 0, -1], [0, 0, -1]])
    np.testing.assert_allclose(ray_cosines(points, normals), [1, np.sqrt(0.5)])
    np.testing.assert_allclose(ray_cosines(points, 3 * normals, normalized=False), [1, np.sqrt(0.5)])
    np.testing.assert_allclose(ramp(np.array([0.0, 0.3, 0.5, 2.0]), 0.2, 0.6), [0, 0.25, 0.75, 1])
