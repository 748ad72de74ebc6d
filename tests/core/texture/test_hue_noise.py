"""Hues that no skin has are taken out of the albedo; those of pigment, blood, hair and lips stay."""

import numpy as np
import pytest

from core.image.color import LUMINANCE
from core.texture.hue_noise import hue_noise

SIDE = 512
INSIDE = np.s_[200:300, 200:300]


def left(color, feature=0.0):
    colors = np.zeros((SIDE, SIDE, 3), np.float32)
    colors[150:350, 150:350] = color
    after = colors - hue_noise(colors, np.full((SIDE, SIDE), feature, np.float32))
    return after[INSIDE].reshape(-1, 3).mean(0)


@pytest.mark.parametrize(
    "color",
    [(-0.4, -0.7, -0.1), (-0.6, -0.3, -0.7), (-0.1, -0.1, -0.9)],
    ids=["purple", "green", "yellow"],
)
def test_what_no_skin_has_becomes_a_hue_between_blue_and_orange(color):
    red, green, blue = left(color)
    assert abs(green - (red + blue) / 2) < 0.3 * abs(color[1] - (color[0] + color[2]) / 2)
    assert left(color) @ LUMINANCE == pytest.approx(np.array(color) @ LUMINANCE, abs=0.005)


def test_yellow_lacks_blue_and_does_not_turn_orange():
    red, green, blue = left((-0.1, -0.1, -0.9))
    assert blue > -0.4
    assert red - green < 0.1


@pytest.mark.parametrize(
    "color",
    [(-0.9, -0.7, -0.45), (0.1, -0.05, -0.2), (-0.05, -0.2, -0.12), (0.6, 0.6, 0.6)],
    ids=["mole", "orange", "blood", "light"],
)
def test_what_skin_has_stays(color):
    assert left(color) == pytest.approx(color, abs=0.05)


def test_lips_keep_their_hue():
    assert left((0.1, -0.5, 0.0), feature=1.0) == pytest.approx((0.1, -0.5, 0.0), abs=1e-4)


def test_it_does_the_same_at_other_sizes_of_texture():
    for side in (256, 1024):
        colors = np.full((side, side, 3), (-0.4, -0.7, -0.1), np.float32)
        noise = hue_noise(colors, np.zeros((side, side), np.float32))
        assert noise.shape == (side, side, 3)
        assert (colors - noise)[0, 0] == pytest.approx(left((-0.4, -0.7, -0.1)), abs=0.02)
