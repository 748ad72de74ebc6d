"""Which way hair runs: what the hair network's depth does to lines that are seen."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.geometry.mesh import unit_vectors
from core.hair.flow import _with_depth


@given(st.integers(0, 2**32 - 1))
def test_lines_look_the_same_with_the_networks_depth(seed):
    rng = np.random.default_rng(seed)
    rays = rng.normal(0, 0.05, (50, 3)) + np.array([0, 0, 1])
    tangents, predicted = unit_vectors(rng.standard_normal((2, 50, 3)))
    turned = _with_depth(tangents, rays, predicted)
    across = unit_vectors(np.cross(rays, tangents))
    clear = np.linalg.norm(np.cross(unit_vectors(rays), tangents), axis=1) > 0.1
    # What the camera sees of a direction is the plane of its ray and it.
    np.testing.assert_allclose((turned * across).sum(1)[clear], 0, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(turned, axis=1), 1, atol=1e-5)
    before, after = (predicted * tangents).sum(1), (predicted * turned).sum(1)
    assert (after >= before - 1e-5)[clear].all()


def test_what_the_network_sees_along_the_line_stays():
    tangents = unit_vectors(np.array([[1.0, 0, 0.5], [0, 1, -2]]))
    np.testing.assert_allclose(
        _with_depth(tangents, np.array([[0, 0, 1.0]] * 2), tangents), tangents, atol=1e-6
    )
