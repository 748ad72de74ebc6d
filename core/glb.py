"""Writes a surface as binary glTF 2.0: one mesh with vertex colours and the confidence as an attribute."""

import json
import struct

import numpy as np

from core.surface import Surface

FLOAT, UNSIGNED_SHORT, UNSIGNED_INT = 5126, 5123, 5125
ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963
JSON_CHUNK, BINARY_CHUNK = 0x4E4F534A, 0x004E4942


def srgb_to_linear(colors: np.ndarray) -> np.ndarray:
    """uint8 sRGB -> float64 linear, 0..1: glTF's vertex colours are linear."""
    value = np.arange(256) / 255
    table = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return table[colors]


def glb_bytes(surface: Surface, generator: str) -> bytes:
    """The surface as a .glb file, in glTF's frame (y up, the face looks along +z), metres."""
    position = np.ascontiguousarray(surface.vertices[:, [0, 2, 1]] * np.array([1, 1, -1], np.float32))
    # 16 bits: in eight, linear colours show bands in the dark.
    color = np.full((len(position), 4), 65535, np.uint16)
    color[:, :3] = (srgb_to_linear(surface.colors) * 65535).round()
    blocks = [
        (position, "VEC3", FLOAT, ARRAY_BUFFER),
        (color, "VEC4", UNSIGNED_SHORT, ARRAY_BUFFER),
        (surface.confidence.astype(np.float32), "SCALAR", FLOAT, ARRAY_BUFFER),
        (surface.faces.astype(np.uint32).ravel(), "SCALAR", UNSIGNED_INT, ELEMENT_ARRAY_BUFFER),
    ]
    accessors, views, offset = [], [], 0
    for index, (data, kind, component, target) in enumerate(blocks):
        views.append({"buffer": 0, "byteOffset": offset, "byteLength": data.nbytes, "target": target})
        accessor: dict = {"bufferView": index, "componentType": component, "count": len(data), "type": kind}
        if component == UNSIGNED_SHORT:
            accessor["normalized"] = True
        if index == 0:
            accessor |= {"min": data.min(0).tolist(), "max": data.max(0).tolist()}
        accessors.append(accessor)
        offset += data.nbytes  # all are multiples of four bytes
    attributes = {"POSITION": 0, "COLOR_0": 1, "_CONFIDENCE": 2}
    material = {"name": "skin", "pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 0.7}}
    document = {
        "asset": {"version": "2.0", "generator": generator},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": "head"}],
        "meshes": [{"name": "head", "primitives": [{"attributes": attributes, "indices": 3, "material": 0}]}],
        "materials": [material],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": offset}],
    }
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    size = 12 + 8 + len(text) + 8 + offset
    head = struct.pack("<4sIIII", b"glTF", 2, size, len(text), JSON_CHUNK)
    return b"".join(
        [head, text, struct.pack("<II", offset, BINARY_CHUNK), *(block[0].tobytes() for block in blocks)]
    )
