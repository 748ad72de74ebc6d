"""The edge of hair's shell beside faces."""

from types import SimpleNamespace

import numpy as np

from core.geometry.frames import FRONTAL, HeadPose
from core.hair.shell_mesh import EDGE_CLEARANCE, EDGE_RINGS, _with_smooth_edge

MAPS = SimpleNamespace(pose=HeadPose(FRONTAL, np.array([0.0, 0.0, 1.2])))
SPACING = 0.003
ROWS = EDGE_RINGS + 4


class FlatSkin:
    """Skin that is a plane through the origin."""

    def __init__(self, normal):
        self.normal = np.array(normal, float)

    def distance(self, points, reach=np.inf):
        return points @ self.normal, np.zeros(len(points), int)

    def normals_at(self, nearest):
        return np.tile(self.normal, (len(nearest), 1))


def smoothed(normal, height=0.006):
    """Heights (ROWS, 20) of hair that begins on flat skin and goes on in waves over it, before and after."""
    skin = FlatSkin(normal)
    row, column = np.mgrid[:ROWS, :20]
    waves = height + 0.8 * height * np.sin(2 * np.pi * column / 3) * (row > 0)
    heights = np.where(row > 0, waves, 0.0)
    along = np.array([0.0, 1.0, 0.0]) if normal[1] == 0 else np.array([1.0, 0.0, 0.0])
    points = heights[..., None] * skin.normal + SPACING * (
        row[..., None] * along + column[..., None] * [0, 0, 1]
    )
    index = np.arange(row.size).reshape(row.shape)
    corners = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    faces = np.concatenate(
        [np.stack([corners[k] for k in t], -1).reshape(-1, 3) for t in ((0, 1, 2), (0, 2, 3))]
    )
    result = _with_smooth_edge(points.reshape(-1, 3), faces, (row == 0).ravel(), skin, MAPS)
    return heights, (result @ skin.normal).reshape(heights.shape)


def test_waves_at_the_edge_beside_a_slanted_cheek_are_smoothed_away():
    before, after = smoothed((1.0, 0.0, 0.0))
    edge = slice(2, EDGE_RINGS), slice(4, -4)
    assert after[edge].std(1).max() < 0.2 * before[edge].std(1).min()
    assert (after[0] == 0).all()
    np.testing.assert_array_equal(after[EDGE_RINGS + 1 :], before[EDGE_RINGS + 1 :])


def test_the_edge_is_not_smoothed_into_what_it_covers():
    before, after = smoothed((1.0, 0.0, 0.0), height=0.0012)
    assert (after[1:] >= np.minimum(before, EDGE_CLEARANCE)[1:] - 1e-9).all()


def test_what_the_photo_shows_straight_stays():
    before, after = smoothed((0.0, -1.0, 0.0))
    np.testing.assert_allclose(after, before, atol=1e-12)
