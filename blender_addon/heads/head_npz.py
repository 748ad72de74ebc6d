"""Reads the engine's head.npz. numpy, no bpy.

The file may come from anybody, and Blender crashes on an index that does not exist: every shape, type,
index and number is checked before Blender gets it.
"""

import json
import os
from dataclasses import MISSING, dataclass, fields
from typing import Any

import numpy as np

from .checked_arrays import (
    MAX_NAME_BYTES,
    checked_floats,
    checked_indices,
    checked_names,
    is_text,
    opened_npz,
    parse_result_file,
)

FILE_NAME = "head.npz"
TEXTURE = "albedo.png"
FORMAT_VERSION = 1
#: A head of 14,000 vertices and 52 blendshapes takes 5 MB.
MAX_FILE_BYTES = 200_000_000
#: Bytes of all arrays together, unpacked.
MAX_UNPACKED_BYTES = 200_000_000
#: Meters from the origin within which a head lies; one is about 0.23 m high.
MAX_COORDINATE = 10.0
#: Largest texture coordinate: templates use 0 to 1, and tiles beyond.
MAX_UV = 100.0
#: What a property of a Blender object can hold, and what a text in it should not exceed.
MAX_INTEGER = 2**31 - 1
MAX_TEXT = 10_000
#: What the names of Oculus' visemes begin with.
VISEME_PREFIX = "viseme_"
#: Bones that one byte can number.
MAX_BONES = 256
#: The most bones that move one vertex.
MAX_INFLUENCES = 4
#: The most levels of detail beside the head itself.
MAX_LEVELS = 4
#: The most vertices that a vertex of a level is placed by, and their largest weight.
MAX_STENCIL = 32
MAX_STENCIL_WEIGHT = 8.0
#: Blender removes bones that are shorter than this, meters.
MIN_BONE = 1e-5
#: How far the sum of a vertex's bone weights may be from 1.
WEIGHT_TOLERANCE = 1e-3
#: Largest weight of a blendshape in a viseme.
MAX_VISEME_WEIGHT = 2.0
#: The least and the most that a jaw may turn, degrees, for jawOpen at 1.
JAW_OPEN_RANGE_DEG = (1.0, 90.0)
#: What arrays of the file are called whose fields in `HeadData` have other names.
FILE_KEYS = {"blendshapes": "units", "blendshape_names": "unit_names"}
#: The materials that there are.
MATERIALS = frozenset({"skin", "eyes", "mouth", "lashes", "cornea", "tears"})
#: Shape keys that a head has beside its blendshapes.
RESERVED_NAMES = frozenset({"Basis", "Photo"})
#: What the names of Apple's blendshapes begin with. A head has some of them, or it is none of ours; others
#: may stand beside them. Bones may have any names, for other programs have conventions of their own.
APPLE_PREFIXES = ("brow", "cheek", "eye", "jaw", "mouth", "nose", "tongue")
#: Arrays that a file has all of, or, if it is from an older engine or without a rig, none.
SECOND_UV_ARRAYS = ("uv_names", "second_uv", "second_quad_uv")
VISEME_ARRAYS = ("viseme_names", "viseme_weights")
BONE_ARRAYS = (
    "bone_names",
    "bone_parents",
    "bone_heads",
    "bone_tails",
    "bone_joints",
    "bone_weights",
    "jaw_open_deg",
)


@dataclass(frozen=True)
class SecondUv:
    """A second UV map, W coordinates.

    Attributes:
        name: Of this map.
        first_name: Of the first map.
        uv: (W, 2) float32, v up.
        quad_uv: (F, 4) int32 into uv.
    """

    name: str
    first_name: str
    uv: np.ndarray
    quad_uv: np.ndarray


@dataclass(frozen=True)
class Visemes:
    """Shapes for speech, composed from the blendshapes.

    Attributes:
        names: Oculus' names.
        weights: (len(names), 52) float32 weights of the blendshapes.
    """

    names: tuple[str, ...]
    weights: np.ndarray


@dataclass(frozen=True)
class DetailLevel:
    """The head with fewer triangles, T of them.

    Attributes:
        corners: (T, 3) int32: each corner of a triangle as a corner of the quads, 4 q + c.
        part: (T,) int32 into part_names.
        stencil: (K, N) int32: for each of the K vertices that the corners name, in ascending order, vertices
            around it.
        stencil_weights: (K, N) float32 weights w of these: a vertex k of the level is at
            x_k + sum of w_j (x_j - x_k), in each shape. Older files have none (N is 0).
    """

    corners: np.ndarray
    part: np.ndarray
    stencil: np.ndarray
    stencil_weights: np.ndarray


@dataclass(frozen=True)
class HeadRig:
    """The bones in a head, B of them; head frame, meters.

    Attributes:
        names: The bones, parents before their children.
        parents: (B,) int32 into names, -1 for none.
        heads: (B, 3) float32, the joints that the bones turn about.
        tails: (B, 3) float32, the bones' other ends.
        joints: (V, K) int32 into names, the bones that move each vertex; K is at most 4.
        weights: (V, K) float32, how much; each row sums to 1.
        jaw_open_deg: How far the jaw turns for what the blendshape jawOpen does at 1, degrees.
    """

    names: tuple[str, ...]
    parents: np.ndarray
    heads: np.ndarray
    tails: np.ndarray
    joints: np.ndarray
    weights: np.ndarray
    jaw_open_deg: float


@dataclass(frozen=True)
class HeadData:
    """The animation-ready head; head frame, meters, V vertices, F quads, U texture coordinates.

    Attributes:
        neutral: (V, 3) float32, at rest.
        photo: (V, 3) float32, as photographed.
        blendshapes: (52, V, 3) float32 offsets from the neutral; the file's `units`.
        blendshape_names: Apple's names of the blendshapes; the file's `unit_names`.
        expression: (52,) float32 weights of the blendshapes in the photo.
        confidence: (V,) float32, how well the photo saw the vertex, 0..1.
        deviation: (V,) float32, meters from the surface.
        quads: (F, 4) int32 vertices.
        uv: (U, 2) float32, v up.
        quad_uv: (F, 4) int32 into uv.
        face_material: (F,) int32 into material_names.
        material_names: Names of the materials, of MATERIALS.
        face_part: (F,) int32 into part_names.
        part_names: Names of the parts.
        landmark: (478,) int32 vertices, MediaPipe's landmarks.
        ibug68: (68,) int32 vertices, iBUG's.
        provenance: What the head was made of and by what: texts and numbers.
        second_uv: The second UV map, if the file has it.
        levels: Levels of detail, the finest first, as far as the file has some.
        visemes: The shapes for speech, if the file has them.
        rig: The bones, if the file has them.
    """

    neutral: np.ndarray
    photo: np.ndarray
    blendshapes: np.ndarray
    blendshape_names: tuple[str, ...]
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
    second_uv: SecondUv | None = None
    levels: tuple[DetailLevel, ...] = ()
    visemes: Visemes | None = None
    rig: HeadRig | None = None


def read_head(path: str | os.PathLike) -> HeadData:
    """Read a head.npz. Raises HeadFileError."""
    return parse_result_file(path, "a head", MAX_FILE_BYTES, lambda data: _parse(_arrays(data)))


def _arrays(data: bytes) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by name."""
    with opened_npz(data, MAX_UNPACKED_BYTES, FORMAT_VERSION) as arrays:
        needed = [
            FILE_KEYS.get(field.name, field.name) for field in fields(HeadData) if field.default is MISSING
        ]
        for group in (SECOND_UV_ARRAYS, VISEME_ARRAYS, BONE_ARRAYS):
            if any(name in arrays.files for name in group):
                needed += group
        for level in range(1, MAX_LEVELS + 1):
            if f"lod_corners_{level}" not in arrays.files:
                break
            needed += [f"lod_corners_{level}", f"lod_part_{level}"]
            if f"lod_stencil_{level}" in arrays.files:
                needed += [f"lod_stencil_{level}", f"lod_stencil_weights_{level}"]
        return {name: arrays[name] for name in needed}


def _parse(arrays: dict[str, np.ndarray]) -> HeadData:
    """The head of these arrays. Raises ValueError if any is not what it should be."""
    lists = {name: checked_names(name, arrays) for name in ("unit_names", "material_names", "part_names")}
    blendshape_names = lists.pop("unit_names")
    vertices, quads, coordinates = (len(np.atleast_1d(arrays[name])) for name in ("neutral", "quads", "uv"))
    if not (vertices and quads and coordinates):
        raise ValueError("it has no faces")
    if not any(name.startswith(APPLE_PREFIXES) for name in blendshape_names):
        raise ValueError("unit_names has none of Apple's blendshapes")
    if not set(lists["material_names"]) <= MATERIALS:
        raise ValueError("material_names has names that no material has")
    if set(blendshape_names) & RESERVED_NAMES:
        raise ValueError("unit_names has names of other shape keys")
    blendshapes = len(blendshape_names)
    head = HeadData(
        neutral=checked_floats("neutral", arrays, (vertices, 3), MAX_COORDINATE),
        photo=checked_floats("photo", arrays, (vertices, 3), MAX_COORDINATE),
        blendshapes=checked_floats("units", arrays, (blendshapes, vertices, 3), MAX_COORDINATE),
        blendshape_names=blendshape_names,
        expression=checked_floats("expression", arrays, (blendshapes,), 10.0),
        confidence=checked_floats("confidence", arrays, (vertices,), 1.0, 0.0),
        deviation=checked_floats("deviation", arrays, (vertices,), MAX_COORDINATE),
        quads=checked_indices("quads", arrays, (quads, 4), vertices),
        uv=checked_floats("uv", arrays, (coordinates, 2), MAX_UV),
        quad_uv=checked_indices("quad_uv", arrays, (quads, 4), coordinates),
        face_material=checked_indices("face_material", arrays, (quads,), len(lists["material_names"])),
        face_part=checked_indices("face_part", arrays, (quads,), len(lists["part_names"])),
        landmark=checked_indices("landmark", arrays, (478,), vertices),
        ibug68=checked_indices("ibug68", arrays, (68,), vertices),
        provenance=_provenance(arrays["provenance"]),
        second_uv=_second_uv(arrays, quads),
        levels=_levels(arrays, len(lists["part_names"]), vertices),
        visemes=_visemes(arrays, blendshape_names),
        rig=_rig(arrays, vertices),
        **lists,
    )
    corners = np.sort(head.quads, axis=1)
    if (corners[:, 1:] == corners[:, :-1]).any() or len(np.unique(corners, axis=0)) < quads:
        raise ValueError("quads has a corner or a face twice")
    if not (np.ptp(head.neutral, axis=0).any() and np.ptp(head.photo, axis=0).any()):
        raise ValueError("all vertices are in one place")
    return head


def _levels(arrays: dict[str, np.ndarray], parts: int, vertices: int) -> tuple[DetailLevel, ...]:
    quads = arrays["quads"]
    found: list[DetailLevel] = []
    for level in range(1, MAX_LEVELS + 1):
        name = f"lod_corners_{level}"
        if name not in arrays:
            break
        count = len(np.atleast_1d(arrays[name]))
        corners = checked_indices(name, arrays, (count, 3), quads.size)
        part = checked_indices(f"lod_part_{level}", arrays, (count,), parts)
        triangles = np.sort(quads.reshape(-1)[corners], axis=1)
        if not count or (triangles[:, 1:] == triangles[:, :-1]).any():
            raise ValueError(f"{name} has a corner twice, or no triangle")
        stencil = _stencil(arrays, level, len(np.unique(triangles)), vertices)
        found.append(DetailLevel(corners, part, *stencil))
    return tuple(found)


def _stencil(
    arrays: dict[str, np.ndarray], level: int, count: int, vertices: int
) -> tuple[np.ndarray, np.ndarray]:
    """Where a level's vertices are: `stencil` and `stencil_weights` of DetailLevel."""
    name = f"lod_stencil_{level}"
    if name not in arrays:
        return np.zeros((count, 0), np.int32), np.zeros((count, 0), np.float32)
    width = arrays[name].shape[-1] if arrays[name].ndim == 2 else 0
    if width > MAX_STENCIL:
        raise ValueError(f"{name} has {width} vertices for each")
    return (
        checked_indices(name, arrays, (count, width), vertices),
        checked_floats(f"lod_stencil_weights_{level}", arrays, (count, width), MAX_STENCIL_WEIGHT),
    )


def _second_uv(arrays: dict[str, np.ndarray], quads: int) -> SecondUv | None:
    if "second_uv" not in arrays:
        return None
    names = checked_names("uv_names", arrays)
    if len(names) != 2:
        raise ValueError(f"uv_names has {len(names)} names instead of two")
    coordinates = len(np.atleast_1d(arrays["second_uv"]))
    return SecondUv(
        names[1],
        names[0],
        checked_floats("second_uv", arrays, (coordinates, 2), MAX_UV),
        checked_indices("second_quad_uv", arrays, (quads, 4), coordinates),
    )


def _visemes(arrays: dict[str, np.ndarray], blendshape_names: tuple[str, ...]) -> Visemes | None:
    if "viseme_names" not in arrays:
        return None
    names = checked_names("viseme_names", arrays)
    if set(names) & set(blendshape_names):
        raise ValueError("viseme_names has names of blendshapes")
    shape = len(names), len(blendshape_names)
    return Visemes(names, checked_floats("viseme_weights", arrays, shape, MAX_VISEME_WEIGHT))


def _rig(arrays: dict[str, np.ndarray], vertices: int) -> HeadRig | None:
    if "bone_names" not in arrays:
        return None
    names = checked_names("bone_names", arrays)
    bones = len(names)
    if bones > MAX_BONES:
        raise ValueError(f"bone_names has {bones} bones instead of at most {MAX_BONES}")
    influences = arrays["bone_joints"].shape[-1] if arrays["bone_joints"].ndim else 0
    if not 1 <= influences <= MAX_INFLUENCES:
        raise ValueError(f"bone_joints has {influences} bones a vertex instead of 1 to {MAX_INFLUENCES}")
    shape = vertices, influences
    least, most = JAW_OPEN_RANGE_DEG
    rig = HeadRig(
        names,
        checked_indices("bone_parents", arrays, (bones,), bones, -1),
        checked_floats("bone_heads", arrays, (bones, 3), MAX_COORDINATE),
        checked_floats("bone_tails", arrays, (bones, 3), MAX_COORDINATE),
        checked_indices("bone_joints", arrays, shape, bones),
        checked_floats("bone_weights", arrays, shape, 1.0, 0.0),
        checked_floats("jaw_open_deg", arrays, (), most, least).item(),
    )
    if (rig.parents >= np.arange(bones)).any():
        raise ValueError("bone_parents has children before their parents")
    if (np.linalg.norm(rig.tails - rig.heads, axis=1) < MIN_BONE).any():
        raise ValueError("bone_tails has bones without length")
    if (np.abs(rig.weights.sum(1) - 1) > WEIGHT_TOLERANCE).any():
        raise ValueError("bone_weights has vertices whose weights do not sum to 1")
    return rig


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
