"""Patches of light with edges are taken out of the albedo; spots, small differences and features stay."""

import cv2
import numpy as np
import pytest

from core.image.color import LUMINANCE
from core.texture.light_patches import LIGHTNESS_LIMIT, patch_light

#: Side of the texture, texels, and of the part of it that is drawn on.
SIZE = 2048
SIDE = 512
MIDDLE = SIDE // 2
TEXELS_PER_MM = 5.8
#: Sun on half of a face, and a blue shadow, natural logarithm.
SUN = np.array([0.55, 0.5, 0.4], np.float32)
SHADE = np.array([-0.9, -0.7, -0.45], np.float32)
PLAIN = np.ones((SIDE, SIDE), np.float32)


def picture(draw):
    """(SIDE, SIDE) float32 that is 1 where `draw` drew on it, 0 elsewhere; blurred as a photo is."""
    values = np.zeros((SIDE, SIDE), np.float32)
    draw(values)
    return cv2.GaussianBlur(values, (0, 0), 2.0)


def left(colors, plain=PLAIN, brows=None, lids=None, lips=None, around=None):
    every, weight = np.zeros((SIZE, SIZE, 3), np.float32), np.ones((SIZE, SIZE), np.float32)
    every[:SIDE, :SIDE], weight[:SIDE, :SIDE] = colors, plain
    maps = np.zeros((4, SIZE, SIZE), np.float32)
    for values, given in zip(maps, (brows, lids, lips, around), strict=True):
        values[:SIDE, :SIDE] = 0 if given is None else given
    mouth = np.ascontiguousarray(np.moveaxis(maps[2:], 0, -1))
    return colors - patch_light(every, weight, *maps[:2], mouth)[:SIDE, :SIDE]


@pytest.mark.parametrize("light", [SUN, SHADE], ids=["sun", "shade"])
def test_what_is_lighter_or_darker_over_centimeters_is_evened_up_to_its_edge(light):
    half = picture(lambda values: cv2.rectangle(values, (0, 0), (MIDDLE, SIDE), 1.0, -1))
    after = left(half[..., None] * light)
    inside, outside = after[100:-100, 40 : MIDDLE - 20], after[100:-100, MIDDLE + 20 : -40]
    assert np.abs(inside @ LUMINANCE).max() < LIGHTNESS_LIMIT + 0.2 * np.abs(light @ LUMINANCE)
    assert np.abs(outside).max() < 0.02
    assert np.abs(after[100:-100] @ LUMINANCE).max() < 0.75 * np.abs(light @ LUMINANCE)  # at the edge, too


@pytest.mark.parametrize("radius", [4, 8, 11])
def test_moles_and_freckles_stay(radius):
    mole = picture(lambda values: cv2.circle(values, (MIDDLE, MIDDLE), radius, 1.0, -1))
    before = mole[..., None] * SHADE
    assert left(before)[MIDDLE, MIDDLE] == pytest.approx(before[MIDDLE, MIDDLE], abs=0.03)


def test_narrow_sheen_goes_and_a_narrow_line_of_lighter_skin_stays():
    line = picture(lambda values: cv2.line(values, (MIDDLE, 100), (MIDDLE, 400), 1.0, 11))[..., None]
    sheen, scar = np.array([0.3, 0.4, 0.7], np.float32), np.array([0.2, 0.2, 0.2], np.float32)
    after = left(line * sheen)[MIDDLE, MIDDLE]
    assert after[2] - after[0] < 0.1
    assert after @ LUMINANCE < 0.6 * sheen @ LUMINANCE
    assert left(line * scar)[MIDDLE, MIDDLE] == pytest.approx(scar, abs=0.02)


@pytest.mark.parametrize("millimeters", [5, 7, 9, 11])
def test_moles_nearly_as_large_as_the_median_stay_as_a_whole(millimeters):
    radius = round(millimeters * TEXELS_PER_MM / 2)
    mole = picture(lambda values: cv2.circle(values, (MIDDLE, MIDDLE), radius, 1.0, -1))
    before = mole[..., None] * SHADE
    assert left(before) == pytest.approx(before, abs=0.12)


def test_spots_of_shade_beside_lips_and_lids_go():
    spot = picture(lambda values: cv2.circle(values, (MIDDLE, MIDDLE), 22, 1.0, -1))[..., None] * SHADE
    plain = PLAIN.copy()
    plain[MIDDLE + 12 : MIDDLE + 60, MIDDLE - 60 : MIDDLE + 60] = 0
    after = left(spot, plain, 1 - plain)[MIDDLE - 4, MIDDLE]
    assert np.abs(after @ LUMINANCE) < 0.5 * np.abs(SHADE @ LUMINANCE)


def test_small_differences_stay():
    field = np.random.default_rng(0).normal(size=(SIDE, SIDE)).astype(np.float32)
    field = cv2.GaussianBlur(field, (0, 0), 40.0)
    field *= 0.04 / np.abs(field).max()
    before = field[..., None] * np.ones(3, np.float32)
    assert left(before) == pytest.approx(before, abs=0.012)


def test_red_cheeks_stay_redder_than_what_is_as_blue():
    cheek = picture(lambda values: cv2.circle(values, (MIDDLE, MIDDLE), 80, 1.0, -1))[..., None]
    red = np.array([0.12, -0.02, -0.08], np.float32)
    red -= red @ LUMINANCE
    warm, cold = (left(cheek * hue)[MIDDLE, MIDDLE] for hue in (red, -red))
    assert np.linalg.norm(warm) > 0.8 * np.linalg.norm(red)
    assert np.linalg.norm(cold) < 0.7 * np.linalg.norm(red)


def test_brows_lips_and_beards_stay_and_do_not_spread():
    brow = picture(lambda values: cv2.rectangle(values, (150, 230), (350, 280), 1.0, -1))
    plain = 1 - np.ceil(cv2.blur(brow, (15, 15)))
    before = brow[..., None] * np.array([-1.5, -1.5, -1.5], np.float32)
    assert left(before, plain=plain.astype(np.float32)) == pytest.approx(before, abs=0.05)


def test_light_that_lies_on_the_skin_around_brows_lies_on_them_too():
    half = picture(lambda values: cv2.rectangle(values, (0, 0), (MIDDLE, SIDE), 1.0, -1))[..., None] * SUN
    brow = picture(lambda values: cv2.rectangle(values, (110, 236), (160, 276), 1.0, -1))[..., None] * SHADE
    plain = np.ones_like(PLAIN)
    plain[226:286, 100:170] = 0
    in_shade, in_sun = (left(colors, plain, 1 - plain)[256, 135] for colors in (brow, brow + half))
    assert in_sun == pytest.approx(in_shade, abs=0.4 * SUN.max())
    assert left(brow + half, plain)[256, 135] == pytest.approx((brow + half)[256, 135], abs=0.02)


def test_shade_beside_lids_makes_none_lighter_than_the_face():
    half = picture(lambda values: cv2.rectangle(values, (0, 0), (MIDDLE, SIDE), 1.0, -1))[..., None] * SHADE
    plain = np.ones_like(PLAIN)
    plain[200:312, 80:170] = 0
    lit = np.where(plain[..., None] > 0, half, 0).astype(np.float32)  # a bag below an eye, in the light
    assert left(lit, plain, 1 - plain)[256, 125] @ LUMINANCE < 0.15
    assert left(half, plain, 1 - plain)[256, 125] @ LUMINANCE > 0.4 * SHADE @ LUMINANCE


def test_glare_on_lids_goes_and_gray_brows_stay():
    spot = picture(lambda values: cv2.rectangle(values, (100, 230), (170, 290), 1.0, -1))[..., None]
    bright = spot * np.array([1.1, 1.1, 1.1], np.float32)
    plain = np.ones_like(PLAIN)
    plain[200:320, 70:200] = 0
    assert left(bright, plain, 1 - plain, 1 - plain)[260, 135] @ LUMINANCE < 0.6
    assert left(bright, plain, 1 - plain)[260, 135] @ LUMINANCE == pytest.approx(1.1, abs=0.02)
    usual = 0.2 * bright
    assert left(usual, plain, 1 - plain, 1 - plain) == pytest.approx(usual, abs=0.03)


def test_sheen_of_lips_and_their_border_goes_and_their_color_stays():
    lips = picture(lambda values: cv2.rectangle(values, (100, 200), (400, 300), 1.0, -1))
    around = picture(lambda values: cv2.rectangle(values, (80, 170), (420, 330), 1.0, -1)) - lips
    plain = (lips + around < 0.01).astype(np.float32)
    red = lips[..., None] * np.array([0.1, -0.5, -0.3], np.float32)
    spot = picture(lambda values: cv2.rectangle(values, (200, 185), (300, 240), 1.0, -1))[..., None]
    white = spot * np.array([0.9, 1.2, 1.2], np.float32)
    after = left(red + white, plain, lips=lips, around=around)
    difference = after[225, 250] - red[225, 250]
    assert 0 < difference @ LUMINANCE < 0.4 and np.ptp(difference) < 0.03
    assert np.abs(after[190, 250]).max() < 0.4 < 1.0 < white[190, 250].max()
    pink = red + spot * np.array([0.5, 0.2, 0.2], np.float32)  # lighter, but redder
    assert left(pink, plain, lips=lips, around=around) == pytest.approx(pink, abs=0.03)


@pytest.mark.parametrize("side", [256, 1024, 2048])
def test_it_does_the_same_at_all_sizes_of_texture(side):
    half = picture(lambda values: cv2.rectangle(values, (0, 0), (MIDDLE, SIDE), 1.0, -1))
    colors = half[..., None] * SUN
    reference = patch_light(colors, PLAIN, 1 - PLAIN, 1 - PLAIN, np.zeros((SIDE, SIDE, 2), np.float32))
    ones = np.ones((side, side), np.float32)
    smaller = cv2.resize(colors, (side, side), interpolation=cv2.INTER_AREA)
    other = patch_light(smaller, ones, 1 - ones, 1 - ones, np.zeros((side, side, 2), np.float32))
    assert other.shape == (side, side, 3)
    assert cv2.resize(other, (SIDE, SIDE), interpolation=cv2.INTER_AREA) == pytest.approx(reference, abs=0.06)
