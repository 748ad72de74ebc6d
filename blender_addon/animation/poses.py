"""Ten expressions, as values of Apple's shapes: to be set, and as Actions that are assets. Needs bpy."""

from collections.abc import Iterator

import bpy
import numpy as np

from ..blender import actions
from . import sliders
from .face_groups import LEFT, RIGHT

#: Pose -> values of shapes; those that come in two sides are written once, without the side. Tuned by eye on
#: rendered heads, after the action units of Ekman's and Friesen's EMFACS.
_POSES: dict[str, dict[str, float]] = {
    "Neutral": {},
    "Smile": {"mouthSmile": 0.7, "cheekSquint": 0.4, "eyeSquint": 0.25, "mouthDimple": 0.1},
    "Laugh": {
        "mouthSmile": 0.9,
        "cheekSquint": 0.7,
        "eyeSquint": 0.5,
        "jawOpen": 0.35,
        "mouthUpperUp": 0.35,
        "mouthLowerDown": 0.2,
    },
    "Sad": {"mouthFrown": 0.6, "browInnerUp": 0.75, "mouthShrugLower": 0.3, "eyeLookDown": 0.25},
    "Angry": {
        "browDown": 0.9,
        "noseSneer": 0.5,
        "eyeSquint": 0.35,
        "mouthPress": 0.5,
        "mouthFrown": 0.25,
        "jawForward": 0.25,
    },
    "Afraid": {
        "eyeWide": 0.8,
        "browInnerUp": 0.8,
        "browOuterUp": 0.3,
        "mouthStretch": 0.6,
        "jawOpen": 0.15,
    },
    "Surprised": {"eyeWide": 0.7, "browInnerUp": 0.7, "browOuterUp": 0.8, "jawOpen": 0.45},
    "Disgusted": {
        "noseSneer": 0.9,
        "mouthUpperUp": 0.5,
        "browDown": 0.5,
        "cheekSquint": 0.4,
        "mouthFrown": 0.3,
    },
    "Doubtful": {"browOuterUpLeft": 0.8, "browDownRight": 0.6, "mouthPressRight": 0.4, "mouthLeft": 0.3},
    "Asleep": {"eyeBlink": 1.0, "jawOpen": 0.06},
}
POSE_NAMES = tuple(_POSES)
#: Tag of the assets.
TAG = "Photobust"


def pose_values(name: str) -> dict[str, float]:
    """Shape -> value of a pose, of shapes that are not 0."""
    return {full: value for shape, value in _POSES[name].items() for full in _sides(shape)}


def _sides(shape: str) -> Iterator[str]:
    """Both sides' names of a shape that is written without a side; whole ones as they are."""
    whole = ("jaw", "mouthLeft", "mouthShrug", "browInner", "tongue", "cheekPuff")
    if shape.endswith((LEFT, RIGHT)) or shape.startswith(whole):
        yield shape
    else:
        yield shape + LEFT
        yield shape + RIGHT


def apply_pose(head: bpy.types.Object, name: str, strength: float = 1.0) -> None:
    """Set a head's shapes to a pose, and no others."""
    sliders.set_values(head, {shape: strength * value for shape, value in pose_values(name).items()})


def add_pose_assets(head: bpy.types.Object) -> list[bpy.types.Action]:
    """Make an Action of each pose, marked as an asset; those that are there already are made anew.

    Args:
        head: The head, whose animation stays as it is.

    Returns:
        The Actions, with a key for each of the head's 52 shapes at frame 1.
    """
    made = []
    keys = head.data.shape_keys
    known = sliders.shapes_of(head)
    before = keys.animation_data is not None
    kept = _assignment(keys)
    try:
        for name in POSE_NAMES:
            title = f"{head.name} {name}"
            old = bpy.data.actions.get(title)
            if old is not None and old.asset_data is not None and TAG in old.asset_data.tags:
                bpy.data.actions.remove(old)
            action = bpy.data.actions.new(title)
            curves = actions.assign(keys, action)
            values = pose_values(name)
            for shape in known:
                if shape.startswith("viseme_"):
                    continue
                value = np.array([values.get(shape, 0.0)])
                actions.set_keys(curves, f'key_blocks["{shape}"].value', np.array([1.0]), value)
            action.use_fake_user = True
            action.asset_mark()
            action.asset_data.description = f"{name}: values of the 52 blendshapes of a head"
            action.asset_data.tags.new(TAG)
            made.append(action)
    finally:
        if before:
            _assign(keys, kept)
        else:
            keys.animation_data_clear()
    return made


def _assignment(owner: bpy.types.ID) -> tuple[bpy.types.Action | None, object]:
    """The action, and its slot, that move a data-block."""
    data = owner.animation_data
    return (None, None) if data is None else (data.action, getattr(data, "action_slot", None))


def _assign(owner: bpy.types.ID, kept: tuple[bpy.types.Action | None, object]) -> None:
    action, slot = kept
    owner.animation_data.action = action
    if slot is not None:
        owner.animation_data.action_slot = slot
