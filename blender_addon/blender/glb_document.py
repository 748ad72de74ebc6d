"""Reads and changes the document of a binary glTF file. No bpy."""

import json
import struct
from collections.abc import Container
from typing import Any

MAGIC = b"glTF"
#: Type of the chunk with the document.
JSON_CHUNK = 0x4E4F534A
#: Bytes of the file's header, and of a chunk's.
HEADER = 12
CHUNK_HEADER = 8
#: Alpha below which hair's cards have holes, the same as in the engine's files (`core.io.hair_glb`).
ALPHA_CUTOFF = 0.4


def document_of(data: bytes) -> dict[str, Any]:
    """The document of a .glb file.

    Raises:
        ValueError: It is no such file.
    """
    if len(data) < HEADER + CHUNK_HEADER:
        raise ValueError("too short for a GLB file")
    magic, version, size, length, kind = struct.unpack_from("<4sIIII", data)
    if magic != MAGIC or version != 2 or size != len(data) or kind != JSON_CHUNK:
        raise ValueError("no GLB file")
    document = json.loads(data[HEADER + CHUNK_HEADER : HEADER + CHUNK_HEADER + length])
    if not isinstance(document, dict):
        raise ValueError("no glTF document")
    return document


def with_document(data: bytes, document: dict[str, Any]) -> bytes:
    """A .glb file with another document, but the same arrays and pictures.

    Args:
        data: The file; `document_of` can read it.
        document: What takes the place of its document.
    """
    (length,) = struct.unpack_from("<I", data, HEADER)
    rest = data[HEADER + CHUNK_HEADER + length :]
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    size = HEADER + CHUNK_HEADER + len(text) + len(rest)
    return struct.pack("<4sIIII", MAGIC, 2, size, len(text), JSON_CHUNK) + text + rest


def with_cut_out(data: bytes, names: Container[str]) -> bytes:
    """A .glb file in which materials have holes where their alpha is low, instead of being blended.

    Readers do not sort the triangles of a mesh: blended, those behind others that come later are missing.

    Args:
        data: The file; `document_of` can read it.
        names: Of the materials.

    Returns:
        The file; as it is if it has none of them.
    """
    document = document_of(data)
    found = [material for material in document.get("materials", []) if material.get("name") in names]
    for material in found:
        material.update({"alphaMode": "MASK", "alphaCutoff": ALPHA_CUTOFF})
    return with_document(data, document) if found else data
