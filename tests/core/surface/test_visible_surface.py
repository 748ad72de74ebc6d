"""What is taken from the volume, and what from the prior."""

import numpy as np

from core.geometry.frames import VOLUME_SHAPE
from core.surface.signed_distance import signed_distance
from core.surface.visible_surface import (
    SEARCH_REACH,
    blend_distance,
    front_depth,
    mean_visibility,
    occlusion_edges,
    rounding,
    visible_surface,
)
from tests.core.surface.test_prior_mesh import CENTER, ball, ball_volume
from tests.core.surface.test_signed_distance import BOX, from_center


def test_front_is_the_crossing_nearest_to_the_priors():
    volume = np.zeros(VOLUME_SHAPE, np.float32)
    volume[50:100] = 1
    volume[100] = 0.3  # 0.5 is passed at 99 + 5/7
    volume[104:106, 10, 10] = 1  # a shard before it
    volume[:, 20, 20] = 0
    prior = np.full(VOLUME_SHAPE[1:], 102.0, np.float32)
    prior[30, 30], prior[31, 31], prior[32, 32] = -np.inf, 140, 101.2
    depth, known = front_depth(volume, prior)
    np.testing.assert_allclose(depth[10, 10], 99 + 5 / 7, rtol=1e-6)
    np.testing.assert_allclose(depth[32, 32], 99 + 5 / 7, rtol=1e-6)
    assert known[10, 10] == 1 and known[20, 20] == 0 and depth[20, 20] == 102
    assert known[30, 30] == 0 and depth[30, 30] == -SEARCH_REACH
    assert known[31, 31] == 0 and depth[31, 31] == 140  # further away than it is looked for


def test_flat_triangles_become_round():
    """The front of a coarse ball with what rounding adds is that of a fine one."""
    middle = np.s_[70:122, 70:122]
    coarse, true = ball(40, subdivisions=3), ball(40, subdivisions=5).front[middle]
    added = rounding(coarse.front, coarse.phong_subdivided().front)[middle]
    before = np.abs(coarse.front[middle] - true)
    after = np.abs(coarse.front[middle] + added - true)
    assert after.mean() < 0.3 * before.mean() and after.max() < before.max()
    assert rounding(coarse.front, coarse.front).max() == 0


def test_hidden_edges():
    front = np.full((60, 60), 50.0, np.float32)
    front += np.arange(60) * np.float32(2)  # a slope is none
    assert (occlusion_edges(front) == 0).all()
    front[:, 30:] += 20
    edges = occlusion_edges(front)
    assert edges[30, 30] > 0.95 and (edges[:, :24] == 0).all() and (edges[:, 37:] == 0).all()


def test_front_is_seen_and_back_is_not():
    away = from_center()
    z, y, x = np.indices(away.shape[:3])
    visibility = mean_visibility(ball(40, subdivisions=4), BOX).at(z, y * away.shape[2] + x)
    shell = np.abs(np.linalg.norm(away, axis=-1) - 40) < 2
    cosine = away[..., 2] / 40
    assert visibility[shell & (cosine > 0.9)].min() > 0.95
    assert visibility[shell & (cosine < 0.2)].max() < 0.05
    assert visibility.min() >= 0 and visibility.max() <= 1 and visibility.dtype == np.float32


def test_details_are_taken_from_where_the_camera_sees():
    """A dent in the middle of the front shows in the surface, one in the back does not."""
    volume = ball_volume(40)
    z = np.arange(VOLUME_SHAPE[0])
    x, y = CENTER[:2].astype(int)
    dent = np.clip(0.5 + (40 - 4 - np.abs(z - CENTER[2])) / 6, 0, 1)
    volume[:, y - 4 : y + 5, x - 4 : x + 5] = dent[:, None, None]
    head = ball(40, subdivisions=4)
    field = blend_distance(signed_distance(head, BOX), visible_surface(volume, head, head, BOX), BOX)
    column = field[:, y - BOX[1].start, x - BOX[2].start] > 0
    solid = np.flatnonzero(column) + BOX[0].start
    assert abs(solid.max() - (CENTER[2] + 36)) <= 1
    assert abs(solid.min() - (CENTER[2] - 40)) <= 1
