"""Lays a mesh of quads flat: few islands, none over another. Needs bpy."""

from dataclasses import dataclass

import bpy
import numpy as np

from ..blender.scratch_scene import edit_mode, scratch_scene
from . import topology, uv_charts, uv_raster
from .arrays import read, read_quads
from .closest_point import quad_normals

UV_LAYER = "UVMap"
#: Space between islands, fraction of the picture: 6 texels of 1024.
MARGIN = 0.006
#: Fraction of the covered texels that may be covered twice: what rasterizing leaves open along edges.
MAX_OVERLAP = 1e-4
#: Rounds of dividing charts and unwrapping again.
ROUNDS = 6
#: What of a divided chart has less than this fraction of the area is merged into a neighbor.
MIN_CHART_FRACTION = 0.01


@dataclass(frozen=True)
class Unwrapped:
    """uv (Q, 4, 2) float64, v up, in 0..1; islands: how many; overlap: fraction of texels covered twice."""

    uv: np.ndarray
    islands: int
    overlap: float


def unwrap(context: bpy.types.Context, mesh: bpy.types.Mesh) -> Unwrapped:
    """Give a mesh of quads a layer of texture coordinates, by Blender's angle-based unwrapping of our charts.

    Where an island of it folds over itself, its chart is divided and all is unwrapped again.
    """
    vertices, quads = read_quads(mesh)
    normals = quad_normals(vertices, quads)
    a, b, c, d = (vertices[quads[:, k]] for k in range(4))
    areas = np.linalg.norm(np.cross(c - a, d - b), axis=1) / 2
    label = uv_charts.charts(quads, normals, areas)
    layer = mesh.uv_layers.get(UV_LAYER) or mesh.uv_layers.new(name=UV_LAYER)
    mesh.uv_layers.active = layer
    for k in range(ROUNDS):
        _mark(mesh, uv_charts.seams(quads, label))
        _unwrap(context, mesh)
        uv = read(mesh.uv_layers[UV_LAYER].data, "uv", 2, np.float32).reshape(-1, 4, 2).astype(np.float64)
        halves = topology.triangulated(np.arange(uv.shape[0] * 4).reshape(-1, 4))
        corners = uv.reshape(-1, 2)[halves]
        overlap = uv_raster.overlap(corners)
        if overlap <= MAX_OVERLAP:
            break
        folded = np.unique(label[uv_raster.overlapping(corners) // 2])
        for chart in folded:
            label = uv_charts.divide(label, int(chart), normals)
        label = uv_charts.connected(quads, label)
        if k < ROUNDS // 2:  # then rather many islands than one over another
            label = uv_charts.merge_small(quads, label, normals, areas, MIN_CHART_FRACTION)
    return Unwrapped(uv, int(label.max()) + 1, overlap)


def _mark(mesh: bpy.types.Mesh, seams: np.ndarray) -> None:
    """Mark these edges, and no others, as seams."""
    count = len(mesh.vertices)
    edges = np.sort(read(mesh.edges, "vertices", 2, np.int32).astype(np.int64), axis=1)
    marked = np.isin(edges[:, 0] * count + edges[:, 1], seams[:, 0] * count + seams[:, 1])
    mesh.edges.foreach_set("use_seam", marked)


def _unwrap(context: bpy.types.Context, mesh: bpy.types.Mesh) -> None:
    with scratch_scene() as scene:
        one = bpy.data.objects.new("photobust unwrap", mesh)
        scene.collection.objects.link(one)
        with edit_mode(context, scene, one):
            bpy.ops.uv.unwrap(method="ANGLE_BASED", fill_holes=True, correct_aspect=False, margin=MARGIN)
