"""Cards over the shell, or below it."""

from types import SimpleNamespace

import numpy as np
import pytest

from core.hair.over_shell import BELOW, FULL_HEIGHT_LENGTH, HEIGHTS, Laid, ShellSurface, over_shell
from core.hair.shell_mesh import ShellMesh

RADIUS = 0.1
ROWS = 9


@pytest.fixture(scope="module")
def ball():
    """A shell whose outside is a ball."""
    k = np.arange(4000) + 0.5
    polar, turn = np.arccos(1 - 2 * k / len(k)), np.pi * (1 + 5**0.5) * k
    normals = np.column_stack([np.cos(turn) * np.sin(polar), np.sin(turn) * np.sin(polar), np.cos(polar)])
    normals = normals.astype(np.float32)
    none = np.zeros((0, 3), np.int32)
    return ShellMesh(RADIUS * normals, none, normals, np.zeros(len(k), bool), np.zeros(len(k), np.float32))


def maps(outline):
    """A photo in which all points lie this far, meters, inside the outline."""
    return SimpleNamespace(
        outline=np.full((8, 8), outline, np.float32),
        depth=np.full((8, 8), np.inf, np.float32),
        hidden=np.zeros((8, 8), bool),
        pixels_of=lambda points: (
            np.full((len(points), 2), 3.0, np.float32),
            np.ones(len(points), np.float32),
        ),
    )


def cards(*heights):
    """Straight cards that run over the ball's top, their middles at these heights, meters, over it."""
    along = np.linspace(-0.02, 0.02, ROWS)
    x, y = np.broadcast_arrays(along[:, None], np.array([-0.006, 0.006]))
    return np.stack([np.stack([x, y, np.full(x.shape, RADIUS + height)], 2) for height in heights])


def over(*which, length=FULL_HEIGHT_LENGTH):
    """Cards of one length, meters, of which these lie over the shell."""
    return Laid(np.array(which), np.full(len(which), length))


def heights_of(vertices):
    return np.linalg.norm(vertices, axis=-1) - RADIUS


def test_heights_over_a_ball(ball):
    points = np.random.default_rng(0).standard_normal((200, 3))
    points *= (RADIUS + 0.003) / np.linalg.norm(points, axis=1, keepdims=True)
    height, normals = ShellSurface(ball).height(points)
    np.testing.assert_allclose(height, 0.003, atol=1e-4)
    np.testing.assert_allclose(normals, points / np.linalg.norm(points, axis=1, keepdims=True), atol=0.03)


def test_outer_cards_come_out_of_the_shell_and_stay_over_it(ball):
    crossing = cards(-0.003, -0.001, 0.001)  # their ends stand 2 mm higher
    laid = over_shell(crossing, over(True, True, True), ball, maps(0.05), np.random.default_rng(0))
    height = heights_of(laid)
    assert (height[:, 0] < 0).all() and (height[:, 4:] > 0).all()
    assert HEIGHTS[0] - 3e-4 < height[:, 4:6].min() and height[:, 4:-1].max() < HEIGHTS[1] + 3e-4
    assert np.ptp(height[:, 4:6].mean((1, 2))) > 1e-4  # each at a height of its own
    assert (height[:, -1] < 0.5 * height[:, 4]).all()  # ends that stand off it are steps


def test_inner_cards_stay_below(ball):
    deep = cards(-0.006)
    laid = over_shell(
        np.concatenate([cards(0.001), deep]), over(False, False), ball, maps(0.05), np.random.default_rng(0)
    )
    assert heights_of(laid[0])[2:-2].max() < -BELOW / 2
    assert heights_of(laid[1])[3:6].max() < -BELOW


def test_nothing_stands_over_the_photos_outline(ball):
    laid = over_shell(cards(0.001), over(True), ball, maps(0.0), np.random.default_rng(0))
    assert heights_of(laid)[0, 2:-2].max() < 0


def test_short_cards_lie_lower(ball):
    length = FULL_HEIGHT_LENGTH / 4
    laid = over_shell(cards(0.001), over(True, length=length), ball, maps(0.05), np.random.default_rng(0))
    assert 0 < heights_of(laid)[0, 5:-1].max() < HEIGHTS[1] / 4 + 3e-4


def test_cards_from_deep_below_come_out_where_they_come_near(ball):
    along = np.linspace(0, 1, ROWS)
    rising = cards(0.0)
    rising[..., 2] += np.interp(along, [0, 0.5, 1], [-0.02, -0.001, 0.0])[:, None]
    height = heights_of(over_shell(rising, over(True), ball, maps(0.05), np.random.default_rng(0)))[0].mean(1)
    np.testing.assert_allclose(height[:3], heights_of(rising)[0, :3].mean(1), atol=1e-3)
    assert (np.diff(height[4:-1]) > -2e-4).all() and height[4] < 0 < height[-2]
