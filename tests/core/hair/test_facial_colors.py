"""Colors of brows and beards."""

from dataclasses import replace

import numpy as np
import pytest

from core.hair.facial_colors import GAINS, hair_colors, in_texture_light
from core.hair.facial_hair import among_others
from core.hair.groom import FacialHair, Ground, HairCards, HairGroom, HairStrands
from core.image.color import linear_to_srgb, srgb_to_linear

SKIN = (125.0, 80.0, 60.0)
GRAY = (150.0, 146.0, 142.0)
BLACK = (30.0, 22.0, 18.0)
SIDE = 40


def mixed(hair, fraction):
    """What a photo shows of so much hair before skin, sRGB."""
    light = fraction * srgb_to_linear(np.array(hair) / 255) + (1 - fraction) * srgb_to_linear(
        np.array(SKIN) / 255
    )
    return 255 * linear_to_srgb(light)


def colored(density=1.0):
    """Colors of a beard that is gray on the left and black on the right, with bare skin above."""
    x, z = np.meshgrid(np.arange(SIDE) * 0.002, np.arange(SIDE) * 0.002)
    points = np.stack([x, 0 * x, z], -1).reshape(-1, 3)
    bare, gray = points[:, 2] > 0.05, points[:, 0] < 0.04
    shown = np.where(gray[:, None], mixed(GRAY, 0.7), mixed(BLACK, 0.7))
    shown = np.where(bare[:, None], SKIN, shown)
    kept = np.flatnonzero(~bare)
    found, around = hair_colors("beard", points, shown, kept, bare, np.full(len(kept), density), 0)
    np.testing.assert_allclose(np.median(around[gray[kept]], axis=0), mixed(GRAY, 0.7), atol=1)
    return found, gray[kept]


def test_hair_has_the_color_of_what_is_no_skin_where_it_grows():
    """One typical color made all cards of salt-and-pepper beards as dark as their darkest shade."""
    found, gray = colored()
    np.testing.assert_allclose(np.median(found[gray], axis=0), GRAY, atol=3)
    assert np.median(found[~gray], axis=0).max() < 70
    assert (np.diff(found, axis=1) <= 1e-3).all(), "hair is neither blue nor green"


def test_thin_hair_goes_over_into_the_skin():
    found, gray = colored(density=0.1)
    np.testing.assert_allclose(np.median(found[gray], axis=0), mixed(GRAY, 0.7), atol=6)


def beard():
    """Two cards and three strands, brown, on brown ground."""
    brown = np.array([90, 60, 40], np.uint8)
    vertices = np.zeros((12, 3), np.float32)
    card = np.repeat(np.arange(2, dtype=np.int32), 6)
    none = np.zeros(12, np.float32)
    cards = HairCards(
        vertices, np.zeros((8, 3), np.int32), vertices, vertices[:, :2], np.tile(brown, (12, 1)), card, none,
        np.zeros(2, np.uint8), np.zeros(2, np.uint8),
    )  # fmt: skip
    points = np.zeros((3, 6, 3), np.float32)
    colors = np.tile(brown, (3, 2, 1))
    strands = HairStrands(points, np.zeros((3, 3), np.int32), points[:, 0], points[:, 0, :2], colors)
    grounds = [Ground(np.full((n, 2), 0.5, np.float32), np.tile(np.float32(SKIN), (n, 1))) for n in (2, 3)]
    part = FacialHair("beard", cards, strands, np.zeros((12, 3), np.int32), vertices, 0.01, *grounds)
    return HairGroom(None, None, None, None, None, 0.0, facial=(part,))


def texture(color):
    image = np.full((512, 512, 4), 255, np.uint8)
    image[..., :3] = np.round(color)
    return image


@pytest.mark.parametrize("gain", [0.7, 1.0, 1.5, 9.0])
def test_beards_are_in_the_light_of_the_texture(gain):
    """The texture has another light than the photo: cards of its colors were blots on it."""
    lit = 255 * linear_to_srgb(np.clip(gain * srgb_to_linear(np.array(SKIN) / 255), 0, 1))
    (before,), (after,) = beard().facial, in_texture_light(beard(), texture(lit)).facial
    for found, was in ((after.cards, before.cards), (after.strands, before.strands)):
        ratio = srgb_to_linear(found.colors / 255) / srgb_to_linear(was.colors / 255)
        np.testing.assert_allclose(ratio, min(gain, GAINS[1]), rtol=0.08)
    again = in_texture_light(HairGroom(None, None, None, None, None, 0.0, facial=(after,)), texture(lit))
    assert again.facial[0] is after, "once"


def test_without_beards_nothing_is_done():
    bare = replace(beard(), facial=())
    assert in_texture_light(bare, texture(SKIN)) is bare


def test_a_root_alone_on_bare_skin_grows_no_hair():
    grid = np.stack(np.meshgrid(np.arange(10), np.arange(10)), -1).reshape(-1, 2) * 0.002
    points = np.column_stack([grid, np.zeros(len(grid))])
    strays = points[:2] + np.array([0, 0.06, 0])
    kept = among_others(np.concatenate([points, strays]))
    assert kept[: len(points)].all() and not kept[len(points) :].any()
    assert not among_others(points[:3]).any()
