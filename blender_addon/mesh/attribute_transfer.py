"""Transfers colors, UVs, weights and other attributes from a mesh to one that lies on it. Needs bpy.

Vertex data is interpolated at the nearest point. Data of corners can jump, as at a hard edge between two
colors: it is looked up a little inside of the quad. UVs have a module of their own.
"""

from dataclasses import dataclass

import bpy
import numpy as np

from .arrays import TriangleMesh, read
from .closest_point import ClosestPoints, SurfaceQuery
from .uv_transfer import transfer_uv

#: What is no data of the user's, or is carried over in another way.
SKIPPED = {"position", "material_index", "sharp_face", "shade_smooth", "sharp_edge", "custom_normal"}
#: Property and width by type of attribute; what is not here cannot be interpolated.
NUMBERS = {
    "FLOAT": ("value", 1),
    "FLOAT_VECTOR": ("vector", 3),
    "FLOAT2": ("vector", 2),
    "FLOAT_COLOR": ("color", 4),
    "BYTE_COLOR": ("color", 4),
}
#: Attributes that are taken as they are from the nearest vertex, corner or face.
CHOICES = {"INT": "value", "INT8": "value", "BOOLEAN": "value"}
#: Colors are taken this fraction of the way from a quad's corner to its middle: on its side of a hard edge.
INWARD_FRACTION = 0.05
#: Vertex weights below this are left out.
MIN_WEIGHT = 1e-4


@dataclass(frozen=True)
class AttributeSource:
    """A mesh that attributes come from: its data-block, its triangles in the frame of `surface`."""

    mesh: bpy.types.Mesh
    triangles: TriangleMesh
    surface: SurfaceQuery


def transfer(
    source: AttributeSource, target: bpy.types.Mesh, vertices: np.ndarray, quads: np.ndarray
) -> list[str]:
    """Transfer all attributes that can be transferred.

    Args:
        source: The mesh that has them.
        target: The mesh of quads that gets them.
        vertices: (N, 3) float64, its vertices in the source's frame.
        quads: (Q, 4) int.

    Returns:
        The names of attributes that were left out.
    """
    at_vertices = source.surface.closest(vertices)
    middles = vertices[quads].mean(1)
    at_middles = source.surface.closest(middles)
    at_corners: ClosestPoints | None = None  # many, and surfaces have no colors of corners
    layers = source.mesh.uv_layers
    materials = read(source.mesh.polygons, "material_index", 1, np.int32)[source.triangles.faces]
    _transfer_faces(source, target, at_middles)
    for layer in layers:
        values = read(layer.data, "uv", 2, np.float32).astype(np.float64)[source.triangles.corners]
        made = transfer_uv(source.surface, values, materials, vertices[quads], at_middles)
        new = target.uv_layers.new(name=layer.name)
        new.data.foreach_set("uv", np.ascontiguousarray(made, np.float32).ravel())
    if layers:
        target.uv_layers.active = target.uv_layers[layers.active.name]
        for layer in layers:
            target.uv_layers[layer.name].active_render = layer.active_render
    lost = []
    for attribute in source.mesh.attributes:
        if attribute.name.startswith(".") or attribute.name in SKIPPED or layers.get(attribute.name):
            continue
        if attribute.domain == "CORNER" and at_corners is None:
            inside = vertices[quads] + INWARD_FRACTION * (middles[:, None] - vertices[quads])
            at_corners = source.surface.closest(inside.reshape(-1, 3))
        near = {"POINT": at_vertices, "CORNER": at_corners, "FACE": at_middles}.get(attribute.domain)
        if near is None or not _transfer_one(source, attribute, target, near):
            lost.append(attribute.name)
    _transfer_color_choice(source.mesh, target)
    return lost


def transfer_groups(
    source: AttributeSource, groups: bpy.types.Object, target: bpy.types.Object, vertices: np.ndarray
) -> None:
    """Transfer vertex groups to another mesh.

    Args:
        source: The mesh that has the weights.
        groups: The object whose vertex groups they are.
        target: The object that gets the groups, instead of those that it has.
        vertices: (N, 3) float64, its vertices, frame and unit of the source.
    """
    names = [group.name for group in groups.vertex_groups]
    for group in list(target.vertex_groups):
        target.vertex_groups.remove(group)
    if not names:
        return
    weights = np.zeros((len(source.mesh.vertices), len(names)), np.float32)
    for vertex in source.mesh.vertices:
        for element in vertex.groups:
            if element.group < len(names):
                weights[vertex.index, element.group] = element.weight
    mixed = source.surface.closest(vertices).interpolate(
        weights[source.triangles.triangles].astype(np.float64)
    )
    for k, name in enumerate(names):
        group = target.vertex_groups.new(name=name)
        for vertex in np.flatnonzero(mixed[:, k] > MIN_WEIGHT).tolist():
            group.add([vertex], float(mixed[vertex, k]), "REPLACE")


def _transfer_faces(source: AttributeSource, target: bpy.types.Mesh, near: ClosestPoints) -> None:
    """Materials, and whether faces are smooth."""
    for material in source.mesh.materials:
        target.materials.append(material)
    face = source.triangles.faces[near.triangle]
    for name, kind in (("material_index", np.int32), ("use_smooth", bool)):
        target.polygons.foreach_set(name, read(source.mesh.polygons, name, 1, kind)[face])


def _transfer_one(
    source: AttributeSource, attribute: bpy.types.Attribute, target: bpy.types.Mesh, near: ClosestPoints
) -> bool:
    kind, domain = attribute.data_type, attribute.domain
    if kind not in NUMBERS and kind not in CHOICES:
        return False
    name, width = NUMBERS.get(kind, (CHOICES.get(kind, ""), 1))
    exact = {"BOOLEAN": bool, "INT": np.int32, "INT8": np.int32}.get(kind, np.float32)
    values = read(attribute.data, name, width, exact).reshape(-1, width)
    triangles = source.triangles
    if domain == "FACE":
        made = values[triangles.faces[near.triangle]]
    else:
        corners = (triangles.triangles if domain == "POINT" else triangles.corners)[near.triangle]
        if kind in NUMBERS:
            made = np.einsum("pk,pkc->pc", near.weights, values[corners].astype(np.float64))
        else:
            made = values[corners[np.arange(len(corners)), near.weights.argmax(1)]]
    new = target.attributes.new(attribute.name, kind, domain)
    new.data.foreach_set(name, np.ascontiguousarray(made, exact).ravel())
    return True


def _transfer_color_choice(source: bpy.types.Mesh, target: bpy.types.Mesh) -> None:
    """The same colors are shown and rendered."""
    colors = target.color_attributes
    active = source.color_attributes.active_color
    if active is not None and active.name in colors:
        colors.active_color = colors[active.name]
    index = source.color_attributes.render_color_index
    if 0 <= index < len(source.color_attributes) and source.color_attributes[index].name in colors:
        colors.render_color_index = colors.find(source.color_attributes[index].name)
