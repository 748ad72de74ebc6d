"""Crops of faces."""

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.geometry.frames import CROP_CENTER, AffineFrame
from core.image.crop import CropVariation, cut_crop

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


@given(
    shape=st.tuples(st.integers(40, 700), st.integers(40, 700)),
    pixel=st.floats(0.4, 9),
    turn=st.floats(-3, 3),
    center=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_a_crop_shows_what_its_frame_says(shape, pixel, turn, center):
    """Of a photo whose colors are its coordinates, however many of its pixels make one of the crop."""
    height, width = shape
    y, x = np.mgrid[:height, :width].astype(np.float64)
    scale = 250 / max(shape)
    photo = np.rint(np.stack([x * scale, y * scale, 0 * x], 2)).astype(np.uint8)
    linear = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) / pixel
    middle = np.array(center) * [width - 1, height - 1]
    frame = AffineFrame(np.column_stack([linear, CROP_CENTER - linear @ middle]))
    crop = cut_crop(photo, frame)
    rows, columns = np.mgrid[: crop.shape[0], : crop.shape[1]]
    there = frame.crop_to_photo(np.stack([columns.ravel(), rows.ravel()], 1).astype(float))
    # Beside the photo its edge is repeated, and pixels there may be left out.
    inside = ((there >= 2 * pixel + 1) & (there <= np.array([width, height]) - 2 * pixel - 2)).all(1)
    expected = there[inside] * scale
    np.testing.assert_allclose(crop.reshape(-1, 3)[inside, :2], expected, atol=1.6)
    assert not crop[..., 2].any()


def test_a_large_photo_is_averaged():
    """Noise of single pixels is gone: each pixel of the crop is the mean of nine."""
    noise = np.random.default_rng(0).integers(0, 256, (603, 601, 3), dtype=np.uint8)
    frame = AffineFrame(np.array([[1 / 3, 0, 0], [0, 1 / 3, 0]]))
    crop = cut_crop(noise, AffineFrame(np.column_stack([frame.matrix[:, :2], [-4.0, -4.0]])))
    means = cv2.blur(noise, (3, 3))[1::3, 1::3]
    assert crop.std() < 0.4 * noise.std()
    assert abs(crop.astype(float).mean() - means.astype(float).mean()) < 2
