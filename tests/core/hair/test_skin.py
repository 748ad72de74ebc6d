"""The head's skin as the hair needs it: distances in the folds of ears."""

import numpy as np
import pytest

from core.hair.shell_mesh import DEEPEST, out_of_skin
from core.hair.skin import RIM_MARGIN, Skin
from core.template.regions import at_ears


@pytest.fixture(scope="module")
def skin(topology):
    return Skin(topology.vertices, topology)


@pytest.fixture
def points_at_ears(skin):
    """Points within some millimeters of the skin of ears, on both of its sides."""
    rng = np.random.default_rng(3)
    points = skin.samples[at_ears(skin.samples)]
    points = np.repeat(points, 6, 0)
    return points + rng.normal(0, 0.003, points.shape)


def exact_distance(points, skin):
    """Meters from the skin, negative inside, by libigl."""
    igl = pytest.importorskip("igl")
    kind = igl.SIGNED_DISTANCE_TYPE_PSEUDONORMAL
    return igl.signed_distance(points, skin.vertices, skin.triangles.astype(np.int64), sign_type=kind)[0]


def test_both_ears_and_nothing_of_the_face(topology):
    near = topology.vertices[at_ears(topology.vertices)]
    assert (near[:, 0] > 0).sum() == pytest.approx((near[:, 0] < 0).sum(), rel=0.05)
    assert near[:, 1].min() > 0.05


def test_closest_points_in_folds_of_ears(skin, points_at_ears):
    distance, closest, normals = skin.closest(points_at_ears)
    exact = exact_distance(points_at_ears, skin)
    wrong = np.abs(distance - exact) > 1e-5
    assert wrong.mean() < 0.005
    np.testing.assert_allclose(np.linalg.norm(closest - points_at_ears, axis=1), np.abs(distance), atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-7)


def test_below_the_neck_the_skin_goes_on(skin, topology):
    rim = topology.vertices[topology.neck]
    rim[:, 2] = rim[:, 2].max() + RIM_MARGIN
    beside = rim + 0.005 * (rim - rim.mean(0)) / np.linalg.norm(rim - rim.mean(0), axis=1, keepdims=True)
    distance, closest, _ = skin.closest(beside)
    far_below, closest_below, _ = skin.closest(beside - [0, 0, 0.1])
    assert distance.min() > 0.003
    assert distance.max() < 0.0065
    np.testing.assert_allclose(far_below, distance, atol=1e-7)
    np.testing.assert_allclose(closest_below, closest - [0, 0, 0.1], atol=1e-7)


@pytest.mark.parametrize("deepest", [0.0, DEEPEST])
def test_nothing_stays_deep_in_the_folds_of_ears(skin, points_at_ears, deepest):
    assert (exact_distance(points_at_ears, skin) < -0.002).any()
    left = exact_distance(out_of_skin(points_at_ears, skin, deepest), skin)
    assert (left < -0.0015).mean() < 0.0005
