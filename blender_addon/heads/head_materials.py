"""The animation-ready head's materials: skin, eyes, mouth and lashes from one texture, and what is clear.

Needs bpy.
"""

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import bpy
import numpy as np

from ..blender import compat
from ..blender.images import block_means
from ..blender.shader_nodes import add_node, add_principled, new_material

IMAGE_NODE = "Albedo"
#: Nodes of the other maps that Blender shows, by the names of their files without ending.
MAP_NODES = {"normal": "Normal", "roughness": "Roughness"}
#: Nodes of maps that files have no place for, or Blender's renderers no use: those of `MAP_NODES` are written
#: beside files that refer to pictures, these are not.
SHADING_NODES = {"occlusion": "Occlusion", "thickness": "Thickness"}
#: Nodes of all maps.
ALL_MAP_NODES = MAP_NODES | SHADING_NODES
#: The material that has them.
MAPPED = "skin"
#: How deep light goes into skin, meters, red, green and blue (d'Eon and Luebke, GPU Gems 3, chapter 14).
SKIN_DEPTH = (0.0037, 0.0014, 0.0007)
#: Values of the map of thickness, of 1, between which it makes a difference: 4 and 16 mm.
THIN = 0.2
THICK = 0.8
#: Fraction of the light that goes into the thinnest skin: rims of ears and nostrils redden before a light.
THIN_SUBSURFACE = 1.0


@dataclass(frozen=True)
class Finish:
    """How a material takes light.

    Attributes:
        roughness: Of the surface, 0..1.
        specular: Strength of the reflection.
        solid: Linear RGBA that the 3D view shows where it shows no texture.
        subsurface: Fraction of the light that goes in.
        alpha: The texture has holes.
        coat_roughness: Of a clear coat over it, 0..1; None for none.
        refraction: Index of refraction of a clear material, which has no texture; None for others.
    """

    roughness: float
    specular: float
    solid: tuple[float, float, float, float]
    subsurface: float = 0.0
    alpha: bool = False
    coat_roughness: float | None = None
    refraction: float | None = None


#: The engine's head.glb has the same roughness.
FINISHES = {
    "skin": Finish(roughness=0.5, specular=0.35, solid=(0.50, 0.29, 0.21, 1.0), subsurface=0.15),
    # The iris is dull; what shines is the cornea or, in heads without one, a coat.
    "eyes": Finish(roughness=0.35, specular=0.0, solid=(0.70, 0.66, 0.62, 1.0), coat_roughness=0.03),
    "mouth": Finish(roughness=0.3, specular=0.5, solid=(0.55, 0.30, 0.27, 1.0), subsurface=0.1),
    # The cards are mostly holes: without a texture a veil is nearer to lashes than a bar.
    "lashes": Finish(roughness=0.8, specular=0.1, solid=(0.02, 0.015, 0.012, 0.3), alpha=True),
    "cornea": Finish(roughness=0.02, specular=0.5, solid=(0.0, 0.0, 0.0, 0.0), refraction=1.376),
    "tears": Finish(roughness=0.05, specular=0.5, solid=(0.0, 0.0, 0.0, 0.0), refraction=1.336),
}
#: What lies before the eyeballs, and reflects the light in the coat's place.
CORNEA = "cornea"
#: How rough Workbench takes eyes to be, 0..1: a rougher surface spreads the highlight, which makes the black
#: pupil gray; at full roughness it is lighter than the iris.
SOLID_ROUGHNESS = {"eyes": 0.03, "cornea": 0.03, "tears": 0.03}
#: Coverage of clear materials, which are black: renderers multiply what they reflect by it, too.
CLEAR_ALPHA = 0.06
#: What OBJ's readers have to multiply their reflection by: Blender takes 0.5 for what the index reflects.
CLEAR_REFLECTION = 0.5 / CLEAR_ALPHA
#: Difference between two coverages that is none.
SAME_ALPHA = 1e-4
#: Without a texture: a gray that hides nothing.
PLAIN = (0.5, 0.5, 0.5, 1.0)


def build_materials(
    names: tuple[str, ...],
    image: bpy.types.Image | None,
    prefix: str,
    maps: Mapping[str, bpy.types.Image] = MappingProxyType({}),
) -> list[bpy.types.Material]:
    """Build a head's materials.

    Args:
        names: Of FINISHES.
        image: The texture, with the lashes' coverage as a channel of its own; None for none.
        prefix: The head's name, which theirs begin with.
        maps: The skin's other maps, by ALL_MAP_NODES' names.

    Returns:
        A material for each name, in this order.
    """
    materials = [
        _material(f"{prefix} {name}", finish, _with_holes(image) if finish.alpha else image)
        for name, finish in ((name, _finish(name, names)) for name in names)
    ]
    for material, name in zip(materials, names, strict=True):
        material.roughness = SOLID_ROUGHNESS.get(name, material.roughness)
    if MAPPED in names:
        _add_maps(materials[names.index(MAPPED)], maps)
    return materials


def _finish(name: str, names: tuple[str, ...]) -> Finish:
    """A material's finish; under a cornea, a coat would reflect the light a second time, over the pupil."""
    finish = FINISHES[name]
    return dataclasses.replace(finish, coat_roughness=None) if CORNEA in names else finish


@contextlib.contextmanager
def true_refraction(materials: Iterable[bpy.types.Material]) -> Iterator[None]:
    """Clear materials have the indices of refraction of what they are, for formats whose readers do not
    multiply reflections by the coverage.
    """
    changed = []
    try:
        for material in dict.fromkeys(materials):
            for node in _clear_shaders(material):
                socket = node.inputs["IOR"]
                changed.append((socket, socket.default_value))
                socket.default_value = _true_refraction_of(node)
        yield
    finally:
        for socket, value in changed:
            socket.default_value = value


@contextlib.contextmanager
def without_maps(materials: Iterable[bpy.types.Material]) -> Iterator[None]:
    """Materials show neither relief nor roughness of maps, for formats that know bumps and highlights only.

    Blender's exporter of OBJ names such maps all the same, as heights and gloss, and its importer takes their
    numbers for colors: skin gets a gloss of white specks. `mtl_file` names the relief as what it is.
    """
    cut = []
    try:
        for material in dict.fromkeys(materials):
            tree = material.node_tree
            for node in tree.nodes if tree else ():
                if node.type != "BSDF_PRINCIPLED":
                    continue
                for socket in (node.inputs["Normal"], node.inputs["Roughness"]):
                    for link in list(socket.links):
                        cut.append((tree, link.from_socket, socket))
                        tree.links.remove(link)
        yield
    finally:
        for tree, before, socket in cut:
            tree.links.new(before, socket)


def refraction_of(material: bpy.types.Material) -> float | None:
    """The index of refraction of what a clear material is; None of others."""
    return next((_true_refraction_of(node) for node in _clear_shaders(material)), None)


def _clear_shaders(material: bpy.types.Material) -> list[bpy.types.Node]:
    nodes = material.node_tree.nodes if material.node_tree else ()
    return [node for node in nodes if node.type == "BSDF_PRINCIPLED" and _is_clear(node)]


def _true_refraction_of(principled: bpy.types.Node) -> float:
    return round(compat.refraction_for(compat.reflection(principled) * CLEAR_ALPHA), 4)


def _is_clear(principled: bpy.types.Node) -> bool:
    """Whether a Principled shader is as `_let_through` leaves it."""
    alpha = principled.inputs["Alpha"]
    return not alpha.is_linked and abs(alpha.default_value - CLEAR_ALPHA) < SAME_ALPHA


def _add_maps(material: bpy.types.Material, maps: Mapping[str, bpy.types.Image]) -> None:
    """Let a material have relief and roughness from maps, be clearer where it is thin, and keep occlusion."""
    links = material.node_tree.links
    principled = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    for row, (name, image) in enumerate(maps.items(), 1):
        texture = add_node(material, "ShaderNodeTexImage", (-550, -300 * row))
        texture.name = texture.label = ALL_MAP_NODES[name]
        texture.image = image
        color, place = texture.outputs["Color"], (-250, -300 * row)
        if name == "normal":
            relief = add_node(material, "ShaderNodeNormalMap", place)
            links.new(color, relief.inputs["Color"])
            links.new(relief.outputs["Normal"], principled.inputs["Normal"])
        elif name == "roughness":
            links.new(color, principled.inputs["Roughness"])
        elif name == "occlusion":
            # Renderers find out themselves what is occluded; glTF's exporter looks for this group.
            keep = add_node(material, "ShaderNodeGroup", place)
            keep.node_tree = compat.gltf_group()
            links.new(color, keep.inputs["Occlusion"])
        else:
            _link_thickness(material, color, compat.subsurface_weight(principled), place)


def _link_thickness(
    material: bpy.types.Material,
    thickness: bpy.types.NodeSocket,
    weight: bpy.types.NodeSocket | None,
    place: tuple[float, float],
) -> None:
    """Let more light go in where a material is thin, where Blender lets one choose how much does."""
    if weight is None:
        return
    fraction = add_node(material, "ShaderNodeMapRange", place)
    limits = ("From Min", THIN), ("From Max", THICK)
    ends = ("To Min", THIN_SUBSURFACE), ("To Max", FINISHES[MAPPED].subsurface)
    for socket, value in (*limits, *ends):
        fraction.inputs[socket].default_value = value
    material.node_tree.links.new(thickness, fraction.inputs["Value"])
    material.node_tree.links.new(fraction.outputs["Result"], weight)


def _with_holes(image: bpy.types.Image | None) -> bpy.types.Image | None:
    """A copy of a texture whose alpha every view takes for holes: Workbench ignores a packed channel."""
    if image is None:
        return None
    copy = image.copy()
    copy.name = f"{image.name} lashes"
    copy.alpha_mode = "STRAIGHT"
    return copy


def reduce_textures(materials: Iterable[bpy.types.Material], size: int) -> None:
    """Put smaller textures in the place of large ones, which small pictures would be slow with.

    Args:
        materials: As `build_materials` makes them.
        size: Side of the textures that nothing is done to, pixels.
    """
    reduced: list[tuple[bpy.types.Image, np.ndarray | None]] = []
    for material in materials:
        node = material.node_tree.nodes.get(IMAGE_NODE)
        image = node.image if node else None
        if node is None or image is None:
            continue
        # To ask an image for its size decodes it: of each picture that is done once.
        known = [pixels for other, pixels in reduced if same_picture(image, other)]
        if not known:
            known = [_reduced_pixels(image, size)]
            reduced.append((image, known[0]))
        if known[0] is not None:
            height, width, _ = known[0].shape
            smaller = bpy.data.images.new(image.name, width, height, alpha=True)
            smaller.alpha_mode = image.alpha_mode
            smaller.pixels.foreach_set(known[0].ravel())
            node.image = smaller


def _reduced_pixels(image: bpy.types.Image, size: int) -> np.ndarray | None:
    """(H, W, 4) float32, means of an image's pixels; None if it is hardly larger than `size`."""
    step = min(image.size) // size
    return None if step < 2 or any(side % step for side in image.size) else block_means(image, step)


def same_picture(one: bpy.types.Image | None, other: bpy.types.Image | None) -> bool:
    """Whether two images are one picture, be it that they take its alpha differently."""
    if one is None or other is None or one == other:
        return one == other
    if one.packed_file is None or other.packed_file is None:
        return False
    return one.packed_file.size == other.packed_file.size and one.packed_file.data == other.packed_file.data


def _material(name: str, finish: Finish, image: bpy.types.Image | None) -> bpy.types.Material:
    material, output = new_material(name, 400)
    material.diffuse_color = finish.solid
    links = material.node_tree.links
    principled = add_principled(material, (100, 0), finish.roughness, finish.specular)
    if finish.coat_roughness is not None:
        compat.set_coat(principled, finish.coat_roughness)
    if finish.subsurface:
        compat.set_subsurface(principled, finish.subsurface, SKIN_DEPTH)
    links.new(principled.outputs["BSDF"], output.inputs["Surface"])
    if finish.refraction is not None:
        _let_through(material, principled, finish.refraction)
        return material
    if image is None:
        for socket in compat.base_colors(principled):
            socket.default_value = PLAIN
        return material
    texture = add_node(material, "ShaderNodeTexImage", (-250, 0))
    texture.name = texture.label = IMAGE_NODE
    texture.image = image
    material.node_tree.nodes.active = texture  # what Workbench and the viewport's texture mode show
    for socket in compat.base_colors(principled):
        links.new(texture.outputs["Color"], socket)
    if finish.alpha:
        links.new(texture.outputs["Alpha"], principled.inputs["Alpha"])
        compat.let_light_through(material)
    return material


def _let_through(material: bpy.types.Material, principled: bpy.types.Node, refraction: float) -> None:
    """Let a material be clear, and shine as its index of refraction has it.

    A shader of glass would let no light of a lamp through onto the iris: renderers do not follow it.
    """
    for socket in compat.base_colors(principled):
        socket.default_value = (0.0, 0.0, 0.0, 1.0)
    principled.inputs["Alpha"].default_value = CLEAR_ALPHA
    reflected = ((refraction - 1) / (refraction + 1)) ** 2 / CLEAR_ALPHA
    compat.set_reflection(principled, reflected)
    compat.blend_smoothly(material)
