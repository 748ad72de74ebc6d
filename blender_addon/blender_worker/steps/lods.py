"""The step "lods": the head, or the surface, with fewer and fewer triangles. Needs bpy."""

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import bpy

from ...blender.atomic_file import written_atomically
from ...blender.exporters import SUFFIXES
from ...blender.exporters import formats as possible
from ...blender.glb_file import with_pictures_of
from ...blender.regular_file import read_regular, sha256_of
from ...blender.temporary_data import temporary_blocks
from ...errors import ExportError, StepError, SurfaceFileError
from ...heads import manifest
from ...heads.build import PREFIX, build_head
from ...heads.engine_glb import DAMAGED, GLB_FILE, MAX_FILE_BYTES
from ...heads.export import head_image, head_images, map_images
from ...heads.head_materials import ALL_MAP_NODES
from ...heads.head_npz import FILE_NAME, TEXTURE, HeadData, read_head
from ...heads.surface_import import import_surface
from ...mesh import files as mesh_files
from ...mesh import lods
from ..result import StepResult

SURFACE = "surface.ply"
SOURCES = ("auto", "head", "surface")
#: Side of pictures that others take the place of, pixels.
SMALL = 4
#: Custom properties of a head that name its vertices, or shapes: a level of detail has others, or none.
OF_ITS_VERTICES = ("landmarks", "ibug68", "expression")


def run(folder: Path, options: dict[str, Any]) -> StepResult:
    """Write lod0.glb, lod1.glb and so on, in the order of the ratios.

    Options: ratios (of the triangles, 1 is all), source ("head", as photographed, with its texture;
    "surface", with vertex colors; "auto", the head if there is one), formats (["glb"]; of glb, fbx, obj,
    usd). GLB files have the pictures of head.glb, which are small, as long as the texture is the engine's.
    """
    ratios = lods.checked_ratios(options["ratios"])
    wanted = list(options.get("formats") or ("glb",))
    missing = sorted(set(wanted) - set(possible()))
    if missing:
        raise StepError(f"This Blender cannot write {', '.join(missing)}: leave it out.")
    source = options.get("source") or "auto"
    if source not in SOURCES:
        raise StepError(
            f"There is no source {source!r} for levels of detail: choose from {', '.join(SOURCES)}."
        )
    if source == "auto":
        source = "head" if (folder / FILE_NAME).is_file() else "surface"
    files: dict[str, str] = {}
    counts = []
    with temporary_blocks():
        one = _head(folder) if source == "head" else _surface(folder)
        image = head_image(one) if source == "head" else None
        engines = _engines_file(folder) if image is not None and "glb" in wanted else None
        for k, level in enumerate(lods.levels(one, ratios)):
            shown = bpy.data.objects.new(f"lod{k}", level.mesh)
            for key, value in one.items():
                if key.startswith(PREFIX):
                    shown[key] = value
            bpy.context.scene.collection.objects.link(shown)
            for path in _written(shown, folder, f"lod{k}", wanted, image, engines):
                files[path.name] = _description(path, source, level)
            counts.append({"ratio": level.ratio, "triangles": level.triangles})
            bpy.data.objects.remove(shown)
    return StepResult(files, {"source": source, "levels": counts})


def _engines_file(folder: Path) -> bytes | None:
    """head.glb; None if there is none, or if texture or maps are no longer what it was made with."""
    try:
        listed = manifest.read(folder).get("files", {})
        pictures = [name for name in (TEXTURE, *(f"{name}.png" for name in ALL_MAP_NODES)) if name in listed]
        if any(sha256_of(folder / name) != listed[name].get("sha256") for name in pictures):
            return None
        return read_regular(folder / GLB_FILE, MAX_FILE_BYTES)
    except (OSError, SurfaceFileError):
        return None


def _written(
    shown: bpy.types.Object,
    folder: Path,
    stem: str,
    wanted: Sequence[str],
    image: bpy.types.Image | None,
    engines: bytes | None,
) -> list[Path]:
    """Write a level as files, as GLB with the pictures of the engine if it has any. Raises ExportError."""
    if engines is None or not _with_pictures(shown, folder, stem, engines):
        return mesh_files.export(bpy.context, shown, folder, stem, wanted, image)
    others = [name for name in wanted if name != "glb"]
    made = mesh_files.export(bpy.context, shown, folder, stem, others, image) if others else []
    return [folder / f"{stem}{SUFFIXES['glb']}", *made]


def _with_pictures(shown: bpy.types.Object, folder: Path, stem: str, engines: bytes) -> bool:
    """Write a GLB file with the engine's pictures; whether it has one for all that the level shows.

    Raises ExportError.
    """
    with tempfile.TemporaryDirectory() as elsewhere:  # until it is complete
        with _small_pictures(shown.data.materials):  # to encode its own, of no use here, would take long
            (made,) = mesh_files.export(bpy.context, shown, Path(elsewhere), stem, ["glb"])
        try:
            data = with_pictures_of(made.read_bytes(), engines)
        except DAMAGED:
            return False
    path = folder / made.name
    try:
        with written_atomically(path) as partial:
            partial.write_bytes(data)
    except OSError as error:
        raise ExportError(f"{path} cannot be written ({error}): choose another folder.") from error
    return True


@contextlib.contextmanager
def _small_pictures(materials: Iterable[bpy.types.Material]) -> Iterator[None]:
    """Each picture is one of a few pixels."""
    nodes = [node for material in materials for node in material.node_tree.nodes if node.type == "TEX_IMAGE"]
    shown = [(node, node.image) for node in nodes if node.image is not None]
    small: dict[str, bpy.types.Image] = {}
    try:
        for node, image in shown:
            if image.name not in small:
                small[image.name] = bpy.data.images.new(image.name, SMALL, SMALL, alpha=True)
                small[image.name].colorspace_settings.name = image.colorspace_settings.name
            node.image = small[image.name]
        yield
    finally:
        for node, image in shown:
            node.image = image
        for image in small.values():
            bpy.data.images.remove(image)


def _description(path: Path, source: str, level: lods.DecimatedMesh) -> str:
    if path.suffix == ".mtl":
        return f"materials of {path.stem}.obj"
    what = "the head as photographed" if source == "head" else "the surface"
    if level.ratio == 1.0:
        return f"{what}, all of its {level.triangles} triangles"
    return f"{what} with {level.triangles} of its {level.of} triangles"


def _head(folder: Path) -> bpy.types.Object:
    data = read_head(folder / FILE_NAME)
    texture = folder / TEXTURE
    head = build_head(
        _as_photographed(data), texture if texture.is_file() else None, bpy.context.scene.collection, "lod"
    )
    head.shape_key_clear()
    for name in OF_ITS_VERTICES:
        del head[PREFIX + name]
    for image in head_images(head):
        image.unpack(method="REMOVE")  # the file is there; OBJ and USD refer to it
        image.filepath = str(texture.absolute())
    for name, image in map_images(head).items():
        image.unpack(method="REMOVE")
        image.filepath = str(texture.with_name(f"{name}.png").absolute())
    bpy.context.scene.collection.objects.unlink(head)
    return head


def _as_photographed(data: HeadData) -> HeadData:
    return dataclasses.replace(
        data,
        neutral=data.photo,
        blendshapes=data.blendshapes[:0],
        blendshape_names=(),
        visemes=None,
        rig=None,
    )


def _surface(folder: Path) -> bpy.types.Object:
    if not (folder / SURFACE).is_file():
        raise StepError(f"There is neither {FILE_NAME} nor {SURFACE} in {folder}: nothing to reduce.")
    mesh = import_surface(folder / SURFACE, "lod")
    mesh.materials.append(mesh_files.colored_material("lod"))
    return bpy.data.objects.new("lod", mesh)
