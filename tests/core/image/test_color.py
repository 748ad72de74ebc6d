"""The sRGB curve, and colors between a photo's pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.image.color import (
    linear_of_bytes,
    linear_of_bytes_float32,
    linear_to_bytes,
    linear_to_srgb,
    srgb_to_linear,
)
from core.image.sampling import sample_image, sample_photo, sample_photo_linear


def test_bytes_as_linear_light():
    np.testing.assert_allclose(linear_of_bytes()[[0, 10, 188, 255]], [0, 0.003035, 0.5029, 1], atol=1e-4)
    np.testing.assert_array_equal(linear_of_bytes_float32(), linear_of_bytes().astype(np.float32))


def test_bytes_survive_linear_light():
    np.testing.assert_array_equal(linear_to_bytes(linear_of_bytes()), np.arange(256))


@given(st.floats(0, 1))
def test_the_curve_and_its_inverse(value):
    assert linear_to_srgb(srgb_to_linear(np.array(value))) == pytest.approx(value, abs=2e-5)


@given(st.floats(-1, 2))
def test_linear_light_is_clipped(value):
    expected = np.clip(linear_to_srgb(np.clip(np.array(value), 0, 1)) * 255, 0, 255)
    assert abs(int(linear_to_bytes(np.array(value))) - expected) < 1


@given(st.floats(0, 38), st.floats(0, 28), st.sampled_from([0.5, 1.0, 1.7, 2.0, 3.4]))
def test_a_ramp_is_sampled_where_it_was_asked_for(x, y, spacing):
    across, down = np.meshgrid(np.arange(40.0), np.arange(30.0))
    rgb = np.stack([across * 5, down * 5, np.full_like(across, 100)], -1).astype(np.uint8)
    colors, inside = sample_photo(rgb, np.array([[x, y]]), spacing)
    assert inside.all()
    limit = 2.6 * spacing if spacing >= 2 else 0.01  # what is averaged down loses its border
    np.testing.assert_allclose(colors[0], [x * 5, y * 5, 100], atol=limit * 5)


def test_points_outside_are_named():
    rgb = np.full((20, 30, 3), 188, np.uint8)
    points = np.array([[5.0, 5.0], [-3.0, 5.0], [5.0, 40.0]])
    for function, expected in ((sample_photo, 188), (sample_photo_linear, linear_of_bytes()[188])):
        colors, inside = function(rgb, points, 1.0)
        np.testing.assert_array_equal(inside, [True, False, False])
        np.testing.assert_allclose(colors[0], expected, rtol=1e-5)
        colors, inside = function(rgb, points[1:], 1.0)
        assert not inside.any() and not colors.any()


def test_more_points_than_a_map_is_wide():
    image = np.random.default_rng(0).random((5, 7)).astype(np.float32)
    points = np.stack(np.meshgrid(np.arange(7.0), np.arange(5.0)), -1).reshape(-1, 2)
    found = sample_image(image, np.tile(points, (60, 1)))
    np.testing.assert_allclose(found.reshape(60, 5, 7), np.broadcast_to(image, (60, 5, 7)), atol=1e-6)
