"""Makes MP4 files playable while they are still loading. No bpy.

Programs that write an MP4 in one go put its table of contents ("moov") behind the pictures ("mdat"); a web
page can only begin to play once it has that. ISO/IEC 14496-12 describes the boxes.
"""

import struct
from collections.abc import Iterator

#: Boxes with nothing in them but boxes, on the way to the tables of chunk offsets.
CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl"}


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int, int]]:
    """Kind, start, start of the content, and end of each box in `data`. Raises ValueError."""
    end = len(data) if end is None else end
    while start < end:
        if start + 8 > end:
            raise ValueError("a box is cut short")
        size, kind = struct.unpack_from(">I4s", data, start)
        header = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, start + 8)
            header = 16
        elif size == 0:  # up to the end of the file
            size = end - start
        if size < header or start + size > end:
            raise ValueError("a box does not fit in")
        yield kind, start, start + header, start + size
        start += size


def moov_first(data: bytes) -> bytes:
    """The same file with its table of contents before the pictures. Raises ValueError if it is no MP4."""
    places = {kind: (start, end) for kind, start, _, end in boxes(data)}
    if b"moov" not in places or b"mdat" not in places:
        raise ValueError("no MP4 file")
    (moov, moov_end), (mdat, _) = places[b"moov"], places[b"mdat"]
    if moov < mdat:
        return data
    contents = bytearray(data[moov:moov_end])
    _shift(contents, 0, len(contents), mdat, len(contents))
    return data[:mdat] + contents + data[mdat:moov] + data[moov_end:]


def _shift(data: bytearray, start: int, end: int, mdat: int, by: int) -> None:
    """Add `by` to the offsets of all chunks behind `mdat`."""
    for kind, _, inside, box_end in list(boxes(bytes(data), start, end)):
        if kind in CONTAINERS:
            _shift(data, inside, box_end, mdat, by)
        elif kind in (b"stco", b"co64"):
            code, size = (">I", 4) if kind == b"stco" else (">Q", 8)
            (count,) = struct.unpack_from(">I", data, inside + 4)
            for place in range(inside + 8, inside + 8 + count * size, size):
                (offset,) = struct.unpack_from(code, data, place)
                if offset >= mdat:
                    struct.pack_into(code, data, place, offset + by)
