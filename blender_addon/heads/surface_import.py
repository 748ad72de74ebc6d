"""surface.ply -> a Blender mesh with colors and confidence. Needs bpy."""

import os
from pathlib import Path

import bpy
import numpy as np

from ..blender import compat
from .ply import SurfaceMesh, read_ply

CONFIDENCE_ATTRIBUTE = "confidence"


def import_surface(path: str | os.PathLike, name: str = "") -> bpy.types.Mesh:
    """Mesh data-block of a surface.ply, named `name` (the file's folder if empty), in no scene yet."""
    return mesh_from_surface(read_ply(path), name or Path(path).parent.name)


def mesh_from_surface(surface: SurfaceMesh, name: str) -> bpy.types.Mesh:
    """Mesh data-block of a surface: 1 unit is 1 m, z up, the face looks along -y."""
    count = len(surface.faces)
    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(len(surface.vertices))
    mesh.vertices.foreach_set("co", np.ascontiguousarray(surface.vertices, np.float32).ravel())
    mesh.loops.add(3 * count)
    mesh.loops.foreach_set("vertex_index", np.ascontiguousarray(surface.faces, np.int32).ravel())
    mesh.polygons.add(count)
    mesh.polygons.foreach_set("loop_start", np.arange(0, 3 * count, 3, dtype=np.int32))
    compat.set_face_sizes(mesh, 3)
    compat.shade_smooth(mesh)
    mesh.update(calc_edges=True)
    if surface.colors is not None:
        compat.set_vertex_colors(mesh, surface.colors)
    if surface.confidence is not None:
        compat.set_float_attribute(mesh, CONFIDENCE_ATTRIBUTE, surface.confidence)
    return mesh
