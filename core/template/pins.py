"""The named points of the template that a person can correct by hand."""

from dataclasses import dataclass

import numpy as np

from ..detection.mediapipe_topology import CHIN, FOREHEAD, LEFT_EYE_OUTER, NOSE_TIP, RIGHT_EYE_OUTER
from .regions import EAR_AXES, EAR_BEGIN, EAR_MIDDLE
from .topology import SKIN, HeadTopology

#: Pins on both sides: name -> (group, MediaPipe's landmark on the subject's right, on the left).
PAIRED = {
    "brow_inner": ("brows", 107, 336),
    "brow_arch": ("brows", 105, 334),
    "brow_outer": ("brows", 70, 300),
    "eye_inner": ("eyes", 133, 362),
    "eye_outer": ("eyes", RIGHT_EYE_OUTER, LEFT_EYE_OUTER),
    "eye_upper": ("eyes", 159, 386),
    "eye_lower": ("eyes", 145, 374),
    "nose_wing": ("nose", 48, 278),
    "mouth_corner": ("lips", 61, 291),
    "lip_upper": ("lips", 39, 269),
    "lip_lower": ("lips", 181, 405),
    "cheekbone": ("cheeks", 117, 346),
    "temple": ("cheeks", 162, 389),
    "jaw_upper": ("jaw", 132, 361),
    "jaw_angle": ("jaw", 172, 397),
    "jaw_front": ("jaw", 149, 378),
    "hairline": ("hairline", 67, 297),
}
#: Pins in the middle: name -> (group, MediaPipe's landmark).
MIDDLE = {
    "hairline_middle": ("hairline", FOREHEAD),
    "nose_root": ("nose", 168),
    "nose_bridge": ("nose", 195),
    "nose_tip": ("nose", NOSE_TIP),
    "nose_base": ("nose", 2),
    "lip_upper_middle": ("lips", 0),
    "lip_lower_middle": ("lips", 17),
    "chin_front": ("jaw", 199),
    "chin": ("jaw", CHIN),
}
#: Pins of an ear: name -> direction in which the vertex is the ear's farthest, (y, z) of the head frame.
EARS = {"ear_top": (0.0, 1.0), "ear_back": (1.0, 0.3), "ear_lobe": (-0.35, -1.0)}
#: How far beyond where the ears begin their rims are, meters from the plane of symmetry.
EAR_RIM = 0.008
#: How far out in the ears' ellipse their rims are; farther out, the skin is the head's.
EAR_RIM_RADIUS = 0.85


@dataclass(frozen=True)
class NamedPin:
    """A point that can be corrected.

    Attributes:
        name: Such as "nose_tip" or "eye_outer_left"; sides are the subject's.
        group: What it belongs to, such as "nose".
        vertex: Of the template.
    """

    name: str
    group: str
    vertex: int


def named_pins(topology: HeadTopology) -> tuple[NamedPin, ...]:
    """All points that can be corrected.

    Args:
        topology: Of all heads.

    Returns:
        The pins, no two at one vertex.
    """
    pins = [NamedPin(name, group, int(topology.landmark[index])) for name, (group, index) in MIDDLE.items()]
    for name, (group, *indices) in PAIRED.items():
        for side, index in zip(("right", "left"), indices, strict=True):
            pins.append(NamedPin(f"{name}_{side}", group, int(topology.landmark[index])))
    skin = topology.vertices_of(SKIN)
    points = topology.vertices[skin].astype(np.float64)
    around = np.linalg.norm((points[:, 1:] - EAR_MIDDLE) / EAR_AXES, axis=1) < EAR_RIM_RADIUS
    inside = skin[around & (points[:, 0] > EAR_BEGIN + EAR_RIM)]
    for name, direction in EARS.items():
        left = int(inside[(topology.vertices[inside, 1:] @ np.array(direction)).argmax()])
        pins.append(NamedPin(f"{name}_left", "ears", left))
        pins.append(NamedPin(f"{name}_right", "ears", int(topology.mirror[left])))
    return tuple(pins)
