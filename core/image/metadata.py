"""Pictures without their metadata, for files whose pixels are good and whose metadata are damaged."""

from collections.abc import Iterator

JPEG_START = b"\xff\xd8"
JPEG_SCAN = 0xDA
#: APP1 (EXIF) up to APP15 and COM; APP0 (JFIF) and APP14 (Adobe) say how colors are coded.
JPEG_METADATA = frozenset({*range(0xE1, 0xF0), 0xFE}) - {0xEE}
JPEG_EXIF = b"Exif\0"
PNG_START = b"\x89PNG\r\n\x1a\n"
#: PNG's transparent color: the one optional chunk that changes pixels.
PNG_TRANSPARENCY = b"tRNS"
PNG_EXIF = b"eXIf"
WEBP_METADATA = (b"ICCP", b"EXIF", b"XMP ")
WEBP_EXIF = b"EXIF"
#: Flags in a WebP's VP8X chunk for ICCP, EXIF and XMP.
WEBP_FLAGS = {b"ICCP": 0x20, b"EXIF": 0x08, b"XMP ": 0x04}


def without_metadata(data: bytes, keep_exif: bool) -> bytes | None:
    """A JPEG, PNG or WebP file without what does not change its pixels.

    Args:
        data: The file.
        keep_exif: Keep EXIF, which says how the picture has to be turned.

    Returns:
        The smaller file; None if there is nothing to leave out, or it is another format.
    """
    if data.startswith(JPEG_START):
        bare = _bare_jpeg(data, keep_exif)
    elif data.startswith(PNG_START):
        bare = _bare_png(data, keep_exif)
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        bare = _bare_webp(data, keep_exif)
    else:
        return None
    return bare if len(bare) < len(data) else None


def _bare_jpeg(data: bytes, keep_exif: bool) -> bytes:
    kept, at = [JPEG_START], len(JPEG_START)
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != JPEG_SCAN:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        is_exif = data[at + 4 : at + 9] == JPEG_EXIF
        if data[at + 1] not in JPEG_METADATA or (is_exif and keep_exif):
            kept.append(data[at:end])
        at = end
    return b"".join([*kept, data[at:]])


def _bare_png(data: bytes, keep_exif: bool) -> bytes:
    kept, at = [PNG_START], len(PNG_START)
    while at + 8 <= len(data):
        kind = data[at + 4 : at + 8]
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        critical = kind[:1].isupper()
        if critical or kind == PNG_TRANSPARENCY or (kind == PNG_EXIF and keep_exif):
            kept.append(data[at:end])
        at = end
    return b"".join(kept)


def _bare_webp(data: bytes, keep_exif: bool) -> bytes:
    kept = []
    for kind, chunk in _riff_chunks(data):
        if kind in WEBP_METADATA and not (kind == WEBP_EXIF and keep_exif):
            continue
        if kind == b"VP8X" and len(chunk) > 8:
            dropped = sum(flag for name, flag in WEBP_FLAGS.items() if name != WEBP_EXIF or not keep_exif)
            chunk = chunk[:8] + bytes([chunk[8] & ~dropped & 0xFF]) + chunk[9:]
        kept.append(chunk)
    body = b"WEBP" + b"".join(kept)
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def _riff_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(kind, chunk with its header) of a RIFF file."""
    at = 12
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        end = at + 8 + length + length % 2
        yield data[at : at + 4], data[at:end]
        at = end
