"""Expressions as values of Apple's shapes: ten poses, and VRM's expressions. No bpy."""

from collections.abc import Iterator, Mapping

import numpy as np

from .head_npz import HeadData, Visemes

SIDES = ("Left", "Right")
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
#: VRM 1.0's names of vowels -> the visemes that they are (as in core/wrapping/visemes.py).
VRM_VOWELS = {"aa": "viseme_aa", "ih": "viseme_I", "ou": "viseme_U", "ee": "viseme_E", "oh": "viseme_O"}
#: VRM 1.0's names of other expressions -> values of shapes, written as in a pose, or the pose that they are.
_VRM_EXPRESSIONS: dict[str, dict[str, float]] = {
    "happy": _POSES["Smile"],
    "angry": _POSES["Angry"],
    "sad": _POSES["Sad"],
    "relaxed": {"mouthSmile": 0.3, "eyeBlink": 0.3, "browInnerUp": 0.15},
    "surprised": _POSES["Surprised"],
    "blink": {"eyeBlink": 1.0},
    "blinkLeft": {"eyeBlinkLeft": 1.0},
    "blinkRight": {"eyeBlinkRight": 1.0},
    "lookUp": {"eyeLookUp": 1.0},
    "lookDown": {"eyeLookDown": 1.0},
    "lookLeft": {"eyeLookOutLeft": 1.0, "eyeLookInRight": 1.0},
    "lookRight": {"eyeLookInLeft": 1.0, "eyeLookOutRight": 1.0},
}
VRM_NAMES = (*VRM_VOWELS, *_VRM_EXPRESSIONS)


def pose_values(name: str) -> dict[str, float]:
    """Shape -> value of a pose, of shapes that are not 0."""
    return both_sides(_POSES[name])


def both_sides(values: Mapping[str, float]) -> dict[str, float]:
    """Values of shapes, those that are written without a side given to both."""
    return {full: value for shape, value in values.items() for full in _sides(shape)}


def _sides(shape: str) -> Iterator[str]:
    """Both sides' names of a shape that is written without a side; whole ones as they are."""
    whole = ("jaw", "mouthLeft", "mouthShrug", "browInner", "tongue", "cheekPuff")
    if shape.endswith(SIDES) or shape.startswith(whole):
        yield shape
    else:
        yield from (shape + side for side in SIDES)


def vrm_expressions(data: HeadData) -> Visemes:
    """VRM's expressions of a head, which has none of them named "neutral": that is the head at rest.

    Args:
        data: The head; one without visemes has no vowels.

    Returns:
        VRM_NAMES, as far as there are visemes for them, and their weights.
    """
    names, rows = [], []
    if data.visemes is not None:
        for name, viseme in VRM_VOWELS.items():
            names.append(name)
            rows.append(data.visemes.weights[data.visemes.names.index(viseme)])
    for name, values in _VRM_EXPRESSIONS.items():
        full = both_sides(values)
        names.append(name)
        rows.append(np.array([full.get(shape, 0.0) for shape in data.blendshape_names], np.float32))
    return Visemes(tuple(names), np.stack(rows))
