"""The animation-ready head's materials: skin, eyes, mouth and lashes, all from one texture. Needs bpy."""

from dataclasses import dataclass

import bpy

from ..blender import compat

IMAGE_NODE = "Albedo"
#: How deep light goes into skin, meters, red, green and blue (d'Eon and Luebke, GPU Gems 3, chapter 14).
SKIN_DEPTH = (0.0037, 0.0014, 0.0007)


@dataclass(frozen=True)
class Finish:
    """How a material takes light. subsurface: fraction of it that goes in; alpha: the texture has holes."""

    roughness: float
    specular: float
    subsurface: float = 0.0
    alpha: bool = False


FINISHES = {
    "skin": Finish(roughness=0.5, specular=0.35, subsurface=0.15),
    "eyes": Finish(roughness=0.05, specular=0.5),
    "mouth": Finish(roughness=0.25, specular=0.5, subsurface=0.1),
    "lashes": Finish(roughness=0.7, specular=0.1, alpha=True),
}
#: Without a texture: a gray that hides nothing.
PLAIN = (0.5, 0.5, 0.5, 1.0)


def build_materials(
    names: tuple[str, ...], image: bpy.types.Image | None, prefix: str
) -> list[bpy.types.Material]:
    """A material for each name, in this order, named after the head `prefix`."""
    return [_material(f"{prefix} {name}", FINISHES[name], image) for name in names]


def _material(name: str, finish: Finish, image: bpy.types.Image | None) -> bpy.types.Material:
    material = bpy.data.materials.new(name)
    compat.use_nodes(material)
    nodes, links = material.node_tree.nodes, material.node_tree.links
    nodes.clear()
    output = nodes.new("ShaderNodeOutputMaterial")
    output.location = (400, 0)
    principled = nodes.new("ShaderNodeBsdfPrincipled")
    principled.location = (100, 0)
    principled.inputs["Roughness"].default_value = finish.roughness
    compat.set_specular(principled, finish.specular)
    if finish.subsurface:
        compat.set_subsurface(principled, finish.subsurface, SKIN_DEPTH)
    links.new(principled.outputs["BSDF"], output.inputs["Surface"])
    if image is None:
        for socket in compat.base_colors(principled):
            socket.default_value = PLAIN
        return material
    texture = nodes.new("ShaderNodeTexImage")
    texture.name = texture.label = IMAGE_NODE
    texture.image = image
    texture.location = (-250, 0)
    nodes.active = texture  # what Workbench and the viewport's texture mode show
    for socket in compat.base_colors(principled):
        links.new(texture.outputs["Color"], socket)
    if finish.alpha:
        links.new(texture.outputs["Alpha"], principled.inputs["Alpha"])
        compat.let_light_through(material)
    return material
