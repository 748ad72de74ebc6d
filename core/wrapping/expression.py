"""How much of each face unit a photographed head shows: what is identity, what expression.

The head is explained by a similarity, MakeHuman's identity components and the face units by regularised least
squares; units only ever push (weights from 0 to 1). Gaps between lids and between lips count most: they are
what makes a neutral face look neutral.
"""

import numpy as np

from ..geometry.pose import similarity_displacements
from ..template.topology import HeadTopology, rim_halves

#: Standard deviations of what the model cannot explain, metres, and of gaps.
MISFIT, GAP_ERROR = 0.0015, 0.0005
#: Units of the similarity: 0.1 rad about each axis, 1 cm along each, a growth of 10 %.
SIMILARITY_UNITS = np.array([0.1] * 3 + [0.1 * 0.1] * 3 + [0.1])[:, None, None]
#: Vertices are nearer to one another than their errors are independent.
SPACING = 8.0
#: Standard deviation of a unit's weight, and of those that a face's build is easily taken for.
WEIGHT = 0.35
SHY_WEIGHT = 0.1
SHY = (
    "cheekPuff",
    "jawForward",
    "jawLeft",
    "jawRight",
    "mouthClose",
    "mouthLeft",
    "mouthRight",
    "mouthFunnel",
    "mouthPucker",
    "mouthShrugLower",
    "mouthShrugUpper",
    "noseSneerLeft",
    "noseSneerRight",
    "cheekSquintLeft",
    "cheekSquintRight",
)
#: Decided by other means: the tongue is not seen, the gaze comes from the irises.
LEFT_OUT = ("tongueOut",)
GAZE = "eyeLook"
#: Weights below this are noise.
SMALLEST = 0.02
#: Of the eyes' and of the mouth's loops, how many places along them a gap is measured at.
GAPS = 9


def gap_pairs(vertices: np.ndarray, loop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (GAPS,) of the upper half of a loop and those below them, at even steps across.

    vertices: (V, 3) of the average head.
    """
    halves = rim_halves(vertices, loop)
    low, high = vertices[loop, 0].min(), vertices[loop, 0].max()
    places = np.linspace(low, high, GAPS + 2)[1:-1]
    upper, lower = (half[np.abs(vertices[half, :1] - places).argmin(0)] for half in halves)
    return upper, lower


class ExpressionFit:
    """Splits heads of one topology into identity and expression."""

    def __init__(self, topology: HeadTopology, skin: np.ndarray) -> None:
        """skin: (n,) the vertices that count."""
        self.topology = topology
        self.skin = skin
        names = topology.unit_names
        self.free = np.array(
            [k for k, name in enumerate(names) if name not in LEFT_OUT and not name.startswith(GAZE)]
        )
        self.mean = topology.vertices.astype(np.float64)
        spread = np.where(np.isin(np.array(names)[self.free], SHY), SHY_WEIGHT, WEIGHT)
        pairs = [
            gap_pairs(self.mean, loop) for loop in (topology.lid_left, topology.lid_right, topology.lips)
        ]
        #: (2, G) vertices over and under each gap.
        self.gaps = np.concatenate([np.stack(pair) for pair in pairs], 1)
        moves = np.concatenate(
            [
                similarity_displacements(self.mean) * SIMILARITY_UNITS,
                topology.identity,
                topology.units[self.free],
            ]
        )
        self._rows = moves[:, self.skin].astype(np.float32)
        self._gap_rows = (moves[:, self.gaps[0]] - moves[:, self.gaps[1]])[..., 2]
        loose = np.full(7, 1e-6)  # the similarity is free
        self._prior = np.concatenate([loose, np.ones(len(topology.identity)), 1 / spread**2])

    def weights(self, vertices: np.ndarray, confidence: np.ndarray, gaze: np.ndarray) -> np.ndarray:
        """(52,) weights of the units of a head (V, 3); confidence: (V,); gaze: (52,) known weights."""
        from scipy.optimize import lsq_linear  # slow to import

        known = np.tensordot(gaze, self.topology.units, 1)
        rest = vertices - known - self.mean
        trust = np.sqrt((0.05 + confidence[self.skin]) / SPACING) / MISFIT
        rows = (self._rows * trust[:, None].astype(np.float32)).reshape(len(self._rows), -1)
        goal = (rest[self.skin] * trust[:, None]).ravel()
        gap_rows = self._gap_rows / GAP_ERROR
        gap_goal = (rest[self.gaps[0]] - rest[self.gaps[1]])[:, 2] / GAP_ERROR
        matrix = (rows @ rows.T).astype(np.float64) + gap_rows @ gap_rows.T + np.diag(self._prior)
        right = rows.astype(np.float64) @ goal + gap_rows @ gap_goal
        # Bounds hold for the units alone: the others are eliminated, what is left has its Cholesky factor for
        # a least squares problem.
        n = len(matrix) - len(self.free)
        both = np.linalg.solve(matrix[:n, :n], np.column_stack([matrix[:n, n:], right[:n]]))
        reduced = matrix[n:, n:] - matrix[n:, :n] @ both[:, :-1]
        factor = np.linalg.cholesky(reduced)
        target = np.linalg.solve(factor, right[n:] - matrix[n:, :n] @ both[:, -1])
        found = lsq_linear(factor.T, target, (0.0, 1.0), method="bvls").x
        weights = gaze.astype(np.float64).copy()
        weights[self.free] = np.where(found < SMALLEST, 0, found)
        return weights
