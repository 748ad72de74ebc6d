"""Files that are made to take minutes or gigabytes, and things that are no files."""

import io
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core import errors
from core.image import isolated_decoding, limits, structure
from core.image.photo import load_photo

#: Seconds of processor time, this process and its children, that no file may take.
MOST_SECONDS = 12.0
#: What begins a JPEG's frame of 61,680 x 61,680 pixels.
HUGE_FRAME = b"\xff\xc0" + b"\xf0" * 20


def encoded(format_: str, image: Image.Image, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def jpeg_of_many_scans(side: int, scans: int) -> bytes:
    """A progressive JPEG whose last scan stands in it again and again."""
    data = encoded("JPEG", Image.new("RGB", (side, side), (90, 80, 70)), progressive=True)
    return data[:-2] + data[data.rindex(b"\xff\xda") : -2] * scans + b"\xff\xd9"


def seconds_of(path) -> float:
    """Processor time that loading takes, whatever comes of it."""
    before = os.times()
    try:
        load_photo(path)
    except errors.PhotoError as error:
        assert path.name in str(error)
    after = os.times()
    return sum(after[:4]) - sum(before[:4])


def jpeg_of_many_segments(segment: bytes, count: int) -> bytes:
    data = encoded("JPEG", Image.new("RGB", (64, 48), (90, 80, 70)))
    return data[:2] + segment * count + data[2:]


def png_of_many_chunks(count: int) -> bytes:
    data = encoded("PNG", Image.new("RGB", (64, 48)))
    return data[:33] + (bytes(4) + b"IDAT" + b"\x35\xaf\x06\x1e") * count + data[33:]


def test_a_jpeg_of_many_scans_is_refused_at_once(tmp_path, monkeypatch):
    """Photos have one scan or about ten; 5,000 in 6000 x 6000 pixels took 15 s."""

    def fail(*_):
        raise AssertionError("it was decoded")

    path = tmp_path / "scans.jpg"
    for data in (jpeg_of_many_scans(600, 101), jpeg_of_many_scans(64, 5000), jpeg_of_many_scans(9000, 60)):
        path.write_bytes(data)
        with (
            monkeypatch.context() as patch,
            pytest.raises(errors.PhotoFormatError, match=r"scans\.jpg.*scans"),
        ):
            for way in ("decode", "decode_isolated"):
                patch.setattr(f"core.image.photo.{way}", fail)
            load_photo(path)
    path.write_bytes(jpeg_of_many_scans(64, 50))
    assert load_photo(path).width == 64


def test_what_follows_a_jpeg_is_no_part_of_it():
    """Phones put a second picture or a film behind the first, in which any bytes may stand."""
    data = encoded("JPEG", Image.new("RGB", (64, 48)), progressive=True)
    found = structure.read_jpeg_structure(data, 100, 1000)
    assert found.scans == 10 and 3 < found.headers < 20 and found.pixels == 64 * 48
    film = b"\xff\xda\0\x02" * 500 + HUGE_FRAME
    assert structure.read_jpeg_structure(data + film, 100, 1000) == found
    thumbnail = encoded("JPEG", Image.new("RGB", (16, 12)), progressive=True) + HUGE_FRAME
    exif = b"\xff\xe1" + (2 + len(thumbnail)).to_bytes(2, "big") + thumbnail
    with_exif = structure.read_jpeg_structure(data[:2] + exif + data[2:], 100, 1000)
    assert with_exif == replace(found, headers=found.headers + 1)


def test_bytes_that_look_like_a_huge_frame_do_not_refuse_a_photo(tmp_path):
    """A color profile or a film of some megabytes has such bytes by chance."""
    data = encoded("JPEG", Image.new("RGB", (64, 48)), progressive=True)
    profile = b"\xff\xe2" + (2 + len(HUGE_FRAME)).to_bytes(2, "big") + HUGE_FRAME
    for name, photo in (("film.jpg", data + HUGE_FRAME), ("profile.jpg", data[:2] + profile + data[2:])):
        (tmp_path / name).write_bytes(photo)
        assert load_photo(tmp_path / name).width == 64 and not limits.is_slow(photo)


def test_frames_of_arithmetic_coding_have_pixels_too():
    """libjpeg-turbo decodes SOF9 and SOF10 as it does SOF0 and SOF2."""
    many = jpeg_of_many_scans(9000, 60).replace(b"\xff\xc2", b"\xff\xca", 1)
    assert limits.is_slow(many)
    with pytest.raises(errors.PhotoFormatError, match="scans"):
        limits.check_scans(many, "many.jpg")


def test_files_of_many_pieces_get_a_process_of_their_own(tmp_path):
    """300,000 pieces of EXIF in 5 MB took 7 s, and ten times as many would take a hundred times as long."""
    exif = b"\xff\xe1\0\x10Exif\0\0aaaaaaaa"
    assert limits.is_slow(jpeg_of_many_segments(exif, 1001))
    assert not limits.is_slow(jpeg_of_many_segments(exif, 100))
    assert limits.is_slow(png_of_many_chunks(50_000)) and not limits.is_slow(png_of_many_chunks(1000))
    (tmp_path / "a.png").write_bytes(png_of_many_chunks(1000))
    assert load_photo(tmp_path / "a.png").width == 64
    rle = b"BM" + bytes(28) + b"\1\0\0\0"
    assert limits.is_slow(rle + bytes(20_000_001)) and not limits.is_slow(rle)
    assert not limits.is_slow(b"BM" + bytes(20_000_100)) and limits.is_slow(b"GIF89a" + bytes(20_000_001))


def bombs() -> dict[str, bytes]:
    """Beside those of tests/fuzz/faults.py."""
    values = np.random.default_rng(0).integers(0, 256, 3000 * 3000)
    return {
        "plain.pgm": b"P2 3000 3000 255\n" + b" ".join(b"%d" % value for value in values),
        "plain.pbm": b"P1 6000 6000\n" + (np.tile(values, 4) % 2 + 48).astype(np.uint8).tobytes(),
        "thousand.ppm": b"P6 6000 6000 1000\n" + np.tile(values, 12).astype(">u2").tobytes(),
        "scans.jpg": jpeg_of_many_scans(1000, 5000),
        "large scans.jpg": jpeg_of_many_scans(6000, 5000),
        "claims.pgm": b"P2 13000 13000 255\n1 2 3",
    }


@pytest.mark.slow
def test_no_file_takes_long(tmp_path):
    for name, data in bombs().items():
        (tmp_path / name).write_bytes(data)
        assert seconds_of(tmp_path / name) < MOST_SECONDS, name


def webp_header(width: int, height: int) -> bytes:
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"VP8X" + (10).to_bytes(4, "little") + bytes(4) + size
    return b"RIFF" + (4 + len(body)).to_bytes(4, "little") + b"WEBP" + body


def test_too_many_pixels_are_refused_before_decoding(tmp_path):
    real = encoded("WEBP", Image.new("RGB", (64, 48)))
    assert limits.pixels_of_webp(real) == 64 * 48
    assert limits.pixels_of_webp(encoded("WEBP", Image.new("RGB", (64, 48)), lossless=True)) == 64 * 48
    for name, data in {
        "a.webp": webp_header(13300, 13300),
        "a.ppm": b"P6 20000 20000 255\n",
        "a.pgm": b"P2 9000 9000 255\n1 2 3",
    }.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(errors.PhotoTooLargeError, match=name):
            load_photo(tmp_path / name)


def test_only_files_that_may_be_slow_get_a_process_of_their_own():
    picture = Image.new("RGB", (64, 48))
    for format_ in ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"):
        assert not limits.is_slow(encoded(format_, picture)), format_
    large = Image.new("RGB", (6000, 4000))
    assert not limits.is_slow(encoded("JPEG", large, progressive=True))
    size = (48).to_bytes(2, "big") + (64).to_bytes(2, "big")
    claims = encoded("JPEG", picture, progressive=True).replace(size, (11_000).to_bytes(2, "big") * 2)
    assert limits.is_slow(claims)
    assert limits.is_slow(encoded("JPEG2000", picture)) and limits.is_slow(encoded("AVIF", picture))
    assert limits.is_slow(b"II*\0garbage")


@pytest.fixture
def jpeg2000(tmp_path):
    path = tmp_path / "a.jp2"
    path.write_bytes(encoded("JPEG2000", Image.new("RGB", (64, 48), (200, 30, 20))))
    return path


def test_a_process_that_takes_too_long_is_ended(jpeg2000, monkeypatch):
    monkeypatch.setattr(isolated_decoding, "DEADLINE_SECONDS", 0.01)
    with pytest.raises(errors.PhotoFormatError, match="too long"):
        load_photo(jpeg2000)


@pytest.mark.skipif(os.name != "posix", reason="no limit of processor time on this system")
def test_a_process_that_works_too_long_is_ended(jpeg2000, monkeypatch):
    start = "import resource; resource.setrlimit(resource.RLIMIT_CPU, (1, 3))\nwhile True: pass"
    monkeypatch.setattr(isolated_decoding, "START", start)
    with pytest.raises(errors.PhotoFormatError, match="too long"):
        load_photo(jpeg2000)


@pytest.mark.parametrize("crash", ["import os; os.abort()", "import os; os._exit(3)", "print()", "1 / 0"])
def test_a_decoder_that_crashes_is_a_damaged_photo(jpeg2000, monkeypatch, crash):
    monkeypatch.setattr(isolated_decoding, "START", crash)
    with pytest.raises(errors.PhotoFormatError, match="decoder has failed"):
        load_photo(jpeg2000)


def test_without_a_second_process_it_is_decoded_in_the_first(jpeg2000, monkeypatch):
    def refuse(*_, **__):
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(isolated_decoding.subprocess, "Popen", refuse)
    assert load_photo(jpeg2000).rgb.shape == (48, 64, 3)


@pytest.mark.parametrize(
    "data",
    [
        b"P2" + b" " * 100_000 + b"1 1 255 0",
        b"P6 " + b"#\n" * 50_000 + b"1 1 255\n\0\0\0",
        b"P2 " + b" " * ((1 << 16) - 1) + b"12 1 255 " + b"0 " * 12,
        b"P2 1 1 255\n" + b"#\n" * 50_000 + b"0",
    ],
)
def test_netpbm_of_nothing_but_blanks_and_comments(tmp_path, data):
    """100 MB of them took 11 GB and 26 s."""
    (tmp_path / "a.pgm").write_bytes(data)
    with pytest.raises(errors.PhotoError, match=r"a\.pgm"):
        load_photo(tmp_path / "a.pgm")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in folders on this system")
def test_only_regular_files_are_opened(tmp_path):
    """Opening a pipe waits for a writer; /dev/zero never ends."""
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    for name in ("pipe.jpg", "zero.jpg"):
        with pytest.raises(errors.PhotoNotFoundError, match=name):
            load_photo(tmp_path / name)


@pytest.mark.skipif(not Path("/proc/self/pagemap").exists(), reason="no such files on this system")
def test_what_the_kernel_makes_up_is_empty(tmp_path):
    """It calls itself a regular file of 0 bytes, and others of its kind wait for ever."""
    (tmp_path / "a.jpg").symlink_to("/proc/self/pagemap")
    with pytest.raises(errors.PhotoFormatError, match="empty"):
        load_photo(tmp_path / "a.jpg")


def test_a_link_to_a_photo_is_a_photo(tmp_path, jpeg2000):
    (tmp_path / "link.jp2").symlink_to(jpeg2000)
    assert load_photo(tmp_path / "link.jp2").width == 64
