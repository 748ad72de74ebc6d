"""Shade of creases is taken out of the albedo, in part; spots and pores stay."""

import cv2
import numpy as np
import pytest

from core.image.color import LUMINANCE
from core.texture.creases import crease_shade

SIZE = 2048
MIDDLE = 128
#: What blood and the light between a crease's walls leave of its colors, natural logarithm.
DARK = np.array([-0.3, -0.6, -0.9], np.float32)


def structure(draw):
    """Fine structure that is 1 where `draw` drew on it, 0 elsewhere; blurred as a photo is."""
    picture = np.zeros((2 * MIDDLE, 2 * MIDDLE), np.float32)
    draw(picture)
    return cv2.GaussianBlur(picture, (0, 0), 2.0)


def left(picture, colors, size=SIZE):
    """(h, w, 3): what is left of structure in some colors."""
    ratio = (picture[..., None] * colors).astype(np.float32)
    shade = crease_shade(cv2.resize(ratio, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), size)
    return ratio - cv2.resize(shade, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)


def line(degrees, width=7):
    across = np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))]) * MIDDLE
    ends = [tuple(np.rint(MIDDLE + sign * across).astype(int).tolist()) for sign in (-1, 1)]
    return structure(lambda picture: cv2.line(picture, *ends, 1.0, width))


@pytest.mark.parametrize("degrees", [0, 30, 45, 90, 160])
def test_creases_lose_the_hue_of_their_shade_and_half_of_its_darkness(degrees):
    picture = line(degrees)
    before, after = picture[MIDDLE, MIDDLE] * DARK, left(picture, DARK)[MIDDLE, MIDDLE]
    assert 0.5 < (after @ LUMINANCE) / (before @ LUMINANCE) < 0.75
    assert np.ptp(after) < 0.3 * np.ptp(before)


def test_spots_stay():
    picture = structure(lambda picture: cv2.circle(picture, (MIDDLE, MIDDLE), 6, 1.0, -1))
    before, after = picture[MIDDLE, MIDDLE] * DARK, left(picture, DARK)[MIDDLE, MIDDLE]
    assert after == pytest.approx(before, rel=0.1)


def test_pores_and_what_is_wider_than_creases_stay():
    noise = np.random.default_rng(0).normal(size=(2 * MIDDLE, 2 * MIDDLE)).astype(np.float32)
    pores = cv2.GaussianBlur(noise, (0, 0), 2.0)
    pores *= 0.03 / pores.std()
    assert left(pores, np.ones(3)) == pytest.approx(pores[..., None] * np.ones(3), abs=0.015)
    slope = np.tile(np.linspace(-0.5, 0.5, 2 * MIDDLE, dtype=np.float32), (2 * MIDDLE, 1))
    inner = slice(80, -80)
    assert left(slope, np.ones(3))[inner, inner, 0] == pytest.approx(slope[inner, inner], abs=0.01)


def test_ridges_that_shine_are_treated_as_creases_are():
    picture = line(20)
    assert left(picture, -DARK) == pytest.approx(-left(picture, DARK), abs=1e-6)


def test_a_smaller_texture_shows_the_same():
    picture = line(0, width=9)
    small = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    full, half = left(picture, DARK)[MIDDLE, MIDDLE], left(small, DARK, SIZE // 2)[MIDDLE // 2, MIDDLE // 2]
    assert half == pytest.approx(full, rel=0.35)


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (9, 2)])
def test_the_smallest_parts_of_a_texture(shape):
    assert crease_shade(np.zeros((*shape, 3), np.float32), 512).shape == (*shape, 3)
