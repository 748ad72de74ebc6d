"""A head's hair as objects: shell, cards, strands, and what covers the head. Needs bpy."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

from ..blender import compat
from ..blender.coordinates import coordinates
from ..blender.srgb import srgb_to_linear
from . import facial_hair, hair_amount, hair_strands
from .armature import rig_of
from .hair_materials import cards_material, is_undyed, materials_of, set_appearance, shell_material
from .hair_npz import (
    CARDS_NORMALS,
    CARDS_TEXTURE,
    COVER_TEXTURE,
    SHELL_TEXTURE,
    HairData,
    HairMesh,
    read_hair_of,
)

#: The custom property of a hair object: which part of the hair it is.
MARK = "photobust_hair"
#: The custom property that keeps the hair's typical color, sRGB bytes.
TYPICAL = "photobust_hair_rgb"
#: The bone that hair moves with, by the names that the engine gives.
HEAD_BONE = "head"
#: Product -> the parts that are shown. What covers the head is shown with each.
PARTS = {
    "none": (),
    "shell": ("shell", "cover"),
    "cards": ("shell", "cards", "cover"),
    "strands": ("shell", "strands", "cover"),
}
#: The parts that the hair's color is the color of.
DYED = ("shell", "cards", "strands")
#: Distance, meters, up to which a point is where the files have it.
SAME_PLACE = 1e-5
#: The shape key that moves the shell in, below cards or strands.
INSET_SHAPE = "Below Cards"


def add_hair(
    head: bpy.types.Object,
    folder: Path,
    product: str | None = None,
    only: bool = False,
    offset: np.ndarray | None = None,
) -> list[bpy.types.Object]:
    """Build the hair of a result's folder, if it has any, on its head.

    Args:
        head: The head that was built from this folder.
        folder: With hair.npz and its textures.
        product: One of PARTS; default: what the engine was asked for.
        only: Build no parts but those of the product.
        offset: (V, 3) how far the skin of a head without shapes is from the neutral's, meters.

    Returns:
        The objects; none where there is no hair.

    Raises:
        HeadFileError: A file is damaged.
    """
    data = read_hair_of(folder)
    return build_hair(head, folder, data, product, only, offset) if data else []


def build_hair(
    head: bpy.types.Object,
    folder: Path,
    data: HairData,
    product: str | None = None,
    only: bool = False,
    offset: np.ndarray | None = None,
) -> list[bpy.types.Object]:
    """`add_hair` of hair that was read already.

    Args:
        head: That the hair belongs to.
        folder: With the textures.
        data: What hair.npz says.
        product: One of PARTS; default: what the engine was asked for.
        only: Build no parts but those of the product.
        offset: (V, 3) how far the skin of a head without shapes is from the neutral's, meters.
    """
    product = product or data.product
    if only:
        data = _product_alone(data, product, offset)
    made = _scalp_hair(head, folder, data)
    for ob in made:
        hang(ob, head)
        if ob[MARK] in DYED:
            _set_flat_color(ob, srgb_to_linear(np.array(data.rgb, float) / 255.0))
    made += _facial(head, folder, data)
    for ob in made:
        for collection in head.users_collection:
            collection.objects.link(ob)
        # Whoever appends the head, gets what it points to.
        head[f"{MARK}_{ob[MARK]}"] = ob
    show(head, product)
    show_facial(head, data.facial_product)
    return made


def _product_alone(data: HairData, product: str, offset: np.ndarray | None) -> HairData:
    """Hair without the parts that a product does not show, brows and beard moved by an offset (V, 3)."""
    wanted = PARTS[product]
    return dataclasses.replace(
        data,
        shell=data.shell if "shell" in wanted else None,
        cards=data.cards if "cards" in wanted else None,
        strands=data.strands if "strands" in wanted else None,
        facial=tuple(part.moved(offset) for part in data.facial) if offset is not None else data.facial,
    )


def _scalp_hair(head: bpy.types.Object, folder: Path, data: HairData) -> list[bpy.types.Object]:
    """What grows on the head, and what covers it."""
    made = []
    if data.shell is not None:
        made.append(_marked(_shell(f"{head.name} hair shell", data.shell, folder), "shell", data))
    if data.cards is not None:
        cards = _cards(f"{head.name} hair cards", data.cards, data.rgb, folder)
        hair_amount.add_mask(cards, hair_amount.DENSITY, 1.0 - data.cards.rank)
        hair_amount.add_mask(cards, hair_amount.LENGTH, 1.0 - data.cards.along)
        made.append(_marked(cards, "cards", data))
    if data.strands is not None and hair_strands.are_possible():
        strands = hair_strands.build(f"{head.name} hair strands", data.strands, head)
        made.append(_marked(strands, "strands", data))
    if data.cover is not None:
        cover = _mesh_object(f"{head.name} cover", data.cover)
        cover.data.materials.append(shell_material(cover.name, folder / COVER_TEXTURE))
        made.append(_marked(cover, "cover", data))
    return made


def _shell(name: str, data: HairMesh, folder: Path) -> bpy.types.Object:
    """The shell, with a shape that is moved in."""
    shell = _mesh_object(name, data)
    shell.data.materials.append(shell_material(shell.name, folder / SHELL_TEXTURE))
    shell.shape_key_add(name="Basis", from_mix=False)
    key = shell.shape_key_add(name=INSET_SHAPE, from_mix=False)
    moved = data.vertices - data.inset[:, None] * data.normals
    key.data.foreach_set("co", np.ascontiguousarray(moved, np.float32).ravel())
    return shell


def _cards(name: str, data: HairMesh, typical: Sequence[int], folder: Path) -> bpy.types.Object:
    """Cards whose typical color is known, sRGB bytes."""
    cards = _mesh_object(name, data)
    pictures = folder / CARDS_TEXTURE, folder / CARDS_NORMALS
    cards.data.materials.append(cards_material(cards.name, *pictures, typical, cards.data, data.colors))
    _tint(cards.data, data.colors, typical)
    return cards


def _facial(head: bpy.types.Object, folder: Path, data: HairData) -> list[bpy.types.Object]:
    """Brows and beard, which move with the skin."""
    made = []
    for part in data.facial:
        typical = tuple(int(value) for value in np.median(part.cards.colors, axis=0))
        cards = _cards(f"{head.name} {part.name}", part.cards, typical, folder)
        facial_hair.bind_cards(cards, part, head)
        cards[MARK] = part.name
        made.append(cards)
        if hair_strands.are_possible():
            strands = facial_hair.build_strands(f"{cards.name} strands", part, head)
            strands[MARK] = part.name + facial_hair.STRANDS
            made.append(strands)
    return made


def hair_of(head: bpy.types.Object) -> list[bpy.types.Object]:
    """The objects of a head's hair, without those that the user has deleted, which only the head has."""
    return [ob for ob in known_hair(head) if ob.users_collection]


def known_hair(head: bpy.types.Object) -> list[bpy.types.Object]:
    """The objects of a head's hair, those that the user has deleted, too."""
    rig = rig_of(head)
    children = [*head.children, *(rig.children if rig is not None else ())]
    return [child for child in children if MARK in child]


def products_of(head: bpy.types.Object) -> list[str]:
    """What can be shown of a head's hair; "none" is always among it."""
    parts = {ob[MARK] for ob in hair_of(head)}
    return [
        name for name in PARTS if name == "none" or name in parts or (name == "shell" and "cover" in parts)
    ]


def typical_color(head: bpy.types.Object) -> tuple[float, float, float]:
    """The hair's color in the photo, linear RGB; gray where there is none."""
    found = next((ob for ob in hair_of(head) if TYPICAL in ob), None)
    red, green, blue = srgb_to_linear(np.array(found[TYPICAL] if found else (128, 128, 128), float) / 255.0)
    return float(red), float(green), float(blue)


def show(head: bpy.types.Object, product: str) -> None:
    """Show one product of a head's hair: one of PARTS, or what is nearest to it among what there is."""
    there = {ob[MARK] for ob in hair_of(head)}
    if product == "strands" and "strands" not in there:
        product = "cards"
    shown = PARTS[product]
    for ob in hair_of(head):
        if ob[MARK] in facial_hair.ALL_PARTS:
            continue
        hidden = ob[MARK] not in shown
        ob.hide_render = hidden
        ob.hide_viewport = hidden
        if ob[MARK] == "shell" and ob.data.shape_keys is not None:
            below = product in ("cards", "strands")
            ob.data.shape_keys.key_blocks[INSET_SHAPE].value = float(below)
            set_appearance(materials_of(ob), shaded=below)


def show_facial(head: bpy.types.Object, product: str) -> None:
    """Show one product of brows and beard: one of `facial_hair.PARTS`, cards where there are no strands."""
    there = {ob[MARK] for ob in hair_of(head)}
    if product == "strands" and not there.intersection(facial_hair.PARTS["strands"]):
        product = "cards"
    for ob in hair_of(head):
        if ob[MARK] in facial_hair.ALL_PARTS:
            ob.hide_render = ob.hide_viewport = ob[MARK] not in facial_hair.PARTS[product]


def facial_product(head: bpy.types.Object) -> str:
    """What brows and beard of a head are shown as: "cards" if they are hidden,
    "none" if they are in the texture.
    """
    parts = {ob[MARK] for ob in shown_of(head)}
    if parts.intersection(facial_hair.PARTS["strands"]):
        return "strands"
    return "cards" if any(ob[MARK] in facial_hair.ALL_PARTS for ob in hair_of(head)) else "none"


def shown_of(head: bpy.types.Object) -> list[bpy.types.Object]:
    """The hair objects that are shown."""
    return [ob for ob in hair_of(head) if not ob.hide_viewport]


def set_amount(head: bpy.types.Object, density: float, length: float) -> None:
    """How dense and how long hair is, 0..1 of what the photo gave.

    Cards and strands are left out and cut, and the shell is pulled in as far.
    """
    parts = {ob[MARK]: ob for ob in hair_of(head)}
    if "strands" in parts:
        hair_strands.set_amount(parts["strands"], density, length)
    if "cards" in parts:
        hair_amount.set_masks(parts["cards"], density, length)
    if "shell" in parts:
        hair_amount.set_shell(parts["shell"], parts.get("cards"), density, length)


def set_color(head: bpy.types.Object, color: Sequence[float]) -> None:
    """Dye the hair, not what covers the head.

    Args:
        head: The head.
        color: Linear RGB that the hair's typical color becomes.
    """
    factor = np.asarray(color[:3], float) / np.maximum(typical_color(head), 1e-3)
    for ob in hair_of(head):
        if ob[MARK] in DYED:
            set_appearance(materials_of(ob), dye=factor)
            _set_flat_color(ob, color)


def _set_flat_color(ob: bpy.types.Object, color: Sequence[float] | np.ndarray) -> None:
    """What views show that know one color a material, linear RGB; strands have no other in Solid view."""
    for material in materials_of(ob):
        material.diffuse_color = (*(float(value) for value in color[:3]), 1.0)


def hair_as_made(head: bpy.types.Object, folder: Path) -> bool:
    """Whether glTF shows the hair as the engine made it, with the product, color and amount of its files.

    glTF has no curves: strands are shown as cards.
    """
    data = read_hair_of(folder)
    shown = {ob[MARK]: ob for ob in shown_of(head)}
    if data is None:
        return not shown
    facial = {part.removesuffix(facial_hair.STRANDS) for part in shown if part in facial_hair.ALL_PARTS}
    if facial != ({part.name for part in data.facial} if data.facial_product != "none" else set()):
        return False
    parts = {ob[MARK]: ob for ob in hair_of(head)}
    shown = {_in_gltf(part): ob for part, ob in shown.items() if part not in facial_hair.ALL_PARTS}
    shown = {part: parts.get(part, ob) for part, ob in shown.items()}
    files = {"shell": data.shell, "cards": data.cards, "cover": data.cover}
    wanted = {_in_gltf(part) for part in PARTS[data.product]}
    made = {part for part, mesh in files.items() if mesh is not None} & wanted
    if set(shown) != made or not all(is_undyed(materials_of(ob)) for ob in shown.values()):
        return False
    for part, ob in shown.items():
        mesh = files.get(part)
        if mesh is not None and len(ob.data.vertices) != len(mesh.vertices):
            return False
        if ob.type == "MESH" and not hair_amount.amount_is_whole(ob):
            return False
    return True


def _in_gltf(part: str) -> str:
    return "cards" if part == "strands" else part


def is_combed(head: bpy.types.Object, folder: Path) -> bool:
    """Whether all of the hair has the color, the amount and the shape of its files, shown or not."""
    data = read_hair_of(folder)
    parts = {ob[MARK]: ob for ob in hair_of(head)}
    if data is None:
        return not parts
    files = {"shell": data.shell, "cards": data.cards, "cover": data.cover}
    files |= {part.name: part.cards for part in data.facial}
    meshes = {part: mesh for part, mesh in files.items() if mesh is not None}
    curves = {part.name + facial_hair.STRANDS: part.strands for part in data.facial}
    if data.strands is not None:
        curves["strands"] = data.strands
    if not hair_strands.are_possible():
        curves = {}
    if set(parts) != set(meshes) | set(curves):
        return False
    if not all(is_undyed(materials_of(ob)) for ob in parts.values()):
        return False
    return all(_is_as_built(parts[part], mesh) for part, mesh in meshes.items()) and all(
        hair_strands.are_as_built(parts[part], strands) for part, strands in curves.items()
    )


def _is_as_built(ob: bpy.types.Object, mesh: HairMesh) -> bool:
    if len(ob.data.vertices) != len(mesh.vertices) or not hair_amount.amount_is_whole(ob):
        return False
    return bool(np.allclose(coordinates(ob.data.vertices), mesh.vertices, atol=SAME_PLACE))


def reset_hair_properties(head: bpy.types.Object) -> None:
    """Set the panel's properties to product, color, length and density of new hair."""
    note = head.photobust
    shown = [ob[MARK] for ob in shown_of(head)]
    products = ("strands", "cards", "shell")
    note.hair_product = next((product for product in products if product in shown), "shell").upper()
    note.hair_color = typical_color(head)
    note.hair_length = note.hair_density = 1.0
    facial = [name for name, parts in facial_hair.PARTS.items() if set(parts) & set(shown)]
    note.facial_hair_product = (facial[0] if facial else "none").upper()


def remove_hair(head: bpy.types.Object) -> None:
    """Take the hair off for good, with the data, materials, pictures and nodes that nothing else uses."""
    for ob in known_hair(head):
        data, is_mesh = ob.data, ob.type == "MESH"
        materials = {material for material in data.materials if material is not None}
        groups = {modifier.node_group for modifier in ob.modifiers if modifier.type == "NODES"}
        bpy.data.objects.remove(ob)
        if not data.users:
            (bpy.data.meshes if is_mesh else bpy.data.hair_curves).remove(data)
        for material in materials:
            if not material.users:
                _remove_material(material)
        for group in groups:
            if group is not None and not group.users:
                bpy.data.node_groups.remove(group)


def _remove_material(material: bpy.types.Material) -> None:
    nodes = material.node_tree.nodes if material.node_tree is not None else ()
    images = {node.image for node in nodes if node.type == "TEX_IMAGE" and node.image is not None}
    bpy.data.materials.remove(material)
    for image in images:
        if not image.users:
            bpy.data.images.remove(image)


def _mesh_object(name: str, data: HairMesh) -> bpy.types.Object:
    mesh = bpy.data.meshes.new(name)
    triangles = _facing_out(data)
    mesh.from_pydata(data.vertices.tolist(), [], triangles.tolist())
    layer = mesh.uv_layers.new(name="UVMap")
    layer.data.foreach_set("uv", np.ascontiguousarray(data.uv[triangles.ravel()], np.float32).ravel())
    compat.shade_smooth(mesh)
    mesh.update()
    # Cards shade like the surface that they lie on, not like the paper that they are.
    compat.set_vertex_normals(mesh, data.normals)
    return bpy.data.objects.new(name, mesh)


def _facing_out(data: HairMesh) -> np.ndarray:
    """(M, 3) triangles turned to where their normals point: Cycles paints the backs of others black."""
    first, second, third = (data.vertices[data.triangles[:, k]] for k in range(3))
    across = np.cross(second - first, third - first)
    wrong = (across * data.normals[data.triangles].sum(1)).sum(1) < 0
    return np.where(wrong[:, None], data.triangles[:, ::-1], data.triangles)


def _tint(mesh: bpy.types.Mesh, colors: np.ndarray, typical: Sequence[int]) -> None:
    """The cards' own colors as factors of the typical one, which their texture has already."""
    linear = srgb_to_linear(colors.astype(np.float32) / 255.0)
    factors = linear / np.maximum(srgb_to_linear(np.array(typical, np.float32) / 255.0), 1e-3)
    attribute = mesh.color_attributes.new("Tint", "FLOAT_COLOR", "POINT")
    rgba = np.concatenate([factors, np.ones((len(factors), 1))], 1).astype(np.float32)
    attribute.data.foreach_set("color", rgba.ravel())


def _marked(ob: bpy.types.Object, part: str, data: HairData) -> bpy.types.Object:
    ob[MARK] = part
    if part != "cover":
        ob[TYPICAL] = list(data.rgb)
    return ob


def hang(ob: bpy.types.Object, head: bpy.types.Object) -> None:
    """Let hair move with the head, or with the bone that turns it."""
    rig = rig_of(head)
    bone = rig.data.bones.get(HEAD_BONE) if rig is not None else None
    if rig is None or bone is None:
        ob.parent = head
        return
    ob.parent, ob.parent_type, ob.parent_bone = rig, "BONE", bone.name
    # Children of bones hang on their tails.
    ob.matrix_parent_inverse = (bone.matrix_local @ Matrix.Translation((0.0, bone.length, 0.0))).inverted()
