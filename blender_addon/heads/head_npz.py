"""Reads the engine's head.npz. numpy, no bpy.

The file may come from anybody, and Blender crashes on an index that does not exist: every shape, type,
index and number is checked before Blender gets it.
"""

import io
import json
import os
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import HeadFileError
from .checked_file import read_regular

FILE_NAME = "head.npz"
TEXTURE = "albedo.png"
FORMAT_VERSION = 1
#: A head of 14,000 vertices and 52 units takes 5 MB.
MAX_FILE_BYTES = 200_000_000
#: Bytes of all arrays together, unpacked.
MAX_UNPACKED_BYTES = 200_000_000
#: Metres from the origin within which a head lies; one is about 0.23 m high.
MAX_COORDINATE = 10.0
#: Blender's limit for the names of shapes, groups and materials, bytes.
MAX_NAME_BYTES = 63
#: Largest texture coordinate: templates use 0 to 1, and tiles beyond.
MAX_UV = 100.0
#: What a property of a Blender object can hold, and what a text in it should not exceed.
MAX_INTEGER = 2**31 - 1
MAX_TEXT = 10_000


@dataclass(frozen=True)
class HeadData:
    """The animation-ready head; head frame, metres, V vertices, F quads, U texture coordinates.

    Attributes:
        neutral: (V, 3) float32, at rest.
        photo: (V, 3) float32, as photographed.
        units: (52, V, 3) float32 offsets from the neutral.
        unit_names: Apple's names of the units.
        expression: (52,) float32 weights of the units in the photo.
        confidence: (V,) float32, how well the photo saw the vertex, 0..1.
        deviation: (V,) float32, metres from the surface.
        quads: (F, 4) int32 vertices.
        uv: (U, 2) float32, v up.
        quad_uv: (F, 4) int32 into uv.
        face_material: (F,) int32 into material_names.
        material_names: Names of the materials.
        face_part: (F,) int32 into part_names.
        part_names: Names of the parts.
        landmark: (478,) int32 vertices, MediaPipe's landmarks.
        ibug68: (68,) int32 vertices, iBUG's.
        provenance: What the head was made of and by what: texts and numbers.
    """

    neutral: np.ndarray
    photo: np.ndarray
    units: np.ndarray
    unit_names: tuple[str, ...]
    expression: np.ndarray
    confidence: np.ndarray
    deviation: np.ndarray
    quads: np.ndarray
    uv: np.ndarray
    quad_uv: np.ndarray
    face_material: np.ndarray
    material_names: tuple[str, ...]
    face_part: np.ndarray
    part_names: tuple[str, ...]
    landmark: np.ndarray
    ibug68: np.ndarray
    provenance: dict[str, Any]


def read_head(path: str | os.PathLike) -> HeadData:
    """Read a head.npz. Raises HeadFileError."""
    path = Path(path)
    try:
        return _parse(_arrays(read_regular(path, MAX_FILE_BYTES)))
    except FileNotFoundError as error:
        raise HeadFileError(f"There is no file {path}. Reconstruct the photo again, with a head.") from error
    except Exception as error:  # zip files and numpy's headers can be damaged in all kinds of ways
        raise HeadFileError(
            f"{path} is no head written by this version's engine, or damaged ({error}). "
            "Reconstruct the photo again."
        ) from error


def _arrays(data: bytes) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by name."""
    file = io.BytesIO(data)
    with zipfile.ZipFile(file) as archive:
        if sum(member.file_size for member in archive.infolist()) > MAX_UNPACKED_BYTES:
            raise ValueError("its arrays are too large")
    with np.load(file, allow_pickle=False) as arrays:
        version = int(arrays["format_version"])
        if version != FORMAT_VERSION:
            raise ValueError(f"format {version} instead of {FORMAT_VERSION}")
        return {field.name: arrays[field.name] for field in fields(HeadData)}


def _parse(arrays: dict[str, np.ndarray]) -> HeadData:
    """The head of these arrays. Raises ValueError if any is not what it should be."""
    lists = {name: _names(name, arrays) for name in ("unit_names", "material_names", "part_names")}
    vertices, quads, coordinates = (len(np.atleast_1d(arrays[name])) for name in ("neutral", "quads", "uv"))
    if not (vertices and quads and coordinates):
        raise ValueError("it has no faces")
    units = len(lists["unit_names"])
    head = HeadData(
        neutral=_floats("neutral", arrays, (vertices, 3), MAX_COORDINATE),
        photo=_floats("photo", arrays, (vertices, 3), MAX_COORDINATE),
        units=_floats("units", arrays, (units, vertices, 3), MAX_COORDINATE),
        expression=_floats("expression", arrays, (units,), 10.0),
        confidence=_floats("confidence", arrays, (vertices,), 1.0, 0.0),
        deviation=_floats("deviation", arrays, (vertices,), MAX_COORDINATE),
        quads=_indices("quads", arrays, (quads, 4), vertices),
        uv=_floats("uv", arrays, (coordinates, 2), MAX_UV),
        quad_uv=_indices("quad_uv", arrays, (quads, 4), coordinates),
        face_material=_indices("face_material", arrays, (quads,), len(lists["material_names"])),
        face_part=_indices("face_part", arrays, (quads,), len(lists["part_names"])),
        landmark=_indices("landmark", arrays, (478,), vertices),
        ibug68=_indices("ibug68", arrays, (68,), vertices),
        provenance=_provenance(arrays["provenance"]),
        **lists,
    )
    corners = np.sort(head.quads, axis=1)
    if (corners[:, 1:] == corners[:, :-1]).any() or len(np.unique(corners, axis=0)) < quads:
        raise ValueError("quads has a corner or a face twice")
    return head


def _floats(
    name: str, arrays: dict[str, np.ndarray], shape: tuple[int, ...], most: float, least: float | None = None
) -> np.ndarray:
    """An array as float32. Its numbers have to lie between `least` (default: -most) and `most`."""
    values = arrays[name]
    if values.dtype.kind != "f" or values.shape != shape:
        raise ValueError(f"{name} is {values.dtype} {values.shape} instead of floating point {shape}")
    least = -most if least is None else least
    if not ((values >= least) & (values <= most)).all():  # false for NaN, too
        raise ValueError(f"{name} has numbers that make no sense")
    return np.ascontiguousarray(values, np.float32)


def _indices(name: str, arrays: dict[str, np.ndarray], shape: tuple[int, ...], count: int) -> np.ndarray:
    """An array as int32. Its numbers have to be indices of something that has `count` elements."""
    values = arrays[name]
    if values.dtype.kind not in "iu" or values.shape != shape:
        raise ValueError(f"{name} is {values.dtype} {values.shape} instead of whole numbers {shape}")
    if not ((values >= 0) & (values < count)).all():
        raise ValueError(f"{name} has indices that do not exist")
    return np.ascontiguousarray(values, np.int32)


def _names(name: str, arrays: dict[str, np.ndarray]) -> tuple[str, ...]:
    """An array of different texts that Blender can have as names."""
    values = arrays[name]
    if values.dtype.kind != "U" or values.ndim != 1 or not len(values):
        raise ValueError(f"{name} is {values.dtype} {values.shape} instead of texts")
    names = tuple(str(value) for value in values)
    if len(set(names)) < len(names) or not all(
        is_text(one) and len(one.encode()) <= MAX_NAME_BYTES for one in names
    ):
        raise ValueError(f"{name} has texts that cannot be names")
    return names


def _provenance(text: np.ndarray) -> dict[str, Any]:
    """Of a JSON object, what the properties of a Blender object can hold."""
    if text.dtype.kind != "U" or text.shape != ():
        raise ValueError("provenance is no text")
    document = json.loads(str(text))
    if not isinstance(document, dict):
        raise ValueError("provenance is no JSON object")
    return {
        key: value
        for key, value in document.items()
        if is_text(key) and len(key.encode()) < MAX_NAME_BYTES - len("photobust_") and _is_plain(value)
    }


def _is_plain(value: object) -> bool:
    if isinstance(value, int):
        return abs(value) <= MAX_INTEGER
    if isinstance(value, float):
        return bool(np.isfinite(value))
    return isinstance(value, str) and len(value) <= MAX_TEXT and (not value or is_text(value))


def is_text(value: str) -> bool:
    """Whether a text can be handed to Blender: not empty, without NUL, and Unicode."""
    if not value or "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True
