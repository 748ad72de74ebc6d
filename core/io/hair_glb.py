"""Writes hair as binary glTF 2.0: on its own, or as nodes of a head."""

from dataclasses import replace
from typing import Any

import numpy as np

from ..geometry.mesh import perpendicular_part, shading_normals
from ..hair.groom import HairCards, HairGroom, HairShell
from ..hair.strand_atlas import COLOR, NORMAL, load_strand_atlas
from ..image.color import srgb_to_linear
from ..runtime.weights import models_folder
from .gltf import CLAMPED_SAMPLER, SPECULAR, GlbWriter, to_gltf_frame, unsigned_shorts
from .image_bytes import jpeg_bytes

#: Roughness of hair, and of what covers it.
HAIR_ROUGHNESS = 0.8
COVER_ROUGHNESS = 0.85
#: Factor of the reflection that every surface has (KHR_materials_specular): strands shade one another, and
#: with 1 dark hair is gray in the light of a white room.
HAIR_SPECULAR = 0.15
#: Below cards the shell is the shade between them: its color's factor.
SHADE = 0.93
#: Alpha of the strand atlas from which on a card is opaque: masked alpha needs no sorting.
ALPHA_CUTOFF = 0.4


def hair_glb_bytes(groom: HairGroom, generator: str) -> bytes:
    """The hair as a .glb file, in glTF's frame (y up, the face looks along +z), meters.

    Args:
        groom: The hair.
        generator: What the file says has made it.

    Returns:
        The file.
    """
    writer = GlbWriter()
    document: dict[str, Any] = {"scene": 0, "scenes": [{"nodes": []}], "nodes": [], "meshes": []}
    document["scenes"][0]["nodes"] = add_hair(document, writer, groom)
    return writer.finish(document, generator)


def add_hair(
    document: dict[str, Any],
    writer: GlbWriter,
    groom: HairGroom,
    origin: np.ndarray | None = None,
    facial: bool = True,
) -> list[int]:
    """Add the hair's nodes, "hair", "hair_cover", "brows", "beard", with meshes, materials and pictures.

    glTF has no curves: strands are shown by the cards.

    Args:
        document: With nodes and meshes; changed in place.
        writer: Of the file's arrays.
        groom: The hair.
        origin: (3,) glTF frame, meters, of the node that they will hang on; None for the scene.
        facial: Whether to add brows and beard, too.

    Returns:
        The new nodes.
    """
    nodes = []
    meshes: list[tuple[str, list[dict[str, Any]]]] = []
    if groom.shell is not None:
        cards = groom.cards if groom.product != "shell" else None
        shell = _inset(groom.shell) if cards is not None else groom.shell
        primitives = [_shell(document, writer, shell, "hair_shell", cards is not None)]
        if cards is not None:
            primitives.append(cards_primitive(document, writer, cards))
        meshes.append(("hair", primitives))
    if groom.cover is not None:
        meshes.append(("hair_cover", [_shell(document, writer, groom.cover, "hair_cover", False)]))
    meshes += [
        (part.name, [cards_primitive(document, writer, part.cards)]) for part in groom.facial if facial
    ]
    for name, primitives in meshes:
        node: dict[str, Any] = {"mesh": len(document["meshes"]), "name": name}
        if origin is not None:
            node["translation"] = (-np.asarray(origin, float)).tolist()
        document["meshes"].append({"name": name, "primitives": primitives})
        nodes.append(len(document["nodes"]))
        document["nodes"].append(node)
    return nodes


def _inset(shell: HairShell) -> HairShell:
    """The shell, a little smaller, so that it does not show through cards that lie on it."""
    moved = shell.vertices - shell.inset[:, None] * shell.normals
    return replace(shell, vertices=moved.astype(np.float32))


def _shell(
    document: dict[str, Any], writer: GlbWriter, shell: HairShell, name: str, shaded: bool
) -> dict[str, Any]:
    texture = _picture(document, writer, name, jpeg_bytes(shell.texture), "image/jpeg")
    shading: dict[str, Any] = {
        "metallicFactor": 0.0,
        "roughnessFactor": COVER_ROUGHNESS if name == "hair_cover" else HAIR_ROUGHNESS,
        "baseColorTexture": {"index": texture},
    }
    if shaded:
        shading["baseColorFactor"] = [SHADE, SHADE, SHADE, 1.0]
    material: dict[str, Any] = {"name": name, "pbrMetallicRoughness": shading, "doubleSided": True}
    if name != "hair_cover":
        _dull(document, material)
    return _primitive(document, writer, shell.vertices, shell.normals, shell.uv, shell.triangles, material)


def cards_primitive(document: dict[str, Any], writer: GlbWriter, cards: HairCards) -> dict[str, Any]:
    """Add cards' arrays, material and pictures.

    Args:
        document: Changed in place.
        writer: Of the file's arrays.
        cards: The cards.

    Returns:
        The primitive.
    """
    atlas = load_strand_atlas(models_folder())
    color = _picture(document, writer, COLOR, atlas[COLOR], "image/png")
    normal = _picture(document, writer, NORMAL, atlas[NORMAL], "image/png")
    material: dict[str, Any] = {
        "name": "hair_cards",
        "pbrMetallicRoughness": {
            "metallicFactor": 0.0,
            "roughnessFactor": HAIR_ROUGHNESS,
            "baseColorTexture": {"index": color},
        },
        "normalTexture": {"index": normal},
        "alphaMode": "MASK",
        "alphaCutoff": ALPHA_CUTOFF,
        "doubleSided": True,
    }
    _dull(document, material)
    primitive = _primitive(
        document, writer, cards.vertices, cards.normals, cards.uv, cards.triangles, material
    )
    colors = unsigned_shorts(srgb_to_linear(cards.colors.astype(np.float64) / 255))
    primitive["attributes"]["TANGENT"] = writer.add_array(_tangents(cards))
    primitive["attributes"]["COLOR_0"] = writer.add_array(colors, normalized=True)
    return primitive


def _dull(document: dict[str, Any], material: dict[str, Any]) -> None:
    """Let a material reflect less."""
    material["extensions"] = {SPECULAR: {"specularFactor": HAIR_SPECULAR}}
    used = document.setdefault("extensionsUsed", [])
    if SPECULAR not in used:
        used.append(SPECULAR)


def _tangents(cards: HairCards) -> np.ndarray:
    """(K, 4) float32, glTF frame: where u grows, and the sign that makes the bitangent point to the root."""
    left, right = cards.vertices[0::2].astype(np.float64), cards.vertices[1::2].astype(np.float64)
    grows = np.sign(cards.uv[1::2, 0] - cards.uv[0::2, 0])[:, None]
    normals = cards.normals.astype(np.float64)
    tangents = perpendicular_part(((right - left) * grows).repeat(2, 0), normals)
    length = np.linalg.norm(tangents, axis=1, keepdims=True)
    # An edge without width has no direction: any one across the normal serves.
    other = np.cross(normals, np.where(np.abs(normals[:, :1]) < 0.9, [1.0, 0, 0], [0, 1.0, 0]))
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    tangents = np.where(length > 1e-9, tangents / np.maximum(length, 1e-9), other)
    middle = (left + right) / 2
    to_root = np.roll(middle, 1, 0) - middle
    roots = np.flatnonzero(cards.along[0::2] == 0)
    to_root[roots] = (middle - np.roll(middle, -1, 0))[roots]
    sign = np.where((np.cross(normals, tangents) * to_root.repeat(2, 0)).sum(1) < 0, -1.0, 1.0)
    return np.column_stack([to_gltf_frame(tangents), sign]).astype(np.float32)


def _primitive(
    document: dict[str, Any],
    writer: GlbWriter,
    vertices: np.ndarray,
    normals: np.ndarray,
    uv: np.ndarray,
    triangles: np.ndarray,
    material: dict[str, Any],
) -> dict[str, Any]:
    materials = document.setdefault("materials", [])
    materials.append(material)
    short = np.linalg.norm(normals, axis=1) < 0.9
    if short.any():
        normals = np.where(short[:, None], shading_normals(vertices, triangles), normals)
    texture = np.stack([uv[:, 0], 1 - uv[:, 1]], 1)
    return {
        "attributes": {
            "POSITION": writer.add_array(to_gltf_frame(vertices.astype(np.float32)), bounds=True),
            "NORMAL": writer.add_array(to_gltf_frame(normals.astype(np.float32))),
            "TEXCOORD_0": writer.add_array(texture.astype(np.float32)),
        },
        "indices": writer.add_triangles(triangles, len(vertices)),
        "material": len(materials) - 1,
    }


def _picture(document: dict[str, Any], writer: GlbWriter, name: str, data: bytes, mime: str) -> int:
    """Add a picture; returns the index of its texture."""
    samplers = document.setdefault("samplers", [])
    if CLAMPED_SAMPLER not in samplers:
        samplers.append(dict(CLAMPED_SAMPLER))
    images, textures = document.setdefault("images", []), document.setdefault("textures", [])
    for number, texture in enumerate(textures):  # all cards have the same atlas
        if images[texture["source"]].get("name") == name:
            return number
    images.append({"name": name, "mimeType": mime, "bufferView": writer.add_file(data)})
    textures.append({"source": len(images) - 1, "sampler": samplers.index(CLAMPED_SAMPLER)})
    return len(textures) - 1
