"""MP4 files whose table of contents is moved to the front, made of the boxes that ISO/IEC 14496-12 names."""

import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blender_addon.render.mp4 import boxes, moov_first


def box(kind, *contents):
    data = b"".join(contents)
    return struct.pack(">I4s", 8 + len(data), kind) + data


def chunk_offsets(offsets, wide):
    kind, code = (b"co64", ">Q") if wide else (b"stco", ">I")
    entries = b"".join(struct.pack(code, offset) for offset in offsets)
    return box(kind, struct.pack(">II", 0, len(offsets)), entries)


def table(offsets, wide):
    samples = box(b"stbl", box(b"stsd", bytes(12)), chunk_offsets(offsets, wide))
    return box(b"moov", box(b"mvhd", bytes(100)), box(b"trak", box(b"mdia", box(b"minf", samples))))


def chunks_of(data, sizes):
    """What the chunk offsets in a file point to."""
    ((start, end),) = ((inside, end) for kind, _, inside, end in boxes(data) if kind == b"moov")
    place = max(data.find(kind, start, end) for kind in (b"stco", b"co64"))
    code, width = (">I", 4) if data[place : place + 4] == b"stco" else (">Q", 8)
    offsets = [struct.unpack_from(code, data, place + 12 + width * k)[0] for k in range(len(sizes))]
    return [data[offset : offset + size] for offset, size in zip(offsets, sizes, strict=True)]


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=6), st.booleans(), st.booleans())
@example([b"co64"], False, False)  # a picture that reads like a table
def test_offsets_point_to_the_same_chunks(chunks, wide, more_behind):
    head = box(b"ftyp", b"isom" + bytes(4))
    sizes = [len(chunk) for chunk in chunks]
    offsets = [len(head) + 8 + sum(sizes[:k]) for k in range(len(sizes))]
    data = (
        head + box(b"mdat", *chunks) + table(offsets, wide) + (box(b"free", b"more") if more_behind else b"")
    )
    assert chunks_of(data, sizes) == chunks
    moved = moov_first(data)
    assert [kind for kind, *_ in boxes(moved)][:3] == [b"ftyp", b"moov", b"mdat"]
    assert len(moved) == len(data)
    assert chunks_of(moved, sizes) == chunks
    assert moov_first(moved) == moved


@pytest.mark.parametrize("data", [b"", b"no boxes at all", box(b"ftyp", b"isom"), box(b"moov")[:6]])
def test_other_files_are_refused(data):
    with pytest.raises(ValueError, match=r"MP4|box"):
        moov_first(data)
