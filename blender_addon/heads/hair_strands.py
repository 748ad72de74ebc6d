"""Strands as a Curves object that grows on the head. Needs bpy, 4.1 or later."""

import bpy
import numpy as np

from ..blender import compat
from ..blender.srgb import srgb_to_linear
from .hair_materials import strands_material
from .hair_npz import HairCurves

#: Radius of a strand at its root and at its tip, meters: each stands for a dozen hairs.
ROOT_RADIUS = 0.00035
TIP_RADIUS = 0.0001
#: Distance, meters, up to which a point is where it was built.
SAME_PLACE = 1e-5
#: The modifier that shortens and thins out, and its nodes.
AMOUNT = "Photobust Amount"
DENSITY_NODE = "Density"
LENGTH_NODE = "Length"


def are_possible() -> bool:
    """Whether this Blender can be given curves by a program."""
    curves = getattr(bpy.types, "Curves", None)
    return curves is not None and "add_curves" in curves.bl_rna.functions


def build(name: str, strands: HairCurves, head: bpy.types.Object) -> bpy.types.Object:
    """Build the strands.

    Args:
        name: Of the object.
        strands: Their points, head frame, meters.
        head: What they grow on.

    Returns:
        The object, in no collection yet.
    """
    count, points = strands.points.shape[:2]
    curves = bpy.data.hair_curves.new(name)
    curves.add_curves([points] * count)
    curves.position_data.foreach_set("vector", np.ascontiguousarray(strands.points, np.float32).ravel())
    along = np.linspace(0.0, 1.0, points, dtype=np.float32)
    radius = curves.attributes.get("radius") or curves.attributes.new("radius", "FLOAT", "POINT")
    radii = ROOT_RADIUS + (TIP_RADIUS - ROOT_RADIUS) * along
    radius.data.foreach_set("value", np.tile(radii, count).astype(np.float32))
    ends = srgb_to_linear(strands.colors.astype(np.float32) / 255.0)
    colors = ends[:, None, 0] * (1 - along)[None, :, None] + ends[:, None, 1] * along[None, :, None]
    rgba = np.concatenate([colors, np.ones((count, points, 1))], 2).astype(np.float32)
    curves.attributes.new("Tint", "FLOAT_COLOR", "POINT").data.foreach_set("color", rgba.ravel())
    place = curves.attributes.new("surface_uv_coordinate", "FLOAT2", "CURVE")
    place.data.foreach_set("vector", np.ascontiguousarray(strands.root_uv, np.float32).ravel())
    curves.surface = head
    if head.data.uv_layers:
        curves.surface_uv_map = head.data.uv_layers[0].name
    curves.materials.append(strands_material(name))
    ob = bpy.data.objects.new(name, curves)
    ob.modifiers.new(AMOUNT, "NODES").node_group = _amount_group(name)
    set_amount(ob, 1.0, 1.0)
    return ob


def set_amount(ob: bpy.types.Object, density: float, length: float) -> None:
    """Which part of the strands is shown, and how much of their length, 0..1."""
    modifier = ob.modifiers.get(AMOUNT)
    if modifier is None or modifier.node_group is None:
        return
    nodes = modifier.node_group.nodes
    count = len(ob.data.curves)
    nodes[DENSITY_NODE].outputs[0].default_value = density * count - 0.5
    nodes[LENGTH_NODE].outputs[0].default_value = max(length, 1e-3)
    modifier.show_viewport = modifier.show_render = density < 1.0 or length < 1.0


def are_as_built(ob: bpy.types.Object, strands: HairCurves) -> bool:
    """Whether an object has all of the strands, in their length, where they were built."""
    modifier = ob.modifiers.get(AMOUNT)
    if (modifier is not None and modifier.show_render) or len(ob.data.points) != strands.points[..., 0].size:
        return False
    points = np.empty(strands.points.size, np.float32)
    ob.data.position_data.foreach_get("vector", points)
    return bool(np.allclose(points.reshape(strands.points.shape), strands.points, atol=SAME_PLACE))


def _amount_group(name: str) -> bpy.types.NodeTree:
    """Nodes that delete the strands from a number on, and shorten the others from their tips."""
    group = bpy.data.node_groups.new(f"{name} amount", "GeometryNodeTree")
    compat.add_geometry_sockets(group)
    nodes, links = group.nodes, group.links
    begin, end = nodes.new("NodeGroupInput"), nodes.new("NodeGroupOutput")
    index = nodes.new("GeometryNodeInputIndex")
    limit, length = nodes.new("ShaderNodeValue"), nodes.new("ShaderNodeValue")
    limit.name = limit.label = DENSITY_NODE
    length.name = length.label = LENGTH_NODE
    beyond = nodes.new("ShaderNodeMath")
    beyond.operation = "GREATER_THAN"
    delete = nodes.new("GeometryNodeDeleteGeometry")
    delete.domain = "CURVE"
    trim = nodes.new("GeometryNodeTrimCurve")
    trim.mode = "FACTOR"
    links.new(index.outputs[0], beyond.inputs[0])
    links.new(limit.outputs[0], beyond.inputs[1])
    links.new(begin.outputs[0], delete.inputs["Geometry"])
    links.new(beyond.outputs[0], delete.inputs["Selection"])
    links.new(delete.outputs["Geometry"], trim.inputs["Curve"])
    links.new(
        length.outputs[0], next(socket for socket in trim.inputs if socket.name == "End" and socket.enabled)
    )
    links.new(trim.outputs["Curve"], end.inputs[0])
    for column, node in enumerate((begin, index, limit, length, beyond, delete, trim, end)):
        node.location = (180.0 * column, 0.0)
    return group
