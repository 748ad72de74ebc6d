"""The colors of skin by its lightness."""

import numpy as np
import pytest
from skimage.color import rgb2lab

from core.image.color import LUMINANCE, linear_to_srgb
from core.texture.skin_locus import (
    LIGHTNESS_RANGE,
    LOCUS_A,
    LOCUS_B,
    LOCUS_LIGHTNESS,
    lightness_of,
    luminance_of,
    skin_color,
)


def test_lightness_and_luminance_are_each_others_inverse():
    assert lightness_of(0.184187) == pytest.approx(50, abs=1e-3)  # CIELAB's middle gray
    assert luminance_of(lightness_of(0.31)) == pytest.approx(0.31)


@pytest.mark.parametrize("lightness", LOCUS_LIGHTNESS)
def test_colors_lie_on_the_measured_curve(lightness):
    luminance = luminance_of(lightness)
    color = np.exp(skin_color(luminance))
    assert color @ LUMINANCE == pytest.approx(luminance)
    found = rgb2lab(linear_to_srgb(color)[None, None])[0, 0]
    expected = [
        lightness,
        np.interp(lightness, LOCUS_LIGHTNESS, LOCUS_A),
        np.interp(lightness, LOCUS_LIGHTNESS, LOCUS_B),
    ]
    np.testing.assert_allclose(found, expected, atol=0.3)


def test_lighter_skin_is_lighter_in_every_channel():
    colors = np.array([skin_color(luminance_of(one)) for one in np.linspace(*LIGHTNESS_RANGE, 40)])
    assert (np.diff(colors, axis=0) > 0).all()
