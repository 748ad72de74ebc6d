"""Shows how well the photo saw each spot of a head, in its materials and as vertex colors. Needs bpy.

A surface's material has a switch for it. An animation-ready head's materials get their nodes only while it is
shown: exporters want a Principled shader at the output.
"""

from collections.abc import Iterator

import bpy
import numpy as np

from ..blender import compat
from ..blender.srgb import linear_to_bytes, srgb_to_linear
from .surface_import import CONFIDENCE_ATTRIBUTE

#: Node of a surface's material that switches over.
SWITCH_NODE = "Show Confidence"
#: Prefix of the nodes that a head's material has while confidence is shown.
NODE_PREFIX = "Photobust Confidence"
#: Colors for confidences 0, 0.5 and 1: dark to bright, distinguishable for color-blind eyes too. sRGB,
#: 0..255; three stops of matplotlib's viridis (CC0).
RAMP = ((0.0, (68, 1, 84)), (0.5, (33, 145, 140)), (1.0, (253, 231, 37)))
#: What the stops mean, for the panel.
LEGEND = ("Not seen", "Partly", "Seen")
#: The confidence as colors, for views that show vertex colors; there only while it is shown.
CONFIDENCE_COLORS = "Confidence"


def has_confidence(head: bpy.types.Object) -> bool:
    """Whether there is something that can be shown."""
    if head.type != "MESH" or CONFIDENCE_ATTRIBUTE not in head.data.attributes:
        return False
    attribute = head.data.attributes[CONFIDENCE_ATTRIBUTE]
    usable = attribute.domain == "POINT" and attribute.data_type == "FLOAT"
    return usable and any(_switch(tree) or _principled(tree) for tree in _trees(head))


def shows_confidence(head: bpy.types.Object) -> bool:
    """Whether the head shows its confidence instead of its colors."""
    return any(tree_shows_confidence(tree) for tree in _trees(head))


def tree_shows_confidence(tree: bpy.types.NodeTree) -> bool:
    """The same for the nodes of one material."""
    switch = _switch(tree)
    if switch is not None:
        return bool(switch.inputs["Fac"].default_value > 0.5)
    return any(node.name.startswith(NODE_PREFIX) for node in tree.nodes)


def show_confidence(head: bpy.types.Object, on: bool) -> None:
    """Show the head's confidence, or its colors again: in its materials, and as its vertex colors."""
    for tree in _trees(head):
        switch = _switch(tree)
        if switch is not None:
            switch.inputs["Fac"].default_value = float(on)
        elif on:
            _insert(tree)
        else:
            _remove(tree)
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


def confidence_colors(values: np.ndarray) -> np.ndarray:
    """Colors as the materials' ramp has them.

    Args:
        values: (N,) confidences in 0..1.

    Returns:
        (N, 3) uint8, sRGB.
    """
    stops = [stop for stop, _ in RAMP]
    # The ramp mixes in linear light; so does this.
    linear_stops = np.array([srgb_to_linear(np.array(color) / 255.0) for _, color in RAMP])
    linear = np.stack([np.interp(values, stops, linear_stops[:, k]) for k in range(3)], 1)
    return linear_to_bytes(linear)


def add_ramp(nodes: bpy.types.Nodes, links: bpy.types.NodeLinks, x: float, y: float) -> list[bpy.types.Node]:
    """Nodes from the confidence attribute to a shader of its color, at a place; the shader is the last."""
    attribute = nodes.new("ShaderNodeAttribute")
    attribute.attribute_name = CONFIDENCE_ATTRIBUTE
    ramp = nodes.new("ShaderNodeValToRGB")
    while len(ramp.color_ramp.elements) < len(RAMP):
        ramp.color_ramp.elements.new(1.0)
    for element, (stop, color) in zip(ramp.color_ramp.elements, RAMP, strict=True):
        element.position = stop
        element.color = (*srgb_to_linear(np.array(color) / 255.0), 1.0)
    emission = nodes.new("ShaderNodeEmission")
    for node, offset in ((attribute, 0.0), (ramp, 200.0), (emission, 500.0)):
        node.location = (x + offset, y)
    links.new(attribute.outputs["Fac"], ramp.inputs["Fac"])
    links.new(ramp.outputs["Color"], emission.inputs["Color"])
    return [attribute, ramp, emission]


def _insert(tree: bpy.types.NodeTree) -> None:
    principled, output = _principled(tree), _output(tree)
    if principled is None or output is None or tree_shows_confidence(tree):
        return
    alpha = principled.inputs["Alpha"]
    if alpha.is_linked or alpha.default_value < 1.0:
        return  # lashes, cards that would be seen as such; corneas, which would hide the iris
    active = tree.nodes.active
    made = add_ramp(tree.nodes, tree.links, output.location.x - 700.0, output.location.y - 700.0)
    for node in made:
        node.name = f"{NODE_PREFIX} {node.bl_label}"
    tree.links.new(made[-1].outputs["Emission"], output.inputs["Surface"])
    tree.nodes.active = active


def _remove(tree: bpy.types.NodeTree) -> None:
    made = [node for node in tree.nodes if node.name.startswith(NODE_PREFIX)]
    for node in made:
        tree.nodes.remove(node)
    principled, output = _principled(tree), _output(tree)
    if made and principled is not None and output is not None:
        tree.links.new(principled.outputs["BSDF"], output.inputs["Surface"])


def _trees(head: bpy.types.Object) -> Iterator[bpy.types.NodeTree]:
    for slot in head.material_slots:
        if slot.material and slot.material.node_tree:
            yield slot.material.node_tree


def _switch(tree: bpy.types.NodeTree) -> bpy.types.Node | None:
    return tree.nodes.get(SWITCH_NODE)


def _principled(tree: bpy.types.NodeTree) -> bpy.types.Node | None:
    return next((node for node in tree.nodes if node.type == "BSDF_PRINCIPLED"), None)


def _output(tree: bpy.types.NodeTree) -> bpy.types.Node | None:
    return next((node for node in tree.nodes if node.type == "OUTPUT_MATERIAL"), None)
