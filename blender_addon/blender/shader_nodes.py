"""Materials of nodes, from the first node on. Needs bpy."""

import bpy

from . import compat


def new_material(name: str, x: float) -> tuple[bpy.types.Material, bpy.types.Node]:
    """A material without nodes but its output, at the place (x, 0) of the node editor; and the output."""
    material = bpy.data.materials.new(name)
    compat.use_nodes(material)
    material.node_tree.nodes.clear()
    return material, add_node(material, "ShaderNodeOutputMaterial", (x, 0))


def add_node(material: bpy.types.Material, kind: str, location: tuple[float, float]) -> bpy.types.Node:
    """Add a node of a kind of Blender's, at a place in the node editor."""
    node = material.node_tree.nodes.new(kind)
    node.location = location
    return node


def add_principled(
    material: bpy.types.Material, location: tuple[float, float], roughness: float, specular: float
) -> bpy.types.Node:
    """Add a Principled shader, roughness and specular in 0..1."""
    principled = add_node(material, "ShaderNodeBsdfPrincipled", location)
    principled.inputs["Roughness"].default_value = roughness
    compat.set_specular(principled, specular)
    return principled
