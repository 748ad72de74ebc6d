"""How large a PNG is, before anything decodes it. No bpy."""

import struct
from pathlib import Path

from .regular_file import open_regular

SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: Signature, length and type of the first chunk, width and height.
START = struct.Struct(">8s4x4sII")


def png_size(path: Path) -> tuple[int, int] | None:
    """Width and height of a PNG, pixels; None if there is none."""
    try:
        with open_regular(path) as file:
            signature, chunk, width, height = START.unpack(file.read(START.size))
    except (OSError, struct.error):
        return None
    return (width, height) if signature == SIGNATURE and chunk == b"IHDR" and width and height else None
