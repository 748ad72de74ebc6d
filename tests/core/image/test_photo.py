"""Every kind of file that an artist may drop in: good ones load, bad ones give a sentence that helps."""

import io
import os
import struct
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms
from skimage.data import astronaut

from core import errors
from core.image.decoding import BACKDROP, WORKING_PIXELS
from core.image.photo import Photo, load_photo

FACE = Image.fromarray(astronaut()).crop((100, 0, 356, 256))
RED = (200, 30, 20)


def save(image: Image.Image, path: Path, **options) -> Path:
    image.save(path, **options)
    return path


def jpeg_bytes(image: Image.Image = FACE) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def tiff_header(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to have width x height pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


def difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(float) - b.astype(float)).mean())


@pytest.mark.parametrize(
    "name", ["a.jpg", "with spaces.png", "Größe-日本-ñ.webp", "x.tif", "x.bmp", "no_suffix"]
)
def test_common_files(tmp_path, name):
    formats = {"no_suffix": "PNG"}
    path = save(FACE, tmp_path / name, format=formats.get(name))
    photo = load_photo(path)
    assert photo.rgb.shape == (256, 256, 3) and photo.rgb.dtype == np.uint8
    assert photo.name == name and len(photo.sha256) == 64 and photo.original_size == (256, 256)
    assert difference(photo.rgb, np.asarray(FACE)) < 4


@pytest.mark.skipif(sys.platform != "linux", reason="file names are text elsewhere")
def test_a_name_that_is_not_utf8_is_kept_as_text(tmp_path):
    path = save(FACE, tmp_path / "face.png").rename(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    assert load_photo(path).name == "caf\ufffd.png"


def test_gray(tmp_path):
    photo = load_photo(save(FACE.convert("L"), tmp_path / "gray.jpg"))
    assert photo.rgb.shape == (256, 256, 3)
    assert (photo.rgb[..., 0] == photo.rgb[..., 2]).all()
    assert difference(photo.rgb[..., 0], np.asarray(FACE.convert("L"))) < 4


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bit_gray(tmp_path, suffix):
    gray = np.asarray(FACE.convert("L")).astype(np.uint16) * 257
    photo = load_photo(save(Image.fromarray(gray), tmp_path / f"deep.{suffix}"))
    assert difference(photo.rgb[..., 1], gray / 257) < 1


def test_floating_point_tiff(tmp_path):
    gray = np.asarray(FACE.convert("L")).astype(np.float32) / 255
    photo = load_photo(save(Image.fromarray(gray), tmp_path / "float.tif"))
    assert difference(photo.rgb[..., 1], gray * 255) < 1


def test_sixteen_bit_color_png(tmp_path):
    import cv2

    bgr = np.asarray(FACE)[..., ::-1].astype(np.uint16) * 257
    path = tmp_path / "deep.png"
    assert cv2.imwrite(str(path), bgr)
    assert difference(load_photo(path).rgb, np.asarray(FACE)) < 1


def test_alpha_is_laid_on_the_backdrop(tmp_path):
    rgba = FACE.convert("RGBA")
    alpha = np.full((256, 256), 255, np.uint8)
    alpha[:, :128] = 0
    rgba.putalpha(Image.fromarray(alpha))
    photo = load_photo(save(rgba, tmp_path / "cut out.png"))
    assert (photo.rgb[:, :128] == BACKDROP).all()
    assert (photo.rgb[:, 128:] == np.asarray(FACE)[:, 128:]).all()


def test_palette_with_transparency(tmp_path):
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, *RED])
    palette.putpixel((0, 0), 0)
    photo = load_photo(save(palette, tmp_path / "palette.png", transparency=0))
    assert tuple(photo.rgb[0, 0]) == BACKDROP and tuple(photo.rgb[4, 4]) == RED


def test_cmyk(tmp_path):
    photo = load_photo(save(FACE.convert("CMYK"), tmp_path / "print.jpg", quality=95))
    assert difference(photo.rgb, np.asarray(FACE)) < 6


def swapped_profile() -> bytes:
    """An sRGB profile with red and blue exchanged and another name."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    entries = {
        bytes(data[at : at + 4]): at
        for at in range(132, 132 + 12 * struct.unpack(">I", data[128:132])[0], 12)
    }
    for red, blue in ((b"rXYZ", b"bXYZ"), (b"rTRC", b"bTRC")):
        r, b = entries[red] + 4, entries[blue] + 4
        data[r : r + 8], data[b : b + 8] = data[b : b + 8], data[r : r + 8]
    return bytes(data).replace("sRGB".encode("utf-16-be"), "ours".encode("utf-16-be"))


def test_color_profile_becomes_srgb(tmp_path):
    rgb = np.asarray(FACE)
    photo = load_photo(save(FACE, tmp_path / "other.png", icc_profile=swapped_profile()))
    assert difference(photo.rgb, rgb[..., ::-1]) < 1.5
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert difference(load_photo(save(FACE, tmp_path / "srgb.png", icc_profile=srgb)).rgb, rgb) == 0
    broken = load_photo(save(FACE, tmp_path / "broken.png", icc_profile=b"no profile at all"))
    assert difference(broken.rgb, rgb) == 0


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path, orientation):
    upright = FACE.resize((192, 256))
    undo = {
        2: 0,
        3: 3,
        4: 1,
        5: 5,
        6: 2,
        7: 6,
        8: 4,
    }  # Pillow's transpositions that EXIF's values ask to undo
    stored = upright if orientation == 1 else upright.transpose(undo[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = load_photo(save(stored, tmp_path / "turned.png", exif=exif))
    assert photo.original_size == (192, 256) and photo.orientation == orientation
    assert difference(photo.rgb, np.asarray(upright)) == 0


def with_exif(tmp_path: Path, tags: dict[int, object], size: tuple[int, int] = (256, 192)) -> Photo:
    exif = Image.Exif()
    exif.get_ifd(0x8769).update(tags)
    return load_photo(save(FACE.resize(size), tmp_path / "exif.jpg", exif=exif))


def test_focal_length(tmp_path):
    assert with_exif(tmp_path, {0xA405: 85}).focal_mm35 == 85
    assert with_exif(tmp_path, {}).focal_mm35 is None
    assert with_exif(tmp_path, {0xA405: 0}).focal_mm35 is None
    assert with_exif(tmp_path, {0xA405: 60000}).focal_mm35 is None


def test_focal_length_from_the_sensor(tmp_path):
    # 4000 x 3000 px at 4000 px per 18 mm: a sensor of 22.5 mm diagonal.
    tags = {0x920A: 50.0, 0xA20E: 4000 / 1.8, 0xA210: 3, 0xA002: 4000, 0xA003: 3000}
    assert with_exif(tmp_path, tags).focal_mm35 == pytest.approx(50 * 43.27 / 22.5, rel=1e-3)


def test_focal_length_of_a_photo_cut_to_another_shape(tmp_path):
    tags = {0xA405: 85, 0xA002: 4000, 0xA003: 3000}
    assert with_exif(tmp_path, tags, (256, 192)).focal_mm35 == 85
    assert with_exif(tmp_path, tags, (192, 192)).focal_mm35 is None


def test_first_frame_of_an_animation(tmp_path):
    frames = [Image.new("RGB", (40, 30), color) for color in (RED, (0, 0, 255), (0, 255, 0))]
    path = tmp_path / "moving.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert difference(load_photo(path).rgb, np.full((30, 40, 3), RED)) < 2


def test_hundred_megapixels_are_made_smaller(tmp_path):
    path = tmp_path / "huge.jpg"
    Image.new("RGB", (11600, 8700), RED).save(path, quality=50)
    photo = load_photo(path)
    assert photo.original_size == (11600, 8700)
    assert photo.width * photo.height <= WORKING_PIXELS
    assert photo.width / photo.height == pytest.approx(4 / 3, rel=0.01)
    assert difference(photo.rgb[::50, ::50], np.array(RED)) < 3


@pytest.mark.parametrize("size", [(33_000, 60), (60, 33_000)])
def test_panoramas_are_no_longer_than_opencv_warps(tmp_path, size):
    photo = load_photo(save(Image.new("RGB", size, RED), tmp_path / "panorama.png"))
    assert photo.original_size == size and photo.rgb.shape[:2][::-1] == (size[0] // 2, size[1] // 2)
    eighth = np.eye(2, 3) / 8
    assert difference(cv2.warpAffine(photo.rgb, eighth, (3, 3)), np.array(RED)) < 2
    with pytest.raises(errors.PhotoTooLargeError, match="make it smaller"):
        Photo.from_array(np.zeros((size[1], size[0], 3), np.uint8))


def test_large_png_keeps_its_orientation(tmp_path, monkeypatch):
    monkeypatch.setattr("core.image.decoding.WORKING_PIXELS", 10_000)
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = FACE.resize((256, 192)).transpose(Image.Transpose.ROTATE_90)
    photo = load_photo(save(stored, tmp_path / "large.png", exif=exif))
    assert photo.width * photo.height <= 10_000 and photo.original_size == (256, 192)
    expected = np.asarray(FACE.resize((photo.width, photo.height), Image.Resampling.BOX))
    assert difference(photo.rgb, expected) < 8


def bad_files(folder: Path) -> dict[str, tuple[Path, type[errors.PhotoError], str]]:
    """Name -> (path, error, a word of its message)."""
    cases: dict[str, tuple[bytes, type[errors.PhotoError], str]] = {
        "text.jpg": (
            b"Dear diary, this is no picture at all. " * 20,
            errors.PhotoFormatError,
            "not a picture",
        ),
        "empty.jpg": (b"", errors.PhotoFormatError, "empty"),
        "cut.jpg": (jpeg_bytes()[:9000], errors.PhotoFormatError, "ends too early"),
        "header only.png": (tiff_header(100, 100), errors.PhotoFormatError, "again"),
        "bomb.png": (tiff_header(60000, 60000), errors.PhotoTooLargeError, "more pixels"),
        "phone.heic": (b"\x00\x00\x00\x18ftypheic" + bytes(200), errors.PhotoFormatError, "HEIC"),
        "script.eps": (
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
            errors.PhotoFormatError,
            "not a picture",
        ),
    }
    made = {}
    for name, (data, error, word) in cases.items():
        (folder / name).write_bytes(data)
        made[name] = (folder / name, error, word)
    (folder / "folder.jpg").mkdir()
    made["folder.jpg"] = (folder / "folder.jpg", errors.PhotoNotFoundError, "folder")
    made["missing.jpg"] = (folder / "missing.jpg", errors.PhotoNotFoundError, "no file")
    return made


def test_bad_files(tmp_path):
    for name, (path, error, word) in bad_files(tmp_path).items():
        with pytest.raises(error) as caught:
            load_photo(path)
        message = str(caught.value)
        assert word in message and name in message, message


def test_damage_inside_the_file(tmp_path):
    """No damage makes anything but a PhotoError (or a picture) come out."""
    original = jpeg_bytes()
    rng = np.random.default_rng(0)
    for i in range(60):
        data = bytearray(original)
        for position in rng.integers(2, len(data) if i % 2 else 400, 8):
            data[position] = rng.integers(256)
        path = tmp_path / f"{i}.jpg"
        path.write_bytes(data)
        try:
            assert load_photo(path).rgb.ndim == 3
        except errors.PhotoError as error:
            assert path.name in str(error)


def test_no_read_permission(tmp_path, monkeypatch):
    path = save(FACE, tmp_path / "secret.png")
    opened = os.open

    def refuse(name, *arguments, **options):
        if name == path:
            raise PermissionError(13, "Permission denied")
        return opened(name, *arguments, **options)

    # Tests may run as root, whom no permission stops.
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(errors.PhotoPermissionError, match="may not be read"):
        load_photo(path)


def test_enormous_file(tmp_path, monkeypatch):
    monkeypatch.setattr("core.image.photo.MAX_FILE_BYTES", 1000)
    with pytest.raises(errors.PhotoTooLargeError, match="MB"):
        load_photo(save(FACE, tmp_path / "a.png"))


def test_out_of_memory(tmp_path, monkeypatch):
    def exhaust(*_):
        raise MemoryError

    monkeypatch.setattr("core.image.decoding._to_srgb", exhaust)
    with pytest.raises(errors.PhotoTooLargeError, match="memory"):
        load_photo(save(FACE, tmp_path / "a.png"))


def test_photo_from_array():
    photo = Photo.from_array(np.asarray(FACE), "astronaut", 50)
    assert (photo.width, photo.height, photo.focal_mm35) == (256, 256, 50)
    for bad in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(errors.PhotoError, match="uint8"):
            Photo.from_array(bad)
