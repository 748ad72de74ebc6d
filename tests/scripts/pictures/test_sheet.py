"""Sheets of pictures: how they are put together and saved."""

import cv2
import numpy as np
import pytest

from scripts.pictures.sheet import WHITE, save_sheet, stacked


def test_pictures_of_different_sizes_are_filled_up_with_white():
    small, large = np.zeros((2, 3, 3), np.uint8), np.full((4, 5, 3), 7, np.uint8)
    below = stacked([small, large], axis=0, line=2)
    assert below.shape == (2 + 2 + 4, 5, 3)
    assert (below[:2, :3] == 0).all() and (below[:2, 3:] == WHITE).all()
    assert (below[2:4] == WHITE).all() and (below[4:] == 7).all()
    beside = stacked([small, large], axis=1, line=2)
    assert beside.shape == (4, 3 + 2 + 5, 3)
    assert (beside[:2, :3] == 0).all() and (beside[2:, :5] == WHITE).all() and (beside[:, 5:] == 7).all()


@pytest.mark.parametrize("name", ["sheet.png", "new/sheet.jpg"])
def test_a_sheet_is_saved_in_the_format_of_its_name(tmp_path, name):
    sheet = np.full((8, 8, 3), (200, 120, 40), np.uint8)
    save_sheet(tmp_path / name, sheet)
    assert np.abs(cv2.imread(str(tmp_path / name)).astype(int) - sheet).max() < 4


def test_a_sheet_that_cannot_be_saved_is_an_error_and_leaves_the_old_one(tmp_path):
    with pytest.raises(ValueError, match=r"\.jpg or \.png"):
        save_sheet(tmp_path / "sheet.txt", np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OSError):
        save_sheet(tmp_path / "file" / "sheet.jpg", np.zeros((8, 8, 3), np.uint8))
    assert (tmp_path / "file").read_text() == "no folder"
