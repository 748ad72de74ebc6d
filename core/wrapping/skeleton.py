"""The skeleton of a head: ten bones at anatomical places, and how much each of them moves each vertex.

`models/head_rig.npz`, made by `scripts/build/head_rig.py` from MakeHuman's CC0 rig, holds the bones, the
weights and, for each end of each bone, which vertices of the head it lies among and with which affine
weights: so a joint moves with the head that it is in, exactly under similarities. The jaw's hinge and weights
are fitted to each head's jawOpen (`jaw`).
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..errors import RequestError
from ..runtime.weights import model_arrays
from ..template.topology import TONGUE, HeadTopology
from .jaw import JawHinge

FILE_NAME = "head_rig.npz"
#: The most bones that move one vertex: what game engines and glTF's one set of joints allow.
MAX_INFLUENCES = 4
#: Blender's names of the bones, parents before their children.
BONES = (
    "root",
    "neck_01",
    "neck_02",
    "head",
    "jaw",
    "eye.L",
    "eye.R",
    "tongue_01",
    "tongue_02",
    "tongue_03",
)
#: Each bone's parent, an index into BONES; -1: none.
PARENTS = (-1, 0, 1, 2, 3, 3, 3, 4, 7, 8)
#: Naming convention -> the names of BONES in it. "mixamo" and "vrm" have no bone for some: these keep ours.
NAMINGS: dict[str, dict[str, str]] = {
    "blender": {},
    "mixamo": {
        "neck_01": "mixamorig:Neck",
        "neck_02": "mixamorig:Neck1",
        "head": "mixamorig:Head",
        "jaw": "mixamorig:Jaw",
        "eye.L": "mixamorig:LeftEye",
        "eye.R": "mixamorig:RightEye",
    },
    "unreal": {
        "eye.L": "eye_l",
        "eye.R": "eye_r",
    },
    "vrm": {
        "root": "hips",
        "neck_01": "neck",
        "eye.L": "leftEye",
        "eye.R": "rightEye",
    },
}


@dataclass(frozen=True)
class Rig:
    """A skeleton inside one head, head frame, meters.

    Attributes:
        names: B bones, parents before children.
        parents: (B,) int32, -1 for the root.
        heads: (B, 3) float32, the joints that the bones turn about.
        tails: (B, 3) float32, the bones' other ends.
        joints: (V, 4) uint8, the bones that move each vertex, those with weight 0 last.
        weights: (V, 4) float32, how much; each row sums to 1.
        jaw_open_deg: How far the jaw turns, degrees, for what the blendshape jawOpen does at 1.
    """

    names: tuple[str, ...]
    parents: np.ndarray
    heads: np.ndarray
    tails: np.ndarray
    joints: np.ndarray
    weights: np.ndarray
    jaw_open_deg: float

    def dense_weights(self) -> np.ndarray:
        """The weights as (V, B) float32."""
        return _dense(self.joints, self.weights, len(self.names))

    def posed(self, vertices: np.ndarray, rotations: dict[str, np.ndarray]) -> np.ndarray:
        """Linear blend skinning (Magnenat-Thalmann et al. 1988).

        Args:
            vertices: (V, 3) of the head that the rig was fitted to.
            rotations: Bone -> (3, 3), about its joint, in the head frame, before its parent's.

        Returns:
            (V, 3) float64, the posed vertices.
        """
        moves = np.zeros((len(self.names), 3, 4))
        for bone, (name, parent) in enumerate(zip(self.names, self.parents, strict=True)):
            local = np.eye(3, 4)
            local[:, :3] = rotations.get(name, np.eye(3))
            local[:, 3] = self.heads[bone] - local[:, :3] @ self.heads[bone]
            if parent >= 0:
                above = moves[parent]
                local = np.column_stack(
                    [above[:, :3] @ local[:, :3], above[:, :3] @ local[:, 3] + above[:, 3]]
                )
            moves[bone] = local
        homogeneous = np.column_stack([vertices, np.ones(len(vertices))])
        each = np.einsum("vkij,vj->vki", moves[self.joints], homogeneous)
        return np.einsum("vk,vki->vi", self.weights, each)


@dataclass(frozen=True)
class RigModel:
    """What all heads' skeletons share.

    Attributes:
        end_vertices: (B, 2, K) int32, the vertices that place each bone's head and tail; unused ones repeat.
        end_weights: (B, 2, K) float32, affine weights of these (each row sums to 1).
        joints: (T, 4) uint8 of the template's vertices, see `Rig`; without the jaw, but at the tongue.
        weights: (T, 4) float32, see `Rig`.
    """

    end_vertices: np.ndarray
    end_weights: np.ndarray
    joints: np.ndarray
    weights: np.ndarray

    @classmethod
    def load(cls, models_dir: Path) -> "RigModel":
        """Read `head_rig.npz` of a folder of models.

        Raises:
            ModelError: The file is missing or damaged.
        """
        with model_arrays(Path(models_dir) / FILE_NAME) as file:
            weights = file["weights"].astype(np.float64)
            return cls(
                file["end_vertices"],
                file["end_weights"],
                file["joints"],
                (weights / weights.sum(1, keepdims=True)).astype(np.float32),
            )

    def fit(
        self, topology: HeadTopology, vertices: np.ndarray, opening: np.ndarray, naming: str = "blender"
    ) -> Rig:
        """The skeleton inside a head.

        Args:
            topology: The head's.
            vertices: (V, 3) of the neutral head, head frame, meters.
            opening: (V, 3) offsets of its blendshape jawOpen, meters.
            naming: Whose names the bones get, a key of NAMINGS.

        Raises:
            RequestError: There is no such naming convention.
        """
        ends = np.einsum("bek,bekc->bec", self.end_weights, vertices[self.end_vertices]).astype(np.float32)
        hinge = JawHinge.fit(vertices, opening, topology)
        ends[BONES.index("jaw"), 0, 1:] = hinge.y, hinge.z
        joints, weights = self._with_jaw(hinge.weights(vertices, opening, topology), topology)
        return Rig(
            bone_names(naming),
            np.array(PARENTS, np.int32),
            ends[:, 0],
            ends[:, 1],
            joints,
            weights,
            hinge.angle_deg,
        )

    def _with_jaw(self, jaw: np.ndarray, topology: HeadTopology) -> tuple[np.ndarray, np.ndarray]:
        """Joints and weights with the jaw's (V,); the tongue keeps its own bones, which the jaw carries."""
        joints, weights = self.joints[topology.origin], self.weights[topology.origin]
        dense = _dense(joints, weights.astype(np.float64), len(BONES))
        mixed = dense * (1 - jaw)[:, None]
        mixed[:, BONES.index("jaw")] += jaw
        tongue = topology.vertices_of(TONGUE)
        mixed[tongue] = dense[tongue]
        joints, weights = strongest(mixed)
        return joints, weights.astype(np.float32)


def _dense(joints: np.ndarray, weights: np.ndarray, count: int) -> np.ndarray:
    """Weights (V, 4) of joints (V, 4) as (V, count); unused joints are 0 with weight 0, beside a used 0."""
    dense = np.zeros((len(joints), count), weights.dtype)
    np.add.at(dense, (np.arange(len(joints))[:, None], joints), weights)
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


def bone_names(naming: str) -> tuple[str, ...]:
    """The bones' names in a naming convention.

    Raises:
        RequestError: There is no such convention.
    """
    if naming not in NAMINGS:
        raise RequestError(f"There are no bone names {naming!r}: choose {', '.join(NAMINGS)}")
    return tuple(NAMINGS[naming].get(name, name) for name in BONES)


@lru_cache(maxsize=2)
def load_rig_model(models_dir: Path) -> RigModel:
    """The rig of a folder of models, read once."""
    return RigModel.load(models_dir)
