"""Tangents for the normal maps of binary glTF files, without which viewers make up their own. No bpy."""

from typing import Any

import numpy as np

from .glb_file import ARRAY_BUFFER, FLOAT, accessor_values, glb_bytes, glb_chunks

#: Length of a sum of tangents, square meters, that has no direction.
MIN_TANGENT = 1e-12
#: Where tangents without direction are at right angles to.
ACROSS = np.array([0.3, 1.0, 0.0])
#: Digits that tangents are rounded to.
DIGITS = 6


def with_tangents(data: bytes) -> bytes:
    """The file with tangents wherever a material has a normal map, as the engine writes them.

    Args:
        data: A .glb file.

    Returns:
        The file; the same if it lacks no tangents.

    Raises:
        ValueError: It is no such file, or damaged.
    """
    document, binary = glb_chunks(data)
    added = bytearray(-len(binary) % 4)
    try:
        made = [
            _add(document, binary, added, primitive, place.get("texCoord", 0))
            for mesh in document.get("meshes", [])
            for primitive in mesh["primitives"]
            if (place := _normal_map(document, primitive)) is not None
        ]
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError(f"it is damaged ({error})") from error
    return glb_bytes(document, binary + bytes(added)) if any(made) else data


def _normal_map(document: dict[str, Any], primitive: dict[str, Any]) -> dict[str, Any] | None:
    """What a primitive's material says of its normal map, if tangents are missing for it."""
    if "material" not in primitive or "TANGENT" in primitive["attributes"]:
        return None
    return document["materials"][primitive["material"]].get("normalTexture")


def _add(
    document: dict[str, Any], binary: bytes, added: bytearray, primitive: dict[str, Any], uv_map: int
) -> bool:
    """Give a primitive tangents, which are appended to what is added to the buffer; whether it could be."""
    attributes = primitive["attributes"]
    wanted = ("POSITION", "NORMAL", f"TEXCOORD_{uv_map}")
    if "indices" not in primitive or not all(name in attributes for name in wanted):
        return False
    accessors = document["accessors"]
    numbers = (*(attributes[name] for name in wanted), primitive["indices"])
    points, normals, uv, corners = (accessor_values(document, binary, accessors[index]) for index in numbers)
    if points is None or normals is None or uv is None or corners is None or uv.dtype.kind != "f":
        return False
    tangents = vertex_tangents(points, normals, uv, corners.reshape(-1, 3).astype(np.int64))
    view = {
        "buffer": 0,
        "byteOffset": len(binary) + len(added),
        "byteLength": tangents.nbytes,
        "target": ARRAY_BUFFER,
    }
    added += tangents.tobytes()
    attributes["TANGENT"] = len(accessors)
    accessors.append(
        {
            "bufferView": len(document["bufferViews"]),
            "componentType": FLOAT,
            "count": len(tangents),
            "type": "VEC4",
        }
    )
    document["bufferViews"].append(view)
    return True


def vertex_tangents(
    points: np.ndarray, normals: np.ndarray, uv: np.ndarray, triangles: np.ndarray
) -> np.ndarray:
    """Tangents for a normal map: along u, at right angles to the normals.

    Args:
        points: (n, 3), meters, glTF's frame.
        normals: (n, 3) unit normals.
        uv: (n, 2) texture coordinates, v down, as in glTF.
        triangles: (t, 3) int.

    Returns:
        (n, 4) float32: unit tangents, and the sign of the bitangent, which points where v falls.
    """
    corners, corner_uv = points[triangles].astype(np.float64), uv[triangles].astype(np.float64)
    one, two = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    first, second = corner_uv[:, 1] - corner_uv[:, 0], corner_uv[:, 2] - corner_uv[:, 0]
    area = first[:, 1] * second[:, 0] - first[:, 0] * second[:, 1]
    along = (two * first[:, 1:] - one * second[:, 1:]) * np.sign(area)[:, None]
    tangents, signs = np.zeros(points.shape), np.zeros(len(points))
    for corner in range(3):
        np.add.at(tangents, triangles[:, corner], along)
        np.add.at(signs, triangles[:, corner], area)
    tangents -= (tangents * normals).sum(1, keepdims=True) * normals
    length = np.linalg.norm(tangents, axis=1, keepdims=True)
    tangents = np.where(length > MIN_TANGENT, tangents, np.cross(normals, ACROSS))
    tangents /= np.maximum(np.linalg.norm(tangents, axis=1, keepdims=True), MIN_TANGENT)
    rounded = np.column_stack([tangents.round(DIGITS), np.where(signs < 0, -1, 1)])
    return rounded.astype("<f4")
