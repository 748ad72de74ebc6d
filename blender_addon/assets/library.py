"""Heads as assets of Blender's: a .blend each, in the folder of an asset library. Needs bpy.

A head's file has a name that is made from its photo's fingerprint, so that the same head made again takes its
own place, and different ones, from whichever run, never each other's.
"""

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np

from ..blender import compat
from ..blender.atomic_file import written_atomically
from ..blender.temporary_data import temporary_blocks
from ..errors import AssetError
from ..heads.armature import armature_name, rig_of
from ..heads.build import PHOTO_SHAPE, PREFIX, build_head
from ..heads.face_document import FaceDocument
from ..heads.hair import add_hair
from ..heads.head_npz import FILE_NAME as HEAD_FILE
from ..heads.head_npz import TEXTURE, VISEME_PREFIX, read_head
from ..heads.manifest import FILE_NAME as MANIFEST
from ..heads.surface_import import import_surface
from ..heads.surface_materials import surface_material
from ..render.render_scene import RenderScene
from ..render.subjects import SURFACE_FILE, of_folder
from .catalog import LOCK_NAME, catalog_id, locked

CATALOG = "Photobust/Heads"
#: Side of the preview, pixels: the largest that Blender shows.
PREVIEW_SIZE = 256
#: How far the head is turned on the preview, degrees about the vertical axis.
PREVIEW_TURN = 20.0
KINDS = {
    "head": "Animation-ready head from one photo: texture, {shapes}",
    "surface": "Colored surface of a head from one photo",
}


@dataclass(frozen=True)
class AssetInfo:
    """An asset's metadata. catalog: its path, with "/", or its UUID."""

    name: str
    tags: Sequence[str] = ()
    author: str = ""
    license: str = ""
    description: str = ""
    catalog: str = CATALOG


@dataclass(frozen=True)
class Asset:
    """What was written. kind: "head" or "surface"; catalog: its UUID."""

    path: Path
    kind: str
    catalog: str


def add_to_library(folder: Path, library: Path, info: AssetInfo, renderer: str) -> Asset:
    """Put the head of a result's folder, or the surface if it has none, into an asset library.

    bpy.data is left as it was.

    Args:
        folder: The result's folder.
        library: The asset library's folder; it is made if need be.
        info: The asset's metadata.
        renderer: What renders its preview: WORKBENCH, CYCLES or EEVEE of `render.renderers`.

    Returns:
        What was written.

    Raises:
        AssetError: The library cannot be written.
        HeadFileError, SurfaceFileError, StepError, RenderError: As `render.subjects.of_folder` and rendering.
    """
    record = FaceDocument.read(folder / MANIFEST)
    subject = of_folder(folder)
    with RenderScene(subject.build, renderer, PREVIEW_SIZE, transparent=True) as scene:
        picture = scene.render_view(subject.observed_side * PREVIEW_TURN)
    catalog = catalog_id(library, info.catalog or CATALOG)
    path = library / f"{bpy.path.clean_name(info.name) or 'head'}-{fingerprint(record)}.blend"
    with _names_free(info.name), temporary_blocks():
        scene = bpy.data.scenes.new(info.name)
        scene.unit_settings.system = "METRIC"
        ob = _build(folder, subject.kind, scene.collection, info.name)
        _note(ob, record)
        _mark(ob, subject.kind, info, catalog, picture)
        compat.sync_layers(scene)
        # With the scene, so that the file shows its head when it is opened itself.
        _write(path, {scene, ob})
    return Asset(path, subject.kind, catalog)


def fingerprint(record: FaceDocument) -> str:
    """Eight hexadecimal digits that are this photo's this face's."""
    photo, face = record.document.get("input") or {}, record.document.get("detection") or {}
    key = f"{photo.get('sha256') or photo.get('name')}:{face.get('face_index', 0)}"
    return hashlib.sha256(key.encode()).hexdigest()[:8]


@contextlib.contextmanager
def _names_free(name: str) -> Iterator[None]:
    """Nothing else has that name or its armature's, of which Blender would make "name.001"."""
    kinds = (bpy.data.scenes, bpy.data.objects, bpy.data.meshes, bpy.data.armatures)
    names = (name, armature_name(name))
    found = [(block, wanted) for kind in kinds for wanted in names if (block := kind.get(wanted)) is not None]
    renamed = [(block, old) for block, old in found if not block.library]
    try:
        for block, old in renamed:
            block.name = f"photobust {old}"[:60]
        yield
    finally:
        for block, old in renamed:
            block.name = old


def _build(folder: Path, kind: str, collection: bpy.types.Collection, name: str) -> bpy.types.Object:
    if kind == "head":
        texture = folder / TEXTURE if (folder / TEXTURE).is_file() else None
        head = build_head(read_head(folder / HEAD_FILE), texture, collection, name)
        add_hair(head, folder)
        return head
    mesh = import_surface(folder / SURFACE_FILE, name)
    mesh.materials.append(surface_material(name))
    surface = bpy.data.objects.new(name, mesh)
    collection.objects.link(surface)
    return surface


def _note(ob: bpy.types.Object, record: FaceDocument) -> None:
    """What the head was made of: for everybody, and for the add-on's panel, without this computer's paths."""
    photo, generator = record.document.get("input") or {}, record.document.get("generator") or {}
    noted = {
        "photo": photo.get("name"),
        "photo_sha256": photo.get("sha256"),
        "generator": " ".join(str(generator[key]) for key in ("name", "version") if key in generator),
    }
    for key, value in noted.items():
        if value and PREFIX + key not in ob:
            ob[PREFIX + key] = value
    values = {"is_head": True, "photo": str(photo.get("name") or ""), "manifest": record.compact()}
    if hasattr(ob, "photobust"):
        for key, value in values.items():
            setattr(ob.photobust, key, value)
    else:  # the add-on is not switched on here, but may be where the asset is used
        compat.registered_properties(ob)["photobust"] = values


def _mark(ob: bpy.types.Object, kind: str, info: AssetInfo, catalog: str, picture: np.ndarray) -> None:
    ob.asset_mark()
    data = ob.asset_data
    for tag in dict.fromkeys((kind, "photobust", *info.tags)):
        if tag.strip():
            data.tags.new(tag.strip()[:63], skip_if_exists=True)
    description = info.description or KINDS[kind].format(shapes=_shapes(ob))
    if info.license and not compat.set_license(data, info.license):
        description = f"{description}. License: {info.license}"
    data.description, data.author, data.catalog_id = description, info.author, catalog
    preview = ob.preview_ensure()
    preview.image_size = picture.shape[1], picture.shape[0]
    values = np.ascontiguousarray(picture[::-1], np.float32) / 255.0  # from the bottom up
    preview.image_pixels_float.foreach_set(values.ravel())


def _shapes(ob: bpy.types.Object) -> str:
    """What there is to animate, in words."""
    keys = ob.data.shape_keys.key_blocks if ob.data.shape_keys else []
    visemes = sum(key.name.startswith(VISEME_PREFIX) for key in keys)
    blendshapes = sum(key.name not in ("Basis", PHOTO_SHAPE) for key in keys) - visemes
    rig = rig_of(ob)
    found = [(blendshapes, "blendshapes"), (visemes, "visemes"), (len(rig.data.bones) if rig else 0, "bones")]
    return ", ".join(f"{count} {what}" for count, what in found if count)


def _write(path: Path, blocks: set[bpy.types.ID]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Another run may be writing the same head.
        with locked(path.parent / LOCK_NAME), written_atomically(path) as partial:
            bpy.data.libraries.write(str(partial), blocks, compress=True)
    except (OSError, RuntimeError) as error:
        raise AssetError(f"The asset {path} cannot be written ({error}): choose another folder.") from error
