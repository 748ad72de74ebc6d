"""Moves what a binary glTF file holds, as if the file's origin were elsewhere. No bpy."""

from typing import Any

import numpy as np

from .glb_file import FLOAT, accessor_values, glb_bytes, glb_chunks


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
    document, buffer = glb_chunks(data)
    changed = bytearray(buffer)
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
        points = _floats(document, changed, index)
        points[:] = points + by
        accessor["min"], accessor["max"] = points.min(0).tolist(), points.max(0).tolist()
    for index in {skin["inverseBindMatrices"] for skin in document.get("skins", ())}:
        # Columns of each matrix lie one after the other.
        matrices = _floats(document, changed, index).reshape(-1, 4, 4)
        matrices[:, 3, :3] -= np.einsum("nji,j->ni", matrices[:, :3, :3], by)
    return glb_bytes(document, bytes(changed))


def _floats(document: dict[str, Any], buffer: bytearray, index: int) -> np.ndarray:
    """(N, width) float32: a view of an accessor's values in a file's buffer."""
    accessor = document["accessors"][index]
    values = accessor_values(document, buffer, accessor)
    if values is None or accessor["componentType"] != FLOAT:
        raise ValueError("no file of the engine's")
    return values
