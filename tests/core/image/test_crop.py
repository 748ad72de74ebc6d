"""Crops of faces."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.geometry.frames import CROP_CENTER, AffineFrame
from core.image.crop import CropVariation

PHOTO_TO_CROP = AffineFrame(np.array([[0.5, 0.1, 12.0], [-0.1, 0.5, 30.0]]))


@given(
    scale=st.floats(0.5, 2),
    turn=st.floats(-1, 1),
    right=st.floats(-20, 20),
    down=st.floats(-20, 20),
)
def test_a_crop_is_varied_about_its_middle(scale, turn, right, down):
    frame = CropVariation(scale, turn, right, down).of(PHOTO_TO_CROP)
    photo = PHOTO_TO_CROP.crop_to_photo(np.array([[CROP_CENTER] * 2, [CROP_CENTER + 10, CROP_CENTER]]))
    middle, beside = frame.photo_to_crop(photo)
    np.testing.assert_allclose(middle, [CROP_CENTER + right, CROP_CENTER + down], atol=1e-9)
    np.testing.assert_allclose(
        beside - middle, 10 * scale * np.array([np.cos(turn), np.sin(turn)]), atol=1e-9
    )


def test_no_variation_changes_nothing():
    assert np.array_equal(CropVariation().of(PHOTO_TO_CROP).matrix, PHOTO_TO_CROP.matrix)
