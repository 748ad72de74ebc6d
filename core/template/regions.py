"""Where hair, ears, neck, brows, lips and eyes are on the template: what a texture has to treat by itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..detection.mediapipe_topology import BROW_OUTLINES, BROWS, LIPS, LIPS_OUTLINE
from .topology import INNER, SKIN, HeadTopology

#: Hairline of an average adult, head frame, meters: height above the eyes by how far back it is (forehead,
#: temple, sideburn, above and behind the ear, nape).
HAIRLINE_Y = (0.0, 0.02, 0.045, 0.060, 0.070, 0.100, 0.112, 0.130, 0.150)
HAIRLINE_Z = (0.066, 0.06, 0.025, -0.005, 0.010, 0.012, -0.025, -0.060, -0.075)
#: Width of the hairline's transition, meters.
HAIRLINE_WIDTH = 0.014
#: The average scalp in one plane from the hairline to the nape, head frame: unit normal and offset, meters.
#: For surfaces, whose hair stands away from the head.
SCALP_NORMAL = np.array([0.0, 0.79, 0.61], np.float32)
SCALP_OFFSET = 0.068
#: Width of that plane's transition, meters.
SCALP_WIDTH = 0.02
#: The ears of the average head: ellipse seen from the side, (y, z) of its middle and half axes, head frame,
#: meters.
EAR_MIDDLE = np.array([0.087, -0.024])
EAR_AXES = np.array([0.027, 0.036])
#: Distance from the plane of symmetry at which the ears begin, meters.
EAR_BEGIN = 0.066
#: Width of the ear's transition, meters.
EAR_WIDTH = 0.006
#: Low and high corner of a box around the average head's left ear, head frame, meters.
EAR_BOX = np.array([[0.0675, 0.050, -0.060], [0.1, 0.118, 0.040]])
#: The same around the left ear of any head.
EAR_SURROUNDINGS = np.array([[0.06, 0.06, -0.065], [0.12, 0.125, 0.035]], np.float32)
#: The jaw's plane, from the chin to below the ear: z = offset + slope * y; below it is the neck.
JAW_OFFSET = -0.108
JAW_SLOPE = 0.45
#: Height of the plane below the ear, meters; it rises no further behind.
JAW_AT_EAR = -0.062
#: Beards grow below a plane from the nose's base to the earlobes: z = offset - slope * y, meters.
BEARD_OFFSET = -0.046
BEARD_SLOPE = 0.1
#: Width of that plane's transition, meters.
BEARD_WIDTH = 0.01
#: Height over which face turns into neck, meters.
NECK_WIDTH = 0.012
#: Width of the edge of brows, and how far back they are, y in the head frame, meters.
BROW_EDGE = 0.003
BROW_BACK = 0.075
#: Width of the edge of lips, and how far back they are, y in the head frame, meters.
LIP_EDGE = 0.0015
LIP_BACK = 0.03
#: Margins around brows and lids that still belong to them, meters.
BROW_MARGIN = 0.004
LID_MARGIN = 0.002
#: Distance from the features at which their region ends, and the width of its transition, meters.
FEATURE_END = 0.006
FEATURE_WIDTH = 0.002
#: Distance from the features at which plain skin begins, and the width of its transition, meters.
PLAIN_DISTANCE = 0.003
PLAIN_WIDTH = 0.003
#: How far back plain skin goes, y in the head frame, and the width of its end, meters.
PLAIN_BACK = 0.045
PLAIN_BACK_WIDTH = 0.01


def at_ears(points: np.ndarray) -> np.ndarray:
    """Whether points are in the surroundings of either ear, of any head.

    Args:
        points: (N, 3), head frame, meters.

    Returns:
        (N,) bool.
    """
    mirrored = np.column_stack([np.abs(points[:, 0]), points[:, 1:]])
    return np.asarray(((mirrored > EAR_SURROUNDINGS[0]) & (mirrored < EAR_SURROUNDINGS[1])).all(1))


@dataclass(frozen=True)
class Regions:
    """How far each vertex of the template is in a region: (V,) float32, 0 to 1.

    Attributes:
        scalp: Where hair grows.
        ear: The ears.
        neck: Below the jaw.
        features: Lips, brows and lids.
        plain: Facial skin without those.
        beard: Of the face, what beards grow on.
        depth: How far inside of mouth and eye sockets, rings of vertices from the rim, 0 on all other parts.
    """

    scalp: np.ndarray
    ear: np.ndarray
    neck: np.ndarray
    features: np.ndarray
    plain: np.ndarray
    beard: np.ndarray
    depth: np.ndarray

    @classmethod
    @lru_cache(maxsize=2)
    def of(cls, topology: HeadTopology) -> "Regions":
        """Of the average head, which every head shares the topology with; of the last two they are kept."""
        _, y, z = topology.vertices.T.astype(np.float64)
        skin = np.zeros(len(y), bool)
        skin[topology.vertices_of(SKIN, INNER)] = True
        ear = ear_weight(topology.vertices) * skin
        scalp = scalp_weight(topology.vertices) * skin
        jaw = np.minimum(JAW_OFFSET + JAW_SLOPE * y, JAW_AT_EAR)
        neck = np.clip((jaw - z) / NECK_WIDTH + 0.5, 0, 1) * skin * (1 - scalp)
        lids = np.concatenate([topology.lid_left, topology.lid_right])
        to_lips = _distance(topology.vertices, topology.vertices[topology.landmark[list(LIPS)]])
        features = np.minimum.reduce(
            [
                _distance(topology.vertices, topology.vertices[topology.landmark[list(BROWS)]]) - BROW_MARGIN,
                to_lips,
                _distance(topology.vertices, topology.vertices[lids]) - LID_MARGIN,
            ]
        )
        plain = np.clip((features - PLAIN_DISTANCE) / PLAIN_WIDTH, 0, 1) * skin
        plain *= (1 - scalp) * (1 - ear) * (1 - neck) * np.clip((PLAIN_BACK - y) / PLAIN_BACK_WIDTH, 0, 1)
        depth = _rings_inside(topology)
        plain *= depth == 0
        beard = np.clip((BEARD_OFFSET - BEARD_SLOPE * y - z) / BEARD_WIDTH + 0.5, 0, 1) * skin
        beard *= (1 - scalp) * (1 - ear) * (1 - neck)
        return cls(
            *(
                values.astype(np.float32)
                for values in (
                    scalp,
                    ear,
                    neck,
                    np.clip((FEATURE_END - features) / FEATURE_WIDTH, 0, 1),
                    plain,
                    beard,
                    depth,
                )
            )
        )


def ear_weight(points: np.ndarray) -> np.ndarray:
    """How far points are in the ears.

    Args:
        points: (N, 3) on the average head's skin, head frame, meters.

    Returns:
        (N,) float64, 0 to 1.
    """
    radius = np.linalg.norm((points[:, 1:] - EAR_MIDDLE) / EAR_AXES, axis=1)
    inside = np.minimum((1 - radius) * EAR_AXES.min(), np.abs(points[:, 0]) - EAR_BEGIN)
    return np.clip(inside / EAR_WIDTH + 0.5, 0, 1)


def scalp_weight(points: np.ndarray) -> np.ndarray:
    """How far points are where hair grows.

    Args:
        points: (N, 3) on the average head's skin, head frame, meters.

    Returns:
        (N,) float64, 0 to 1.
    """
    line = np.interp(points[:, 1], HAIRLINE_Y, HAIRLINE_Z)
    above = np.clip((points[:, 2] - line) / HAIRLINE_WIDTH + 0.5, 0, 1)
    return above * (1 - ear_weight(points))


def brow_weight(points: np.ndarray, topology: HeadTopology, reach: float) -> np.ndarray:
    """How far points are in the brows.

    Args:
        points: (N, 3) on the average head's skin, head frame, meters.
        topology: Of the heads.
        reach: How far brows reach beyond the landmarks' outline, meters.

    Returns:
        (N,) float64, 0 to 1.
    """
    depth = _depth_in_outlines(points, topology, BROW_OUTLINES)
    weight = np.clip((depth + reach) / BROW_EDGE + 1, 0, 1)
    return np.asarray(weight * (np.asarray(points)[:, 1] < BROW_BACK))


def lip_weight(points: np.ndarray, topology: HeadTopology) -> np.ndarray:
    """How far points are within the lips' outer rim.

    Args:
        points: (N, 3) on the average head's skin, head frame, meters.
        topology: Of the heads.

    Returns:
        (N,) float64, 0 to 1.
    """
    depth = _depth_in_outlines(points, topology, (LIPS_OUTLINE,))
    return np.asarray(np.clip(depth / LIP_EDGE, 0, 1) * (np.asarray(points)[:, 1] < LIP_BACK))


def _depth_in_outlines(
    points: np.ndarray, topology: HeadTopology, outlines: Sequence[Sequence[int]]
) -> np.ndarray:
    """(N,) meters: how deep points (N, 3) lie in outlines of landmarks, as seen from the front; negative
    outside.
    """
    depth = np.full(len(points), -np.inf)
    from_front = np.asarray(points, np.float64)[:, [0, 2]]
    for outline in outlines:
        line = topology.vertices[topology.landmark[list(outline)]].astype(np.float64)[:, [0, 2]]
        edge = np.roll(line, -1, 0) - line
        offset = from_front[:, None] - line
        along = ((offset * edge).sum(2) / np.maximum((edge**2).sum(1), 1e-12)).clip(0, 1)
        distance = np.linalg.norm(offset - along[..., None] * edge, axis=2).min(1)
        # Crossings of a ray to the side: the outline is not convex.
        below = offset[..., 1] < 0
        crossed = below != np.roll(below, -1, 1)
        at = offset[..., 0] - edge[:, 0] * offset[..., 1] / np.where(edge[:, 1] == 0, 1.0, edge[:, 1])
        inside = (crossed & (at < 0)).sum(1) % 2 == 1
        depth = np.maximum(depth, np.where(inside, distance, -distance))
    return depth


def scalp_half_space(points: np.ndarray) -> np.ndarray:
    """How far points of any head are on its scalp, by one plane: coarser than `scalp_weight`.

    Args:
        points: (N, 3) float32, head frame, meters.

    Returns:
        (N,) float32, 0 (face, neck) to 1 (scalp).
    """
    height = points @ SCALP_NORMAL - SCALP_OFFSET
    return np.clip(height / SCALP_WIDTH + 0.5, 0, 1).astype(np.float32)


def _distance(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(N,) meters from each point to the nearest of the others."""
    from scipy.spatial import cKDTree

    return cKDTree(others).query(points)[0]


def _rings_inside(topology: HeadTopology) -> np.ndarray:
    """(V,) how many edges each vertex of the inner part is from the skin."""
    quads = topology.quads[topology.faces_of(INNER)]
    inner = np.zeros(len(topology.vertices), bool)
    inner[quads] = True
    inner[topology.vertices_of(SKIN)] = False
    depth = np.where(inner, np.inf, 0.0)
    edges = np.concatenate([quads[:, [k, (k + 1) % 4]] for k in range(4)])
    edges = np.concatenate([edges, edges[:, ::-1]])
    while True:
        nearer = depth.copy()
        np.minimum.at(nearer, edges[:, 1], depth[edges[:, 0]] + 1)
        if np.array_equal(nearer, depth):
            return np.where(np.isfinite(depth), depth, 0.0)
        depth = nearer
