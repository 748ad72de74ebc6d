"""Blender's own exporters, with options for heads: meters, upright, looking at the viewer. Needs bpy."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import bpy
from mathutils import Matrix

from ..errors import ExportError
from . import compat, fbx_file, glb_nodes, glb_normals, glb_tangents
from .atomic_file import written_atomically

#: Options for files in which z points up and the face looks along -y, as in Blender.
Z_UP: dict[str, dict[str, object]] = {
    "fbx": {"axis_forward": "Y", "axis_up": "Z"},
    "obj": {"forward_axis": "Y", "up_axis": "Z"},
}
#: Options for files with an animation; the frames of the scene, as they are evaluated.
ANIMATED: dict[str, dict[str, object]] = {
    "fbx": {"bake_anim": True, "bake_anim_use_nla_strips": False, "bake_anim_use_all_actions": False},
    "glb": {
        "export_animations": True,
        "export_animation_mode": "ACTIVE_ACTIONS",
        "export_morph_animation": True,
        "export_frame_range": True,
        "export_force_sampling": True,
    },
}
#: What the add-on's properties of objects and scenes are called.
OWN_PROPERTIES = "photobust"
SUFFIXES = {"fbx": ".fbx", "obj": ".obj", "usd": ".usdc", "glb": ".glb"}


@dataclass(frozen=True)
class WriteOptions:
    """How objects are written.

    Attributes:
        scale: Units of the file for a meter.
        up: "y" or "z", the axis that points up, where the format lets one choose (FBX, OBJ).
        others: What else is written, such as levels of detail, with the same armature.
        animation: Whether the scene's frames are written, too, in GLB and FBX.
        origin: What becomes the file's origin, in the object's own frame, meters.
    """

    scale: float = 1.0
    up: str = "y"
    others: tuple[bpy.types.Object, ...] = ()
    animation: bool = False
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)


DEFAULT_OPTIONS = WriteOptions()


def _cleaned_glb(data: bytes) -> bytes:
    """The file, the same from run to run; skinned meshes at the root, tangents, as the engine has them."""
    return glb_nodes.skins_at_root(glb_tangents.with_tangents(glb_normals.with_stable_normals(data)))


#: What makes a written file the same from run to run.
CLEANERS = {"fbx": fbx_file.cleaned, "glb": _cleaned_glb}


def formats() -> tuple[str, ...]:
    """The formats that this Blender can write."""
    return tuple(name for name, (operator, _) in exporters().items() if compat.has_operator(operator))


def write(
    context: bpy.types.Context,
    one: bpy.types.Object,
    path: Path,
    format_: str,
    how: WriteOptions = DEFAULT_OPTIONS,
) -> None:
    """Write an object, as if it were at the origin, into a file.

    FBX and GLB files are the same from run to run, and contain nothing about this computer.

    Args:
        context: Blender's.
        one: A mesh object, 1 unit is 1 m. If its parent is an armature, this is written too.
        path: The file.
        format_: One of `formats()`.
        how: How it is written.

    Raises:
        ExportError: This Blender has no such exporter, or the file cannot be written.
    """
    operator, options = exporters()[format_]
    if not compat.has_operator(operator):
        raise ExportError(f"This Blender cannot write {format_.upper()}: choose another format or Blender.")
    if how.up == "z":
        options = options | Z_UP.get(format_, {})
    if how.animation:
        options = options | ANIMATED.get(format_, {})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        written = [one, *how.others, *([one.parent] if one.parent is not None else []), context.scene]
        with (
            alone(context, one, how.scale, how.others, how.origin),
            in_meters(context.scene),
            without_own_properties(written),
        ):
            operator(filepath=str(path), **compat.known_options(operator, options))
    except (OSError, RuntimeError) as error:
        raise ExportError(f"{path} cannot be written ({error}): choose another folder.") from error
    if not path.is_file():
        raise ExportError(f"{path} was not written: choose another folder or format.")
    if format_ in CLEANERS:
        _clean(path, CLEANERS[format_])


def _clean(path: Path, cleaned: Callable[[bytes], bytes]) -> None:
    try:
        with written_atomically(path) as partial:
            partial.write_bytes(cleaned(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise ExportError(f"{path} cannot be written ({error}): choose another folder.") from error


def exporters() -> dict[str, tuple[Callable[..., set[str]], dict[str, object]]]:
    """Operator and options by format."""
    return {
        "fbx": (
            bpy.ops.export_scene.fbx,
            {
                "use_selection": True,
                "object_types": {"MESH", "ARMATURE"},
                "add_leaf_bones": False,
                # A unit is written as 100 cm, so that no program scales the head.
                "apply_scale_options": "FBX_SCALE_ALL",
                "axis_forward": "-Z",
                "axis_up": "Y",
                "bake_space_transform": True,
                "mesh_smooth_type": "FACE",
                "use_mesh_modifiers": False,
                "use_custom_props": True,
                "bake_anim": False,
                "path_mode": "COPY",
                "embed_textures": True,
            },
        ),
        "obj": (
            bpy.ops.wm.obj_export,
            {
                "export_selected_objects": True,
                "forward_axis": "NEGATIVE_Z",
                "up_axis": "Y",
                "export_materials": True,
                "export_triangulated_mesh": False,
                "path_mode": "STRIP",  # the texture lies beside it
            },
        ),
        "usd": (
            bpy.ops.wm.usd_export,
            {
                "selected_objects_only": True,
                "export_animation": False,
                "export_uvmaps": True,
                "export_normals": True,
                "export_materials": True,
                "export_shapekeys": True,
                "generate_preview_surface": True,
                "export_textures": False,  # until 4.1
                "export_textures_mode": "KEEP",
                "convert_world_material": False,
                "relative_paths": True,
                "root_prim_path": "/root",
                "export_custom_properties": False,  # it knows no lists
            },
        ),
        "glb": (
            bpy.ops.export_scene.gltf,
            {
                "export_format": "GLB",
                "use_selection": True,
                "export_yup": True,
                "export_animations": False,
                "export_morph": True,
                "export_morph_normal": False,
                "export_extras": True,
            },
        ),
    }


@contextlib.contextmanager
def without_own_properties(blocks: Sequence[bpy.types.ID]) -> Iterator[None]:
    """These without what the add-on notes of them, folders of this computer included.

    glTF's exporter writes such properties of scenes, too, and since 5.x those of objects.
    """
    noted: list[tuple[bpy.types.ID, dict[str, object]]] = []
    for block in blocks:
        kept = compat.registered_properties(block)
        if OWN_PROPERTIES in kept:
            noted.append((block, kept[OWN_PROPERTIES].to_dict()))
            del kept[OWN_PROPERTIES]
    try:
        yield
    finally:
        for block, values in noted:
            compat.registered_properties(block)[OWN_PROPERTIES] = values


@contextlib.contextmanager
def in_meters(scene: bpy.types.Scene) -> Iterator[None]:
    """A scene's unit is a meter, whatever its artist works in: only FBX files would be scaled by it."""
    units = scene.unit_settings
    before = units.scale_length
    units.scale_length = 1.0
    try:
        yield
    finally:
        units.scale_length = before


@contextlib.contextmanager
def alone(
    context: bpy.types.Context,
    one: bpy.types.Object,
    scale: float = 1.0,
    others: Sequence[bpy.types.Object] = (),
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> Iterator[None]:
    """Only this object, and its armature, is selected, shown, and at the origin, `scale` times as large.

    So are others that hang on the same armature. `origin`: the point of the object's own frame that is there.
    """
    view_layer = context.view_layer
    view_layer.update()  # a selected object that was removed a moment ago would be None in what follows
    selected, active = list(view_layer.objects.selected), view_layer.objects.active
    armature = one.parent if one.parent is not None and one.parent.type == "ARMATURE" else None
    shown = [one, *others]
    if armature is not None:
        shown.insert(0, armature)  # what the others' places depend on comes first
    places = [(ob, ob.matrix_world.copy(), ob.hide_get(view_layer=view_layer)) for ob in shown]
    # What is hidden by these cannot be selected, and exporters would leave it out without a word.
    flags = [(ob, ob.hide_viewport, ob.hide_select) for ob in shown]
    try:
        for other in selected:
            other.select_set(False, view_layer=view_layer)
        for ob in shown:
            ob.hide_viewport = ob.hide_select = False
            ob.hide_set(False, view_layer=view_layer)
            ob.matrix_world = Matrix.Scale(scale, 4) @ Matrix.Translation([-value for value in origin])
            view_layer.update()
            ob.select_set(True, view_layer=view_layer)
        view_layer.objects.active = one
        view_layer.update()
        yield
    finally:
        for ob, matrix, hidden in places:
            ob.matrix_world = matrix
            view_layer.update()
            ob.hide_set(hidden, view_layer=view_layer)
            ob.select_set(False, view_layer=view_layer)
        for ob, hidden, locked in flags:
            ob.hide_viewport, ob.hide_select = hidden, locked
        for other in selected:
            other.select_set(True, view_layer=view_layer)
        view_layer.objects.active = active
