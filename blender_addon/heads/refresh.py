"""Gives a head object what the engine has made of its photo anew; the object stays. Needs bpy."""

import json

import bpy
import numpy as np

from ..blender.coordinates import coordinates
from ..blender.images import is_painted
from ..errors import AddonError
from . import adjustments, hair
from .armature import edited, rig_of
from .build import CONFIDENCE, DEVIATION, PHOTO_SHAPE, PREFIX, is_as_loaded, load_image
from .head_materials import ALL_MAP_NODES, IMAGE_NODE
from .head_npz import HeadData, HeadRig
from .loaded import LoadedHead


def refresh_head(head: bpy.types.Object, loaded: LoadedHead) -> list[str]:
    """Let a head be as its files are; its place, its materials' settings and its animation stay.

    Args:
        head: A head that was built from the same template.
        loaded: The files.

    Returns:
        Names of images that somebody has painted, or put in the place of the engine's: the head shows the new
        ones instead, and they stay in the file.

    Raises:
        AddonError: The files have no such head.
        HeadFileError: A picture cannot be read.
    """
    data = loaded.head
    if data is None or len(data.neutral) != len(head.data.vertices) or head.data.shape_keys is None:
        raise AddonError("The engine made no head that fits this one: reconstruct the photo anew.")
    _set_shapes(head, data)
    for name, values in ((CONFIDENCE, data.confidence), (DEVIATION, data.deviation)):
        attribute = head.data.attributes.get(name)
        if attribute is not None and attribute.domain == "POINT":
            attribute.data.foreach_set("value", np.ascontiguousarray(values, np.float32))
    rig = rig_of(head)
    if rig is not None and data.rig is not None:
        _set_rest(rig, data.rig)
    head[f"{PREFIX}expression"] = data.expression.astype(float).tolist()
    kept = _set_images(head, loaded)
    note = head.photobust
    note.folder, note.manifest = str(loaded.folder), loaded.record.compact()
    note.sculpted = json.dumps(adjustments.slider_values(head))
    product = note.hair_product.lower()
    hair.remove_hair(head)
    hair.add_hair(head, loaded.folder, product if product in hair.PARTS and product != "none" else None)
    hair.reset_hair_properties(head)
    head.data.update()
    return kept


def _set_shapes(head: bpy.types.Object, data: HeadData) -> None:
    shapes = {PHOTO_SHAPE: data.photo}
    shapes |= {
        name: data.neutral + offset
        for name, offset in zip(data.blendshape_names, data.blendshapes, strict=True)
    }
    if data.visemes is not None:
        moved = np.tensordot(data.visemes.weights, data.blendshapes, 1)
        shapes |= {
            name: data.neutral + offset for name, offset in zip(data.visemes.names, moved, strict=True)
        }
    keys = head.data.shape_keys.key_blocks
    before = coordinates(keys[0].data)
    for key in keys[1:]:
        # Others' shapes keep what they add to the face at rest.
        points = shapes.get(key.name)
        if points is None:
            points = coordinates(key.data) + (data.neutral - before)
        adjustments.set_coordinates(key, points)
    adjustments.set_coordinates(keys[0], data.neutral)
    head.data.vertices.foreach_set("co", np.ascontiguousarray(data.neutral, np.float32).ravel())


def _set_rest(rig: bpy.types.Object, data: HeadRig) -> None:
    """Put the bones' joints where the new head has them."""
    ends = {name: (data.heads[k], data.tails[k]) for k, name in enumerate(data.names)}
    with edited(rig):
        for bone in rig.data.edit_bones:
            if bone.name in ends:
                roll = bone.roll
                bone.head, bone.tail = (tuple(map(float, end)) for end in ends[bone.name])
                bone.roll = roll


def _set_images(head: bpy.types.Object, loaded: LoadedHead) -> list[str]:
    """Exchange the pictures of a head's materials for those of its files; see `refresh_head`."""
    if loaded.albedo is None:
        return []
    files = {IMAGE_NODE: loaded.albedo}
    files |= {node: loaded.albedo.with_name(f"{kind}.png") for kind, node in ALL_MAP_NODES.items()}
    trees = [slot.material.node_tree for slot in head.material_slots if slot.material]
    kept = []
    for name, path in files.items():
        used = [tree.nodes[name] for tree in trees if tree and name in tree.nodes]
        # The lashes have a copy of the texture, whose alpha every view takes for holes.
        for old in dict.fromkeys(node.image for node in used if node.image) if path.is_file() else ():
            engines = is_as_loaded(old)
            new = load_image(path, old.name if engines else f"{head.name} {path.stem}")
            new.colorspace_settings.name = old.colorspace_settings.name
            new.alpha_mode = old.alpha_mode
            for node in used:
                if node.image == old:
                    node.image = new
            if not engines:
                if is_painted(old):
                    old.pack()  # an image without users is saved with what is packed
                old.use_fake_user = True
                kept.append(old.name)
            elif not old.users:
                own_name = old.name
                bpy.data.images.remove(old)
                new.name = own_name
    return kept
