"""Materials of hair. Needs bpy."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import bpy
import numpy as np

from ..blender import compat
from ..blender.images import is_painted, pack, save_png
from ..blender.shader_nodes import add_node, add_principled, new_material
from ..blender.srgb import linear_to_bytes, linear_to_srgb, srgb_to_linear
from .build import load_image
from .hair_solid import PICTURE_NODE, add_tones, picture_node, show_dye

#: Roughness of hair's shells and cards: smoother ones shine like latex.
ROUGHNESS = 0.75
SPECULAR = 0.15
#: What the shell's color is multiplied with where cards or strands lie on it: it is the shade between them.
SHADE = 0.9
#: What the names of pictures end in whose colors the engine's pictures do not have.
COLOR_ENDING = "_color"
#: File name of the strand atlas in the hair's color.
DYED_TEXTURE = f"hair_cards{COLOR_ENDING}.png"
#: Factors of color that are nearer to 1 than this are none.
SAME_COLOR = 1e-3
#: Nodes whose values are set later.
DYE_NODE = "Dye"
SHADE_NODE = "Shade"


def shell_material(name: str, texture: Path) -> bpy.types.Material:
    """The material of a shell, or of what covers the head.

    Args:
        name: Its name.
        texture: The picture's file; a gray material where it is missing.

    Returns:
        The material.

    Raises:
        HeadFileError: The picture cannot be read.
    """
    material, output = new_material(name, 500)
    principled = _principled(material, output)
    if texture.is_file():
        picture = _picture(material, load_image(texture, f"{name} color"))
        _colored(material, principled, [picture.outputs["Color"]])
    return material


def cards_material(
    name: str, texture: Path, normals: Path, typical: Sequence[int], mesh: bpy.types.Mesh, colors: np.ndarray
) -> bpy.types.Material:
    """The material of cards, with holes in every view.

    Args:
        name: Its name.
        texture: The strand atlas: white, with alpha.
        normals: Its normals.
        typical: The hair's color, sRGB bytes: the atlas is dyed with it, as most files know nothing else.
        mesh: Of the cards, which gets texture coordinates for the Solid view.
        colors: (V, 3) sRGB bytes of its vertices.

    Returns:
        The material.

    Raises:
        HeadFileError: A picture cannot be read.
    """
    material, output = new_material(name, 500)
    principled = _principled(material, output)
    if not texture.is_file():
        return material
    image = load_image(texture, f"{name} color")
    atlas = _dye(image, typical)
    picture = _picture(material, image)
    add_tones(material, mesh, atlas, colors)
    tint = add_node(material, "ShaderNodeAttribute", (-500, -250))
    tint.attribute_name = "Tint"
    _colored(material, principled, [picture.outputs["Color"], tint.outputs["Color"]])
    image.alpha_mode = "STRAIGHT"
    material.node_tree.links.new(picture.outputs["Alpha"], principled.inputs["Alpha"])
    compat.let_light_through(material)
    if normals.is_file():
        relief = add_node(material, "ShaderNodeTexImage", (-500, -500))
        relief.image = load_image(normals, f"{name} normals")
        relief.image.colorspace_settings.name = "Non-Color"
        bump = add_node(material, "ShaderNodeNormalMap", (-200, -500))
        material.node_tree.links.new(relief.outputs["Color"], bump.inputs["Color"])
        normal = _whichever_side(material, bump.outputs["Normal"])
        material.node_tree.links.new(normal, principled.inputs["Normal"])
    return material


def strands_material(name: str) -> bpy.types.Material:
    """The material of strands: Principled Hair in the colors that the photo shows."""
    material, output = new_material(name, 500)
    hair = add_node(material, "ShaderNodeBsdfHairPrincipled", (150, 0))
    hair.parametrization = "COLOR"
    tint = add_node(material, "ShaderNodeAttribute", (-500, 0))
    tint.attribute_name = "Tint"
    color = _multiplied(material, [tint.outputs["Color"]])
    material.node_tree.links.new(color, hair.inputs["Color"])
    material.node_tree.links.new(hair.outputs["BSDF"], output.inputs["Surface"])
    return material


def materials_of(hair: bpy.types.Object) -> list[bpy.types.Material]:
    """The materials of hair that have nodes: slots can be empty."""
    return [material for material in hair.data.materials if material is not None and material.node_tree]


def set_appearance(
    materials: Iterable[bpy.types.Material],
    dye: Sequence[float] | np.ndarray | None = None,
    shaded: bool | None = None,
) -> None:
    """Change hair's color.

    Args:
        materials: Of hair.
        dye: (3,) linear RGB that its color is multiplied with; None to leave it.
        shaded: Whether it lies in the shade of other hair; None to leave it.
    """
    for material in materials:
        nodes = material.node_tree.nodes
        if dye is not None and DYE_NODE in nodes:
            for socket, value in zip(nodes[DYE_NODE].inputs, dye, strict=True):
                socket.default_value = float(value)
            show_dye(material, dye)
        if shaded is not None and SHADE_NODE in nodes:
            for socket in nodes[SHADE_NODE].inputs:
                socket.default_value = SHADE if shaded else 1.0


@contextlib.contextmanager
def pictures_as_colors(materials: Iterable[bpy.types.Material], straight: bool) -> Iterator[None]:
    """Dye and shade, which no exporter knows, are in the pictures.

    Pictures of files are written anew: they must be temporary.

    Args:
        materials: Of hair.
        straight: Whether pictures are linked straight to the shaders, for exporters that follow no other
            nodes.
    """
    cut: list[tuple[bpy.types.NodeTree, bpy.types.NodeSocket, bpy.types.NodeSocket]] = []
    try:
        for material in dict.fromkeys(materials):
            picture = picture_node(material)
            principled = next((n for n in material.node_tree.nodes if n.type == "BSDF_PRINCIPLED"), None)
            if principled is None or picture is None or not picture.image:
                continue
            for socket in compat.base_colors(principled):
                if straight and socket.is_linked and socket.links[0].from_node != picture:
                    cut.append((material.node_tree, socket.links[0].from_socket, socket))
                    material.node_tree.links.new(picture.outputs["Color"], socket)
            _bake(picture.image, _factor(material))
        yield
    finally:
        for tree, before, socket in cut:
            tree.links.new(before, socket)


def is_recolored(material: bpy.types.Material) -> bool:
    """Whether dye or shade give a material of hair other colors than its picture has."""
    return _changes(_factor(material))


def _changes(factor: np.ndarray) -> bool:
    return bool(np.abs(factor - 1.0).max() > SAME_COLOR)


def _factor(material: bpy.types.Material) -> np.ndarray:
    """(3,) what dye and shade multiply a material's color with, linear RGB."""
    factor = np.ones(3)
    for name in (DYE_NODE, SHADE_NODE):
        if name in material.node_tree.nodes:
            factor *= [socket.default_value for socket in material.node_tree.nodes[name].inputs]
    return factor


def _bake(image: bpy.types.Image, factor: np.ndarray) -> None:
    """Multiply a file's picture by a color, linear RGB; a packed one is left alone."""
    if image.packed_file is not None or not _changes(factor):
        return
    pixels = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(pixels)
    path = Path(bpy.path.abspath(image.filepath))
    if image.is_float or path.suffix.lower() != ".png":
        colors = pixels.reshape(-1, 4)[:, :3]
        colors[:] = linear_to_srgb(srgb_to_linear(colors) * factor)
        image.pixels.foreach_set(pixels)
        image.save()
        return
    shades = srgb_to_linear(np.arange(256) / 255.0)
    made = (pixels.reshape(image.size[1], image.size[0], 4)[::-1] * 255.0 + 0.5).astype(np.uint8)
    for channel in range(3):
        made[..., channel] = linear_to_bytes(shades * factor[channel])[made[..., channel]]
    save_png(path, made if image.depth == 32 else made[..., :3])


def is_undyed(materials: Iterable[bpy.types.Material]) -> bool:
    """Whether hair has the colors that the photo gave it."""
    materials = list(materials)
    pictures = [picture_node(material) for material in materials]
    if any(picture is not None and picture.image and is_painted(picture.image) for picture in pictures):
        return False
    nodes = [
        material.node_tree.nodes[DYE_NODE] for material in materials if DYE_NODE in material.node_tree.nodes
    ]
    return all(abs(socket.default_value - 1.0) < SAME_COLOR for node in nodes for socket in node.inputs)


def _principled(material: bpy.types.Material, output: bpy.types.Node) -> bpy.types.Node:
    principled = add_principled(material, (200, 0), ROUGHNESS, SPECULAR)
    material.node_tree.links.new(principled.outputs["BSDF"], output.inputs["Surface"])
    return principled


def _picture(material: bpy.types.Material, image: bpy.types.Image) -> bpy.types.Node:
    node = add_node(material, "ShaderNodeTexImage", (-500, 0))
    node.name = PICTURE_NODE
    node.image = image
    material.node_tree.nodes.active = node  # what Workbench and the viewport's texture mode show
    return node


def _colored(
    material: bpy.types.Material, principled: bpy.types.Node, factors: list[bpy.types.NodeSocket]
) -> None:
    color = _multiplied(material, factors)
    for socket in compat.base_colors(principled):
        material.node_tree.links.new(color, socket)


def _multiplied(material: bpy.types.Material, factors: list[bpy.types.NodeSocket]) -> bpy.types.NodeSocket:
    """The product of colors, of the dye and of the shade."""
    for name in (DYE_NODE, SHADE_NODE):
        node = add_node(material, "ShaderNodeCombineXYZ", (-500, -700 - 150 * len(factors)))
        node.name = node.label = name
        for socket in node.inputs:
            socket.default_value = 1.0
        factors = [*factors, node.outputs[0]]
    product = factors[0]
    for column, factor in enumerate(factors[1:]):
        multiply = add_node(material, "ShaderNodeVectorMath", (-200 + 100 * column, 0))
        multiply.operation = "MULTIPLY"
        material.node_tree.links.new(product, multiply.inputs[0])
        material.node_tree.links.new(factor, multiply.inputs[1])
        product = multiply.outputs[0]
    return product


def _whichever_side(material: bpy.types.Material, normal: bpy.types.NodeSocket) -> bpy.types.NodeSocket:
    """A normal as the mesh has it: on backs, renderers turn it round, which makes them black before light.

    Cards have the normals of the hair that they lie on, wherever they face themselves.
    """
    geometry = add_node(material, "ShaderNodeNewGeometry", (-500, -850))
    side = add_node(material, "ShaderNodeMath", (-200, -850))
    side.operation = "MULTIPLY_ADD"
    material.node_tree.links.new(geometry.outputs["Backfacing"], side.inputs[0])
    side.inputs[1].default_value, side.inputs[2].default_value = -2.0, 1.0
    turned = add_node(material, "ShaderNodeVectorMath", (0, -500))
    turned.operation = "SCALE"
    material.node_tree.links.new(normal, turned.inputs[0])
    material.node_tree.links.new(side.outputs[0], turned.inputs["Scale"])
    return turned.outputs[0]


def _dye(image: bpy.types.Image, color: Sequence[int]) -> np.ndarray:
    """Multiply a picture's values by a color, sRGB bytes, and pack it again; (H, W, 4) what they were."""
    pixels = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(pixels)
    before = pixels.reshape(image.size[1], image.size[0], 4).copy()
    pixels.reshape(-1, 4)[:, :3] *= np.array(color, np.float32) / 255.0
    image.pixels.foreach_set(pixels)
    image.pack()
    pack(image, DYED_TEXTURE)
    return before
