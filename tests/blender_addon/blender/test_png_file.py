"""Tests of blender_addon.blender.png_file."""

import cv2
import numpy as np
import pytest

from blender_addon.blender.png_file import png_bytes


@pytest.mark.parametrize("shape", [(1, 1, 3), (7, 5, 4), (64, 48, 3), (33, 64, 4)])
def test_pictures_come_back(shape: tuple[int, int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    decoded = cv2.imdecode(np.frombuffer(png_bytes(picture), np.uint8), cv2.IMREAD_UNCHANGED)
    back = cv2.cvtColor(decoded, cv2.COLOR_BGRA2RGBA if shape[2] == 4 else cv2.COLOR_BGR2RGB)
    assert np.array_equal(back, picture)


def test_rows_may_lie_apart() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (16, 32, 4)).astype(np.uint8)
    assert png_bytes(picture[::-1, :, :3]) == png_bytes(np.ascontiguousarray(picture[::-1, :, :3]))


def test_flat_pictures_are_small() -> None:
    assert len(png_bytes(np.full((512, 512, 3), 90, np.uint8))) < 10_000
