"""Brows and beards as objects that move with the skin. Needs bpy."""

import bpy
import numpy as np

from ..blender import compat
from ..blender.coordinates import coordinates
from ..errors import HeadFileError
from . import hair_strands
from .armature import rig_of
from .hair_npz import FACIAL_HAIR, FacialHair

#: What ends the name of a part of strands.
STRANDS = "_strands"
#: Product -> the parts that are shown.
PARTS = {
    "none": (),
    "cards": FACIAL_HAIR,
    "strands": tuple(name + STRANDS for name in FACIAL_HAIR),
}
#: All parts.
ALL_PARTS = (*PARTS["cards"], *PARTS["strands"])
#: The modifier that lets strands go with the skin.
ON_SKIN = "Photobust On Skin"
#: The longest way that a shape moves a card without being one of its own, meters.
NOTHING = 1e-6


def bind_cards(ob: bpy.types.Object, facial: FacialHair, head: bpy.types.Object) -> None:
    """Give cards the shapes and the bones of the head's skin below them.

    Args:
        ob: The cards' object.
        facial: What they were built from.
        head: The head.

    Raises:
        HeadFileError: They are bound to vertices that the head does not have.
    """
    if facial.bound_vertices.max() >= len(head.data.vertices):
        raise HeadFileError("The hair is that of another head. Reconstruct the photo again.")
    ob.parent = head
    _add_shapes(ob, facial, head)
    _add_weights(ob, facial, head)
    for modifier in head.modifiers:
        if modifier.type == "ARMATURE":
            bend = ob.modifiers.new(modifier.name, "ARMATURE")
            bend.object = modifier.object
            bend.use_deform_preserve_volume = modifier.use_deform_preserve_volume


def build_strands(name: str, facial: FacialHair, head: bpy.types.Object) -> bpy.types.Object:
    """Strands that go with the head's skin."""
    ob = hair_strands.build(name, facial.strands, head)
    head.add_rest_position_attribute = True
    group = bpy.data.node_groups.new(f"{name} on skin", "GeometryNodeTree")
    compat.add_geometry_sockets(group)
    begin, end = group.nodes.new("NodeGroupInput"), group.nodes.new("NodeGroupOutput")
    deform = group.nodes.new("GeometryNodeDeformCurvesOnSurface")
    deform.location, end.location = (180.0, 0.0), (360.0, 0.0)
    group.links.new(begin.outputs[0], deform.inputs[0])
    group.links.new(deform.outputs[0], end.inputs[0])
    ob.modifiers.new(ON_SKIN, "NODES").node_group = group
    ob.modifiers.move(len(ob.modifiers) - 1, 0)
    ob.parent = head
    return ob


def copy_cards(ob: bpy.types.Object, head: bpy.types.Object) -> bpy.types.Object:
    """A copy of cards, with shapes and weights, on a copy of their head; in no collection yet."""
    one = ob.copy()
    one.data = ob.data.copy()
    if one.data.shape_keys is not None:
        one.data.shape_keys.animation_data_clear()
    one.parent = head
    rig = rig_of(head)
    for modifier in list(one.modifiers):
        if modifier.type != "ARMATURE":
            continue
        if rig is None:
            one.modifiers.remove(modifier)
        else:
            modifier.object = rig
    one.hide_viewport = one.hide_render = False
    return one


def _add_shapes(ob: bpy.types.Object, facial: FacialHair, head: bpy.types.Object) -> None:
    keys = head.data.shape_keys
    if keys is None:
        return
    basis = coordinates(keys.reference_key.data)
    own = facial.cards.vertices.astype(np.float32)
    ob.shape_key_add(name=keys.reference_key.name, from_mix=False)
    for key in keys.key_blocks:
        if key == keys.reference_key:
            continue
        offset = (coordinates(key.data) - basis)[facial.bound_vertices]
        moved = np.einsum("kc,kcd->kd", facial.bound_weights, offset)
        if np.abs(moved).max() < NOTHING:
            continue
        made = ob.shape_key_add(name=key.name, from_mix=False)
        made.data.foreach_set("co", np.ascontiguousarray(own + moved, np.float32).ravel())
        made.slider_min, made.slider_max = key.slider_min, key.slider_max
        made.value = key.value
        driver = made.driver_add("value").driver
        driver.type = "AVERAGE"
        variable = driver.variables.new()
        variable.type = "SINGLE_PROP"
        target = variable.targets[0]
        target.id_type, target.id = "KEY", keys
        target.data_path = f'key_blocks["{bpy.utils.escape_identifier(key.name)}"].value'


def _add_weights(ob: bpy.types.Object, facial: FacialHair, head: bpy.types.Object) -> None:
    rig = rig_of(head)
    if rig is None:
        return
    bones = {group.index: group.name for group in head.vertex_groups if group.name in rig.data.bones}
    nearest = facial.bound_weights.argmax(1)
    vertices = facial.bound_vertices[np.arange(len(nearest)), nearest]
    members: dict[tuple[str, float], list[int]] = {}
    for vertex in np.unique(vertices).tolist():
        on_it = np.flatnonzero(vertices == vertex).tolist()
        for element in head.data.vertices[vertex].groups:
            if element.group in bones and element.weight > 0:
                members.setdefault((bones[element.group], element.weight), []).extend(on_it)
    for (name, weight), index in members.items():
        group = ob.vertex_groups.get(name) or ob.vertex_groups.new(name=name)
        group.add(index, weight, "REPLACE")
