"""Reads the engine's surface.ply. numpy, no bpy.

Blender's own importers differ from version to version (3.4 drops custom properties, 4.x renames the
colors), so the few lines that the engine's files need are here.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..blender.regular_file import read_regular
from ..errors import SurfaceFileError

#: PLY's scalar types as numpy's, little-endian.
TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "<i2", "int16": "<i2",
    "ushort": "<u2", "uint16": "<u2", "int": "<i4", "int32": "<i4", "uint": "<u4", "uint32": "<u4",
    "float": "<f4", "float32": "<f4", "double": "<f8", "float64": "<f8",
}  # fmt: skip
#: The types that count corners and name them.
WHOLE_TYPES = frozenset(name for name, code in TYPES.items() if "f" not in code)
#: A surface of 200,000 vertices takes 9 MB.
MAX_FILE_BYTES = 1_000_000_000
MAX_HEADER_BYTES = 100_000
#: Meters from the origin within which a surface lies; a head is about 0.23 m high.
MAX_COORDINATE = 10.0
#: Color of what has no colors of its own: that of clay, sRGB with alpha.
CLAY = (0.72, 0.62, 0.55, 1.0)
END_OF_HEADER = b"end_header\n"


@dataclass(frozen=True)
class SurfaceMesh:
    """A colored triangle mesh.

    Attributes:
        vertices: (N, 3) float32, head frame, meters.
        faces: (M, 3) int32, counter-clockwise seen from outside.
        colors: (N, 3) uint8 sRGB, or None.
        confidence: (N,) float32 in 0..1, or None.
    """

    vertices: np.ndarray
    faces: np.ndarray
    colors: np.ndarray | None
    confidence: np.ndarray | None


def read_ply(path: str | os.PathLike) -> SurfaceMesh:
    """Read a binary little-endian PLY of triangles. Raises SurfaceFileError."""
    path = Path(path)
    try:
        return _parse(read_regular(path, MAX_FILE_BYTES))
    except OSError as error:
        raise SurfaceFileError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, IndexError, TypeError, OverflowError, MemoryError) as error:
        raise SurfaceFileError(
            f"{path.name} is no surface written by the engine, or damaged ({error}). "
            "Reconstruct the photo again."
        ) from error


def _parse(data: bytes) -> SurfaceMesh:
    end = data.find(END_OF_HEADER, 0, MAX_HEADER_BYTES)
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
            if not {words[2], words[3]} <= WHOLE_TYPES:
                raise ValueError("corners that are no whole numbers")
            # Every face of a surface is a triangle: a list of three has a fixed size like any other field.
            fields[element] += [("count", TYPES[words[2]]), ("corners", "3" + TYPES[words[3]])]
        elif words[0] == "property":
            fields[element].append((words[2], TYPES[words[1]]))
    if list(counts) != ["vertex", "face"]:
        raise ValueError("other elements than vertex and face")

    if min(counts.values()) < 1:
        raise ValueError("no faces")
    vertex_type, face_type = np.dtype(fields["vertex"]), np.dtype(fields["face"])
    start = end + len(END_OF_HEADER)
    middle = start + counts["vertex"] * vertex_type.itemsize
    if len(data) != middle + counts["face"] * face_type.itemsize:
        raise ValueError("cut short, or not made of triangles")
    vertex = np.frombuffer(data, vertex_type, counts["vertex"], start)
    face = np.frombuffer(data, face_type, counts["face"], middle)
    corners = face["corners"]
    # Compared in their own type: as int32, an index of 32 bits might become another one.
    if (face["count"] != 3).any() or (corners < 0).any() or (corners >= len(vertex)).any():
        raise ValueError("faces that are no triangles, or corners that do not exist")
    faces = corners.astype(np.int32)
    if (faces == np.roll(faces, 1, axis=1)).any():
        raise ValueError("faces that have a corner twice")
    vertices = np.stack([vertex[axis] for axis in "xyz"], 1).astype(np.float32)
    if not (np.abs(vertices) <= MAX_COORDINATE).all():  # false for NaN, too
        raise ValueError("vertices that are nowhere")
    return SurfaceMesh(vertices, faces, _colors(vertex), _confidence(vertex))


def _colors(vertex: np.ndarray) -> np.ndarray | None:
    if "red" not in (vertex.dtype.names or ()):
        return None
    colors = np.stack([vertex[c] for c in ("red", "green", "blue")], 1)
    if colors.dtype != np.uint8:
        raise ValueError("colors that are no bytes")
    return colors


def _confidence(vertex: np.ndarray) -> np.ndarray | None:
    if "confidence" not in (vertex.dtype.names or ()):
        return None
    confidence = vertex["confidence"].astype(np.float32)
    if not ((confidence >= 0) & (confidence <= 1)).all():
        raise ValueError("a confidence beyond 0 to 1")
    return confidence


def display_colors(mesh: SurfaceMesh) -> np.ndarray:
    """(N, 4) float32 sRGB with alpha of a mesh's vertices; without colors clay, lit from the front."""
    if mesh.colors is not None:
        opaque = np.full((len(mesh.colors), 1), 255, np.uint8)
        return np.concatenate([mesh.colors, opaque], 1).astype(np.float32) / np.float32(255)
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    normals = np.zeros((len(mesh.vertices), 3))
    for k in range(3):
        np.add.at(normals, mesh.faces[:, k], np.cross(b - a, c - a))
    facing = -normals[:, 1] / np.maximum(np.linalg.norm(normals, axis=1), 1e-12)
    light = 0.55 + 0.45 * np.clip(facing, 0.0, 1.0)
    colors = np.tile(np.array(CLAY, np.float32), (len(light), 1))
    colors[:, :3] *= light[:, None]
    return colors
