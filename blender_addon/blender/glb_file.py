"""Binary glTF files made smaller: sparse morph targets, short integers, other pictures. No bpy.

Blender's exporters, before 4.0 all of them, write an offset for every vertex of every shape; most are 0. What
is read here is what Blender and the engine write: one buffer, in the file.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

MAGIC, JSON_CHUNK, BINARY_CHUNK = 0x46546C67, 0x4E4F534A, 0x004E4942
#: Bytes of the file's header and of the first chunk's.
HEADER_BYTES = 20
#: glTF's numbers of types of components, and numpy's names for them.
COMPONENTS = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
FLOAT, UNSIGNED_SHORT, UNSIGNED_INT = 5126, 5123, 5125
#: Offsets shorter than this, meters, show nowhere: a fifth of a pixel of a head of 1,000 pixels.
MIN_OFFSET = 5e-5
#: What a view of vertices' values is for.
ARRAY_BUFFER = 34962
WEBP_EXTENSION = "EXT_texture_webp"
QUANTIZATION_EXTENSION = "KHR_mesh_quantization"
#: Beginnings of attributes -> the type of integers they are rounded to, as fractions of its largest: half
#: a degree for normals, a fraction of a texel for texture coordinates.
QUANTIZED = {"NORMAL": "i1", "TANGENT": "i1", "TEXCOORD": "<u2", "WEIGHTS": "<u2"}
MIME_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}


@dataclass(frozen=True)
class Picture:
    """A picture that takes the place of a file's own.

    Attributes:
        data: Its file.
        kind: A key of MIME_TYPES.
    """

    data: bytes
    kind: str


def compact(
    data: bytes,
    picture: Picture | None = None,
    own: Mapping[str, Picture] | None = None,
    images: Mapping[str, Picture] | None = None,
    quantized: bool = False,
) -> bytes:
    """The same file, smaller.

    Args:
        data: A .glb file.
        picture: Takes the place of the colors of all materials; None: they stay.
        own: Material -> its picture, instead of that.
        images: Name of an image -> what takes its place.
        quantized: Round normals, texture coordinates and skin weights to short integers, which readers
            without KHR_mesh_quantization do not read.

    Returns:
        The file.

    Raises:
        ValueError: It is no such file, or damaged.
    """
    try:
        document, binary = glb_chunks(data)
        views: list[bytes] = []
        moved: dict[int, int] = {}
        _make_sparse(document, binary, views)
        strides = _quantize(document, binary, views) if quantized else {}
        if picture is not None:
            _replace_pictures(document, views, picture, own or {})
        _replace_images(document, views, images or {})
        _keep_others(document, binary, views, moved, strides)
        return _file(document, views)
    except (struct.error, KeyError, IndexError, TypeError) as error:
        raise ValueError(f"it is damaged ({error})") from error


def with_pictures_of(data: bytes, other: bytes) -> bytes:
    """A file with the pictures of another one's materials instead of its own.

    Args:
        data: A .glb file.
        other: The other one. A material of `data` is the one whose name its own ends with.

    Returns:
        The file.

    Raises:
        ValueError: One of them is no such file, or damaged, or the other one lacks a picture that is shown.
    """
    try:
        document, binary = glb_chunks(data)
        source, source_binary = glb_chunks(other)
        views: list[bytes] = []
        numbers: dict[int, int] = {}
        for material in document["materials"]:
            names = (one for one in source["materials"] if material["name"].endswith(one["name"]))
            theirs = _shown_textures(next(names, {}))
            for slot, mine in _shown_textures(material).items():
                number = theirs[slot]["index"]
                if number not in numbers:
                    numbers[number] = _add_texture(document, views, source, source_binary, number)
                mine["index"] = numbers[number]
        _drop_unused(document)
        _keep_others(document, binary, views, {}, {})
        return _file(document, views)
    except (struct.error, KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(f"it is damaged ({error})") from error


def _add_texture(
    document: dict[str, Any], views: list[bytes], source: dict[str, Any], binary: bytes, number: int
) -> int:
    """Add a texture of another file, `source` with its `binary`, and its picture; its new number."""
    image = dict(source["images"][source["textures"][number]["source"]])
    view = source["bufferViews"][image["bufferView"]]
    start = view.get("byteOffset", 0)
    views.append(binary[start : start + view["byteLength"]])
    document["images"].append(image | {"bufferView": -len(views)})  # numbered anew by _keep_others
    texture = {"source": len(document["images"]) - 1}
    if "sampler" in source["textures"][number]:
        sampler = source["samplers"][source["textures"][number]["sampler"]]
        samplers = document.setdefault("samplers", [])
        if sampler not in samplers:
            samplers.append(sampler)
        texture["sampler"] = samplers.index(sampler)
    document["textures"].append(texture)
    return len(document["textures"]) - 1


def glb_chunks(data: bytes) -> tuple[dict[str, Any], bytes]:
    """The document and the buffer of a .glb file.

    Raises:
        ValueError: It is no such file.
    """
    if len(data) < HEADER_BYTES:
        raise ValueError("it is no binary glTF file")
    magic, _, length = struct.unpack_from("<III", data)
    if magic != MAGIC or length != len(data):
        raise ValueError("it is no binary glTF file")
    size, kind = struct.unpack_from("<II", data, 12)
    document = json.loads(data[20 : 20 + size])
    start = 20 + size
    if kind != JSON_CHUNK or not isinstance(document, dict):
        raise ValueError("it is no binary glTF file")
    if start >= len(data):
        return document, b""
    size, kind = struct.unpack_from("<II", data, start)
    if kind != BINARY_CHUNK:
        raise ValueError("it has no buffer")
    return document, data[start + 8 : start + 8 + size]


def accessor_values(
    document: dict[str, Any], binary: bytes | bytearray, accessor: dict[str, Any]
) -> np.ndarray | None:
    """The values of an accessor.

    Args:
        document: The file's.
        binary: Its buffer; values of a bytearray can be written to.
        accessor: One of the document's.

    Returns:
        (count, width) of the accessor's type; None if it is sparse, or has no data.
    """
    if "sparse" in accessor or "bufferView" not in accessor:
        return None
    view = document["bufferViews"][accessor["bufferView"]]
    kind, width = np.dtype(COMPONENTS[accessor["componentType"]]), WIDTHS[accessor["type"]]
    start = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
    stride = view.get("byteStride", kind.itemsize * width)
    if stride != kind.itemsize * width or start + stride * accessor["count"] > len(binary):
        return None
    return np.frombuffer(binary, kind, accessor["count"] * width, start).reshape(-1, width)


def texture_window(data: bytes, material: str) -> tuple[float, float, float, float] | None:
    """Part of its texture that a material uses.

    Args:
        data: A .glb file.
        material: What the material's name has in it.

    Returns:
        Left, top, right, bottom as fractions of the picture, from its upper left corner; None if no mesh has
        that material and texture coordinates.

    Raises:
        ValueError: It is no such file, or damaged.
    """
    document, binary = glb_chunks(data)
    try:
        numbers = {k for k, entry in enumerate(document["materials"]) if material in entry.get("name", "")}
        accessors = [
            document["accessors"][primitive["attributes"]["TEXCOORD_0"]]
            for mesh in document["meshes"]
            for primitive in mesh["primitives"]
            if primitive.get("material") in numbers
        ]
        found = [accessor_values(document, binary, accessor) for accessor in accessors]
    except (KeyError, IndexError, TypeError):
        return None
    values = [part for part in found if part is not None and len(part)]
    if not values or len(values) < len(found) or accessors[0]["componentType"] != FLOAT:
        return None
    corners = np.concatenate(values)
    (left, top), (right, bottom) = corners.min(0), corners.max(0)
    return float(left), float(top), float(right), float(bottom)


def _make_sparse(document: dict[str, Any], binary: bytes, views: list[bytes]) -> None:
    """Of the morph targets, write only the vertices that move."""
    targets = [
        (name, index)
        for mesh in document.get("meshes", [])
        for primitive in mesh["primitives"]
        for target in primitive.get("targets", [])
        for name, index in target.items()
    ]
    done: set[int] = set()
    for name, index in targets:
        accessor = document["accessors"][index]
        values = accessor_values(document, binary, accessor)
        if index in done or values is None or accessor["componentType"] != FLOAT:
            continue
        done.add(index)
        least = MIN_OFFSET if name == "POSITION" else 1e-2
        rows = np.flatnonzero(np.linalg.norm(values, axis=1) > least)
        if len(rows) * 16 > values.nbytes:
            continue
        del accessor["bufferView"]
        accessor.pop("byteOffset", None)
        kept = values[rows]
        if name == "POSITION":
            whole = kept if len(kept) == len(values) else np.concatenate([kept, np.zeros((1, 3), np.float32)])
            accessor["min"], accessor["max"] = whole.min(0).tolist(), whole.max(0).tolist()
        if not len(rows):
            continue  # an accessor without data is 0
        short = len(values) <= 65_535
        numbers = rows.astype("<u2" if short else "<u4")
        views += [numbers.tobytes(), np.ascontiguousarray(kept, "<f4").tobytes()]
        accessor["sparse"] = {
            "count": len(rows),
            "indices": {
                "bufferView": 1 - len(views),  # numbered anew by _keep_others
                "componentType": UNSIGNED_SHORT if short else UNSIGNED_INT,
            },
            "values": {"bufferView": -len(views)},
        }


def _quantize(document: dict[str, Any], binary: bytes, views: list[bytes]) -> dict[int, int]:
    """Write short integers for what needs no floats; the bytes from row to row by the views' numbers."""
    done: set[int] = set()
    strides: dict[int, int] = {}
    for mesh in document.get("meshes", []):
        for primitive in mesh["primitives"]:
            for name, index in primitive["attributes"].items():
                kind = QUANTIZED.get(name.partition("_")[0])
                accessor = document["accessors"][index]
                if kind is None or index in done or accessor["componentType"] != FLOAT:
                    continue
                done.add(index)
                values = accessor_values(document, binary, accessor)
                if values is None or (kind == "<u2" and (values.min() < 0 or values.max() > 1)):
                    continue
                rounded = _rounded(values, kind, sums=name.startswith("WEIGHTS"))
                views.append(rounded.tobytes())
                accessor.pop("byteOffset", None)
                accessor.pop("min", None)
                accessor.pop("max", None)
                number = next(key for key, component in COMPONENTS.items() if component == kind)
                accessor |= {"bufferView": -len(views), "componentType": number, "normalized": True}
                strides[-len(views)] = rounded.strides[0]
    if done:
        for key in ("extensionsUsed", "extensionsRequired"):
            document[key] = sorted({*document.get(key, []), QUANTIZATION_EXTENSION})
    return strides


def _rounded(values: np.ndarray, kind: str, sums: bool) -> np.ndarray:
    """Values (n, k) in -1..1 as fractions of an integer type's largest; rows of a multiple of 4 bytes.

    Args:
        values: The values.
        kind: The type.
        sums: Whether each row that has a sum has 1, which it keeps.
    """
    most = np.iinfo(kind).max
    whole = np.round(values.astype(np.float64) * most)
    if sums:
        rows, largest = np.arange(len(whole)), whole.argmax(1)
        whole[rows, largest] += np.where(whole.any(1), most - whole.sum(1), 0)
    size = np.dtype(kind).itemsize
    rows = np.zeros((len(values), -(-values.shape[1] * size // 4) * 4 // size), kind)
    rows[:, : values.shape[1]] = whole
    return rows


def _replace_images(document: dict[str, Any], views: list[bytes], images: Mapping[str, Picture]) -> None:
    """Let images be other pictures, by their names."""
    for number, image in enumerate(document.get("images", [])):
        picture = images.get(image.get("name", ""))
        if picture is None:
            continue
        views.append(picture.data)
        image |= {"mimeType": MIME_TYPES[picture.kind], "bufferView": -len(views)}
        for texture in document.get("textures", []):
            if texture.get("source") == number:
                del texture["source"]
                texture |= _source(document, picture.kind, number)


def _replace_pictures(
    document: dict[str, Any], views: list[bytes], picture: Picture, own: Mapping[str, Picture]
) -> None:
    """Let the colors of materials be other pictures; those of their other textures stay."""
    images = document.setdefault("images", [])
    textures = document.setdefault("textures", [])
    if not document.setdefault("samplers", []):
        document["samplers"].append({})
    numbers: list[tuple[Picture, int]] = []
    for material in document.get("materials", []):
        shading = material.get("pbrMetallicRoughness", {})
        if "baseColorTexture" not in shading:
            continue
        one = next((found for name, found in own.items() if name in material.get("name", "")), picture)
        number = next((number for other, number in numbers if other is one), None)
        if number is None:
            number = len(textures)
            numbers.append((one, number))
            views.append(one.data)
            images.append({"mimeType": MIME_TYPES[one.kind], "bufferView": -len(views)})
            textures.append({"sampler": 0} | _source(document, one.kind, len(images) - 1))
        shading["baseColorTexture"]["index"] = number
    _drop_unused(document)


def _source(document: dict[str, Any], kind: str, image: int) -> dict[str, Any]:
    """What a texture says of its picture."""
    if kind != "webp":
        return {"source": image}
    for key in ("extensionsUsed", "extensionsRequired"):
        document[key] = sorted({*document.get(key, []), WEBP_EXTENSION})
    return {"extensions": {WEBP_EXTENSION: {"source": image}}}


def _drop_unused(document: dict[str, Any]) -> None:
    """Remove textures that no material has, and images that no texture has."""
    places = [place for material in document["materials"] for place in _shown_textures(material).values()]
    kept = sorted({place["index"] for place in places})
    for place in places:
        place["index"] = kept.index(place["index"])
    document["textures"] = [document["textures"][index] for index in kept]
    holders = [
        holder
        for texture in document["textures"]
        for holder in (texture, *texture.get("extensions", {}).values())
        if "source" in holder
    ]
    shown = sorted({holder["source"] for holder in holders})
    for holder in holders:
        holder["source"] = shown.index(holder["source"])
    document["images"] = [document["images"][index] for index in shown]


def _shown_textures(material: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What a material says of its textures, by what they are for."""
    holders = (material, material.get("pbrMetallicRoughness", {}))
    return {name: item for holder in holders for name, item in holder.items() if name.endswith("Texture")}


def _references(value: Any) -> list[dict[str, Any]]:
    """All objects of a document that name a buffer view."""
    found: list[dict[str, Any]] = []
    if isinstance(value, dict):
        if "bufferView" in value:
            found.append(value)
        for item in value.values():
            found += _references(item)
    elif isinstance(value, list):
        for item in value:
            found += _references(item)
    return found


def _keep_others(
    document: dict[str, Any],
    binary: bytes,
    views: list[bytes],
    moved: dict[int, int],
    strides: Mapping[int, int],
) -> None:
    """Number the views anew: those that are still used, then the new ones, which have negative numbers."""
    references = _references({key: document[key] for key in ("accessors", "images") if key in document})
    old = document.get("bufferViews", [])
    kept: list[bytes] = []
    about: list[dict[str, Any]] = []
    for reference in references:
        index = reference["bufferView"]
        if index >= 0 and index not in moved:
            view = dict(old[index])
            start = view.pop("byteOffset", 0)
            moved[index] = len(kept)
            kept.append(binary[start : start + view["byteLength"]])
            about.append(view)
    first = len(kept)
    for reference in references:
        index = reference["bufferView"]
        reference["bufferView"] = moved[index] if index >= 0 else first - index - 1
    for number in range(-1, -len(views) - 1, -1):
        of_vertices = {"byteStride": strides[number], "target": ARRAY_BUFFER} if number in strides else {}
        about.append(of_vertices)
    views[:] = [*kept, *views]
    document["bufferViews"] = about


def _file(document: dict[str, Any], views: list[bytes]) -> bytes:
    """The file of a document and the contents of its views."""
    binary = bytearray()
    for view, data in zip(document["bufferViews"], views, strict=True):
        binary += b"\0" * (-len(binary) % 4)
        view |= {"buffer": 0, "byteOffset": len(binary), "byteLength": len(data)}
        binary += data
    return glb_bytes(document, bytes(binary))


def glb_bytes(document: dict[str, Any], binary: bytes) -> bytes:
    """The .glb file of a document and its buffer, whose length the document gets."""
    binary += b"\0" * (-len(binary) % 4)
    document["buffers"] = [{"byteLength": len(binary)}]
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    text += b" " * (-len(text) % 4)
    parts = struct.pack("<II", len(text), JSON_CHUNK) + text
    parts += struct.pack("<II", len(binary), BINARY_CHUNK) + binary
    return struct.pack("<III", MAGIC, 2, 12 + len(parts)) + parts
