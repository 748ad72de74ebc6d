"""A head as a preset wants it: levels of detail, pictures' sizes, shapes, names. Needs bpy."""

import dataclasses
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bpy
import numpy as np

from ..blender import exporters
from ..blender.atomic_file import TEMPORARY_PREFIX, written_atomically
from ..blender.glb_file import Picture, compact, texture_window
from ..blender.glb_nodes import attach, skins_at_root
from ..blender.temporary_data import temporary_blocks
from ..errors import ExportError
from .armature import rig_of
from .bone_names import NAMINGS, renamed_bones
from .build import PHOTO_SHAPE, build_head
from .checked_pictures import check_picture
from .export import ExportOptions, export_head
from .expressions import vrm_expressions
from .head_npz import FILE_NAME, TEXTURE, HeadData, read_head
from .levels import level_object
from .presets import Preset

#: Levels that a head's file has, by the fraction of the triangles that a preset names.
LEVEL_RATIOS = (0.5, 0.25)
#: How far a fraction may be from one of them.
RATIO_TOLERANCE = 0.05
#: Quality of JPEG and WebP pictures, of 100.
QUALITY = 90
#: Blender's names of the formats of pictures, and their endings.
PICTURE_FORMATS = {"png": ("PNG", ".png"), "jpeg": ("JPEG", ".jpg"), "webp": ("WEBP", ".webp")}
#: Side of the lashes' picture where the others' format has no alpha, as a fraction of theirs.
LASH_FRACTION = 0.5
#: The hair's file, which has all products, as far as there is hair, and the bone that it moves with.
HAIR_FILE = "hair.glb"
HAIR_BONE = "head"
#: The material with holes.
LASHES = "lashes"
#: The pictures that it holds, as files.
HAIR_PICTURES = "hair_*.png"
#: Largest side of the hair's pictures, as a fraction of the head's.
HAIR_FRACTION = 0.5
#: Suffixes of pictures of a head beside its color.
MAP_SUFFIX = ".png"


def export_preset(
    context: bpy.types.Context, folder: Path, preset: Preset, name: str, stem: str = "head"
) -> dict[str, str]:
    """Write the head of a result's folder, as a preset wants it, into that folder.

    What Blender needs for it is removed again.

    Args:
        context: Blender's.
        folder: Has head.npz, and albedo.png if there is a texture.
        preset: What is written.
        name: The preset's: files are called `stem`_`name`.
        stem: See there.

    Returns:
        Name -> description of the files.

    Raises:
        HeadFileError: head.npz is missing or damaged.
        ExportError: A file cannot be written, or this Blender knows no such format.
    """
    folder = Path(folder)
    data = prepared(read_head(folder / FILE_NAME), preset)
    files: dict[str, str] = {}
    with temporary_blocks(), tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, dir=folder) as temporary:
        albedo = folder / TEXTURE
        texture = Path(temporary) / TEXTURE
        if albedo.is_file():
            for kind in ("albedo", *preset.maps):
                picture = folder / f"{kind}{MAP_SUFFIX}"
                if picture.is_file():
                    write_picture(picture, Path(temporary) / picture.name, preset.texture_size, "png")
        collection = context.scene.collection
        # Not the name of a bone, of which three.js would make another.
        title = f"{stem}_LOD0" if len(preset.lods) > 1 else f"{stem}_mesh"
        head = build_head(data, texture if texture.is_file() else None, collection, title)
        _keep_shapes(head, preset)
        chosen = [(ratio, _level(data, ratio)) for ratio in preset.lods]
        objects = [
            head
            if level is None
            else level_object(head, data, data.levels[level], f"{stem}_LOD{k}", collection)
            for k, (_, level) in enumerate(chosen)
        ]
        for format_ in preset.formats:
            made = _write(context, objects, folder, format_, f"{stem}_{name}", preset, texture)
            about = f"the head for {name}"
            files |= {path.name: f"{about}: {_kind(path)}" for path in made}
    if preset.hair != "none" and (folder / HAIR_FILE).is_file():
        hair = _hair_file(folder, preset)
        heads = [folder / file for file in files if file.endswith(".glb")]
        for path in heads:
            _add_hair(path, hair, preset)
        if any(format_ != "glb" for format_ in preset.formats):
            target = folder / f"{stem}_{name}_{HAIR_FILE}"
            _replace(target, hair)
            files[target.name] = f"the hair of the head for {name}, to be put under its head bone"
    return files


def _add_hair(path: Path, hair: bytes, preset: Preset) -> None:
    """Put the hair into a head's file, under the bone of the head. Raises ExportError."""
    bone = HAIR_BONE if preset.bones == "none" else NAMINGS[preset.bones].get(HAIR_BONE, HAIR_BONE)
    try:
        _replace(path, attach(path.read_bytes(), hair, bone))
    except (OSError, ValueError) as error:
        raise ExportError(f"{path} cannot get its hair ({error}): reconstruct the photo again.") from error


def _replace(path: Path, data: bytes) -> None:
    """Write a file under a temporary name and move it. Raises ExportError."""
    try:
        with written_atomically(path) as partial:
            partial.write_bytes(data)
    except OSError as error:
        raise ExportError(f"{path} cannot be written ({error}): choose another folder.") from error


def _hair_file(folder: Path, preset: Preset) -> bytes:
    """The hair's file as a preset wants it. Raises ExportError."""
    source = folder / HAIR_FILE
    with tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, dir=folder) as temporary:
        images = {}
        # JPEG has no alpha, which the cards' need; the engine's own pictures are small.
        for picture in folder.glob(HAIR_PICTURES) if preset.texture_format == "webp" else ():
            made = Path(temporary) / picture.name
            kind = write_picture(picture, made, round(preset.texture_size * HAIR_FRACTION), "webp")
            images[picture.stem] = Picture(made.read_bytes(), kind)
        images = {stem: image for stem, image in images.items() if image.kind == "webp"}
        try:
            return compact(source.read_bytes(), images=images, quantized=preset.quantized)
        except (OSError, ValueError) as error:
            raise ExportError(f"{source} cannot be read ({error}): reconstruct the photo again.") from error


def prepared(data: HeadData, preset: Preset) -> HeadData:
    """The head with a preset's pose as its neutral, and without what it leaves out.

    Raises:
        ExportError: The preset's pose has a shape that the head has not.
    """
    shift = np.zeros_like(data.neutral)
    for shape, value in preset.pose.items():
        if shape not in data.blendshape_names:
            raise ExportError(f"The preset's pose has a blendshape {shape} that this head has not.")
        shift += np.float32(value) * data.blendshapes[data.blendshape_names.index(shape)]
    changed = dataclasses.replace(data, neutral=data.neutral + shift)
    if preset.bones == "none":
        changed = dataclasses.replace(changed, rig=None)
    if preset.shapes in ("arkit", "none"):
        changed = dataclasses.replace(changed, visemes=None)
    elif preset.shapes == "vrm":
        changed = dataclasses.replace(changed, visemes=vrm_expressions(changed))
    return changed


def _keep_shapes(head: bpy.types.Object, preset: Preset) -> None:
    """Remove the shapes that a preset leaves out, and put the head at rest."""
    keys = head.data.shape_keys.key_blocks
    if PHOTO_SHAPE in keys:
        keys[PHOTO_SHAPE].value = 0.0
    if preset.shapes == "none":
        head.shape_key_clear()
    elif preset.shapes == "visemes":
        for key in [key for key in keys[1:] if not key.name.startswith("viseme_")]:
            head.shape_key_remove(key)


def _level(data: HeadData, ratio: float) -> int | None:
    """Which of a head's levels has a fraction of the triangles; None for the head itself.

    Raises:
        ExportError: None has.
    """
    if ratio >= 1.0 - RATIO_TOLERANCE:
        return None
    for number, known in enumerate(LEVEL_RATIOS[: len(data.levels)]):
        if abs(known - ratio) <= RATIO_TOLERANCE:
            return number
    there = ", ".join(f"{known:g}" for known in (1.0, *LEVEL_RATIOS[: len(data.levels)]))
    raise ExportError(
        f"This head has no level with {ratio:g} of its triangles, but {there}: change the preset."
    )


def _write(
    context: bpy.types.Context,
    objects: list[bpy.types.Object],
    folder: Path,
    format_: str,
    stem: str,
    preset: Preset,
    texture: Path,
) -> list[Path]:
    """Write the levels in a format; the files."""
    if format_ == "blend":
        return [_write_blend(objects, folder / f"{stem}.blend", preset)]
    if format_ not in exporters.formats():
        raise ExportError(f"This Blender cannot write {format_.upper()}: choose another preset or Blender.")
    head, *others = objects
    options = ExportOptions(
        preset.scale,
        shapes=preset.shapes != "none",
        bones=preset.bones if preset.bones != "none" else "blender",
        up=preset.up,
    )
    picture = f"{stem}_albedo.png"
    if format_ == "fbx":  # levels in one file, which engines recognize by their names
        levels = dataclasses.replace(options, levels=tuple(others))
        made = export_head(context, head, folder, format_, stem, picture, levels)
        return [*made, *_beside(texture.parent, folder, f"{stem}_", made)]
    made = []
    for number, ob in enumerate(objects):
        level_stem = f"{stem}_lod{number}" if number else stem
        made += export_head(context, ob, folder, format_, level_stem, picture, options)
        if format_ == "glb":
            _compact(made[-1], preset, texture)
    return list(dict.fromkeys(made))


def _beside(source: Path, folder: Path, prefix: str, made: list[Path]) -> list[Path]:
    """The pictures as files of their own, too: engines look for them beside an FBX."""
    copied = []
    for picture in sorted(source.glob(f"*{MAP_SUFFIX}")):
        target = folder / (prefix + picture.name)
        if target not in made:
            shutil.copyfile(picture, target)
            copied.append(target)
    return copied


def _write_blend(objects: list[bpy.types.Object], path: Path, preset: Preset) -> Path:
    """Write a .blend with the levels in a collection, the finest shown."""
    collection = bpy.data.collections.new(objects[0].name)
    rig = rig_of(objects[0])
    try:
        for ob in [*objects, *([rig] if rig is not None else [])]:
            collection.objects.link(ob)
        for ob in objects[1:]:
            ob.hide_viewport = ob.hide_render = True
        naming = preset.bones if preset.bones != "none" else "blender"
        with renamed_bones(rig, naming), written_atomically(path) as partial:
            bpy.data.libraries.write(str(partial), {collection}, fake_user=True, compress=True)
    except (OSError, RuntimeError) as error:
        raise ExportError(f"{path} cannot be written ({error}): choose another folder.") from error
    finally:
        bpy.data.collections.remove(collection)
    return path


def _compact(path: Path, preset: Preset, texture: Path) -> None:
    """Make a GLB file smaller, with the preset's pictures."""
    picture, own = None, {}
    if texture.is_file() and preset.texture_format != "png":
        with tempfile.TemporaryDirectory() as temporary:
            file = Path(temporary) / "albedo"
            kind = write_picture(texture, file, preset.texture_size, preset.texture_format)
            picture = Picture(file.read_bytes(), kind)
            if kind == "jpeg":
                window = texture_window(path.read_bytes(), LASHES)
                write_picture(texture, file, round(preset.texture_size * LASH_FRACTION), "png", window)
                own = {LASHES: Picture(file.read_bytes(), "png")}
    try:
        _replace(path, skins_at_root(compact(path.read_bytes(), picture, own, quantized=preset.quantized)))
    except (OSError, ValueError) as error:
        raise ExportError(f"{path} cannot be made smaller ({error}).") from error


def write_picture(
    source: Path,
    target: Path,
    size: int,
    kind: str,
    window: tuple[float, float, float, float] | None = None,
) -> str:
    """Write a picture in another format and with at most `size` texels a side.

    Args:
        source: A picture file.
        target: The file.
        size: Texels.
        kind: A key of PICTURE_FORMATS.
        window: Part of it that is needed, left, top, right, bottom as fractions; the rest becomes clear.

    Returns:
        The format that it has: JPEG where this Blender cannot write WebP.

    Raises:
        ExportError: It cannot be read or written.
    """
    try:
        with _image(source) as image:
            largest = max(image.size)
            if not largest:
                raise ExportError(f"The picture {source} cannot be read: reconstruct the photo again.")
            if largest > size:
                image.scale(*(max(1, round(side * size / largest)) for side in image.size))
            elif kind == "png" and window is None:
                shutil.copyfile(source, target)
                return kind
            if window is not None:
                _clear_around(image, window)
            image.filepath_raw = str(target.absolute())
            image.file_format = PICTURE_FORMATS[kind][0]
            _save(image, kind)
    except TypeError:  # no such format
        return write_picture(source, target, size, "jpeg")
    except (OSError, RuntimeError) as error:
        raise ExportError(f"{target} cannot be written ({error}): choose another folder.") from error
    return kind


def _clear_around(image: bpy.types.Image, window: tuple[float, float, float, float]) -> None:
    """Let a picture be black and clear around a window, by two texels more: filters reach beyond it."""
    width, height = image.size
    pixels = np.zeros(4 * width * height, np.float32)
    image.pixels.foreach_get(pixels)
    rows = pixels.reshape(height, width, 4)[::-1]  # a view, from the top
    left, top = int(window[0] * width) - 2, int(window[1] * height) - 2
    right, bottom = int(np.ceil(window[2] * width)) + 2, int(np.ceil(window[3] * height)) + 2
    for around in (rows[: max(top, 0)], rows[bottom:], rows[:, : max(left, 0)], rows[:, right:]):
        around[:] = 0.0
    image.pixels.foreach_set(pixels)
    image.update()


@contextmanager
def _image(path: Path) -> Iterator[bpy.types.Image]:
    check_picture(path)
    image = bpy.data.images.load(str(path.absolute()))
    image.alpha_mode = "CHANNEL_PACKED"  # or colors beside the lashes turn black
    try:
        yield image
    finally:
        bpy.data.images.remove(image)


def _save(image: bpy.types.Image, kind: str) -> None:
    try:
        image.save(quality=QUALITY if kind != "png" else 0)
    except TypeError:  # before 3.6 the quality is that of the scene
        settings = bpy.context.scene.render.image_settings
        before = settings.quality
        try:
            settings.quality = QUALITY
            image.save()
        finally:
            settings.quality = before


def _kind(path: Path) -> str:
    kinds = {".png": "a picture of it", ".mtl": "materials of the OBJ file"}
    return kinds.get(path.suffix, f"{path.suffix[1:].upper()} file")
