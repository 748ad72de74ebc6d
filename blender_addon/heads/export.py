"""The animation-ready head as FBX, OBJ, USD and GLB, by Blender's own exporters. Needs bpy.

All have the head at the origin, in metres, upright and looking at the viewer in the format's own axes. FBX,
USD and GLB have the neutral head and all shapes; OBJ, which knows no shapes, has it as it stands in Blender.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import bpy

from ..blender.exporters import SUFFIXES, formats, write
from ..errors import ExportError
from .build import build_head
from .head_materials import IMAGE_NODE
from .head_npz import FILE_NAME, TEXTURE, read_head
from .manifest import add_file

__all__ = ["DESCRIPTIONS", "SUFFIXES", "export_folder", "export_head", "formats", "head_image"]

STEM = "head"
DESCRIPTIONS = {
    "fbx": "the head with its 52 face units, neutral, for other 3D programs (y up, the face looks along +z)",
    "obj": "the head as photographed, without shapes (y up, the face looks along +z); with head.mtl",
    "usd": "the head with its 52 face units, neutral, as USD (z up, the face looks along -y)",
    "glb": "the head with its 52 face units, neutral, as glTF (y up, the face looks along +z)",
}


def export_head(
    context: bpy.types.Context,
    head: bpy.types.Object,
    folder: str | os.PathLike,
    format_: str,
    stem: str = STEM,
) -> Path:
    """Write a head object, as build_head makes it, into a folder; returns the file. Raises ExportError.

    OBJ and USD refer to the texture, which is written beside them.
    """
    path = Path(folder) / f"{stem}{SUFFIXES[format_]}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _texture_in(head, path.parent), _at_rest(head, format_ != "obj"):
            write(context, head, path, format_)
    except OSError as error:
        raise ExportError(f"{path} cannot be written ({error}): choose another folder.") from error
    return path


def export_folder(
    context: bpy.types.Context, folder: str | os.PathLike, wanted: Sequence[str], stem: str = STEM
) -> list[Path]:
    """Export the head of a result's folder, which has head.npz and albedo.png, into that folder.

    What Blender needs for it is removed again. Raises HeadFileError or ExportError.
    """
    folder = Path(folder)
    texture = folder / TEXTURE
    data = read_head(folder / FILE_NAME)
    with _temporary_data():
        head = build_head(data, texture if texture.is_file() else None, context.scene.collection, stem)
        paths = [export_head(context, head, folder, name, stem) for name in wanted]
    for name, path in zip(wanted, paths, strict=True):
        add_file(folder, path.name, DESCRIPTIONS[name])
        if path.with_suffix(".mtl").is_file() and name == "obj":
            add_file(folder, path.with_suffix(".mtl").name, "materials of the OBJ file")
    return paths


@contextlib.contextmanager
def _texture_in(head: bpy.types.Object, folder: Path) -> Iterator[None]:
    """The texture is a file in the folder, which the materials show while the exporters look at them."""
    packed = head_image(head)
    if packed is None:
        yield
        return
    path = folder / TEXTURE
    if packed.packed_file is not None and not _same(path, packed.packed_file.data):
        partial = path.with_name(path.name + ".part")
        partial.write_bytes(packed.packed_file.data)
        partial.replace(path)
    nodes = [node for node in _image_nodes(head) if node.image == packed]
    image = bpy.data.images.load(str(path.absolute()))
    image.alpha_mode = packed.alpha_mode
    try:
        for node in nodes:
            node.image = image
        yield
    finally:
        for node in nodes:
            node.image = packed
        bpy.data.images.remove(image)


def _same(path: Path, data: bytes) -> bool:
    return path.is_file() and path.read_bytes() == data


@contextlib.contextmanager
def _at_rest(head: bpy.types.Object, wanted: bool) -> Iterator[None]:
    """All shapes are off, if that is wanted."""
    keys = head.data.shape_keys.key_blocks if wanted and head.data.shape_keys else []
    values = [key.value for key in keys]
    try:
        for key in keys:
            key.value = 0.0
        yield
    finally:
        for key, value in zip(keys, values, strict=True):
            key.value = value


def head_image(head: bpy.types.Object) -> bpy.types.Image | None:
    """The texture of a head object."""
    return next((node.image for node in _image_nodes(head) if node.image), None)


def _image_nodes(head: bpy.types.Object) -> list[bpy.types.Node]:
    trees = [slot.material.node_tree for slot in head.material_slots if slot.material]
    return [tree.nodes[IMAGE_NODE] for tree in trees if tree and IMAGE_NODE in tree.nodes]


@contextlib.contextmanager
def _temporary_data() -> Iterator[None]:
    """What is made inside is removed at the end."""
    kinds = ("objects", "meshes", "materials", "images")
    before = {kind: {block.as_pointer() for block in getattr(bpy.data, kind)} for kind in kinds}
    try:
        yield
    finally:
        for kind in kinds:
            blocks = getattr(bpy.data, kind)
            for block in [b for b in blocks if b.as_pointer() not in before[kind]]:
                blocks.remove(block)
