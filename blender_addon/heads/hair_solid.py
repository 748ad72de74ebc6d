"""Hair in the Solid view, which shows pictures as they are and no nodes. Needs bpy.

Cards have one picture for all of them and their own colors as an attribute, which it does not show: beside
the shell, which has the photo's lights, they were blotches. So they have a picture of their own for it, the
strand atlas in some tones of the hair below each other, and texture coordinates in that.
"""

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
#: The node, linked to nothing, with the strand atlas in some tones.
TONES_NODE = "Tones"
#: The texture coordinates in that.
TONES_LAYER = "Tones"
#: How many tones.
TONES = 6
#: Rounds in which they are found.
ROUNDS = 6
#: Every so many-th row and column of the strand atlas is in them.
TONES_STEP = (6, 2)
#: File name that unpacking gives their picture.
TONES_TEXTURE = "hair_cards_tones.png"
#: A picture without holes is shown no larger than this, pixels a side: it is made anew while a slider moves.
SOLID_SIDE = 512
#: Smallest difference of a dye from none.
NO_DYE = 1e-3


def picture_node(material: bpy.types.Material) -> bpy.types.Node | None:
    """The node with a material's picture, of cards the strand atlas in one tone.

    Heads of older versions have it without a name of its own.
    """
    nodes = material.node_tree.nodes
    own = (SOLID_NODE, TONES_NODE)
    pictures = [node for node in nodes if node.type == "TEX_IMAGE" and node.name not in own]
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
    picture, solid = nodes.get(TONES_NODE) or picture_node(material), nodes.get(SOLID_NODE)
    if picture is None or picture.image is None:
        return
    old = solid.image if solid is not None else None
    if np.abs(np.asarray(dye, float) - 1.0).max() < NO_DYE:
        if solid is not None:
            nodes.remove(solid)
        nodes.active = picture  # the tones of cards, the picture of a shell
    else:
        if solid is None:
            solid = add_node(material, "ShaderNodeTexImage", (-800, 0))
            solid.name = solid.label = SOLID_NODE
        solid.image = _dyed(picture.image, dye)
        nodes.active = solid
    if old is not None and not old.users:
        bpy.data.images.remove(old)


def add_tones(
    material: bpy.types.Material, mesh: bpy.types.Mesh, atlas: np.ndarray, colors: np.ndarray
) -> None:
    """Let the Solid view show cards in tones of their own colors.

    Args:
        material: Of the cards.
        mesh: Of the cards, triangles, with texture coordinates in the strand atlas.
        atlas: (H, W, 4) float32 0..1, bottom row first, values as stored.
        colors: (V, 3) sRGB bytes of the cards' vertices.
    """
    corners = np.empty(len(mesh.loops), np.int32)
    mesh.loops.foreach_get("vertex_index", corners)
    faces = colors[corners].reshape(-1, 3, 3).mean(1)
    tones, of_face = _tones(faces)
    rows, columns = (min(step, side) for step, side in zip(TONES_STEP, atlas.shape, strict=False))
    small = np.ascontiguousarray(atlas[rows // 2 :: rows, columns // 2 :: columns])
    pixels = np.concatenate([small * [*tone / 255.0, 1.0] for tone in tones]).astype(np.float32)
    image = bpy.data.images.new(f"{material.name} tones", pixels.shape[1], pixels.shape[0], alpha=True)
    image.alpha_mode = "STRAIGHT"
    image.pixels.foreach_set(pixels.ravel())
    image.pack()
    pack(image, TONES_TEXTURE)
    node = add_node(material, "ShaderNodeTexImage", (-800, 250))
    node.name = node.label = TONES_NODE
    node.image = image
    material.node_tree.nodes.active = node
    uv = np.empty(2 * len(corners), np.float32)
    mesh.uv_layers.active.data.foreach_get("uv", uv)
    uv = uv.reshape(-1, 2)
    uv[:, 1] = (uv[:, 1] + of_face.repeat(3)) / len(tones)
    layer = mesh.uv_layers.new(name=TONES_LAYER)
    layer.data.foreach_set("uv", uv.ravel())
    # The Solid view goes by the active layer, renderers and nodes by the one that is active for rendering.
    mesh.uv_layers.active = layer


def without_tones(mesh: bpy.types.Mesh) -> None:
    """Take the texture coordinates of `add_tones` off a mesh: files have no use for them."""
    layer = mesh.uv_layers.get(TONES_LAYER)
    if layer is not None:
        mesh.uv_layers.remove(layer)


def _tones(colors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Few colors (K, 3) that stand for others (N, 3), sRGB bytes; and (N,) int, which stands for each.

    S. Lloyd, "Least squares quantization in PCM", 1982, from evenly spaced brightness on.
    """
    brightness = colors.sum(1)
    order = np.argsort(brightness, kind="stable")
    even = np.linspace(brightness[order[0]], brightness[order[-1]], TONES)
    tones = colors[order[np.searchsorted(brightness[order], even)]]
    for _ in range(ROUNDS):
        nearest = ((colors[:, None] - tones) ** 2).sum(2).argmin(1)
        nearest = np.unique(nearest, return_inverse=True)[1]
        count = np.bincount(nearest)
        sums = np.stack([np.bincount(nearest, colors[:, k]) for k in range(3)], 1)
        tones = sums / count[:, None]
    return tones, nearest


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
