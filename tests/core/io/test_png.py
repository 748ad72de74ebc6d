"""What is written quickly is PNG all the same, and loses nothing, whatever compresses it."""

import io
import struct

import cv2
import numpy as np
import pytest
from PIL import Image

from core.io import png


@pytest.fixture(params=["ISA-L", "zlib"], autouse=True)
def compression(request, monkeypatch):
    if request.param == "zlib":
        monkeypatch.setattr(png, "isal", lambda: None)
    elif png.isal() is None:
        pytest.skip("isal is not installed")


@pytest.mark.parametrize("noisy", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (6, 9, 3), (33, 2, 4), (300, 400, 4)])
def test_others_read_the_same_pixels(shape, noisy):
    picture = np.random.default_rng(3).integers(0, 256, shape, np.uint8)
    picture[len(picture) // 2 :] = 9
    with Image.open(io.BytesIO(png.png_bytes(picture, noisy))) as image:
        image.load()
        assert image.mode == {2: "L", 3: {3: "RGB", 4: "RGBA"}.get(shape[-1])}[len(shape)]
        np.testing.assert_array_equal(np.asarray(image), picture)


def test_large_pictures_have_chunks_of_a_usual_size():
    picture = np.random.default_rng(6).integers(0, 256, (1000, 1000, 3), np.uint8)
    data = png.png_bytes(picture)
    sizes, at = [], len(png.SIGNATURE)
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        sizes.append(size)
        at += 12 + size
    assert sizes[1] == max(sizes) == png.CHUNK_SIZE and len(sizes) == 5
    np.testing.assert_array_equal(cv2.imdecode(np.frombuffer(data, np.uint8), -1), picture[..., ::-1])


def test_views_of_larger_pictures():
    whole = np.random.default_rng(4).integers(0, 256, (40, 30, 4), np.uint8)
    part = whole[3:21, 4:9, :3]
    with Image.open(io.BytesIO(png.png_bytes(part))) as image:
        np.testing.assert_array_equal(np.asarray(image), part)


@pytest.mark.parametrize(
    "picture", [np.zeros((4, 4, 2), np.uint8), np.zeros((4, 4)), np.zeros((0, 4, 3), np.uint8)]
)
def test_what_is_no_picture_is_refused(picture):
    with pytest.raises(ValueError, match="cannot be encoded"):
        png.png_bytes(picture)


def test_the_same_picture_gives_the_same_bytes():
    picture = np.random.default_rng(5).integers(0, 256, (64, 64, 3), np.uint8)
    assert png.png_bytes(picture) == png.png_bytes(picture.copy())
