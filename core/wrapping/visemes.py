"""Visemes, composed from the 52 ARKit blendshapes.

The fifteen are Oculus' (Meta, "Viseme reference", Oculus Lipsync): the names are what lip-sync programs look
for. VRM's five vowels are the same mouths under other names. Weights were tuned by eye on rendered heads.
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

#: Viseme -> the weight of each blendshape; those that come in two sides are written once, without the side.
_OCULUS: dict[str, dict[str, float]] = {
    "sil": {},
    "PP": {"mouthPress": 0.30, "mouthShrugLower": 0.25},  # lips rolled in would cross each other
    "FF": {"jawOpen": 0.06, "mouthRollLower": 0.75, "mouthUpperUp": 0.30, "mouthShrugLower": 0.15},
    "TH": {"jawOpen": 0.16, "tongueOut": 0.35, "mouthUpperUp": 0.15, "mouthLowerDown": 0.15},
    "DD": {"jawOpen": 0.14, "mouthUpperUp": 0.18, "mouthLowerDown": 0.25, "mouthStretch": 0.10},
    "kk": {"jawOpen": 0.20, "mouthUpperUp": 0.12, "mouthLowerDown": 0.20, "mouthStretch": 0.15},
    "CH": {"jawOpen": 0.10, "mouthFunnel": 0.55, "mouthUpperUp": 0.12, "mouthLowerDown": 0.12},
    "SS": {
        "jawOpen": 0.04,
        "mouthStretch": 0.30,
        "mouthUpperUp": 0.20,
        "mouthLowerDown": 0.25,
        "mouthSmile": 0.10,
    },
    "nn": {"jawOpen": 0.12, "mouthUpperUp": 0.12, "mouthLowerDown": 0.18, "mouthStretch": 0.08},
    "RR": {"jawOpen": 0.12, "mouthFunnel": 0.40, "mouthPucker": 0.10, "mouthUpperUp": 0.08},
    "aa": {"jawOpen": 0.55, "mouthUpperUp": 0.10, "mouthLowerDown": 0.15},
    "E": {
        "jawOpen": 0.26,
        "mouthStretch": 0.25,
        "mouthSmile": 0.20,
        "mouthUpperUp": 0.12,
        "mouthLowerDown": 0.20,
    },
    "I": {
        "jawOpen": 0.14,
        "mouthStretch": 0.35,
        "mouthSmile": 0.30,
        "mouthUpperUp": 0.10,
        "mouthLowerDown": 0.20,
    },
    "O": {"jawOpen": 0.32, "mouthFunnel": 0.60, "mouthPucker": 0.25},
    "U": {"jawOpen": 0.14, "mouthPucker": 0.75, "mouthFunnel": 0.30},
}
#: VRM's expression of each vowel -> the viseme that it is.
VRM_VOWELS: Mapping[str, str] = MappingProxyType({"aa": "aa", "ih": "I", "ou": "U", "ee": "E", "oh": "O"})
#: What the names of Oculus' visemes begin with.
PREFIX = "viseme_"
#: Names of the visemes, in Oculus' order.
VISEME_NAMES = tuple(PREFIX + name for name in _OCULUS)


def viseme_weights(blendshape_names: tuple[str, ...]) -> np.ndarray:
    """How the visemes are composed.

    Args:
        blendshape_names: The 52 ARKit names, in the order of the head's blendshapes.

    Returns:
        (15, 52) float32 weights, a row for each of VISEME_NAMES.
    """
    table = np.zeros((len(_OCULUS), len(blendshape_names)), np.float32)
    for row, shapes in enumerate(_OCULUS.values()):
        for name, weight in shapes.items():
            for full in (name, f"{name}Left", f"{name}Right"):
                if full in blendshape_names:
                    table[row, blendshape_names.index(full)] = weight
    return table


def compose_visemes(blendshapes: np.ndarray, blendshape_names: tuple[str, ...]) -> np.ndarray:
    """The visemes' offsets.

    Args:
        blendshapes: (52, V, 3) float32 offsets from the neutral, meters.
        blendshape_names: Their names.

    Returns:
        (15, V, 3) float32 offsets from the neutral, meters.
    """
    return np.tensordot(viseme_weights(blendshape_names), blendshapes, 1).astype(np.float32)
