"""Reads Netpbm pictures (P1 to P6): Pillow takes minutes for plain ones, and for those of unusual depth."""

import re
import warnings

import numpy as np

#: Samples that are read from a plain (text) picture: more take too long to parse.
MAX_PLAIN_SAMPLES = 60_000_000
#: Bytes of text that a sample takes at most: five digits and what divides them.
PLAIN_BYTES_PER_SAMPLE = 16
#: Bytes of blanks and comments before a number of the header, and comments among the samples of a plain
#: picture, at most: more are there to take time and memory.
MAX_GAP_BYTES = 1 << 16
MAX_COMMENTS = 10_000
COMMENT = re.compile(rb"#[^\r\n]*")
TOKEN = re.compile(rb"(?:\s|#[^\r\n]*[\r\n])*(\d{1,10})")
BITMAPS = (b"P1", b"P4")
PLAIN = (b"P1", b"P2", b"P3")
COLOR = (b"P3", b"P6")


class PlainTooLargeError(ValueError):
    """A plain picture has too many samples."""


def read_netpbm_header(data: bytes) -> tuple[int, int, int, int]:
    """(width, height, largest value, offset of the first sample) of a Netpbm file. Raises ValueError."""
    count = 2 if data[:2] in BITMAPS else 3
    numbers, position = [], 2
    for _ in range(count):
        most = position + MAX_GAP_BYTES
        match = TOKEN.match(data, position, most)
        if not match or match.end() == most:  # the number may go on there
            raise ValueError("its header is incomplete")
        numbers.append(int(match[1]))
        position = match.end()
    width, height, highest = (*numbers, 1)[:3]
    if width < 1 or height < 1 or not 1 <= highest <= 65535:
        raise ValueError("its header names no possible size")
    return width, height, highest, position + 1  # one blank follows the header


def read_netpbm(data: bytes) -> np.ndarray:
    """The picture of a Netpbm file (netpbm.sourceforge.net/doc, formats PBM, PGM and PPM).

    Args:
        data: A file whose magic number is P1 to P6; only its first picture is read.

    Returns:
        (H, W) or (H, W, 3) uint8.

    Raises:
        ValueError: It is damaged.
        EOFError: It ends too early.
        PlainTooLargeError: It is a plain picture with more than MAX_PLAIN_SAMPLES samples.
    """
    magic = data[:2]
    width, height, highest, start = read_netpbm_header(data)
    shape = (height, width, 3) if magic in COLOR else (height, width)
    count = int(np.prod(shape))
    if magic in PLAIN:
        samples = _plain(data[start - 1 :], magic, count)
    elif magic == b"P4":
        row_bytes = (width + 7) // 8
        packed = _raw(data, start, row_bytes * height, "u1").reshape(height, row_bytes)
        samples = np.unpackbits(packed, axis=1)[:, :width]
    else:
        samples = _raw(data, start, count, "u1" if highest < 256 else ">u2")
    samples = samples.reshape(shape)
    if magic in BITMAPS:
        return np.where(samples == 0, np.uint8(255), np.uint8(0))  # 1 is ink
    if highest == 255:
        return samples.astype(np.uint8)
    table = (np.minimum(np.arange(65536), highest) * (255 / highest)).round().astype(np.uint8)
    return table[np.clip(samples, 0, 65535)]


def _raw(data: bytes, start: int, count: int, dtype: str) -> np.ndarray:
    if len(data) - start < count * np.dtype(dtype).itemsize:
        raise EOFError("it is truncated")
    return np.frombuffer(data, dtype, count, start)


def _plain(text: bytes, magic: bytes, count: int) -> np.ndarray:
    """Samples written as decimal numbers (P1: as digits that need no blanks between them)."""
    if count > MAX_PLAIN_SAMPLES:
        raise PlainTooLargeError("too many samples for a plain picture")
    if text.count(b"#") > MAX_COMMENTS:
        raise ValueError("it has too many comments")
    text = COMMENT.sub(b" ", text)
    if magic == b"P1":
        digits = np.frombuffer(text, np.uint8)
        digits = digits[(digits == ord("0")) | (digits == ord("1"))]
        samples = digits - ord("0")
    else:
        with warnings.catch_warnings():
            # numpy warns of text that is no number, and stops there.
            warnings.simplefilter("ignore", DeprecationWarning)
            samples = np.fromstring(text[: PLAIN_BYTES_PER_SAMPLE * count], np.int64, sep=" ")
    if len(samples) < count:
        raise EOFError("it is truncated")
    return samples[:count]
