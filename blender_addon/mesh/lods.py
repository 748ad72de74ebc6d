"""Levels of detail: the same mesh with fewer and fewer triangles. Needs bpy.

Blender's Decimate modifier collapses edges, the least visible first, and keeps borders closed, but does not
mind the seams of texture coordinates. So seams and borders have weight 0 in a vertex group that it heeds, as
long as that leaves enough else to take away.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import bpy
import numpy as np

from ..blender.scratch_scene import evaluated, scratch_scene
from ..errors import StepError
from . import topology
from .arrays import read, read_triangles
from .uv_transfer import uv_joints

#: How far the number of triangles may be from the one asked for.
TOLERANCE = 0.05
GROUP = "photobust held"
#: Factor of the Decimate modifier by which seams and borders are held. On an animation-ready head (400 of
#: 5208 vertices), held and not held: at 0.25 95 % of the points moved less than 5.7 and 6.5 texels of 2048,
#: and lie nearer than 0.59 and 0.52 mm; at 0.1 it is 2.9 and 1.5 mm.
HOLD_FACTOR = 20.0
#: They are held while they have no more than this fraction of the vertices that are to be left.
MAX_HELD_FRACTION = 1 / 3


@dataclass(frozen=True)
class DecimatedMesh:
    """A level of detail: ratio asked for, mesh (to be removed by who has it), triangles, and how many of the
    undecimated mesh.
    """

    ratio: float
    mesh: bpy.types.Mesh
    triangles: int
    of: int


def checked_ratios(ratios: Sequence[float]) -> list[float]:
    """The ratios as they may be. Raises StepError."""
    values = [float(ratio) for ratio in ratios]
    if not values or not all(0.0 < value <= 1.0 for value in values):
        raise StepError(
            "Levels of detail are fractions of the triangles, above 0 up to 1, such as 1.0,0.5,0.25."
        )
    return values


def levels(one: bpy.types.Object, ratios: Sequence[float]) -> Iterator[DecimatedMesh]:
    """The mesh of an object with each of the ratios of its triangles; 1 is the mesh as it is.

    Raises StepError if a number of triangles cannot be reached.
    """
    whole = triangles_of(one.data)
    for ratio in checked_ratios(ratios):
        if ratio == 1.0:
            yield DecimatedMesh(ratio, one.data.copy(), whole, whole)
        else:
            mesh = decimated(one, ratio)
            yield DecimatedMesh(ratio, mesh, triangles_of(mesh), whole)


def triangles_of(mesh: bpy.types.Mesh) -> int:
    """How many triangles a mesh is drawn with."""
    return len(mesh.loops) - 2 * len(mesh.polygons)


def decimated(one: bpy.types.Object, ratio: float) -> bpy.types.Mesh:
    """A new mesh with a fraction of the object's triangles. Raises StepError if that cannot be."""
    whole = triangles_of(one.data)
    wanted = ratio * whole
    held = held_vertices(one.data)
    few = len(held) <= MAX_HELD_FRACTION * ratio * len(one.data.vertices)
    for hold in (HOLD_FACTOR, 0.0) if few and len(held) else (0.0,):
        mesh = _decimated(one, ratio, held, hold)
        count = triangles_of(mesh)
        if abs(count - wanted) <= max(TOLERANCE * wanted, 2.0):
            return mesh
        bpy.data.meshes.remove(mesh)
    raise StepError(
        f"{one.name} cannot be reduced to {ratio:g} of its {whole} triangles without tearing it (it comes to "
        f"{count}): ask for more."
    )


def held_vertices(mesh: bpy.types.Mesh) -> np.ndarray:
    """The vertices on seams of the texture coordinates, on borders, and between materials."""
    found = read_triangles(mesh)
    triangles = found.triangles
    materials = read(mesh.polygons, "material_index", 1, np.int32)[found.faces]
    layer = mesh.uv_layers.active
    if layer is None:
        uv = np.zeros((len(triangles), 3, 2))
    else:
        uv = read(layer.data, "uv", 2, np.float32).astype(np.float64)[found.corners]
    _, seams = uv_joints(triangles, uv, materials)
    edges = topology.edges_of(triangles)
    return np.unique(np.concatenate([seams, edges.vertices[edges.faces != 2]]))


def _decimated(one: bpy.types.Object, ratio: float, held: np.ndarray, hold: float) -> bpy.types.Mesh:
    with scratch_scene() as scene:
        copy = one.copy()
        copy.data = one.data.copy()
        mesh = copy.data
        try:
            copy.modifiers.clear()
            copy.hide_viewport = False
            scene.collection.objects.link(copy)
            modifier = copy.modifiers.new(GROUP, "DECIMATE")
            modifier.ratio = ratio
            modifier.use_collapse_triangulate = True
            if hold:
                group = copy.vertex_groups.new(name=GROUP)
                free = np.setdiff1d(np.arange(len(mesh.vertices)), held)
                group.add(free.tolist(), 1.0, "REPLACE")
                modifier.vertex_group = group.name
                modifier.vertex_group_factor = hold
            made = evaluated(scene, copy)
        finally:
            scene.collection.objects.unlink(copy)
            bpy.data.objects.remove(copy)
            bpy.data.meshes.remove(mesh)
    return made
