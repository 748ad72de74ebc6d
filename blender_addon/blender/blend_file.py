"""What scripts need of somebody's .blend: opened, and the object that is meant. Needs bpy."""

from pathlib import Path

import bpy

from ..errors import AddonError


class BlendFileError(AddonError):
    """A .blend cannot be opened, or has not what is asked for."""


def open_blend(path: str | None) -> bpy.types.Context:
    """Open a .blend (if none is named, what Blender has open stays), without running scripts in it.

    Raises BlendFileError.
    """
    if path is None:
        return bpy.context
    if not Path(path).is_file():
        raise BlendFileError(f"There is no file {path}.")
    try:
        bpy.ops.wm.open_mainfile(filepath=str(Path(path).absolute()), load_ui=False, use_scripts=False)
    except RuntimeError as error:
        raise BlendFileError(f"Blender cannot open {path}: {str(error).strip()}") from error
    return bpy.context


def find_mesh(context: bpy.types.Context, name: str | None) -> bpy.types.Object:
    """The mesh object of that name; without one the active one, or the only one. Raises BlendFileError."""
    meshes = [ob for ob in bpy.data.objects if ob.type == "MESH"]
    shown = ", ".join(sorted(ob.name for ob in meshes)[:20]) or "none"
    if name:
        found = [ob for ob in bpy.data.objects if ob.name == name]
        if not found:
            raise BlendFileError(f'There is no object "{name}". Mesh objects here: {shown}.')
        if found[0].type != "MESH":
            raise BlendFileError(f'"{name}" is no mesh. Mesh objects here: {shown}.')
        return found[0]
    active = context.view_layer.objects.active if context.view_layer else None
    if active is not None and active.type == "MESH":
        return active
    if len(meshes) != 1:
        raise BlendFileError(f"Say which object, with --object. Mesh objects here: {shown}.")
    return meshes[0]
