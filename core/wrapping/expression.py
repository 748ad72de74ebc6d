"""The weights of the blendshapes in a photographed head: what is identity, what expression.

The head is explained by a similarity, MakeHuman's identity components and the blendshapes by regularized
least squares; weights are from 0 to 1. Gaps between lids and between lips count most: they are what makes a
neutral face neutral.
"""

import numpy as np

from ..geometry.pose import similarity_displacements
from ..template.topology import HeadTopology, rim_halves

#: Standard deviation of what the model cannot explain, meters.
MODEL_ERROR = 0.0015
#: Standard deviation of gaps, meters.
GAP_ERROR = 0.0005
#: Units of the similarity: 0.1 rad about each axis, 1 cm along each, a growth of 10 %.
SIMILARITY_UNITS = np.array([0.1] * 3 + [0.1 * 0.1] * 3 + [0.1])[:, None, None]
#: Vertices whose errors count as one: they are nearer to one another than errors are independent.
CORRELATED_VERTICES = 8.0
#: Confidence that is added to all vertices, so that the unseen ones count a little.
MIN_CONFIDENCE = 0.05
#: Standard deviation of a blendshape's weight.
WEIGHT_SPREAD = 0.35
#: The same of blendshapes that are easily confused with a face's proportions.
AMBIGUOUS_SPREAD = 0.1
AMBIGUOUS = (
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
#: Not fitted: the tongue is not visible.
EXCLUDED = ("tongueOut",)
#: Beginning of the names of those that come from the irises.
GAZE_PREFIX = "eyeLook"
#: Weights below this are noise.
MIN_WEIGHT = 0.02
#: Inverse variance of the similarity, which is free.
SIMILARITY_PRIOR = 1e-6
#: How many points along an eye or the mouth its gap is measured at.
GAPS = 9


def gap_pairs(vertices: np.ndarray, loop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of vertices between which the gap of an eye or the mouth is measured.

    Args:
        vertices: (V, 3) of the average head.
        loop: (n,) int, the vertices around the opening.

    Returns:
        (GAPS,) int, vertices of the upper half at even steps across, and those below them.
    """
    halves = rim_halves(vertices, loop)
    low, high = vertices[loop, 0].min(), vertices[loop, 0].max()
    steps = np.linspace(low, high, GAPS + 2)[1:-1]
    upper, lower = (half[np.abs(vertices[half, :1] - steps).argmin(0)] for half in halves)
    return upper, lower


class ExpressionFit:
    """Separates identity and expression of heads of one topology."""

    def __init__(self, topology: HeadTopology, skin: np.ndarray) -> None:
        """Prepare the linear model.

        Args:
            topology: Of the heads.
            skin: (n,) int, the vertices that are fitted.
        """
        self.topology = topology
        self.skin = skin
        names = topology.blendshape_names
        self.free = np.array(
            [k for k, name in enumerate(names) if name not in EXCLUDED and not name.startswith(GAZE_PREFIX)]
        )
        self.mean = topology.vertices.astype(np.float64)
        spread = np.where(np.isin(np.array(names)[self.free], AMBIGUOUS), AMBIGUOUS_SPREAD, WEIGHT_SPREAD)
        pairs = [
            gap_pairs(self.mean, loop) for loop in (topology.lid_left, topology.lid_right, topology.lips)
        ]
        #: (2, G) vertices over and under each gap.
        self.gaps = np.concatenate([np.stack(pair) for pair in pairs], 1)
        moves = np.concatenate(
            [
                similarity_displacements(self.mean) * SIMILARITY_UNITS,
                topology.identity,
                topology.blendshapes[self.free],
            ]
        )
        self._rows = moves[:, self.skin].astype(np.float32)
        self._gap_rows = (moves[:, self.gaps[0]] - moves[:, self.gaps[1]])[..., 2]
        similarity = np.full(7, SIMILARITY_PRIOR)
        self._prior = np.concatenate([similarity, np.ones(len(topology.identity)), 1 / spread**2])

    def weights(self, vertices: np.ndarray, confidence: np.ndarray, gaze: np.ndarray) -> np.ndarray:
        """Fit the weights of the blendshapes.

        Args:
            vertices: (V, 3) a head, head frame, meters.
            confidence: (V,) 0..1.
            gaze: (52,) known weights.

        Returns:
            (52,) float64, 0..1.
        """
        from scipy.optimize import lsq_linear  # slow to import

        known = np.tensordot(gaze, self.topology.blendshapes, 1)
        residual = vertices - known - self.mean
        trust = np.sqrt((MIN_CONFIDENCE + confidence[self.skin]) / CORRELATED_VERTICES) / MODEL_ERROR
        rows = (self._rows * trust[:, None].astype(np.float32)).reshape(len(self._rows), -1)
        goal = (residual[self.skin] * trust[:, None]).ravel()
        gap_rows = self._gap_rows / GAP_ERROR
        gap_goal = (residual[self.gaps[0]] - residual[self.gaps[1]])[:, 2] / GAP_ERROR
        matrix = (rows @ rows.T).astype(np.float64) + gap_rows @ gap_rows.T + np.diag(self._prior)
        right = rows.astype(np.float64) @ goal + gap_rows @ gap_goal
        # Bounds hold for the blendshapes alone: the others are eliminated, and the Cholesky factor of the
        # reduced system makes it a least squares problem.
        n = len(matrix) - len(self.free)
        both = np.linalg.solve(matrix[:n, :n], np.column_stack([matrix[:n, n:], right[:n]]))
        reduced = matrix[n:, n:] - matrix[n:, :n] @ both[:, :-1]
        factor = np.linalg.cholesky(reduced)
        target = np.linalg.solve(factor, right[n:] - matrix[n:, :n] @ both[:, -1])
        found = lsq_linear(factor.T, target, (0.0, 1.0), method="bvls").x
        weights = gaze.astype(np.float64).copy()
        weights[self.free] = np.where(found < MIN_WEIGHT, 0, found)
        return weights
