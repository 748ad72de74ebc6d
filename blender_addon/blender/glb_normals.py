"""Normals of binary glTF files, the same from run to run. No bpy.

As in FBX files (`fbx_normals`), Blender 3.4's have noise in their last digits, for which normals of vertices
are computed anew.
"""

from collections import defaultdict
from typing import Any

import numpy as np

from .fbx_normals import stable_normals
from .glb_file import accessor_values, glb_chunks

#: glTF's number of primitives that are triangles.
TRIANGLES = 4


def with_stable_normals(data: bytes) -> bytes:
    """The same file without the noise of threads in its normals.

    Args:
        data: A .glb file as Blender writes it: one buffer, in the file.

    Returns:
        The file, with normals rounded.

    Raises:
        ValueError: It is no such file, or damaged.
    """
    document, binary = glb_chunks(data)
    buffer = bytearray(binary)
    try:
        for mesh in document.get("meshes", []):
            _write_normals(document, buffer, mesh)
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError(f"it is damaged ({error})") from error
    # The buffer is what the file ends with.
    return data[: len(data) - len(buffer)] + bytes(buffer)


def _write_normals(document: dict[str, Any], buffer: bytearray, mesh: dict[str, Any]) -> None:
    """Compute the normals of a mesh anew, in place, over all its primitives, which share vertices."""
    positions: list[np.ndarray] = []
    normals: list[np.ndarray] = []
    corners: list[np.ndarray] = []
    count = 0
    # Primitives can share their vertices, of which each is to be counted once.
    by_vertices = defaultdict(list)
    for primitive in mesh["primitives"]:
        attributes = primitive["attributes"]
        if primitive.get("mode", TRIANGLES) == TRIANGLES and "NORMAL" in attributes:
            by_vertices[attributes["POSITION"], attributes["NORMAL"]].append(primitive["indices"])
    for (position, normal), indices in by_vertices.items():
        accessors = document["accessors"]
        wanted = (position, normal, *indices)
        found = (accessor_values(document, buffer, accessors[index]) for index in wanted)
        arrays = [array for array in found if array is not None]
        if len(arrays) < len(wanted):
            continue
        positions.append(arrays[0])
        normals.append(arrays[1])
        corners += [count + array.ravel().astype(np.int64) for array in arrays[2:]]
        count += len(arrays[0])
    if not count:
        return
    stable = _stable(np.concatenate(positions), np.concatenate(corners), np.concatenate(normals))
    start = 0
    # These are the buffer's own.
    for target in normals:
        target[:] = stable[start : start + len(target)]
        start += len(target)


def _stable(positions: np.ndarray, corners: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """(V, 3) stable normals of vertices.

    Args:
        positions: (V, 3) float32.
        corners: (3 T,) int vertices of the triangles.
        normals: (V, 3) float32 as Blender wrote them.
    """
    # glTF splits a vertex where its texture coordinates differ: what stands in one place is one vertex.
    points, welded = np.unique(positions, axis=0, return_inverse=True)
    welded = welded.ravel()
    polygons = _polygons(corners.reshape(-1, 3).tolist())
    vertices = np.array([vertex for polygon in polygons for vertex in polygon])
    last = np.cumsum([len(polygon) for polygon in polygons]) - 1
    ends = welded[vertices].astype(np.int64)
    ends[last] = -1 - ends[last]
    stable = normals.copy()
    stable[vertices] = stable_normals(points.astype(np.float64), ends, normals[vertices].astype(np.float64))
    return stable


def _polygons(triangles: list[list[int]]) -> list[list[int]]:
    """The faces that triangles come from: two that follow one another and share an edge are a quad's halves.

    Args:
        triangles: Three vertices each.

    Returns:
        Three or four vertices each.
    """
    polygons: list[list[int]] = []
    index = 0
    while index < len(triangles):
        quad = _quad(*triangles[index : index + 2]) if index + 1 < len(triangles) else None
        polygons.append(quad or triangles[index])
        index += 2 if quad else 1
    return polygons


def _quad(one: list[int], other: list[int]) -> list[int] | None:
    """The quad that two triangles are the halves of; None if they share no edge."""
    for k in range(3):
        start, end, opposite = one[k], one[(k + 1) % 3], one[(k + 2) % 3]
        for j in range(3):
            if other[j] == end and other[(j + 1) % 3] == start:
                return [end, opposite, start, other[(j + 2) % 3]]
    return None
