"""Dyed hair in the Solid view, which shows pictures as they are and no nodes. Needs bpy."""

from collections.abc import Sequence

import bpy
import numpy as np

from ..blender.images import pack
from ..blender.shader_nodes import add_node
from ..blender.srgb import linear_to_srgb, srgb_to_linear

#: The node of a material of hair that has its picture.
PICTURE_NODE = "Picture"
#: The node, linked to nothing, whose picture the Solid view shows instead.
SOLID_NODE = "Solid View"
#: File name that unpacking gives that picture.
SOLID_TEXTURE = "hair_solid.png"
#: A picture without holes is shown no larger than this, pixels a side: it is made anew while a slider moves.
SOLID_SIDE = 512
#: Smallest difference of a dye from none.
NO_DYE = 1e-3


def picture_node(material: bpy.types.Material) -> bpy.types.Node | None:
    """The node with a material's picture; heads of older versions have it without a name of its own."""
    nodes = material.node_tree.nodes
    pictures = [node for node in nodes if node.type == "TEX_IMAGE" and node.name != SOLID_NODE]
    named = [node for node in pictures if node.name == PICTURE_NODE]
    colored = [node for node in pictures if node.outputs["Color"].is_linked and _is_color(node)]
    return next(iter(named + colored), None)


def show_dye(material: bpy.types.Material, dye: Sequence[float] | np.ndarray) -> None:
    """Let the Solid view show a material's picture in another color.

    The picture is a new one for each color, not one that changes: undoing restores which picture it is, but
    not the pixels of a picture that is still there.

    Args:
        material: Of hair.
        dye: (3,) linear RGB that the picture is multiplied with.
    """
    nodes = material.node_tree.nodes
    picture, solid = picture_node(material), nodes.get(SOLID_NODE)
    if picture is None or picture.image is None:
        return
    old = solid.image if solid is not None else None
    if np.abs(np.asarray(dye, float) - 1.0).max() < NO_DYE:
        if solid is not None:
            nodes.remove(solid)
        nodes.active = picture
    else:
        if solid is None:
            solid = add_node(material, "ShaderNodeTexImage", (-800, 0))
            solid.name = solid.label = SOLID_NODE
        solid.image = _dyed(picture.image, dye)
        nodes.active = solid
    if old is not None and not old.users:
        bpy.data.images.remove(old)


def _dyed(image: bpy.types.Image, dye: Sequence[float] | np.ndarray) -> bpy.types.Image:
    width, height = image.size
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    pixels = pixels.reshape(height, width, 4)
    holes = image.alpha_mode != "NONE" and float(pixels[..., 3].min()) < 1.0
    step = 1 if holes else max(min(width, height) // SOLID_SIDE, 1)
    pixels = pixels[::step, ::step].copy()
    byte = np.linspace(0.0, 1.0, 256)
    table = linear_to_srgb(np.clip(srgb_to_linear(byte)[:, None] * np.asarray(dye, float), 0.0, 1.0))
    for channel in range(3):
        index = np.rint(pixels[..., channel] * 255.0).astype(np.uint8)
        pixels[..., channel] = table[index, channel]
    shown = bpy.data.images.new(f"{image.name} solid", pixels.shape[1], pixels.shape[0], alpha=True)
    shown.alpha_mode = "STRAIGHT"
    shown.pixels.foreach_set(pixels.ravel())
    shown.pack()
    pack(shown, SOLID_TEXTURE)
    return shown


def _is_color(node: bpy.types.Node) -> bool:
    return node.image is not None and node.image.colorspace_settings.name != "Non-Color"
