"""Reads the one kind of OpenEXR file that Blender is asked to render into. numpy, no bpy.

Uncompressed scan lines of single-precision RGBA are an array with eight bytes before each line, as
https://openexr.com/en/latest/OpenEXRFileLayout.html describes; Blender's own reader takes 10 to 40 ms for a
million pixels of them.
"""

import struct

import numpy as np

MAGIC = 20000630
VERSION = 2
#: Bits of the version that say the file has tiles, deep data or several parts.
OTHER_LAYOUTS = 0x200 | 0x800 | 0x1000
#: What `channels` holds: a name, the type (2 is float), whether it is linear, and how it is sampled.
CHANNELS = b"".join(struct.pack("<2siB3xii", name + b"\0", 2, 0, 1, 1) for name in (b"A", b"B", b"G", b"R"))
#: Bytes before each scan line: where it is, and how long.
LINE_HEADER = 8


def read_rgba(data: bytes) -> np.ndarray | None:
    """The pixels of a file.

    Args:
        data: The file.

    Returns:
        (H, W, 4) float32, top row first, values as stored; None if the file is of another kind.
    """
    if len(data) < 8 or struct.unpack_from("<i", data)[0] != MAGIC:
        return None
    version = struct.unpack_from("<i", data, 4)[0]
    attributes = _attributes(data)
    known = attributes.get("channels") == CHANNELS + b"\0" and attributes.get("compression") == b"\0"
    window = attributes.get("dataWindow", b"")
    plain = version & 0xFF == VERSION and not version & OTHER_LAYOUTS
    if not (plain and known and attributes.get("lineOrder") == b"\0" and len(window) == 16):
        return None
    left, top, right, bottom = struct.unpack("<4i", window)
    width, height = right - left + 1, bottom - top + 1
    line = LINE_HEADER + 16 * width
    if width < 1 or height < 1 or len(data) < height * line:
        return None
    lines = np.frombuffer(data, np.uint8, height * line, len(data) - height * line).reshape(height, line)
    places = np.ascontiguousarray(lines[:, :LINE_HEADER]).view("<i4")
    if (places[:, 0] != np.arange(top, bottom + 1)).any() or (places[:, 1] != 16 * width).any():
        return None
    planes = lines[:, LINE_HEADER:].view("<f4").reshape(height, 4, width)
    return planes[:, ::-1].transpose(0, 2, 1)  # stored are A, B, G, R, one after the other


def _attributes(data: bytes) -> dict[str, bytes]:
    """The header's values by their names, as bytes; empty if it is damaged."""
    found: dict[str, bytes] = {}
    place = 8
    try:
        while data[place]:
            name_end = data.index(0, place)
            kind_end = data.index(0, name_end + 1)
            (size,) = struct.unpack_from("<i", data, kind_end + 1)
            start = kind_end + 5
            if size < 0:
                return {}
            found[data[place:name_end].decode("latin-1")] = data[start : start + size]
            place = start + size
    except (IndexError, ValueError, struct.error):
        return {}
    return found
