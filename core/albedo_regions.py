"""Where hair, ears, neck, brows, lips and eyes are on the template: what a texture has to treat by itself."""

from dataclasses import dataclass

import numpy as np

from core.head_topology import INNER, SKIN, HeadTopology

#: MediaPipe's landmarks on the brows and around the lips.
BROWS = (70, 63, 105, 66, 107, 46, 53, 52, 65, 55, 300, 293, 334, 296, 336, 276, 283, 282, 295, 285)
LIPS = (
    *(61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185),
    *(78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191),
)
#: Hairline of an average adult, head frame, metres: height above the eyes by how far back it is (forehead,
#: temple, sideburn, above the ear, nape), and the width of its transition.
HAIRLINE_Y = (0.0, 0.02, 0.05, 0.06, 0.1, 0.115, 0.13)
HAIRLINE_Z = (0.066, 0.06, 0.02, 0.035, 0.045, 0.0, -0.06)
HAIRLINE_WIDTH = 0.012
#: Box around the ear of positive x of the average head.
EAR_LOW, EAR_HIGH = np.array([0.0685, 0.055, -0.06]), np.array([0.12, 0.13, 0.035])
#: The jaw's plane, from the chin to below the ear: z = offset + slope * y; below it is the neck.
JAW_OFFSET, JAW_SLOPE, JAW_LOWEST_EAR = -0.108, 0.45, -0.062


@dataclass(frozen=True)
class Regions:
    """(V,) float32 shares, 0 to 1, of each vertex in a region.

    scalp: where hair grows. ear, neck, lips. plain: facial skin without brows, lips and lids. depth: how far
    inside of mouth and eye sockets, rings of vertices from the rim, 0 on all other parts.
    """

    scalp: np.ndarray
    ear: np.ndarray
    neck: np.ndarray
    lips: np.ndarray
    plain: np.ndarray
    depth: np.ndarray

    @classmethod
    def of(cls, topology: HeadTopology) -> "Regions":
        """Of the average head, which every head shares the topology with."""
        x, y, z = topology.vertices.T.astype(np.float64)
        skin = np.zeros(len(x), bool)
        skin[topology.vertices_of(SKIN, INNER)] = True
        folded = np.stack([np.abs(x), y, z], 1)
        ear = _soft_box(folded, EAR_LOW, EAR_HIGH, 0.004) * skin
        line = np.interp(y, HAIRLINE_Y, HAIRLINE_Z)
        scalp = np.clip((z - line) / HAIRLINE_WIDTH + 0.5, 0, 1) * skin * (1 - ear)
        jaw = np.minimum(JAW_OFFSET + JAW_SLOPE * y, JAW_LOWEST_EAR)
        neck = np.clip((jaw - z) / 0.012 + 0.5, 0, 1) * skin * (1 - scalp)
        lids = np.concatenate([topology.lid_left, topology.lid_right])
        to_lips = _distance(topology.vertices, topology.vertices[topology.landmark[list(LIPS)]])
        features = np.minimum.reduce(
            [
                _distance(topology.vertices, topology.vertices[topology.landmark[list(BROWS)]]) - 0.004,
                to_lips,
                _distance(topology.vertices, topology.vertices[lids]) - 0.002,
            ]
        )
        plain = np.clip((features - 0.003) / 0.003, 0, 1) * skin
        plain *= (1 - scalp) * (1 - ear) * (1 - neck) * np.clip((0.045 - y) / 0.01, 0, 1)
        depth = _rings_inside(topology)
        plain *= depth == 0
        return cls(
            *(
                values.astype(np.float32)
                for values in (scalp, ear, neck, np.clip((0.006 - to_lips) / 0.002, 0, 1), plain, depth)
            )
        )


def _soft_box(points: np.ndarray, low: np.ndarray, high: np.ndarray, width: float) -> np.ndarray:
    """1 inside of a box, 0 outside, with a soft edge."""
    inside = np.minimum(points - low, high - points).min(1)
    return np.clip(inside / width + 0.5, 0, 1)


def _distance(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(N,) metres from each point to the nearest of the others."""
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
