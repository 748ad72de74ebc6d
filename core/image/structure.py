"""Of how many pieces a picture file is made: read off its markers, before anything is decoded."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

#: ITU-T T.81, B.1.1.3: a marker; 00 behind FF stands for a byte FF of the scan, FF fills up, and RST0 to RST7
#: are part of the scan.
JPEG_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
JPEG_END = 0xD9
JPEG_SCAN = 0xDA
#: Markers that no length follows: TEM and SOI.
JPEG_WITHOUT_LENGTH = (0x01, 0xD8)
#: SOF0 to SOF15, which begin a frame, arithmetic coding's, too; DHT, JPG and DAC lie among their numbers.
JPEG_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
#: Offsets of height and width from the length of a frame header, two bytes each (ITU-T T.81, B.2.2).
JPEG_HEIGHT = 3
JPEG_WIDTH = 5
PNG_FIRST_CHUNK = 8
PNG_END = b"IEND"
#: Bytes of a chunk beside its content: length, kind and check sum.
PNG_CHUNK_FRAME = 12


@dataclass(frozen=True)
class JpegStructure:
    """What a JPEG's first picture is made of.

    Attributes:
        scans: Its scans.
        headers: Its other segments.
        pixels: Width times height of its frame header, the largest if there are several; 0 without one.
    """

    scans: int
    headers: int
    pixels: int


def read_jpeg_structure(data: bytes, most_scans: int, most_headers: int) -> JpegStructure:
    """Count the segments of a JPEG's first picture.

    Args:
        data: The file. What follows the picture's end, such as a phone's second picture or film, does not
            count, nor what stands inside of a segment, such as a thumbnail or a color profile: any bytes may
            look like markers there.
        most_scans: Reading stops above so many scans.
        most_headers: Or above so many other segments.

    Returns:
        What was found until then.
    """
    scans = headers = pixels = position = 0
    while scans <= most_scans and headers <= most_headers:
        match = JPEG_MARKER.search(data, position)
        if match is None or match[1][0] == JPEG_END:
            break
        marker, position = match[1][0], match.end()
        if marker in JPEG_WITHOUT_LENGTH:
            continue
        if marker in JPEG_FRAME_HEADERS:
            height, width = (_two_bytes(data, position + at) for at in (JPEG_HEIGHT, JPEG_WIDTH))
            pixels = max(pixels, width * height)
        position += max(_two_bytes(data, position), 2)
        if marker == JPEG_SCAN:
            scans += 1
        else:
            headers += 1
    return JpegStructure(scans, headers, pixels)


def _two_bytes(data: bytes, position: int) -> int:
    """The number that two bytes are, the higher one first; of what is left at the end of the file."""
    return int.from_bytes(data[position : position + 2], "big")


def has_more_png_chunks(data: bytes, most: int) -> bool:
    """Whether a PNG has more than `most` chunks."""
    return next(islice(_png_chunks(data), most, None), None) is not None


def has_whole_png_chunks(data: bytes) -> bool:
    """Whether the chunks of a PNG, up to the one that ends it, lie inside of its file.

    OpenCV allocates what a chunk says that it holds, up to gigabytes, before it looks for it.
    """
    return next((end <= len(data) for kind, end in _png_chunks(data) if kind == PNG_END), False)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int]]:
    """(kind, where it says that it ends) of each chunk of a PNG that begins inside of its file."""
    position = PNG_FIRST_CHUNK
    while position < len(data):
        kind = data[position + 4 : position + 8]
        position += PNG_CHUNK_FRAME + int.from_bytes(data[position : position + 4], "big")
        yield kind, position
