"""The bones of a head: an armature that bends it and that can drive its blendshapes. Needs bpy.

As built, each bone moves the vertices of its group, and the shapes' sliders are free. Where bones drive
shapes (`set_bones_drive_shapes`), the jaw and the eyes turn nothing by themselves, or the movement would
count twice: their rotation sets Apple's shapes, and what they carried follows the head.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import radians

import bpy
import numpy as np
from mathutils import Vector

from ..blender import actions
from ..blender.scratch_scene import scratch_scene
from .checked_arrays import MAX_NAME_BYTES
from .head_npz import HeadData, HeadRig

#: Custom property of the armature: that it is a head's.
MARK = "photobust_rig"
#: Custom property of the armature: whether its bones drive blendshapes.
DRIVING = "photobust_bones_drive_shapes"
#: Beginning of custom properties: travels at which blendshapes are at 1, radians or meters.
TRAVEL = "photobust_travel_"
#: Modifier of the head.
MODIFIER = "Armature"
#: The jaw's bone, which drives blendshapes.
JAW = "jaw"
#: The eyes' bones, which drive blendshapes, by side.
EYES = {"Left": "eye.L", "Right": "eye.R"}
#: Rotation at which an eyeLook shape is at 1, degrees.
EYE_LOOK_DEG = 25.0
#: A vertex belongs to the jaw if the jaw's weight is at least this much of the largest one.
JAW_FRACTION = 0.8
#: Rotations of the jaw below this, radians, come from blendshapes that do not move it.
MIN_TURN = radians(0.2)
#: Shifts of the jaw below this, meters, likewise.
MIN_SLIDE = 2e-4
#: Weights below this are left out.
MIN_WEIGHT = 1e-6


@dataclass(frozen=True)
class _Drive:
    """What sets one shape: a channel of a bone.

    bone: Its name. channel: ROT_X, ROT_Z or LOC_Y, in the bone's own axes. travel: What the channel is at
    when the shape is at 1; radians or meters, and negative for the other direction.
    """

    bone: str
    channel: str
    travel: float


def build_armature(
    head: bpy.types.Object, data: HeadData, rig: HeadRig, collection: bpy.types.Collection
) -> bpy.types.Object:
    """Give a head its bones: an armature, named after the head, becomes its parent and bends it.

    Args:
        head: The head, at rest where its mesh is.
        data: What it was built from.
        rig: The bones.
        collection: Where the armature goes.

    Returns:
        The armature. Its bones' x axes are the head's, so that turning one about x nods it.
    """
    name = armature_name(head.name)
    armature = bpy.data.armatures.new(name)
    armature.display_type = "STICK"
    owner = bpy.data.objects.new(name, armature)
    owner[MARK] = True
    with edited(owner):
        _add_bones(armature, rig)
    for bone in owner.pose.bones:
        bone.rotation_mode = "XYZ"
    collection.objects.link(owner)
    _add_groups(head, rig)
    head.parent = owner
    modifier = head.modifiers.new(MODIFIER, "ARMATURE")
    modifier.object = owner
    # Dual quaternions: a neck that turns by 45 degrees would lose 5 % of its volume, and so keeps it.
    modifier.use_deform_preserve_volume = True
    for shape, travel in _jaw_travels(data, rig, armature).items():
        owner[TRAVEL + shape] = travel
    return owner


def armature_name(head_name: str) -> str:
    """The name that a head's armature gets."""
    return f"{head_name[: MAX_NAME_BYTES - len(' rig')]} rig"


def rig_of(head: bpy.types.Object) -> bpy.types.Object | None:
    """The armature that a head hangs on; None if it has no bones."""
    parent = head.parent
    return parent if parent is not None and parent.type == "ARMATURE" and MARK in parent else None


def base_of(head: bpy.types.Object) -> bpy.types.Object:
    """What has to be moved for the head to be elsewhere: its armature, or the head itself."""
    return rig_of(head) or head


def with_rigs(objects: list[bpy.types.Object]) -> list[bpy.types.Object]:
    """The objects, then the armatures of those that have one."""
    return objects + [rig for rig in map(rig_of, objects) if rig is not None]


def drives_shapes(rig: bpy.types.Object) -> bool:
    """Whether the armature's bones drive the shapes."""
    return bool(rig.get(DRIVING, False))


def set_bones_drive_shapes(head: bpy.types.Object, wanted: bool) -> None:
    """Let the jaw's and the eyes' bones drive Apple's shapes, or bend the head themselves.

    The driven shapes' sliders become custom properties of the armature, whose values are added to what the
    bones do; they go back to the shapes with their values. So do their keys.

    Args:
        head: A head with bones.
        wanted: Whether they drive.
    """
    rig = rig_of(head)
    if rig is None or drives_shapes(rig) == wanted:
        return
    rig[DRIVING] = wanted
    moving = _moving_bones(rig)
    for name in moving:
        rig.data.bones[name].use_deform = not wanted
    # Others that hang on the same bones, such as a retopologized one; each mesh once.
    bent = {child.data: child for child in rig.children if child.type == "MESH"}
    drives = _drives(rig)
    staying = set()  # sliders whose curves could not be copied
    for mesh_object in bent.values():
        _carry(mesh_object, rig, moving, wanted)
        keys = mesh_object.data.shape_keys.key_blocks if mesh_object.data.shape_keys else {}
        for key in [keys[shape] for shape in drives if shape in keys]:
            at_key, at_rig = (key.id_data, key.path_from_id("value")), (rig, f'["{key.name}"]')
            if wanted:
                if mesh_object.data != head.data or actions.copy_curve(*at_key, *at_rig):
                    actions.remove_curve(*at_key)
                _add_driver(key, rig, drives[key.name])
            else:
                if not actions.copy_curve(*at_rig, *at_key):
                    staying.add(key.name)
                key.driver_remove("value")
                key.value = rig.get(key.name, 0.0)
        mesh_object.update_tag()
    if not wanted:
        for shape in drives:
            if shape not in staying:
                actions.remove_curve(rig, f'["{shape}"]')
            rig.pop(shape, None)
    rig.update_tag()


@contextmanager
def bones_not_driving(head: bpy.types.Object) -> Iterator[None]:
    """The head's bones bend it themselves, as other programs expect it."""
    rig = rig_of(head)
    if rig is None or not drives_shapes(rig):
        yield
        return
    keys = {child.data.shape_keys for child in rig.children if child.type == "MESH"} - {None}
    with actions.kept([rig, *keys]):
        try:
            set_bones_drive_shapes(head, False)
            yield
        finally:
            set_bones_drive_shapes(head, True)


@contextmanager
def edited(owner: bpy.types.Object) -> Iterator[None]:
    """Edit Mode of an armature, which may be hidden, without touching the user's scene or mode."""
    hidden = owner.hide_viewport
    with scratch_scene() as scene:
        owner.hide_viewport = False
        scene.collection.objects.link(owner)
        layer = scene.view_layers[0]
        layer.objects.active = owner
        layer.update()
        override = {
            "scene": scene,
            "view_layer": layer,
            "active_object": owner,
            "object": owner,
            "selected_objects": [owner],
        }
        with bpy.context.temp_override(**override):
            bpy.ops.object.mode_set(mode="EDIT")
        try:
            yield
        finally:
            modes = {"edit_object": owner, "objects_in_mode": [owner]}
            with bpy.context.temp_override(**override, **modes):
                bpy.ops.object.mode_set(mode="OBJECT")
            scene.collection.objects.unlink(owner)
            owner.hide_viewport = hidden


def _add_bones(armature: bpy.types.Armature, rig: HeadRig) -> None:
    made: list[bpy.types.EditBone] = []
    for name, parent, head, tail in zip(rig.names, rig.parents, rig.heads, rig.tails, strict=True):
        bone = armature.edit_bones.new(name)
        bone.head, bone.tail = head.tolist(), tail.tolist()
        across = Vector((1.0, 0.0, 0.0)).cross(bone.tail - bone.head)
        if across.length > 0:
            bone.align_roll(across)
        if parent >= 0:
            bone.parent = made[parent]
            bone.use_connect = (made[parent].tail - bone.head).length < 1e-5
        made.append(bone)


def _add_groups(head: bpy.types.Object, rig: HeadRig) -> None:
    for index, name in enumerate(rig.names):
        group = head.vertex_groups.new(name=name)
        each = np.where(rig.joints == index, rig.weights, 0).sum(1)
        for vertex in np.flatnonzero(each > MIN_WEIGHT).tolist():
            group.add([vertex], float(each[vertex]), "REPLACE")


def _jaw_travels(data: HeadData, rig: HeadRig, armature: bpy.types.Armature) -> Mapping[str, float]:
    """How far the jaw goes for its shapes at 1: the least-squares fit to what they do to its vertices.

    Returns:
        Shape -> radians about the bone's z axis for jawLeft and jawRight, meters along its y axis for
        jawForward, radians about x for jawOpen.
    """
    if JAW not in rig.names:
        return {}
    each = np.where(rig.joints == rig.names.index(JAW), rig.weights, 0).sum(1)
    chosen = each >= JAW_FRACTION * max(float(each.max()), MIN_WEIGHT)
    bone = armature.bones[JAW]
    axes = np.array(bone.matrix_local.to_3x3())
    arms = data.neutral[chosen] - np.array(bone.head_local)
    swing = np.cross(axes[:, 2], arms)
    travels: dict[str, float] = {}
    for shape in ("jawLeft", "jawRight", "jawForward"):
        if shape not in data.blendshape_names or not chosen.any():
            continue
        moved = data.blendshapes[data.blendshape_names.index(shape)][chosen]
        if shape == "jawForward":
            travel, least = float((moved @ axes[:, 1]).mean()), MIN_SLIDE
        else:
            travel, least = float((moved * swing).sum() / max((swing**2).sum(), MIN_WEIGHT)), MIN_TURN
        if abs(travel) >= least:
            travels[shape] = travel
    if "jawOpen" in data.blendshape_names:
        travels["jawOpen"] = radians(rig.jaw_open_deg)
    return travels


def _drives(rig: bpy.types.Object) -> dict[str, _Drive]:
    """What sets each shape.

    Bones' axes: x is the head's, y along the bone, z down where the bone points forward.
    """
    channels = {"jawOpen": "ROT_X", "jawLeft": "ROT_Z", "jawRight": "ROT_Z", "jawForward": "LOC_Y"}
    drives = {
        shape: _Drive(JAW, channel, float(rig[TRAVEL + shape]))
        for shape, channel in channels.items()
        if TRAVEL + shape in rig
    }
    full = radians(EYE_LOOK_DEG)
    for side, bone in EYES.items():
        # Turning about z, which points down, looks to the head's right: in for its left eye.
        inward = full if side == "Left" else -full
        drives |= {
            f"eyeLookDown{side}": _Drive(bone, "ROT_X", full),
            f"eyeLookUp{side}": _Drive(bone, "ROT_X", -full),
            f"eyeLookIn{side}": _Drive(bone, "ROT_Z", inward),
            f"eyeLookOut{side}": _Drive(bone, "ROT_Z", -inward),
        }
    return {shape: drive for shape, drive in drives.items() if drive.bone in rig.data.bones}


def _add_driver(key: bpy.types.ShapeKey, rig: bpy.types.Object, drive: _Drive) -> None:
    """Let a shape follow a bone and a custom property of the armature, together at most 1."""
    if key.name not in rig:
        rig[key.name] = float(key.value)
    rig.id_properties_ui(key.name).update(min=0.0, max=1.0, description=f"{key.name}, beside what bones do")
    driver = key.driver_add("value").driver
    driver.type = "SCRIPTED"
    bone = driver.variables.new()
    bone.name, bone.type = "bone", "TRANSFORMS"
    target = bone.targets[0]
    target.id, target.bone_target = rig, drive.bone
    target.transform_type, target.transform_space = drive.channel, "LOCAL_SPACE"
    slider = driver.variables.new()
    slider.name = "slider"
    slider.targets[0].id, slider.targets[0].data_path = rig, f'["{key.name}"]'
    # Of what Blender evaluates without Python, which files from others may not run.
    driver.expression = f"min(max(slider + max(bone / {drive.travel:.6g}, 0), 0), 1)"


def _moving_bones(rig: bpy.types.Object) -> list[str]:
    """The bones that drive shapes, and what hangs on them: the tongue, which the jaw's shapes move."""
    roots = [rig.data.bones[name] for name in (JAW, *EYES.values()) if name in rig.data.bones]
    return [bone.name for root in roots for bone in (root, *root.children_recursive)]


def _carry(head: bpy.types.Object, rig: bpy.types.Object, moving: list[str], wanted: bool) -> None:
    """Add the moving bones' weights to those of the bone that carries them, or take them away again."""
    for name in moving:
        parent = rig.data.bones[name].parent
        while parent is not None and parent.name in moving:
            parent = parent.parent
        if parent is None or name not in head.vertex_groups:
            continue
        if parent.name not in head.vertex_groups:
            head.vertex_groups.new(name=parent.name)
        group = head.vertex_groups[parent.name]
        index = head.vertex_groups[name].index
        for vertex in head.data.vertices:
            weights = {element.group: element.weight for element in vertex.groups}
            if index not in weights:
                continue
            now = weights.get(group.index, 0.0) + (weights[index] if wanted else -weights[index])
            if now > MIN_WEIGHT:
                group.add([vertex.index], now, "REPLACE")
            else:
                group.remove([vertex.index])
