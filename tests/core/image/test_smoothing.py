"""Wide blurs on smaller pictures are the same blurs."""

import cv2
import numpy as np
import pytest

from core.image.smoothing import smoothed


@pytest.mark.parametrize("sigma", [1.0, 4.9, 5.0, 12.0, 24.0])
@pytest.mark.parametrize("shape", [(96, 160), (160, 96, 3), (97, 160, 3)])
def test_is_a_gaussian_blur(sigma, shape):
    noise = np.random.default_rng(2).random(shape, np.float32)
    picture = cv2.GaussianBlur(noise, (0, 0), 1.5)
    picture[20:60, 40:] += 1
    there = cv2.GaussianBlur(picture, (0, 0), sigma)
    found = smoothed(picture, sigma)
    assert found.shape == picture.shape and found.dtype == np.float32
    assert np.abs(found - there).mean() < 0.01 * picture.std()


def test_keeps_what_is_even():
    np.testing.assert_allclose(smoothed(np.full((64, 64), 7, np.float32), 20.0), 7, rtol=1e-5)
