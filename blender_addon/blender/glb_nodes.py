"""Nodes of binary glTF files: a model of another file hung on a bone, skinned meshes at the root. No bpy."""

import struct
from typing import Any

import numpy as np

from .glb_file import glb_bytes, glb_chunks

#: Lists that are appended, and the keys by which objects name their entries; textures name images, too, from
#: within extensions.
LISTS = {
    "bufferViews": "bufferView",
    "images": "source",
    "samplers": "sampler",
    "textures": "index",
    "materials": "material",
    "accessors": "",
    "meshes": "mesh",
    "nodes": "",
}
EXTENSION_LISTS = ("extensionsUsed", "extensionsRequired")
#: Bytes to which buffers' parts are aligned.
ALIGNMENT = 4


def attach(data: bytes, other: bytes, bone: str) -> bytes:
    """The file with another file's model, which moves with a bone and is where it is in its own file.

    Args:
        data: A .glb file.
        other: A .glb file without skins and animations.
        bone: Name of a node of the first; where there is none, the model stands beside the rest.

    Returns:
        The file.

    Raises:
        ValueError: One of the files is no such file, or damaged.
    """
    document, binary = glb_chunks(data)
    added, added_binary = glb_chunks(other)
    try:
        binary += b"\0" * (-len(binary) % ALIGNMENT)
        for view in added.get("bufferViews", []):
            view["byteOffset"] = view.get("byteOffset", 0) + len(binary)
        first = {name: len(document.get(name, [])) for name in LISTS}
        roots = [first["nodes"] + node for node in added["scenes"][added.get("scene", 0)]["nodes"]]
        _renumber(added, first)
        for name in LISTS:
            if added.get(name):
                document.setdefault(name, []).extend(added[name])
        for name in EXTENSION_LISTS:
            if added.get(name):
                document[name] = sorted({*document.get(name, []), *added[name]})
        nodes = document["nodes"]
        holder = next((node for node in nodes[: first["nodes"]] if node.get("name") == bone), None)
        if holder is None:
            document["scenes"][document.get("scene", 0)]["nodes"] += roots
        else:
            inverse = np.linalg.inv(world_matrix(nodes, nodes.index(holder)))
            for root in roots:
                nodes[root] |= _placed(inverse)
            holder["children"] = [*holder.get("children", []), *roots]
        return glb_bytes(document, binary + added_binary)
    except (struct.error, KeyError, IndexError, TypeError, np.linalg.LinAlgError) as error:
        raise ValueError(f"it is damaged ({error})") from error


def skins_at_root(data: bytes) -> bytes:
    """The file with its skinned meshes at the scene's root: readers ignore what is above them.

    Raises:
        ValueError: It is no such file, or damaged.
    """
    document, binary = glb_chunks(data)
    try:
        nodes = document.get("nodes", [])
        skinned = [number for number, node in enumerate(nodes) if "skin" in node and "mesh" in node]
        for scene in document.get("scenes", []):
            below = _below(nodes, scene["nodes"])
            scene["nodes"] += [index for index in skinned if index in below and index not in scene["nodes"]]
        for node in nodes:
            children = [child for child in node.get("children", []) if child not in skinned]
            if children:
                node["children"] = children
            else:
                node.pop("children", None)
        return glb_bytes(document, binary)
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError(f"it is damaged ({error})") from error


def _below(nodes: list[dict[str, Any]], roots: list[int]) -> set[int]:
    """The numbers of all nodes of a tree."""
    found: set[int] = set()
    left = list(roots)
    while left:
        one = left.pop()
        if one not in found:
            found.add(one)
            left += nodes[one].get("children", [])
    return found


def _renumber(added: dict[str, Any], first: dict[str, int]) -> None:
    """Let a document's objects name each other by the numbers that they get behind another's."""
    for name, key in LISTS.items():
        if key:
            holders = [added[key] for key in LISTS if key in added]
            _shift(holders, key, first[name])
    for mesh in added.get("meshes", []):
        for primitive in mesh["primitives"]:
            if "indices" in primitive:
                primitive["indices"] += first["accessors"]
            for attributes in (primitive["attributes"], *primitive.get("targets", [])):
                for name in attributes:
                    attributes[name] += first["accessors"]
    for node in added["nodes"]:
        if "children" in node:
            node["children"] = [child + first["nodes"] for child in node["children"]]


def _shift(value: Any, key: str, by: int) -> None:
    """Add to all numbers by a key, at any depth, but in what a file's maker has added."""
    if isinstance(value, dict):
        if type(value.get(key)) is int:
            value[key] += by
        for name, item in value.items():
            if name != "extras":
                _shift(item, key, by)
    elif isinstance(value, list):
        for item in value:
            _shift(item, key, by)


def world_matrix(nodes: list[dict[str, Any]], number: int) -> np.ndarray:
    """(4, 4) from a node's frame to the scene's."""
    matrix = np.eye(4)
    chain: set[int] = set()
    wanted: int | None = number
    while wanted is not None and wanted not in chain:
        chain.add(wanted)
        matrix = _local(nodes[wanted]) @ matrix
        current = wanted
        wanted = next((k for k, node in enumerate(nodes) if current in node.get("children", [])), None)
    return matrix


def _local(node: dict[str, Any]) -> np.ndarray:
    """(4, 4) from a node's frame to that above it."""
    if "matrix" in node:
        return np.array(node["matrix"], float).reshape(4, 4).T
    x, y, z, w = node.get("rotation", (0, 0, 0, 1))
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, :3] *= node.get("scale", (1, 1, 1))
    matrix[:3, 3] = node.get("translation", (0, 0, 0))
    return matrix


def _placed(matrix: np.ndarray) -> dict[str, list[float]]:
    """Translation and rotation of a node, of a (4, 4) matrix whose scales differ from 1 by rounding only."""
    left, _, right = np.linalg.svd(matrix[:3, :3])
    turn = left @ right
    # Of the four quaternions that are the same rotation up to a factor, the longest.
    (a, b, c), (d, e, f), (g, h, i) = turn
    candidates = np.array(
        [
            (1 + a - e - i, b + d, c + g, h - f),
            (b + d, 1 - a + e - i, f + h, c - g),
            (c + g, f + h, 1 - a - e + i, d - b),
            (h - f, c - g, d - b, 1 + a + e + i),
        ]
    )
    quaternion = candidates[np.linalg.norm(candidates, axis=1).argmax()]
    quaternion /= np.linalg.norm(quaternion)
    return {"translation": matrix[:3, 3].tolist(), "rotation": quaternion.tolist()}
