"""The engine's own head.glb, for heads that are still what the engine made. Needs bpy.

It is smaller than what Blender's exporter writes, its shapes bring their normals, and so add-on and batch
write one file.
"""

from pathlib import Path

import bpy
import numpy as np

from ..blender import glb_document
from ..blender.coordinates import coordinates
from ..blender.images import is_painted
from ..blender.regular_file import read_regular
from ..errors import HeadFileError
from .armature import MODIFIER, rig_of
from .build import PHOTO_SHAPE, SUBDIVISION
from .hair import hair_as_made
from .hair_npz import FACIAL_HAIR
from .head_materials import ALL_MAP_NODES, FINISHES
from .head_npz import FILE_NAME, TEXTURE, HeadData, read_head

GLB_FILE = "head.glb"
#: Larger files are none of the engine's, bytes.
MAX_FILE_BYTES = 500_000_000
#: What reading a damaged document raises.
DAMAGED = (ValueError, LookupError, TypeError, RecursionError)
#: Differences of coordinates, meters, that rounding makes.
TOLERANCE = 1e-6
#: Differences of settings of materials that rounding makes.
SETTING_TOLERANCE = 1e-4


def engine_glb(head: bpy.types.Object, folder: Path) -> bytes | None:
    """The engine's file of a head, with the object's name.

    Args:
        head: The head, as build_head makes it and somebody may have changed it.
        folder: The result that it was made from.

    Returns:
        The file; None if the folder has none, or the head is not what is in the folder any more.
    """
    try:
        data = read_regular(folder / GLB_FILE, MAX_FILE_BYTES)
        document = glb_document.document_of(data)
        if not _is_unchanged(head, read_head(folder / FILE_NAME), folder / TEXTURE):
            return None
        if _has_hair(document) and not hair_as_made(head, folder):
            return None
        node = document["nodes"][0]
        mesh = document["meshes"][node["mesh"]]
        node["name"] = mesh["name"] = head.name
        return glb_document.with_document(data, document)
    except (OSError, HeadFileError, *DAMAGED):
        return None


def _is_unchanged(head: bpy.types.Object, data: HeadData, texture: Path) -> bool:
    """Whether a head's shapes, bones, modifiers and materials are what its files have."""
    if {modifier.name for modifier in head.modifiers} - {MODIFIER, SUBDIVISION}:
        return False
    if (rig_of(head) is None) != (data.rig is None) or len(head.data.vertices) != len(data.neutral):
        return False
    return _shapes_unchanged(head, data) and _materials_unchanged(head, data, texture)


def _shapes_unchanged(head: bpy.types.Object, data: HeadData) -> bool:
    keys = head.data.shape_keys
    wanted = {"Basis": data.neutral, PHOTO_SHAPE: data.photo}
    for name, offset in zip(data.blendshape_names, data.blendshapes, strict=True):
        wanted[name] = data.neutral + offset
    if data.visemes is not None:
        moved = np.tensordot(data.visemes.weights, data.blendshapes, 1)
        for name, offset in zip(data.visemes.names, moved, strict=True):
            wanted[name] = data.neutral + offset
    if keys is None or {key.name for key in keys.key_blocks} != set(wanted):
        return False
    for key in keys.key_blocks:
        if not np.allclose(coordinates(key.data), wanted[key.name], rtol=0, atol=TOLERANCE):
            return False
    return True


def _materials_unchanged(head: bpy.types.Object, data: HeadData, texture: Path) -> bool:
    files = [texture, *(texture.with_name(f"{name}.png") for name in ALL_MAP_NODES)]
    pictures = {read_regular(file, MAX_FILE_BYTES) for file in files if file.exists()}
    materials = [slot.material for slot in head.material_slots]
    if len(materials) != len(data.material_names):
        return False
    for material, name in zip(materials, data.material_names, strict=True):
        nodes = material.node_tree.nodes if material is not None and material.node_tree else []
        shader = next((node for node in nodes if node.type == "BSDF_PRINCIPLED"), None)
        images = [node.image for node in nodes if node.type == "TEX_IMAGE"]
        textured = texture.is_file() and FINISHES[name].refraction is None
        if shader is None or bool(images) != textured:
            return False
        roughness = shader.inputs["Roughness"].default_value
        if abs(roughness - FINISHES[name].roughness) > SETTING_TOLERANCE:
            return False
        if not all(_is_one_of(image, pictures) for image in images):
            return False
    return True


def _is_one_of(image: bpy.types.Image | None, pictures: set[bytes]) -> bool:
    """Whether an image shows one of these files, and nobody has painted on it."""
    if image is None or image.packed_file is None or is_painted(image):
        return False
    return image.packed_file.data in pictures


def _has_hair(document: dict) -> bool:
    nodes = [node for node in document["nodes"] if isinstance(node, dict)]
    return any(str(node.get("name", "")).startswith(("hair", *FACIAL_HAIR)) for node in nodes)
