"""Levels of detail of a head that keep its shapes, bones and texture coordinates. Needs bpy."""

import bpy
import numpy as np

from ..blender import compat
from ..blender.coordinates import coordinates
from ..errors import ExportError
from .head_npz import DetailLevel, HeadData

#: Weights below this are left out.
MIN_WEIGHT = 1e-6


def level_object(
    head: bpy.types.Object, data: HeadData, level: DetailLevel, name: str, collection: bpy.types.Collection
) -> bpy.types.Object:
    """The head with the triangles of a level of detail.

    Args:
        head: A head with the template's quads; its vertices, shapes and weights may have been changed.
        data: What it was built from, which has the materials of parts.
        level: One of the data's levels.
        name: Of the object and its mesh.
        collection: Where it goes.

    Returns:
        An object that hangs on the head's armature, if there is one, and is bent by it.

    Raises:
        ExportError: The head has other faces.
    """
    source = head.data
    loops = np.empty(len(source.loops), np.int32)
    source.loops.foreach_get("vertex_index", loops)
    if not np.array_equal(loops, data.quads.ravel()):
        raise ExportError("This head has other faces than it was made with: it has no levels of detail.")
    kept, triangles = np.unique(loops[level.corners], return_inverse=True)
    triangles = triangles.reshape(-1, 3)
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(_placed(coordinates(source.vertices), kept, level).tolist(), [], triangles.tolist())
    for layer in source.uv_layers:
        uv = np.empty(2 * len(loops), np.float32)
        layer.data.foreach_get("uv", uv)
        made = mesh.uv_layers.new(name=layer.name)
        made.data.foreach_set("uv", uv.reshape(-1, 2)[level.corners.ravel()].ravel())
    for material in source.materials:
        mesh.materials.append(material)
    first = [int(np.argmax(data.face_part == part)) for part in range(len(data.part_names))]
    mesh.polygons.foreach_set("material_index", data.face_material[first][level.part].astype(np.int32))
    compat.shade_smooth(mesh)
    mesh.update()
    made_object = bpy.data.objects.new(name, mesh)
    collection.objects.link(made_object)
    _copy_shapes(source, made_object, kept, level)
    _copy_weights(head, made_object, kept)
    made_object.parent = head.parent
    for modifier in head.modifiers:
        if modifier.type == "ARMATURE":
            bend = made_object.modifiers.new(modifier.name, "ARMATURE")
            bend.object = modifier.object
            bend.use_deform_preserve_volume = modifier.use_deform_preserve_volume
    return made_object


def _placed(points: np.ndarray, kept: np.ndarray, level: DetailLevel) -> np.ndarray:
    """(K, 3) where a level's vertices are.

    Args:
        points: (V, 3) the head's.
        kept: (K,) those that the level keeps.
        level: The level.
    """
    offsets = points[level.stencil] - points[kept, None]
    return points[kept] + np.einsum("kn,knc->kc", level.stencil_weights, offsets)


def _copy_shapes(
    source: bpy.types.Mesh, target: bpy.types.Object, kept: np.ndarray, level: DetailLevel
) -> None:
    for key in source.shape_keys.key_blocks if source.shape_keys else []:
        made = target.shape_key_add(name=key.name, from_mix=False)
        made.data.foreach_set("co", _placed(coordinates(key.data), kept, level).astype(np.float32).ravel())
        made.value = 0.0


def _copy_weights(head: bpy.types.Object, target: bpy.types.Object, kept: np.ndarray) -> None:
    """The weights of the armature's bones; groups of parts and landmarks are left out."""
    rig = head.parent if head.parent is not None and head.parent.type == "ARMATURE" else None
    if rig is None:
        return
    groups = {group.index: group.name for group in head.vertex_groups if group.name in rig.data.bones}
    made = {index: target.vertex_groups.new(name=name) for index, name in groups.items()}
    for number, vertex in enumerate(kept.tolist()):
        for element in head.data.vertices[vertex].groups:
            if element.group in made and element.weight > MIN_WEIGHT:
                made[element.group].add([number], element.weight, "REPLACE")
