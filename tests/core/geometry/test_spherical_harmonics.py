"""Smooth light, found again from what it lights."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.geometry.spherical_harmonics import fit_lighting, sh_basis, sh_gradient


def directions(count, seed):
    normals = np.random.default_rng(seed).normal(size=(count, 3))
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)


def test_the_basis_is_orthonormal():
    basis = sh_basis(directions(400_000, 0))
    np.testing.assert_allclose(4 * np.pi * basis.T @ basis / len(basis), np.eye(9), atol=0.02)


@given(st.integers(0, 1000))
def test_the_gradient_is_the_slope_of_the_brightness(seed):
    normals, light = directions(20, seed), np.random.default_rng(seed).normal(size=9)
    step = 1e-6
    slopes = [
        (sh_basis(normals + step * axis) - sh_basis(normals - step * axis)) @ light for axis in np.eye(3)
    ]
    np.testing.assert_allclose(
        sh_gradient(normals, light), np.stack(slopes, 1) / (2 * step), rtol=1e-4, atol=1e-4
    )


@given(st.integers(0, 1000))
def test_light_is_found_despite_brows_and_beard(seed):
    draw = np.random.default_rng(seed)
    basis = sh_basis(directions(600, seed))
    light = draw.normal(0, 0.1, 9)
    light[0] = 2.0
    brightness = basis @ light
    dark = draw.random(600) < 0.15
    brightness = np.where(dark, 0.3 * brightness, brightness)
    found = fit_lighting(basis, brightness, np.ones(600), np.full(9, 1e-6), rounds=12)
    assert np.abs(basis @ (found - light)).max() < 0.01
    plain = np.linalg.lstsq(basis, brightness, rcond=None)[0]
    assert np.abs(basis @ (plain - light)).max() > 0.03


@given(st.integers(0, 1000), st.floats(0.01, 1.0))
def test_points_without_weight_do_not_count(seed, strength):
    draw = np.random.default_rng(seed)
    basis, brightness = sh_basis(directions(300, seed)), draw.random(300)
    weight = (draw.random(300) < 0.6).astype(float)
    other = np.where(weight > 0, brightness, 9.0)
    regularization = np.full(9, strength)
    one, two = (
        fit_lighting(basis[used], values[used], weight[used], regularization, rounds=1)
        for used, values in ((weight > 0, brightness), (weight >= 0, other))
    )
    np.testing.assert_allclose(one, two, atol=1e-9)
