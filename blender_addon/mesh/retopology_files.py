"""A mesh on its way to the process that retopologizes it, and back, as .blend files. Needs bpy."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ..errors import StepError
from .retopology import ProgressCallback, as_shown, check_request, object_like, retopologize
from .retopology_report import RetopologyReport

SOURCE_NAME = "source.blend"
RESULT_NAME = "result.blend"
PICTURE_NAME = "picture.npy"
#: The one object in each of them.
OBJECT_NAME = "photobust retopology"


def write_source(original: bpy.types.Object, folder: Path, quads: int) -> tuple[str | None, ...]:
    """Write a mesh object as it is shown now, without materials and transform.

    Args:
        original: The object; it is not changed.
        folder: Gets SOURCE_NAME.
        quads: What will be asked for.

    Returns:
        The names of its materials, by slot; None for an empty slot.

    Raises:
        StepError: It is known already that this cannot be retopologized.
    """
    check_request(original, quads)
    shown = as_shown(original)
    try:
        materials = tuple(material.name if material else None for material in shown.materials)
        for slot in range(len(shown.materials)):
            shown.materials[slot] = None  # the slots stay: faces have their numbers
        copy = bpy.data.objects.new(OBJECT_NAME, shown)
        try:
            for group in original.vertex_groups[len(copy.vertex_groups) :]:
                copy.vertex_groups.new(name=group.name)
            bpy.data.libraries.write(str(folder / SOURCE_NAME), {copy})
        finally:
            bpy.data.objects.remove(copy)
    finally:
        bpy.data.meshes.remove(shown)
    return materials


def retopologize_folder(
    folder: Path, quads: int, texture: int, matrix: list[list[float]], on_progress: ProgressCallback
) -> dict[str, Any]:
    """Retopologize what `write_source` wrote; in the process.

    Args:
        folder: That was written to; gets RESULT_NAME and perhaps PICTURE_NAME.
        quads: About how many to make.
        texture: Side in pixels of the picture to bake, 0 for none.
        matrix: 3 by 3, from the object's frame to the world's.
        on_progress: Called as it goes on.

    Returns:
        What `read_result` needs, as JSON can hold it.
    """
    one = _read_object(folder / SOURCE_NAME)
    bpy.context.scene.collection.objects.link(one)
    bpy.context.view_layer.update()
    new, report = retopologize(bpy.context, one, quads, texture, on_progress, np.array(matrix, np.float64))
    new.name = OBJECT_NAME
    bpy.data.libraries.write(str(folder / RESULT_NAME), {new})
    if report.picture is not None:
        np.save(folder / PICTURE_NAME, report.picture)
    return {"name": new.name, **asdict(report), "picture": report.picture is not None}


def read_result(
    original: bpy.types.Object, folder: Path, materials: tuple[str | None, ...], result: dict[str, Any]
) -> tuple[bpy.types.Object, RetopologyReport]:
    """The new object, in no collection yet, with all that `original` has but its mesh; and the report.

    Args:
        original: As it is now.
        folder: That the process worked in.
        materials: As `write_source` returned them.
        result: The process's answer.
    """
    one = _read_object(folder / RESULT_NAME)
    mesh = one.data
    bpy.data.objects.remove(one)
    mesh.name = f"{original.name} quads"
    for slot, name in enumerate(materials):
        if slot < len(mesh.materials):
            mesh.materials[slot] = bpy.data.materials.get(name) if name else None
    picture = np.load(folder / PICTURE_NAME, allow_pickle=False) if result["picture"] else None
    values = {name: value for name, value in result.items() if name not in ("name", "picture")}
    values |= {"repairs": tuple(result["repairs"]), "lost": tuple(result["lost"])}
    return object_like(original, mesh), RetopologyReport(**values, picture=picture)


def _read_object(path: Path) -> bpy.types.Object:
    libraries = set(bpy.data.libraries.keys())
    with bpy.data.libraries.load(str(path)) as (found, wanted):
        wanted.objects = list(found.objects)
    if len(wanted.objects) != 1 or wanted.objects[0] is None or wanted.objects[0].type != "MESH":
        raise StepError(f"{path.name} does not hold the mesh that was written to it: try again.")
    # What is appended is local; that it came from a file is of no use to anybody.
    for name in set(bpy.data.libraries.keys()) - libraries:
        bpy.data.libraries.remove(bpy.data.libraries[name])
    return wanted.objects[0]
