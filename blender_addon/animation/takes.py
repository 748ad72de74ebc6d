"""Recordings of faces as Actions of a head, and Actions of a head as recordings. Needs bpy."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import bpy
import numpy as np

from ..blender import actions
from ..errors import AddonError
from ..heads.armature import EYE_LOOK_DEG, EYES, rig_of
from . import sliders
from .live_link_csv import SHAPES, Recording

#: Bones that turn a head, and which fraction of the turn each of them has: a neck bends over its length.
HEAD_BONES = {"neck_01": 0.25, "neck_02": 0.25, "head": 0.5}
#: The rotation of head bones about their own x (the head's left), y (up) and z (forward) axes for yaw to the
#: left, pitch up and roll to the right shoulder.
HEAD_AXES = ((1, 1.0), (0, -1.0), (2, 1.0))
#: The same for the eyes' bones, whose y axis points forward and whose z axis points down.
EYE_AXES = ((2, -1.0), (0, -1.0), (1, 1.0))
#: The eyes' shapes.
EYE_LOOKS = tuple(shape for shape in SHAPES if shape.startswith("eyeLook"))
#: Curves whose values differ by less than this have one key.
CONSTANT = 1e-6
#: Eyes' bones that turn by less than this, radians, do not turn.
STILL = 1e-4
#: The longest Action that is written, frames.
MAX_FRAMES = 500_000


@dataclass(frozen=True)
class TakeOptions:
    """How a recording becomes an Action.

    Attributes:
        start: The frame of its beginning.
        fps: Of the scene.
        turn_head: Whether its head's rotations turn the bones of neck and head.
        eye_bones: Whether the eyes' rotations turn the eyes' bones; else the eyes' shapes turn the eyes, and
            both would turn them twice.
    """

    start: float = 1.0
    fps: float = 24.0
    turn_head: bool = True
    eye_bones: bool = False


def add_take(
    head: bpy.types.Object, recording: Recording, name: str, options: TakeOptions
) -> list[bpy.types.Action]:
    """Let a recording move a head.

    Args:
        head: A head with shapes.
        recording: The recording.
        name: Of the Action.
        options: How.

    What moved the head before stays in the file, though nothing uses it any more.

    Returns:
        The Actions: one; before Blender 4.4, which could not move shapes and bones by one, up to two. They
        are saved also if another take follows them.

    Raises:
        AddonError: The head has none of the recording's shapes.
    """
    frames = options.start + recording.times * options.fps
    turned_eyes = options.eye_bones and any(EYES[side] in recording.rotations for side in EYES)
    known = set(sliders.shapes_of(head))
    curves = {
        shape: values
        for shape, values in recording.shapes.items()
        if shape in known and not (turned_eyes and shape in EYE_LOOKS)
    }
    if not curves:
        raise AddonError("This head has none of the recording's blendshapes: select an animation-ready head.")
    rig = rig_of(head)
    made: list[bpy.types.Action] = []
    keys = head.data.shape_keys
    bags = {}
    for owner in (keys, rig):
        if owner is not None and (owner is keys or _moves_rig(head, recording, curves, options)):
            if owner.animation_data is not None and owner.animation_data.action is not None:
                owner.animation_data.action.use_fake_user = True
            if not made or not actions.has_slots():
                made.append(bpy.data.actions.new(name if owner is keys else f"{name} bones"))
                made[-1].use_fake_user = True
            bags[owner] = actions.assign(owner, made[-1])
    for shape, values in curves.items():
        owner, path = sliders.owner_of(head, shape)
        bag, path = (bags[keys], f'key_blocks["{shape}"].value') if path == "value" else (bags[rig], path)
        actions.set_keys(bag, path, *_thinned(frames, values))
    if rig is not None and rig in bags:
        for bone, turns in _bone_turns(rig, recording, options).items():
            rig.pose.bones[bone].rotation_mode = "XYZ"
            for axis in range(3):
                path = f'pose.bones["{bone}"].rotation_euler'
                actions.set_keys(bags[rig], path, *_thinned(frames, turns[:, axis]), index=axis)
    return made


def recording_of(
    context: bpy.types.Context, head: bpy.types.Object, first: float, last: float, rate: float
) -> Recording:
    """What an animated head does, as a recording.

    Args:
        context: Blender's.
        head: A head with shapes. Values are taken as they are evaluated, so drivers and constraints count.
        first: The first frame.
        last: The last frame.
        rate: Frames a second of the recording, whatever the scene's are.

    Raises:
        AddonError: There is no frame, or there are too many.
    """
    scene = context.scene
    fps = scene.render.fps / scene.render.fps_base
    count = int(np.floor((last - first) / fps * rate + 1e-6)) + 1 if last >= first else 0
    if not 0 < count <= MAX_FRAMES:
        raise AddonError("There is no frame to write, or there are too many: set the scene's frame range.")
    times = np.arange(count) / rate
    names = [shape for shape in SHAPES if shape in sliders.shapes_of(head)]
    shapes = np.zeros((count, len(names)))
    rig = rig_of(head)
    joints = {joint: np.zeros((count, 3)) for joint in ("head", *EYES.values())}
    with _frame_kept(scene):
        for number, time in enumerate(times):
            frame = first + time * fps
            scene.frame_set(int(frame // 1), subframe=float(frame % 1))
            graph = context.evaluated_depsgraph_get()
            keys = head.data.shape_keys.evaluated_get(graph)
            shapes[number] = [keys.key_blocks[name].value for name in names]
            if rig is not None:
                for joint, turn in _joint_turns(rig.evaluated_get(graph)).items():
                    joints[joint][number] = turn
    values = dict(zip(names, np.clip(shapes.T, 0, 1), strict=True))
    for side, bone in EYES.items():
        if np.abs(joints[bone]).max() < STILL:
            joints[bone] = _eye_turn(values, side, count)
    return Recording(times, values, joints, rate)


def _moves_rig(
    head: bpy.types.Object, recording: Recording, shapes: dict[str, np.ndarray], options: TakeOptions
) -> bool:
    rig = rig_of(head)
    if rig is None:
        return False
    driven = any(sliders.owner_of(head, shape)[1] != "value" for shape in shapes)
    return driven or bool(_bone_turns(rig, recording, options))


def _bone_turns(rig: bpy.types.Object, recording: Recording, options: TakeOptions) -> dict[str, np.ndarray]:
    """Bone -> (N, 3) Euler angles, radians."""
    wanted: dict[str, tuple[str, float, tuple[tuple[int, float], ...]]] = {}
    if options.turn_head:
        wanted |= {bone: ("head", fraction, HEAD_AXES) for bone, fraction in HEAD_BONES.items()}
    if options.eye_bones:
        wanted |= {bone: (bone, 1.0, EYE_AXES) for bone in EYES.values()}
    turns = {}
    for bone, (joint, fraction, axes) in wanted.items():
        if joint not in recording.rotations or bone not in rig.pose.bones:
            continue
        turns[bone] = np.zeros((len(recording.times), 3))
        for angle, (axis, sign) in enumerate(axes):
            turns[bone][:, axis] = sign * fraction * recording.rotations[joint][:, angle]
    return turns


def _joint_turns(rig: bpy.types.Object) -> dict[str, np.ndarray]:
    """(3,) yaw, pitch and roll, radians, of head and eyes of an evaluated armature."""
    found = {"head": np.zeros(3), **{bone: np.zeros(3) for bone in EYES.values()}}
    for bones, joint, axes in (
        (tuple(HEAD_BONES), "head", HEAD_AXES),
        *(((bone,), bone, EYE_AXES) for bone in EYES.values()),
    ):
        for name in bones:
            bone = rig.pose.bones.get(name)
            if bone is None:
                continue
            local = rig.convert_space(pose_bone=bone, matrix=bone.matrix, from_space="POSE", to_space="LOCAL")
            euler = local.to_euler("XYZ")
            found[joint] += [sign * euler[axis] for axis, sign in axes]
    return found


def _eye_turn(shapes: dict[str, np.ndarray], side: str, count: int) -> np.ndarray:
    """(count, 3) yaw, pitch and roll, radians, of an eye that its shapes turn."""
    full = np.radians(EYE_LOOK_DEG)
    none = np.zeros(count)
    looks = {way: shapes.get(f"eyeLook{way}{side}", none) for way in ("In", "Out", "Up", "Down")}
    outward = looks["Out"] - looks["In"]
    yaw = outward if side == "Left" else -outward
    return full * np.stack([yaw, looks["Up"] - looks["Down"], none], 1)


def _thinned(frames: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The keys of a curve; one where it never changes."""
    if len(values) and np.ptp(values) < CONSTANT:
        return frames[:1], values[:1]
    return frames, values


@contextmanager
def _frame_kept(scene: bpy.types.Scene) -> Iterator[None]:
    """The scene is at the same frame afterward."""
    frame, subframe = scene.frame_current, scene.frame_subframe
    try:
        yield
    finally:
        scene.frame_set(frame, subframe=subframe)
