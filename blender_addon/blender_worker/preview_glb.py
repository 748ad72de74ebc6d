"""Writes small GLB files: quantised meshes with their pictures inside. numpy, no bpy.

Positions take 16 bits an axis, normals 8, texture coordinates and colours 16 (glTF's KHR_mesh_quantization):
half of what floats take, and on a head steps of 5 micrometres. core's writer makes the files that people
take away; these are to be looked at.
"""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

#: glTF's numbers for types of components, and for what a buffer view is used as.
TYPES = {"int8": 5120, "uint8": 5121, "uint16": 5123, "uint32": 5125}
VERTICES, INDICES = 34962, 34963
#: Magic numbers of a GLB and of its two chunks.
GLB, JSON_CHUNK, BIN_CHUNK = 0x46546C67, 0x4E4F534A, 0x004E4942


@dataclass(frozen=True)
class Picture:
    """A picture file to be put inside, such as a JPEG."""

    data: bytes
    mime: str


@dataclass(frozen=True)
class Part:
    """Triangles of one material.

    positions, normals: (N, 3) float, metres, y up, the face looks along +z. triangles: (M, 3) int.
    uv: (N, 2) float in 0..1, v down, or None. colors: (N, 3) float linear, 0..1, or None. picture: index
    into the pictures, or None. see_through: the picture's alpha counts, and both sides are drawn.
    """

    positions: np.ndarray
    normals: np.ndarray
    triangles: np.ndarray
    uv: np.ndarray | None = None
    colors: np.ndarray | None = None
    picture: int | None = None
    roughness: float = 0.7
    see_through: bool = False


class _Writer:
    def __init__(self) -> None:
        self.binary = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def view(self, data: bytes, **more: Any) -> int:
        self.binary += b"\0" * (-len(self.binary) % 4)
        self.views.append({"buffer": 0, "byteOffset": len(self.binary), "byteLength": len(data), **more})
        self.binary += data
        return len(self.views) - 1

    def attribute(self, values: np.ndarray, normalized: bool = True, **more: Any) -> int:
        """(N, k) integers, each row padded to a multiple of four bytes, as glTF demands."""
        count, width = values.shape
        row = -(-width * values.itemsize // 4) * 4
        padded = np.zeros((count, row // values.itemsize), values.dtype)
        padded[:, :width] = values
        view = self.view(padded.tobytes(), byteStride=row, target=VERTICES)
        return self._accessor(view, values, f"VEC{width}", normalized=normalized, **more)

    def indices(self, triangles: np.ndarray, count: int) -> int:
        values = triangles.astype(np.uint16 if count < 65536 else np.uint32).reshape(-1, 1)
        return self._accessor(self.view(values.tobytes(), target=INDICES), values, "SCALAR")

    def _accessor(self, view: int, values: np.ndarray, kind: str, **more: Any) -> int:
        component = TYPES[values.dtype.name]
        self.accessors.append(
            {"bufferView": view, "componentType": component, "count": len(values), "type": kind, **more}
        )
        return len(self.accessors) - 1


def write_glb(parts: Sequence[Part], pictures: Sequence[Picture] = (), name: str = "head") -> bytes:
    """A GLB of one mesh with a primitive for each part."""
    points = np.concatenate([part.positions for part in parts])
    low = points.min(0).astype(float)
    # One scale for all axes: normals would be skewed otherwise.
    scale = max(float((points.max(0) - low).max()), 1e-6)
    writer = _Writer()
    primitives: list[dict[str, Any]] = []
    materials: list[dict[str, Any]] = []
    for part in parts:
        primitives.append({**_primitive(writer, part, low, scale), "material": len(materials)})
        materials.append(_material(part))
    document: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": "Photobust"},
        "extensionsUsed": ["KHR_mesh_quantization"],
        "extensionsRequired": ["KHR_mesh_quantization"],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"name": name, "mesh": 0, "translation": low.tolist(), "scale": [scale] * 3}],
        "meshes": [{"name": name, "primitives": primitives}],
        "materials": materials,
    }
    if pictures:
        document["images"] = [
            {"bufferView": writer.view(picture.data), "mimeType": picture.mime} for picture in pictures
        ]
        document["textures"] = [{"source": k} for k in range(len(pictures))]
    document["accessors"] = writer.accessors
    document["bufferViews"] = writer.views
    document["buffers"] = [{"byteLength": len(writer.binary) + -len(writer.binary) % 4}]
    return _packed(document, bytes(writer.binary))


def _primitive(writer: _Writer, part: Part, low: np.ndarray, scale: float) -> dict[str, Any]:
    positions = np.rint((part.positions - low) / scale * 65535.0).astype(np.uint16)
    # glTF wants the range in the integers that are stored.
    extent = {"min": positions.min(0).tolist(), "max": positions.max(0).tolist()}
    attributes = {
        "POSITION": writer.attribute(positions, **extent),
        "NORMAL": writer.attribute(np.rint(part.normals * 127.0).astype(np.int8)),
    }
    if part.uv is not None:
        uv = np.rint(np.clip(part.uv, 0.0, 1.0) * 65535.0).astype(np.uint16)
        attributes["TEXCOORD_0"] = writer.attribute(uv)
    if part.colors is not None:
        colors = np.rint(np.clip(part.colors, 0.0, 1.0) * 65535.0).astype(np.uint16)
        attributes["COLOR_0"] = writer.attribute(colors)
    return {"attributes": attributes, "indices": writer.indices(part.triangles, len(positions))}


def _material(part: Part) -> dict[str, Any]:
    shading: dict[str, Any] = {"metallicFactor": 0.0, "roughnessFactor": part.roughness}
    if part.picture is not None:
        shading["baseColorTexture"] = {"index": part.picture}
    material: dict[str, Any] = {"pbrMetallicRoughness": shading}
    if part.see_through:
        material |= {"doubleSided": True, "alphaMode": "BLEND"}
    return material


def _packed(document: dict[str, Any], binary: bytes) -> bytes:
    text = json.dumps(document, separators=(",", ":")).encode("ascii")
    text += b" " * (-len(text) % 4)
    binary += b"\0" * (-len(binary) % 4)
    chunks = struct.pack("<II", len(text), JSON_CHUNK) + text
    chunks += struct.pack("<II", len(binary), BIN_CHUNK) + binary
    return struct.pack("<III", GLB, 2, 12 + len(chunks)) + chunks
