"""Writes binary glTF 2.0: arrays become accessors, everything else is JSON."""

import json
import struct
from typing import Any

import numpy as np

#: What glTF's buffer views are used as: attributes, indices, anything else.
ARRAY_BUFFER = 34962
ELEMENT_ARRAY_BUFFER = 34963
NO_TARGET = None
#: Types of the chunks of a GLB.
JSON_CHUNK = 0x4E4F534A
BINARY_CHUNK = 0x004E4942
#: glTF's component types.
COMPONENTS = {"int8": 5120, "uint8": 5121, "uint16": 5123, "uint32": 5125, "float32": 5126}
#: The same by numpy's types: their names are put together each time that they are asked for.
_COMPONENT_OF = {np.dtype(name): component for name, component in COMPONENTS.items()}
#: Greatest value of an int8, which stands for 1.
SIGNED_ONE = 127
#: The same of a uint16.
UNSIGNED_ONE = 65_535
#: Greatest number of vertices that indices of two bytes reach; the last is glTF's mark of a restart.
MAX_SHORT_INDICES = 65_535
#: Extensions of glTF 2.0: arrays of small integers, and how much a surface reflects.
QUANTIZATION = "KHR_mesh_quantization"
SPECULAR = "KHR_materials_specular"
#: How pictures are looked up that do not repeat: linear, and between their smaller versions, too.
CLAMPED_SAMPLER = {"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071}
SHAPES = {(): "SCALAR", (2,): "VEC2", (3,): "VEC3", (4,): "VEC4", (16,): "MAT4"}


class GlbWriter:
    """Collects arrays and files, then writes them behind a document that refers to them by index."""

    def __init__(self) -> None:
        """Begin an empty file."""
        self._accessors: list[dict[str, Any]] = []
        self._views: list[dict[str, Any]] = []
        self._blocks: list[bytes] = []
        self._size = 0
        # Sparse arrays that are there already are written once: many shapes move nothing of a part, or the
        # same vertices. Others are not: what is written may have to be changed for one of their uses.
        self._sparse_accessors: dict[str, int] = {}
        self._sparse_blocks: dict[bytes, int] = {}

    def add_array(
        self,
        values: np.ndarray,
        target: int | None = ARRAY_BUFFER,
        bounds: bool = False,
        normalized: bool = False,
    ) -> int:
        """Add an array.

        Args:
            values: (N,) or (N, C) of one of the types in COMPONENTS.
            target: What the buffer view is used as; rows of attributes are padded to four bytes.
            bounds: Note the extent, as positions need.
            normalized: Integers stand for 0 to 1, or -1 to 1.

        Returns:
            Index of the new accessor.
        """
        values = np.ascontiguousarray(values)
        accessor = {"bufferView": self._add_rows(values, target), **_about(values, bounds, normalized)}
        self._accessors.append(accessor)
        return len(self._accessors) - 1

    def add_triangles(self, triangles: np.ndarray, vertices: int) -> int:
        """Add a primitive's indices, of two bytes each if they reach.

        Args:
            triangles: (M, 3) int, into the primitive's vertices.
            vertices: How many these are.

        Returns:
            Index of the new accessor.
        """
        index_type = np.uint16 if vertices <= MAX_SHORT_INDICES else np.uint32
        return self.add_array(triangles.astype(index_type).ravel(), ELEMENT_ARRAY_BUFFER)

    def add_sparse_array(self, values: np.ndarray, bounds: bool = False, normalized: bool = False) -> int:
        """Add an array of which many rows are zero, as a sparse accessor if that is smaller.

        What is in the file already is not written again.

        Args:
            values: (N,) or (N, C) of one of the types in COMPONENTS.
            bounds: Note the extent, as positions need.
            normalized: Integers stand for 0 to 1, or -1 to 1.

        Returns:
            Index of the new accessor.
        """
        # Columns are put together one by one: numpy's any() over so few of them takes several times as long.
        nonzero = np.zeros(len(values), bool)
        for column in values.reshape(len(values), -1).T:
            nonzero |= column != 0
        index = np.flatnonzero(nonzero)
        index = index.astype(np.uint16 if len(values) <= UNSIGNED_ONE else np.uint32)
        row = values.nbytes // len(values)
        if len(index) * (row + index.itemsize) >= len(values) * (row + -row % 4):
            return self.add_array(values, bounds=bounds, normalized=normalized)
        given = values.take(index, 0)
        # Of the rows that are zero the extent needs one; what is added to zeros is not minus zero.
        extent = np.zeros((len(given) + 1, *values.shape[1:]), values.dtype)
        extent[: len(given)] += given
        accessor = _about(extent, bounds, normalized) | {"count": len(values)}
        if len(index):  # without it, all are zero
            accessor["sparse"] = {
                "count": len(index),
                "indices": {
                    "bufferView": self._add_sparse_block(index),
                    "componentType": _COMPONENT_OF[index.dtype],
                },
                "values": {"bufferView": self._add_sparse_block(given)},
            }
        key = repr(accessor)
        if key not in self._sparse_accessors:
            self._sparse_accessors[key] = len(self._accessors)
            self._accessors.append(accessor)
        return self._sparse_accessors[key]

    def add_file(self, data: bytes) -> int:
        """Index of a new buffer view that holds a file, such as a picture."""
        return self._add_block(data)

    def size(self) -> int:
        """Bytes that the file has at least: its arrays and files, and what it says of them."""
        return self._size + len(json.dumps([self._accessors, self._views], separators=(",", ":")))

    def _add_rows(self, values: np.ndarray, target: int | None) -> int:
        row = values.nbytes // max(len(values), 1)
        padding = -row % 4
        if target is None:
            return self._add_block(values.tobytes())
        if target != ARRAY_BUFFER or not padding:
            return self._add_block(values.tobytes(), target=target)
        rows = np.zeros((len(values), row + padding), np.uint8)
        rows[:, :row] = values.view(np.uint8).reshape(len(values), row)
        return self._add_block(rows.tobytes(), byteStride=row + padding, target=target)

    def _add_sparse_block(self, values: np.ndarray) -> int:
        data = values.tobytes()
        if data not in self._sparse_blocks:
            self._sparse_blocks[data] = self._add_block(data)
        return self._sparse_blocks[data]

    def _add_block(self, data: bytes, **properties: int) -> int:
        view = {"buffer": 0, "byteOffset": self._size, "byteLength": len(data), **properties}
        self._views.append(view)
        padded = data + bytes(-len(data) % 4)  # accessors have to start at multiples of their component
        self._blocks.append(padded)
        self._size += len(padded)
        return len(self._views) - 1

    def finish(self, document: dict[str, Any], generator: str) -> bytes:
        """Put the file together.

        Args:
            document: Scenes, nodes, meshes and materials, with the indices that were given out.
            generator: What the file says has made it.

        Returns:
            The .glb file.
        """
        document = {
            "asset": {"version": "2.0", "generator": generator},
            **document,
            "accessors": self._accessors,
            "bufferViews": self._views,
            "buffers": [{"byteLength": self._size}],
        }
        text = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
        text += b" " * (-len(text) % 4)
        size = 12 + 8 + len(text) + 8 + self._size
        head = struct.pack("<4sIIII", b"glTF", 2, size, len(text), JSON_CHUNK)
        return b"".join([head, text, struct.pack("<II", self._size, BINARY_CHUNK), *self._blocks])


def signed_bytes(values: np.ndarray) -> np.ndarray:
    """Numbers as bytes, which glTF's "normalized" turns back.

    Args:
        values: Of any shape, -1 to 1; what is beyond is clipped.

    Returns:
        int8 of the same shape.
    """
    return np.rint(np.clip(values, -1, 1) * SIGNED_ONE).astype(np.int8)


def unsigned_shorts(values: np.ndarray) -> np.ndarray:
    """Numbers as integers of two bytes, which glTF's "normalized" turns back.

    Args:
        values: Of any shape, 0 to 1; what is beyond is clipped.

    Returns:
        uint16 of the same shape.
    """
    return np.rint(np.clip(values, 0, 1) * UNSIGNED_ONE).astype(np.uint16)


def to_gltf_frame(vectors: np.ndarray) -> np.ndarray:
    """Turn vectors from the head frame into glTF's: y up, the face looks along +z.

    Args:
        vectors: (..., 3) float.

    Returns:
        (..., 3) of the same type.
    """
    return np.ascontiguousarray(vectors[..., [0, 2, 1]] * np.array([1, 1, -1], vectors.dtype))


def _about(values: np.ndarray, bounds: bool, normalized: bool) -> dict[str, Any]:
    """What an accessor says of an array (N,) or (N, C), but for where that is."""
    accessor: dict[str, Any] = {
        "componentType": _COMPONENT_OF[values.dtype],
        "count": len(values),
        "type": SHAPES[values.shape[1:]],
    }
    if normalized:
        accessor["normalized"] = True
    if bounds:
        columns = [values] if values.ndim == 1 else list(values.T)
        accessor["min"] = [_shortest(column.min()) for column in columns]
        accessor["max"] = [_shortest(column.max()) for column in columns]
    return accessor


def _shortest(value: np.number) -> float | int:
    """A number as Python's, with no more digits than its own type needs to be the same again."""
    return float(str(value)) if isinstance(value, np.floating) else int(value.item())
