"""Moves what a binary glTF file holds, as if the file's origin were elsewhere. No bpy."""

import struct
from typing import Any

import numpy as np

from .glb_document import CHUNK_HEADER, HEADER, document_of, with_document

#: glTF's number for float32.
FLOAT = 5126


def moved(data: bytes, offset: tuple[float, float, float]) -> bytes:
    """A .glb file with all that it shows moved: vertices, bones and what hangs on them.

    Args:
        data: The file, as the engine writes it: vertices and bones' inverse matrices are float32.
        offset: How far, meters, in the file's axes.

    Returns:
        The file.

    Raises:
        ValueError: It is no such file.
    """
    document = document_of(data)
    (length,) = struct.unpack_from("<I", data, HEADER)
    changed = bytearray(data)
    first_byte = HEADER + CHUNK_HEADER + length + CHUNK_HEADER
    by = np.array(offset, np.float64)
    nodes = document["nodes"]
    roots = {index for scene in document["scenes"] for index in scene["nodes"]}
    positions: set[int] = set()
    for index, node in enumerate(nodes):
        # Of what has a skin the bones decide; else, what hangs on another node moves with it.
        if "skin" in node or (index in roots and "mesh" in node and "translation" not in node):
            mesh = document["meshes"][node["mesh"]]
            positions |= {part["attributes"]["POSITION"] for part in mesh["primitives"]}
        elif index in roots:
            node["translation"] = (np.array(node.get("translation", (0, 0, 0))) + by).tolist()
    for index in positions:
        accessor = document["accessors"][index]
        points = _floats(changed, first_byte, document, index, 3)
        points[:] = points + by
        accessor["min"], accessor["max"] = points.min(0).tolist(), points.max(0).tolist()
    for index in {skin["inverseBindMatrices"] for skin in document.get("skins", ())}:
        # Columns of each matrix lie one after the other.
        matrices = _floats(changed, first_byte, document, index, 16).reshape(-1, 4, 4)
        matrices[:, 3, :3] -= np.einsum("nji,j->ni", matrices[:, :3, :3], by)
    return with_document(bytes(changed), document)


def _floats(data: bytearray, first: int, document: dict[str, Any], index: int, width: int) -> np.ndarray:
    """(N, width) float32: a view of an accessor's values in a file whose binary chunk begins at `first`."""
    accessor = document["accessors"][index]
    view = document["bufferViews"][accessor["bufferView"]]
    if accessor["componentType"] != FLOAT or view.get("byteStride", 4 * width) != 4 * width:
        raise ValueError("no file of the engine's")
    start = first + view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
    values = np.frombuffer(data, "<f4", accessor["count"] * width, start)
    return values.reshape(-1, width)
