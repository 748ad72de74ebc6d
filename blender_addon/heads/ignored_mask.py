"""The part of a photo that is to be ignored: a picture, painted and kept as a PNG file in text. No bpy."""

import base64
import binascii
import struct
import zlib

import numpy as np

#: Longer side of a mask, pixels: as fine as what a brush paints.
SIDE = 256
#: The engine takes masks of no more.
MAX_SIDE = 1024
MAX_TEXT = 400_000
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def empty_mask(width: int, height: int) -> np.ndarray:
    """A mask of nothing.

    Args:
        width: Of the photo, pixels.
        height: The same.

    Returns:
        (h, w) bool, of the photo's shape.
    """
    scale = SIDE / max(width, height, 1)
    return np.zeros((max(1, round(height * scale)), max(1, round(width * scale))), bool)


def paint(
    mask: np.ndarray, start: tuple[float, float], end: tuple[float, float], radius: float, value: bool
) -> None:
    """Draw a stroke with a round brush into a mask.

    Args:
        mask: (h, w) bool, changed in place.
        start: x and y, shares of the photo's width and height.
        end: The same.
        radius: Share of the photo's width.
        value: Whether what is painted is ignored.
    """
    height, width = mask.shape
    y, x = np.mgrid[:height, :width] + 0.5
    a = np.array([start[0] * width, start[1] * height])
    way = np.array([end[0] * width, end[1] * height]) - a
    along = ((x - a[0]) * way[0] + (y - a[1]) * way[1]) / max(float(way @ way), 1e-9)
    along = np.clip(along, 0, 1)
    distance = np.hypot(x - a[0] - along * way[0], y - a[1] - along * way[1])
    mask[distance <= max(radius * width, 0.5)] = value


def runs(mask: np.ndarray) -> list[tuple[int, int, int]]:
    """What of a mask is ignored, row by row.

    Args:
        mask: (h, w) bool.

    Returns:
        (row, first column, column behind the last).
    """
    padded = np.zeros((mask.shape[0], mask.shape[1] + 2), np.int8)
    padded[:, 1:-1] = mask
    steps = np.diff(padded, axis=1)
    rows, starts = np.nonzero(steps == 1)
    _, ends = np.nonzero(steps == -1)
    return [(int(row), int(a), int(b)) for row, a, b in zip(rows, starts, ends, strict=True)]


def add_runs(mask: np.ndarray, found: object) -> bool:
    """Ignore what the engine has found, too.

    Args:
        mask: (h, w) bool, changed in place.
        found: Runs as `runs` has them, lists instead of tuples; from the engine, so they are checked.

    Returns:
        Whether anything was found.
    """
    rows = found if isinstance(found, list) else []
    for row in rows:
        if not (isinstance(row, list) and len(row) == 3 and all(isinstance(value, int) for value in row)):
            raise ValueError("runs that are none")
        y, first, end = row
        if not (0 <= y < mask.shape[0] and 0 <= first < end <= mask.shape[1]):
            raise ValueError("runs beside the mask")
        mask[y, first:end] = True
    return bool(rows)


def mask_text(mask: np.ndarray) -> str:
    """A mask as the text of a PNG file in base64; empty if it ignores nothing.

    Args:
        mask: (h, w) bool.
    """
    if not mask.any():
        return ""
    height, width = mask.shape
    rows = np.zeros((height, width + 1), np.uint8)  # the first byte of a row is its filter: none
    rows[:, 1:] = mask * np.uint8(255)
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows.tobytes(), 9)),
        (b"IEND", b""),
    )
    chunks = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    ]
    return base64.b64encode(SIGNATURE + b"".join(chunks)).decode("ascii")


def parse_mask(text: str) -> np.ndarray | None:
    """The mask of a text that `mask_text` has made; None if it is another.

    Returns:
        (h, w) bool.
    """
    try:
        if not text or len(text) > MAX_TEXT:
            return None
        data = base64.b64decode(text, validate=True)
        width, height, *kind = struct.unpack(">IIBBBBB", data[16:29])
        length = struct.unpack(">I", data[33:37])[0]
        if data[:8] != SIGNATURE or kind != [8, 0, 0, 0, 0] or data[37:41] != b"IDAT":
            return None
        if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
            return None
        size = height * (width + 1)
        content = zlib.decompressobj().decompress(data[41 : 41 + length], size)
        rows = np.frombuffer(content, np.uint8).reshape(height, width + 1)
    except (binascii.Error, ValueError, struct.error, zlib.error):
        return None
    return None if rows[:, 0].any() else rows[:, 1:] > 127
