"""Where hair, ears, neck, brows, lips and eyes are on the template: what a texture has to treat by itself."""

from dataclasses import dataclass

import numpy as np

from .topology import INNER, SKIN, HeadTopology

#: MediaPipe's landmarks on the brows and around the lips.
BROWS = (70, 63, 105, 66, 107, 46, 53, 52, 65, 55, 300, 293, 334, 296, 336, 276, 283, 282, 295, 285)
LIPS = (
    *(61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185),
    *(78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191),
)
#: Hairline of an average adult, head frame, metres: height above the eyes by how far back it is (forehead,
#: temple, sideburn, above and behind the ear, nape), and the width of its transition.
HAIRLINE_Y = (0.0, 0.02, 0.045, 0.060, 0.070, 0.100, 0.112, 0.130, 0.150)
HAIRLINE_Z = (0.066, 0.06, 0.025, -0.005, 0.010, 0.012, -0.025, -0.060, -0.075)
HAIRLINE_WIDTH, EAR_EDGE = 0.014, 0.006
#: The ears of the average head: ellipse seen from the side, middle and half axes (y, z), and how far out they
#: begin.
EAR_MIDDLE, EAR_AXES, EAR_BEGIN = np.array([0.087, -0.024]), np.array([0.027, 0.036]), 0.066
#: The jaw's plane, from the chin to below the ear: z = offset + slope * y; below it is the neck.
JAW_OFFSET, JAW_SLOPE, JAW_LOWEST_EAR = -0.108, 0.45, -0.062
#: Beards grow below a plane from the nose's base to the earlobes: z = offset - slope * y; the width of its
#: transition.
BEARD_OFFSET, BEARD_SLOPE, BEARD_WIDTH = -0.046, 0.1, 0.01


@dataclass(frozen=True)
class Regions:
    """(V,) float32 shares, 0 to 1, of each vertex in a region.

    scalp: where hair grows. ear, neck. features: lips, brows and lids. plain: facial skin without those.
    beard: of the face, what beards grow on.
    depth: how far inside of mouth and eye sockets, rings of vertices from the rim, 0 on all other parts.
    """

    scalp: np.ndarray
    ear: np.ndarray
    neck: np.ndarray
    features: np.ndarray
    plain: np.ndarray
    beard: np.ndarray
    depth: np.ndarray

    @classmethod
    def of(cls, topology: HeadTopology) -> "Regions":
        """Of the average head, which every head shares the topology with."""
        _, y, z = topology.vertices.T.astype(np.float64)
        skin = np.zeros(len(y), bool)
        skin[topology.vertices_of(SKIN, INNER)] = True
        ear = ear_share(topology.vertices) * skin
        scalp = scalp_share(topology.vertices) * skin
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
        beard = np.clip((BEARD_OFFSET - BEARD_SLOPE * y - z) / BEARD_WIDTH + 0.5, 0, 1) * skin
        beard *= (1 - scalp) * (1 - ear) * (1 - neck)
        return cls(
            *(
                values.astype(np.float32)
                for values in (
                    scalp,
                    ear,
                    neck,
                    np.clip((0.006 - features) / 0.002, 0, 1),
                    plain,
                    beard,
                    depth,
                )
            )
        )


def ear_share(points: np.ndarray) -> np.ndarray:
    """(N,) 0 to 1: whether points (N, 3) of the average head's skin are the ears'."""
    away = np.linalg.norm((points[:, 1:] - EAR_MIDDLE) / EAR_AXES, axis=1)
    inside = np.minimum((1 - away) * EAR_AXES.min(), np.abs(points[:, 0]) - EAR_BEGIN)
    return np.clip(inside / EAR_EDGE + 0.5, 0, 1)


def scalp_share(points: np.ndarray) -> np.ndarray:
    """(N,) 0 to 1: whether points (N, 3) of the average head's skin have hair."""
    line = np.interp(points[:, 1], HAIRLINE_Y, HAIRLINE_Z)
    above = np.clip((points[:, 2] - line) / HAIRLINE_WIDTH + 0.5, 0, 1)
    return above * (1 - ear_share(points))


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
