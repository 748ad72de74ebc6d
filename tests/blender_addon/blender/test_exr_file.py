"""Tests of blender_addon.blender.exr_file. Blender's own files are read in tests/blender_addon/render."""

import struct

import numpy as np
import pytest

from blender_addon.blender.exr_file import CHANNELS, read_rgba

PICTURE = np.random.default_rng(0).random((5, 7, 4)).astype(np.float32)


def exr(picture: np.ndarray, version: int = 2, **changed: bytes) -> bytes:
    """An uncompressed file whose data begin at line 3 and column 2."""
    height, width, _ = picture.shape
    attributes = {
        "channels": ("chlist", CHANNELS + b"\0"),
        "compression": ("compression", b"\0"),
        "dataWindow": ("box2i", struct.pack("<4i", 2, 3, 1 + width, 2 + height)),
        "lineOrder": ("lineOrder", b"\0"),
    }
    data = struct.pack("<ii", 20000630, version)
    for name, (kind, value) in attributes.items():
        value = changed.get(name, value)
        data += name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value
    data += b"\0"
    lines = [
        struct.pack("<ii", 3 + k, 16 * width) + np.ascontiguousarray(row[:, ::-1].T).tobytes()
        for k, row in enumerate(picture)
    ]
    start = len(data) + 8 * height
    return (
        data + b"".join(struct.pack("<q", start + k * len(lines[0])) for k in range(height)) + b"".join(lines)
    )


def test_pixels_are_read() -> None:
    assert np.array_equal(read_rgba(exr(PICTURE)), PICTURE)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no picture at all",
        exr(PICTURE, version=0x202),
        exr(PICTURE, compression=b"\3"),
        exr(PICTURE, lineOrder=b"\1"),
        exr(PICTURE, channels=CHANNELS[18:] + b"\0"),
        exr(PICTURE, dataWindow=struct.pack("<4i", 2, 3, 2**31 - 1, 3)),
        exr(PICTURE, dataWindow=b"\0"),
        exr(PICTURE)[:-1],
        exr(PICTURE)[:90],
    ],
)
def test_other_files_are_left_to_others(data: bytes) -> None:
    assert read_rgba(data) is None
