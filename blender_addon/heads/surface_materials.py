"""The surface's material: the photo's colors, or how well the photo saw each spot. Needs bpy."""

import bpy

from ..blender import compat
from ..blender.shader_nodes import add_node, add_principled, new_material
from .confidence import SWITCH_NODE, add_ramp

#: The Principled shader's roughness, 0..1: skin, hair and cloth have one material.
ROUGHNESS = 0.6
#: The Principled shader's specular, 0..1: skin in soft light.
SPECULAR = 0.3


def surface_material(name: str) -> bpy.types.Material:
    """A Principled material with the mesh's colors, which `confidence.show_confidence` can switch over."""
    material, output = new_material(name, 700)
    nodes, links = material.node_tree.nodes, material.node_tree.links
    switch = add_node(material, "ShaderNodeMixShader", (500, 0))
    switch.name = switch.label = SWITCH_NODE
    switch.inputs["Fac"].default_value = 0.0
    links.new(switch.outputs["Shader"], output.inputs["Surface"])

    principled = add_surface_shader(material, (200, 100))
    color = add_node(material, "ShaderNodeVertexColor", (0, 100))
    color.layer_name = compat.COLOR_ATTRIBUTE
    links.new(color.outputs["Color"], principled.inputs["Base Color"])
    links.new(principled.outputs["BSDF"], switch.inputs[1])
    links.new(add_ramp(nodes, links, -300, -600)[-1].outputs["Emission"], switch.inputs[2])
    return material


def add_surface_shader(material: bpy.types.Material, location: tuple[float, float]) -> bpy.types.Node:
    """Add a Principled shader that is as rough and glossy as skin in soft light."""
    return add_principled(material, location, ROUGHNESS, SPECULAR)
