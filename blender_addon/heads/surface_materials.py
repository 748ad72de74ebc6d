"""The head's material: the photo's colours, or how well the photo saw each spot. Needs bpy."""

import bpy
import numpy as np

from ..blender import compat
from .surface_import import CONFIDENCE_ATTRIBUTE

ROUGHNESS, SPECULAR = 0.6, 0.3
SWITCH_NODE = "Show Confidence"
#: Colours for confidences 0, 0.5 and 1: dark to bright, and told apart by colour-blind eyes too. sRGB,
#: 0..255; three stops of matplotlib's viridis (CC0).
RAMP = ((0.0, (68, 1, 84)), (0.5, (33, 145, 140)), (1.0, (253, 231, 37)))
#: The confidence as colours, for views that show vertex colours; there only while it is shown.
CONFIDENCE_COLORS = "Confidence"


def head_material(name: str) -> bpy.types.Material:
    """A Principled material with the mesh's colours, which `show_confidence` can switch over."""
    material = bpy.data.materials.new(name)
    compat.use_nodes(material)
    nodes, links = material.node_tree.nodes, material.node_tree.links
    nodes.clear()
    output = _node(nodes, "ShaderNodeOutputMaterial", (700, 0))
    switch = _node(nodes, "ShaderNodeMixShader", (500, 0))
    switch.name = switch.label = SWITCH_NODE
    switch.inputs["Fac"].default_value = 0.0
    links.new(switch.outputs["Shader"], output.inputs["Surface"])

    principled = _node(nodes, "ShaderNodeBsdfPrincipled", (200, 100))
    principled.inputs["Roughness"].default_value = ROUGHNESS
    compat.set_specular(principled, SPECULAR)
    color = _node(nodes, "ShaderNodeVertexColor", (0, 100))
    color.layer_name = compat.COLOR_ATTRIBUTE
    links.new(color.outputs["Color"], principled.inputs["Base Color"])
    links.new(principled.outputs["BSDF"], switch.inputs[1])

    confidence = _node(nodes, "ShaderNodeAttribute", (-300, -600))
    confidence.attribute_name = CONFIDENCE_ATTRIBUTE
    ramp = _node(nodes, "ShaderNodeValToRGB", (-100, -600))
    _fill(ramp.color_ramp)
    light = _node(nodes, "ShaderNodeEmission", (200, -600))
    links.new(confidence.outputs["Fac"], ramp.inputs["Fac"])
    links.new(ramp.outputs["Color"], light.inputs["Color"])
    links.new(light.outputs["Emission"], switch.inputs[2])
    return material


def shows_confidence(head: bpy.types.Object) -> bool:
    """Whether the head shows its confidence instead of its colours."""
    return any(switch.inputs["Fac"].default_value > 0.5 for switch in _switches(head))


def show_confidence(head: bpy.types.Object, on: bool) -> None:
    """Show the head's confidence, or its colours again: in its material, and as its vertex colours."""
    for switch in _switches(head):
        switch.inputs["Fac"].default_value = float(on)
    mesh = head.data
    shown = mesh.color_attributes.get(CONFIDENCE_COLORS)
    if shown is not None:
        mesh.color_attributes.remove(shown)
    if on:
        values = np.empty(len(mesh.vertices), np.float32)
        mesh.attributes[CONFIDENCE_ATTRIBUTE].data.foreach_get("value", values)
        compat.set_vertex_colors(mesh, confidence_colors(values), CONFIDENCE_COLORS)
    colors = mesh.color_attributes.get(CONFIDENCE_COLORS if on else compat.COLOR_ATTRIBUTE)
    if colors is not None:
        mesh.color_attributes.active_color = colors
        mesh.color_attributes.render_color_index = mesh.color_attributes.find(colors.name)
    mesh.update()


def has_confidence(head: bpy.types.Object) -> bool:
    """Whether there is something that can be shown."""
    return head.type == "MESH" and CONFIDENCE_ATTRIBUTE in head.data.attributes and bool(_switches(head))


def confidence_colors(values: np.ndarray) -> np.ndarray:
    """(N,) confidences 0..1 -> (N, 3) uint8 sRGB, as the material's ramp has them."""
    places = [place for place, _ in RAMP]
    # The ramp mixes in linear light; so does this.
    stops = np.array([_linear(color) for _, color in RAMP])
    linear = np.stack([np.interp(values, places, stops[:, k]) for k in range(3)], 1)
    srgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(srgb * 255.0).astype(np.uint8)


def _linear(color: tuple[int, int, int]) -> np.ndarray:
    srgb = np.array(color) / 255.0
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def _fill(ramp: bpy.types.ColorRamp) -> None:
    while len(ramp.elements) < len(RAMP):
        ramp.elements.new(1.0)
    for element, (place, color) in zip(ramp.elements, RAMP, strict=True):
        element.position = place
        element.color = (*_linear(color), 1.0)


def _node(nodes: bpy.types.Nodes, kind: str, location: tuple[float, float]) -> bpy.types.Node:
    node = nodes.new(kind)
    node.location = location
    return node


def _switches(head: bpy.types.Object) -> list[bpy.types.Node]:
    materials = [slot.material for slot in head.material_slots if slot.material]
    trees = [material.node_tree for material in materials if material.node_tree]
    return [tree.nodes[SWITCH_NODE] for tree in trees if SWITCH_NODE in tree.nodes]
