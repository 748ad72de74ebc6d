"""The hair's volume beside skin that the photo shows at a slant."""

from types import SimpleNamespace

import numpy as np
import pytest

from core.hair.grid import Grid
from core.hair.volume import SLANT_INSIDE, SLANT_REACH, _InPhoto, _SkinFields, _smooth_on_slanted_skin

SHAPE = (24, 24, 24)
CELL = 0.003


def smoothed(distance=0.002, visible=0.0, rooted=0.0, hidden=0.0, inside=0.0):
    """A field with rags, and what becomes of it where all points are alike."""
    rags = np.random.default_rng(0).choice([-0.004, 0.004], SHAPE).astype(np.float32)
    grid = Grid(np.zeros(3), CELL, SHAPE)
    everywhere = [np.full(rags.size, value, np.float32) for value in (visible, rooted, hidden, inside)]
    skin = _SkinFields(np.full(SHAPE, distance, np.float32), rags, rags, everywhere[0], everywhere[1])
    photo = _InPhoto(SimpleNamespace(), np.zeros((rags.size, 2)), everywhere[2])
    return rags, _smooth_on_slanted_skin(rags, skin, grid, photo, everywhere[3])


def test_rags_on_a_slanted_cheek_are_smoothed_away():
    rags, field = smoothed()
    assert field.std() < 0.1 * rags.std()
    rags, behind_the_cheek = smoothed(hidden=1.0, inside=SLANT_INSIDE[1])
    assert behind_the_cheek.std() < 0.1 * rags.std()


@pytest.mark.parametrize(
    "where",
    [{"visible": 1.0}, {"rooted": 1.0}, {"inside": SLANT_INSIDE[1]}, {"distance": SLANT_REACH[1]}],
    ids=["facing the camera", "on the scalp", "well inside the outline", "far from the skin"],
)
def test_hair_elsewhere_stays_as_it_is_seen(where):
    rags, field = smoothed(**where)
    np.testing.assert_allclose(field, rags, atol=1e-6)
