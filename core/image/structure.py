"""Of how many pieces a picture file is made: read off its markers, before anything is decoded."""

import re

#: ITU-T T.81, B.1.1.3: a marker; 00 behind FF stands for a byte FF of the scan, FF fills up, and RST0 to RST7
#: are part of the scan.
JPEG_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
JPEG_END = 0xD9
JPEG_SCAN = 0xDA
#: Markers that no length follows: TEM and SOI.
JPEG_WITHOUT_LENGTH = (0x01, 0xD8)
PNG_FIRST_CHUNK = 8
#: Bytes of a chunk beside its content: length, kind and check sum.
PNG_CHUNK_FRAME = 12


def count_jpeg_segments(data: bytes, most_scans: int, most_headers: int) -> tuple[int, int]:
    """Count the scans and the other segments of a JPEG's first picture.

    Args:
        data: The file. What follows its end, such as a phone's second picture or film, does not count.
        most_scans: Counting stops above so many scans.
        most_headers: Or above so many other segments.

    Returns:
        The number of scans and that of other segments.
    """
    scans = headers = position = 0
    while scans <= most_scans and headers <= most_headers:
        match = JPEG_MARKER.search(data, position)
        if match is None or match[1][0] == JPEG_END:
            break
        position = match.end()
        if match[1][0] in JPEG_WITHOUT_LENGTH:
            continue
        position += max(int.from_bytes(data[position : position + 2], "big"), 2)
        if match[1][0] == JPEG_SCAN:
            scans += 1
        else:
            headers += 1
    return scans, headers


def has_more_png_chunks(data: bytes, most: int) -> bool:
    """Whether a PNG has more than `most` chunks."""
    position = PNG_FIRST_CHUNK
    for _ in range(most + 1):
        if position >= len(data):
            return False
        position += PNG_CHUNK_FRAME + int.from_bytes(data[position : position + 4], "big")
    return True
