"""The light of sky and leaves on hair."""

import numpy as np
import pytest

from core.hair.hair_picture import without_tint


def picture(color):
    return np.broadcast_to(np.array(color, np.float32), (16, 16, 3))


@pytest.mark.parametrize(
    "color", [(44, 48, 56), (60, 66, 58), (120, 122, 135)], ids=["sky", "leaves", "gray"]
)
def test_hair_is_no_bluer_than_green_and_no_greener_than_red(color):
    red, green, blue = without_tint(picture(color), np.array(color))[8, 8]
    assert blue <= green + 0.5 and green <= red + 0.5
    assert abs(red - color[0]) < 0.5 and blue > 0.8 * min(color)


@pytest.mark.parametrize(
    "color", [(90, 60, 40), (200, 170, 120), (20, 16, 14)], ids=["brown", "blond", "black"]
)
def test_colors_of_pigments_stay(color):
    np.testing.assert_allclose(without_tint(picture(color), np.array(color)), picture(color), atol=0.01)


@pytest.mark.parametrize(
    "color", [(30, 50, 160), (40, 150, 60), (150, 40, 160)], ids=["blue", "green", "violet"]
)
def test_dyed_hair_stays_as_it_is(color):
    np.testing.assert_allclose(without_tint(picture(color), np.array(color)), picture(color), atol=0.01)
