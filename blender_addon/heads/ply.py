"""Reads the engine's surface.ply. numpy, no bpy.

Blender's own importers differ from version to version (3.4 drops custom properties, 4.x renames the
colours), so the few lines that the engine's files need are here.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import SurfaceFileError

#: PLY's scalar types as numpy's, little-endian.
TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "<i2", "int16": "<i2",
    "ushort": "<u2", "uint16": "<u2", "int": "<i4", "int32": "<i4", "uint": "<u4", "uint32": "<u4",
    "float": "<f4", "float32": "<f4", "double": "<f8", "float64": "<f8",
}  # fmt: skip
END_OF_HEADER = b"end_header\n"


@dataclass(frozen=True)
class SurfaceMesh:
    """A coloured triangle mesh.

    `vertices` (N, 3) float32, head frame, metres; `faces` (M, 3) int32, counter-clockwise seen from outside;
    `colors` (N, 3) uint8 sRGB or None; `confidence` (N,) float32 in 0..1 or None.
    """

    vertices: np.ndarray
    faces: np.ndarray
    colors: np.ndarray | None
    confidence: np.ndarray | None


def read_ply(path: str | os.PathLike) -> SurfaceMesh:
    """Read a binary little-endian PLY of triangles. Raises SurfaceFileError."""
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SurfaceFileError(f"{path} cannot be read: {error.strerror}.") from error
    try:
        return _parse(data)
    except (ValueError, KeyError, IndexError, UnicodeDecodeError) as error:
        raise SurfaceFileError(
            f"{path.name} is no surface written by the engine, or damaged ({error}). "
            "Reconstruct the photo again."
        ) from error


def _parse(data: bytes) -> SurfaceMesh:
    end = data.find(END_OF_HEADER)
    if not data.startswith(b"ply\n") or end < 0:
        raise ValueError("not a PLY file")
    lines = data[:end].decode("ascii").splitlines()
    if "format binary_little_endian 1.0" not in lines:
        raise ValueError("not binary little-endian")
    counts: dict[str, int] = {}
    fields: dict[str, list[tuple[str, str]]] = {}
    element = ""
    for words in (line.split() for line in lines):
        if words[0] == "element":
            element = words[1]
            counts[element] = int(words[2])
            fields[element] = []
        elif words[0] == "property" and words[1] == "list":
            # Every face of a surface is a triangle: a list of three has a fixed size like any other field.
            fields[element] += [("count", TYPES[words[2]]), ("corners", "3" + TYPES[words[3]])]
        elif words[0] == "property":
            fields[element].append((words[2], TYPES[words[1]]))
    if list(counts) != ["vertex", "face"]:
        raise ValueError("other elements than vertex and face")

    vertex_type, face_type = np.dtype(fields["vertex"]), np.dtype(fields["face"])
    start = end + len(END_OF_HEADER)
    middle = start + counts["vertex"] * vertex_type.itemsize
    if len(data) != middle + counts["face"] * face_type.itemsize:
        raise ValueError("cut short, or not made of triangles")
    vertex = np.frombuffer(data, vertex_type, counts["vertex"], start)
    face = np.frombuffer(data, face_type, counts["face"], middle)
    faces = face["corners"].astype(np.int32)
    if len(face) and ((face["count"] != 3).any() or faces.min() < 0 or faces.max() >= len(vertex)):
        raise ValueError("faces that are no triangles, or corners that do not exist")
    names = vertex_type.names or ()
    return SurfaceMesh(
        np.stack([vertex[axis] for axis in "xyz"], 1).astype(np.float32),
        faces,
        np.stack([vertex[c] for c in ("red", "green", "blue")], 1).astype(np.uint8)
        if "red" in names
        else None,
        vertex["confidence"].astype(np.float32) if "confidence" in names else None,
    )
