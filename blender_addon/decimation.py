"""Coloured surfaces with fewer triangles. Needs bpy."""

import bpy
import numpy as np
from mathutils.kdtree import KDTree

from .ply import SurfaceMesh
from .surface_import import mesh_from_surface

#: How much of the simplifying the parts that the photo saw well are spared: their detail is real.
SPARED = 0.9
GROUP = "simplify"


def decimated(surface: SurfaceMesh, triangles: int) -> SurfaceMesh:
    """A surface of about so many triangles, denser where the photo saw it; as it is if it has no more.

    By Blender's edge collapse with quadric errors. The colours are those of the nearest vertices before.
    """
    if len(surface.faces) <= triangles:
        return surface
    vertices, faces = _collapsed(surface, triangles / len(surface.faces))
    tree = KDTree(len(surface.vertices))
    for index, point in enumerate(surface.vertices.tolist()):
        tree.insert(point, index)
    tree.balance()
    nearest = np.array([tree.find(point)[1] for point in vertices.tolist()])
    return SurfaceMesh(
        vertices,
        faces,
        None if surface.colors is None else surface.colors[nearest],
        None if surface.confidence is None else surface.confidence[nearest],
    )


def _collapsed(surface: SurfaceMesh, ratio: float) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (N, 3) float32 and triangles (M, 3) int32."""
    scene = bpy.data.scenes.new("photobust decimation")
    mesh = mesh_from_surface(SurfaceMesh(surface.vertices, surface.faces, None, None), "photobust decimation")
    item = bpy.data.objects.new("photobust decimation", mesh)
    try:
        scene.collection.objects.link(item)
        modifier = item.modifiers.new("Decimate", "DECIMATE")
        modifier.ratio = ratio
        modifier.use_collapse_triangulate = True
        if surface.confidence is not None:
            group = item.vertex_groups.new(name=GROUP)
            # In a few steps: setting weights one by one takes longer than the rest.
            weights = np.rint((1.0 - SPARED * np.clip(surface.confidence, 0.0, 1.0)) * 20.0) / 20.0
            for weight in np.unique(weights):
                group.add(np.flatnonzero(weights == weight).tolist(), float(weight), "REPLACE")
            modifier.vertex_group = GROUP
        layer = scene.view_layers[0]
        layer.update()
        return _arrays(item.evaluated_get(layer.depsgraph).to_mesh())
    finally:
        bpy.data.objects.remove(item)
        bpy.data.meshes.remove(mesh)
        bpy.data.scenes.remove(scene)


def _arrays(mesh: bpy.types.Mesh) -> tuple[np.ndarray, np.ndarray]:
    mesh.calc_loop_triangles()
    vertices = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", vertices)
    triangles = np.empty(3 * len(mesh.loop_triangles), np.int32)
    mesh.loop_triangles.foreach_get("vertices", triangles)
    return vertices.reshape(-1, 3), triangles.reshape(-1, 3)
