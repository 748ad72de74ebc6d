"""The animation-ready head as FBX, OBJ, USD and GLB, by Blender's own exporters. Needs bpy.

All have the head at the origin, in meters, upright and looking at the viewer in the format's own axes. FBX,
USD and GLB have the neutral head, all shapes and the bones at rest; OBJ, which knows no shapes, has it as it
stands in Blender.
"""

import contextlib
import itertools
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import bpy

from ..blender import actions
from ..blender.atomic_file import TEMPORARY_PREFIX, move_into_place, written_atomically
from ..blender.coordinates import coordinates
from ..blender.exporters import SUFFIXES, WriteOptions, formats, write
from ..blender.glb_document import with_cut_out
from ..blender.glb_origin import moved
from ..blender.images import is_painted, stored_pixels
from ..blender.mtl_file import MtlMaterial, completed
from ..blender.png_file import png_bytes
from ..blender.png_header import SIGNATURE
from ..blender.scratch_scene import mesh_as_shown
from ..errors import ExportError
from . import confidence, facial_hair, photographed
from .armature import MARK, bones_not_driving, rig_of
from .bone_names import renamed_bones
from .build import SUBDIVISION, build_head
from .engine_glb import DAMAGED, engine_glb
from .hair import MARK as HAIR_MARK
from .hair import add_hair, hair_of
from .hair_copies import hair_copies
from .hair_materials import COLOR_ENDING, is_recolored, materials_of, pictures_as_colors
from .head_materials import (
    CLEAR_REFLECTION,
    IMAGE_NODE,
    MAP_NODES,
    SHADING_NODES,
    refraction_of,
    same_picture,
    true_refraction,
    without_maps,
)
from .head_npz import FILE_NAME, TEXTURE, read_head
from .manifest import add_file
from .manifest import read as read_manifest

__all__ = [
    "DESCRIPTIONS",
    "SUFFIXES",
    "ExportOptions",
    "export_folder",
    "export_head",
    "formats",
    "head_image",
    "head_images",
    "map_images",
]

STEM = "head"
#: The pivot at the base of the neck.
NECK = "neck"
#: The neck ends in a level ring: vertices so much higher than the lowest, meters, belong to it.
RING_HEIGHT = 1e-4
#: What the texture is called beside its maps.
ALBEDO = "albedo"
#: Formats that refer to the texture as a file of its own.
TEXTURE_BESIDE = ("obj", "usd")
DESCRIPTIONS = {
    "fbx": "the head with blendshapes and bones, neutral, for other 3D programs (y up, the face along +z)",
    "obj": "the head as photographed, without shapes (y up, the face looks along +z); with head.mtl",
    "usd": "the head with blendshapes and bones, neutral, as USD (z up, the face looks along -y)",
    "glb": "the head with blendshapes and bones, neutral, as glTF (y up, the face looks along +z)",
}
#: The same of what is beside them.
BESIDE_DESCRIPTIONS = {
    ".mtl": "materials of the OBJ file",
    ".png": "a picture that OBJ or USD files refer to",
}


@dataclass(frozen=True)
class ExportOptions:
    """What becomes of a head in a file."""

    scale: float = 1.0
    """Units of the file for a meter."""
    shapes: bool = True
    """Write the neutral head with all blendshapes, where the format knows such; else as it stands."""
    apply_modifiers: bool = True
    """Write the head with its modifiers; only without shapes, which Blender's exporters would lose."""
    textures: bool = True
    """Write the texture too: into the file where the format can hold it, else beside it."""
    bones: str = "blender"
    """Whose names the bones get, a key of `bone_names.NAMINGS`."""
    up: str = "y"
    """The axis that points up, "y" or "z", in FBX and OBJ."""
    animation: bool = False
    """Write the head's animation over the scene's frame range, in GLB and FBX."""
    hair: bool = True
    """Write the hair that is shown; strands as cards where the format has no curves."""
    pivot: str = "eyes"
    """What is the file's origin: "eyes", between their outer corners, or "neck", the middle of its base."""
    levels: tuple[bpy.types.Object, ...] = ()
    """Levels of detail of the head that are written into the same file; they are bound to its bones' copy."""


DEFAULT_OPTIONS = ExportOptions()


def export_head(
    context: bpy.types.Context,
    head: bpy.types.Object,
    folder: str | os.PathLike,
    format_: str,
    stem: str = STEM,
    texture: str = TEXTURE,
    options: ExportOptions = DEFAULT_OPTIONS,
) -> list[Path]:
    """Write a head object, as build_head makes it, into a folder.

    Args:
        context: Blender's.
        head: The object; it is left as it is.
        folder: Where the files go; it is made if need be.
        format_: One of `formats()`.
        stem: Name of the file without its ending.
        texture: Name of the texture's file, to which OBJ and USD refer.
        options: What is written.

    Returns:
        The files, the head's first, then what belongs to it.

    Raises:
        ExportError: The files cannot be written.
    """
    folder = Path(folder)
    # A correction that goes on shows the head as photographed again, with a shape that is only its own.
    photographed.restore_all()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        engines = _engines_file(head, options.pivot) if format_ == "glb" and _is_plain(options) else None
        if engines is not None:
            return [_written_file(folder / f"{stem}{SUFFIXES[format_]}", engines)]
        texture = _free_name(head, folder, texture)
        with (
            tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, dir=folder) as temporary,
            _confidence_hidden(head),
            actions.tweaking_left(_moved_data(head)),
            bones_not_driving(head),
            _without_shape_values(head, options.shapes and format_ != "obj", options.animation),
            _texture_files(head, Path(temporary) / texture if options.textures else None),
            _copy_to_export(context, head, options, format_) as copy,
            hair_copies(context, head, copy, format_ == "usd") as hair,
            _hair_texture_files(hair, Path(temporary) / texture if options.textures else None),
            _plain_materials(copy, hair, format_),
            renamed_bones(rig_of(copy), options.bones),
        ):
            first = Path(temporary) / f"{stem}{SUFFIXES[format_]}"
            _bind(options.levels, copy)
            others = (*options.levels, *hair) if options.hair else options.levels
            origin = neck_base(copy) if options.pivot == NECK else (0.0, 0.0, 0.0)
            how = WriteOptions(options.scale, options.up, others, options.animation, origin)
            write(context, copy, first, format_, how)
            if format_ == "obj":
                _complete_mtl(first.with_suffix(".mtl"), copy)
            if format_ == "glb":
                _cut_out_cards(first, head)
            made = [first]
            if format_ in TEXTURE_BESIDE:  # FBX and GLB hold the pictures
                made += sorted(path for path in Path(temporary).iterdir() if path != first)
            return [_moved(path, folder) for path in made]
    except OSError as error:
        raise ExportError(f"{folder / stem} cannot be written ({error}): choose another folder.") from error


def _moved_data(head: bpy.types.Object) -> list[bpy.types.ID]:
    """What actions of a head move: the object, its armature and its shapes, as far as it has such."""
    return [one for one in (head, rig_of(head), head.data.shape_keys) if one is not None]


def neck_base(head: bpy.types.Object) -> tuple[float, float, float]:
    """The middle of the ring that the neck ends in, in the head's own frame, meters."""
    points = coordinates(head.data.vertices)
    ring = points[points[:, 2] < points[:, 2].min() + RING_HEIGHT]
    x, y, z = (ring.min(0) + ring.max(0)) / 2
    return float(x), float(y), float(z)


def _is_plain(options: ExportOptions) -> bool:
    """Whether the options ask for the head as the engine writes it, whatever its origin."""
    return options == ExportOptions(apply_modifiers=options.apply_modifiers, pivot=options.pivot)


def _engines_file(head: bpy.types.Object, pivot: str) -> bytes | None:
    """The engine's GLB file of a head with that origin, if the head is still what the engine made."""
    note = getattr(head, "photobust", None)  # only where the add-on is switched on
    folder = bpy.path.abspath(note.folder) if note is not None and note.folder else ""
    made = engine_glb(head, Path(folder)) if folder else None
    if made is None or pivot != NECK:
        return made
    x, y, z = neck_base(head)
    try:
        return moved(made, (-x, -z, y))  # glTF's y is up, and its z to the viewer
    except DAMAGED:
        return None


def _written_file(path: Path, data: bytes) -> Path:
    with written_atomically(path) as partial:
        partial.write_bytes(data)
    return path


def _free_name(head: bpy.types.Object, folder: Path, texture: str) -> str:
    """The name for a texture's file, or one with a number where other pictures are: another head's."""
    stem, ending = texture.rsplit(".", 1)
    base = stem.removesuffix(ALBEDO)
    pictures = _pictures(head)
    for number in itertools.count(2):
        if all(_is_free(folder / _beside(texture, name), image) for name, image in pictures.items()):
            return texture
        texture = (
            f"{base}{number}_{ALBEDO}.{ending}" if stem.endswith(ALBEDO) else f"{base}_{number}.{ending}"
        )
    raise AssertionError("there is no last number")


def _is_free(path: Path, image: bpy.types.Image) -> bool:
    """Whether there is no file of that name, whatever its ending will be, or one with the same picture."""
    content = _file_content(image)
    if content is None:
        return True
    data, ending = content
    path = path.with_suffix(ending)
    return not path.exists() or (path.is_file() and path.read_bytes() == data)


def export_folder(
    context: bpy.types.Context,
    folder: str | os.PathLike,
    wanted: Sequence[str],
    stem: str = STEM,
    bones: str = "blender",
) -> dict[str, str]:
    """Export the head of a result's folder into that folder; what Blender needs for it is removed again.

    Args:
        context: Blender's.
        folder: Has head.npz and albedo.png.
        wanted: The formats.
        stem: The files' name without its ending.
        bones: The convention of the bones' names, one of `bone_names.NAMINGS`.

    Returns:
        Description of each new file by its name: the heads', in the order of the formats, then what they
        refer to.

    Raises:
        HeadFileError: The folder's files are damaged.
        ExportError: A file cannot be written.
    """
    folder = Path(folder)
    texture = folder / TEXTURE
    data = read_head(folder / FILE_NAME)
    with _temporary_data():
        head = build_head(data, texture if texture.is_file() else None, context.scene.collection, stem)
        add_hair(head, folder)
        options = ExportOptions(bones=bones)
        written = [export_head(context, head, folder, name, stem, options=options) for name in wanted]
    made = {paths[0].name: DESCRIPTIONS[name] for name, paths in zip(wanted, written, strict=True)}
    # Pictures that the engine has written keep what it says of them.
    listed = read_manifest(folder).get("files", {})
    for path in itertools.chain.from_iterable(paths[1:] for paths in written):
        if path.name not in listed:
            made[path.name] = BESIDE_DESCRIPTIONS[path.suffix]
    for name, description in made.items():
        add_file(folder, name, description)
    return made


def _moved(path: Path, folder: Path) -> Path:
    """The file in its place; one that is there with the same content stays."""
    target = folder / path.name
    if not (target.is_file() and target.read_bytes() == path.read_bytes()):
        move_into_place(path, target)
    return target


@contextlib.contextmanager
def _copy_to_export(
    context: bpy.types.Context, head: bpy.types.Object, options: ExportOptions, format_: str
) -> Iterator[bpy.types.Object]:
    """A copy of the head that bears its name, without what the add-on notes for itself, such as folders."""
    name, mesh_name = head.name, head.data.name
    with _modifiers_off(head, options.shapes or not options.apply_modifiers), _subdivision_off(head):
        copy = head.copy()
        if not options.shapes or format_ == "obj":
            copy.data = mesh_as_shown(context, head)
            copy.modifiers.clear()
    smoothing = copy.modifiers.get(SUBDIVISION)
    if smoothing is not None:
        copy.modifiers.remove(smoothing)
    made = copy.data if copy.data != head.data else None
    rig = rig_of(head) if made is None else None
    copy.parent = None
    if "photobust" in copy:  # before 5.0, properties of add-ons are among the user's
        del copy["photobust"]
    context.scene.collection.objects.link(copy)
    rig_copy = None if rig is None else _bound_copy(context, copy, rig)
    if not options.animation:
        for one in (copy, rig_copy):
            if one is not None:
                one.animation_data_clear()
    try:
        head.name, copy.name = "photobust original", name
        if made is not None:
            head.data.name, made.name = "photobust original", mesh_name
        yield copy
    finally:
        bpy.data.objects.remove(copy)
        if rig is not None and rig_copy is not None:
            rig_name = rig_copy.name
            bpy.data.objects.remove(rig_copy)
            rig.name = rig_name
        if made is not None:
            bpy.data.meshes.remove(made)
        head.name, head.data.name = name, mesh_name


def _bound_copy(
    context: bpy.types.Context, copy: bpy.types.Object, rig: bpy.types.Object
) -> bpy.types.Object:
    """A copy of an armature, at rest, that bears its name and bends a copy of the head."""
    name = rig.name
    bones = rig.copy()
    for key in [key for key in bones.keys() if key != MARK]:  # noqa: SIM118 (no Python dict)
        del bones[key]
    rig.name, bones.name = "photobust original rig", name
    for bone in bones.pose.bones:
        bone.matrix_basis.identity()
    context.scene.collection.objects.link(bones)
    copy.parent = bones
    copy.matrix_parent_inverse.identity()
    copy.matrix_basis.identity()
    for modifier in copy.modifiers:
        if modifier.type == "ARMATURE" and modifier.object == rig:
            modifier.object, modifier.show_viewport = bones, True
    return bones


def _bind(levels: Sequence[bpy.types.Object], copy: bpy.types.Object) -> None:
    """Let levels of detail hang on the armature that a copy of their head hangs on."""
    for level in levels:
        level.parent = copy.parent
        for modifier in level.modifiers:
            if modifier.type == "ARMATURE":
                modifier.object = copy.parent


@contextlib.contextmanager
def _modifiers_off(head: bpy.types.Object, wanted: bool) -> Iterator[None]:
    """The head's modifiers do nothing, if that is wanted."""
    shown = [modifier for modifier in head.modifiers if modifier.show_viewport] if wanted else []
    try:
        for modifier in shown:
            modifier.show_viewport = False
        yield
    finally:
        for modifier in shown:
            modifier.show_viewport = True


@contextlib.contextmanager
def _subdivision_off(head: bpy.types.Object) -> Iterator[None]:
    """Nothing of the head is smoothed by what smooths it in Blender: files have its own vertices."""
    modifier = head.modifiers.get(SUBDIVISION)
    shown = modifier is not None and modifier.show_viewport
    try:
        if shown:
            modifier.show_viewport = False
        yield
    finally:
        if shown:
            modifier.show_viewport = True


@contextlib.contextmanager
def _texture_files(head: bpy.types.Object, path: Path | None) -> Iterator[None]:
    """The materials show files with the texture and its maps, which lie beside `path`, while exporters read
    them; none if there is no path.
    """
    with contextlib.ExitStack() as stack:
        pictures = _pictures(head)
        shown: dict[str, list[bpy.types.Node]] = {name: [] for name in pictures}
        for node in _image_nodes(head):
            name = next((one for one, image in pictures.items() if _shows(node, image)), None)
            if name is not None:
                shown[name].append(node)
        for name, image in pictures.items():
            nodes = shown[name]
            place = None if path is None else path.with_name(_beside(path.name, name))
            stack.enter_context(_texture_file(nodes, image, place))
        for node in _image_nodes(head, tuple(SHADING_NODES.values())) if path is None else ():
            if node.image is not None:
                stack.enter_context(_texture_file([node], node.image, None))
        yield


@contextlib.contextmanager
def _hair_texture_files(hair: Sequence[bpy.types.Object], path: Path | None) -> Iterator[None]:
    """The same for the hair's materials."""
    nodes: dict[bpy.types.Image, tuple[str, list[bpy.types.Node]]] = {}
    for ob in hair:
        for material in materials_of(ob):
            for node in material.node_tree.nodes:
                # The Solid view's own pictures are linked to nothing: no file has a use for them.
                linked = any(output.is_linked for output in node.outputs)
                if node.type == "TEX_IMAGE" and node.image is not None and linked:
                    name = _hair_picture(ob, node.image, is_recolored(material))
                    nodes.setdefault(node.image, (name, []))[1].append(node)
    with contextlib.ExitStack() as stack:
        for image, (name, shown) in nodes.items():
            place = None if path is None else path.with_name(_beside(path.name, name))
            stack.enter_context(_texture_file(shown, image, place))
        yield


def _hair_picture(ob: bpy.types.Object, image: bpy.types.Image, recolored: bool) -> str:
    """The name of the file of a picture of hair, without ending."""
    part = ob.get(HAIR_MARK)
    name = Path(bpy.path.basename(image.filepath)).stem or bpy.path.clean_name(image.name)
    if image.colorspace_settings.name == "Non-Color":
        return name
    # Brows and beards have the strand atlas in colors of their own.
    if part in facial_hair.PARTS["cards"]:
        name = name.replace("hair", part, 1)
    # In a result's folder, the engine's picture is there, which Blender dyes and shades anew.
    return name + COLOR_ENDING if recolored and not name.endswith(COLOR_ENDING) else name


@contextlib.contextmanager
def _plain_materials(
    head: bpy.types.Object, hair: Sequence[bpy.types.Object], format_: str
) -> Iterator[None]:
    """Materials are as a format's exporter and its readers understand them."""
    with contextlib.ExitStack() as stack:
        of_hair = [material for ob in hair for material in materials_of(ob)]
        stack.enter_context(pictures_as_colors(of_hair, straight=format_ in ("fbx", "obj")))
        slots = [slot.material for slot in head.material_slots if slot.material]
        if format_ == "usd":
            stack.enter_context(true_refraction(slots))
        if format_ == "obj":
            stack.enter_context(without_maps([*slots, *of_hair]))
        yield


def _complete_mtl(path: Path, head: bpy.types.Object) -> None:
    """Let a file of materials name the relief, and what is clear refract light as it does."""
    materials = {}
    for material in (slot.material for slot in head.material_slots if slot.material):
        refraction = refraction_of(material)
        node = next(iter(_image_nodes_of(material, (MAP_NODES["normal"],))), None)
        relief = bpy.path.basename(node.image.filepath) if node is not None and node.image else None
        materials[material.name] = MtlMaterial(relief, refraction, CLEAR_REFLECTION)
    if path.is_file():
        path.write_bytes(completed(path.read_bytes(), materials))


def _cut_out_cards(path: Path, head: bpy.types.Object) -> None:
    """Let the cards in a GLB file have holes, as they have in the engine's."""
    cards = [ob for ob in hair_of(head) if ob[HAIR_MARK] in ("cards", *facial_hair.PARTS["cards"])]
    names = {material.name for ob in cards for material in materials_of(ob)}
    if names:
        path.write_bytes(with_cut_out(path.read_bytes(), names))


def _pictures(head: bpy.types.Object) -> dict[str, bpy.types.Image]:
    """The texture of a head object and its maps, by the names of their files without ending.

    Pictures that somebody has given single materials, or painted on the lashes' copy, are numbered textures.
    """
    found: dict[str, bpy.types.Image] = {}
    for node in _image_nodes(head, (IMAGE_NODE,)):
        if node.image and not any(_shows(node, image) for image in found.values()):
            found[f"{ALBEDO}_{len(found) + 1}" if found else ALBEDO] = node.image
    for name, kind in MAP_NODES.items():
        image = next((holder.image for holder in _image_nodes(head, (kind,)) if holder.image), None)
        if image is not None:
            found[name] = image
    return found


def _shows(node: bpy.types.Node, image: bpy.types.Image) -> bool:
    """Whether a node shows a picture, or a copy of it that nobody has painted on."""
    shown = node.image
    if shown is None or shown == image or is_painted(shown):
        return shown == image
    if shown.packed_file is None and image.packed_file is None and shown.filepath:
        return bpy.path.abspath(shown.filepath) == bpy.path.abspath(image.filepath)
    return same_picture(shown, image)


def _beside(texture: str, name: str) -> str:
    """The file name of a map that belongs to a texture's file."""
    stem, ending = texture.rsplit(".", 1)
    return f"{stem.removesuffix(ALBEDO)}{name}.{ending}" if name != ALBEDO else texture


@contextlib.contextmanager
def _texture_file(nodes: list[bpy.types.Node], image: bpy.types.Image, path: Path | None) -> Iterator[None]:
    """Nodes show a file with a picture; none if there is no path."""
    shown = [(node, node.image) for node in nodes]
    of_file = _written(image, path) if path is not None else None
    try:
        for node, _ in shown:
            node.image = of_file
        yield
    finally:
        for node, before in shown:
            node.image = before
        if of_file is not None and of_file != image:
            bpy.data.images.remove(of_file)


def _written(image: bpy.types.Image, path: Path) -> bpy.types.Image:
    """The image as a file, and as an image that refers to it."""
    content = _file_content(image)
    if content is None:
        return image
    data, ending = content
    path = path.with_suffix(ending)
    path.write_bytes(data)
    of_file = bpy.data.images.load(str(path.absolute()))
    of_file.alpha_mode = image.alpha_mode
    of_file.colorspace_settings.name = image.colorspace_settings.name
    return of_file


def _file_content(image: bpy.types.Image) -> tuple[bytes, str] | None:
    """A file with what an image shows, and the file's ending; None if that is in no single file."""
    if is_painted(image):
        return png_bytes(stored_pixels(image)), ".png"
    source = Path(bpy.path.abspath(image.filepath))  # somebody may have put a picture of their own there
    if image.packed_file is not None:
        data = image.packed_file.data
        return data, ".png" if data.startswith(SIGNATURE) else source.suffix
    return (source.read_bytes(), source.suffix) if source.is_file() else None


@contextlib.contextmanager
def _confidence_hidden(head: bpy.types.Object) -> Iterator[None]:
    """The head shows its own colors, which are what is exported."""
    shown = confidence.shows_confidence(head)
    try:
        if shown:
            confidence.show_confidence(head, False)
        yield
    finally:
        if shown:
            confidence.show_confidence(head, True)


@contextlib.contextmanager
def _without_shape_values(head: bpy.types.Object, wanted: bool, animated: bool) -> Iterator[None]:
    """All shapes are off, if that is wanted, and stay so but for a file with the animation."""
    shapes = head.data.shape_keys if wanted else None
    keys = list(shapes.key_blocks) if shapes is not None else []
    values = [key.value for key in keys]
    still = shapes is not None and not animated
    with actions.switched_off(shapes) if still else contextlib.nullcontext():
        try:
            for key in keys:
                key.value = 0.0
            yield
        finally:
            for key, value in zip(keys, values, strict=True):
                key.value = value


def head_image(head: bpy.types.Object) -> bpy.types.Image | None:
    """The texture of a head object."""
    return next((node.image for node in _image_nodes(head, (IMAGE_NODE,)) if node.image), None)


def head_images(head: bpy.types.Object) -> list[bpy.types.Image]:
    """All images that the materials of a head object show: the texture, and the lashes' copy of it."""
    return list(dict.fromkeys(node.image for node in _image_nodes(head, (IMAGE_NODE,)) if node.image))


def map_images(head: bpy.types.Object) -> dict[str, bpy.types.Image]:
    """The maps of a head object beside its texture, by the names of their files without ending."""
    return {name: image for name, image in _pictures(head).items() if name in MAP_NODES}


def _image_nodes(
    head: bpy.types.Object, names: Sequence[str] = (IMAGE_NODE, *MAP_NODES.values())
) -> list[bpy.types.Node]:
    materials = [slot.material for slot in head.material_slots if slot.material]
    return [node for material in materials for node in _image_nodes_of(material, names)]


def _image_nodes_of(material: bpy.types.Material, names: Sequence[str]) -> list[bpy.types.Node]:
    tree = material.node_tree
    return [tree.nodes[name] for name in names if name in tree.nodes] if tree else []


@contextlib.contextmanager
def _temporary_data() -> Iterator[None]:
    """What is made inside is removed at the end."""
    kinds = ("objects", "armatures", "meshes", "hair_curves", "materials", "node_groups", "images")
    before = {kind: {block.as_pointer() for block in getattr(bpy.data, kind)} for kind in kinds}
    try:
        yield
    finally:
        for kind in kinds:
            blocks = getattr(bpy.data, kind)
            for block in [b for b in blocks if b.as_pointer() not in before[kind]]:
                blocks.remove(block)
