"""The hinge of the jaw: a bone that opens the mouth as the blendshape jawOpen does, and the other way round.

Skin weights let a vertex go along one line only, the chord of its arc about the hinge. So the hinge and the
weights are fitted to each head's jawOpen, and jawOpen gives up what no weights reproduce.
"""

import math
from dataclasses import dataclass

import numpy as np

from ..template.topology import TEETH_LOWER, HeadTopology

#: The farthest that jawOpen may be from what the jaw's bone does at the lips' rim, meters.
MAX_RESIDUAL = 0.0017
#: How much farther it may be for each meter from the lips' rim.
RESIDUAL_GROWTH = 0.2
#: How abruptly the limit begins to act: the exponent of a smooth minimum.
LIMIT_EXPONENT = 4
#: Offsets of jawOpen shorter than this, meters, are no movement of the jaw; twice as long ones wholly are.
STILL = 0.0003
#: Exponent of the mean over the lips that the fit minimizes: the worst places count.
LIPS_EXPONENT = 8
#: Weight of the lower teeth's root mean square beside that mean.
TEETH_WEIGHT = 1.0
#: Steps of the fit, of the simplex method.
MAX_STEPS = 300
#: Rounds in which the weights are smoothed.
SMOOTHING_ROUNDS = 4
#: Vertices whose chord is shorter than this, meters, say little of their weights: their neighbors' count.
SHORT_CHORD = 0.004
#: Squared lengths, square meters, below which a chord has no direction.
DEGENERATE = 1e-12


@dataclass(frozen=True)
class JawHinge:
    """A turn about an axis parallel to x; head frame.

    Attributes:
        y: Of the axis, meters.
        z: Of the axis, meters.
        angle_deg: How far the jaw turns for what jawOpen does at 1, degrees.
    """

    y: float
    z: float
    angle_deg: float

    @classmethod
    def fit(cls, vertices: np.ndarray, opening: np.ndarray, topology: HeadTopology) -> "JawHinge":
        """The hinge that leaves least of jawOpen at the lips' rim and the lower teeth.

        Args:
            vertices: (V, 3) of the neutral head, head frame, meters.
            opening: (V, 3) offsets of jawOpen, meters.
            topology: The head's.

        Returns:
            The hinge.
        """
        from scipy.optimize import minimize

        lips, teeth = topology.lips, topology.vertices_of(TEETH_LOWER)
        chosen = np.concatenate([lips, teeth])
        points, offsets = vertices[chosen].astype(np.float64), opening[chosen].astype(np.float64)
        start = _rigid_hinge(points[len(lips) :], offsets[len(lips) :])

        # By columns, without the constant x: it is evaluated some hundred times.
        ahead, above = np.ascontiguousarray(points[:, 1:].T)
        forward, up = np.ascontiguousarray(offsets[:, 1:].T)
        square = (offsets * offsets).sum(1)

        def cost(guess: np.ndarray) -> float:
            y, z = ahead - guess[0] / 100, above - guess[1] / 100
            angle = math.radians(guess[2])
            cosine, sine = math.cos(angle) - 1, math.sin(angle)
            chord_y, chord_z = cosine * y - sine * z, sine * y + cosine * z
            along = forward * chord_y + up * chord_z
            size = np.maximum(chord_y * chord_y + chord_z * chord_z, DEGENERATE)
            weights = np.clip(along / size, 0, 1)
            missing = np.maximum(square + weights * (weights * size - 2 * along), 0) * 1e6  # mm²
            worst = float((missing[: len(lips)] ** (LIPS_EXPONENT / 2)).mean()) ** (1 / LIPS_EXPONENT)
            return worst + TEETH_WEIGHT * math.sqrt(float(missing[len(lips) :].mean()))

        # Centimeters and degrees: a simplex whose sides are alike in what they do.
        guess = np.array([start.y * 100, start.z * 100, start.angle_deg])
        simplex = guess + np.concatenate([np.zeros((1, 3)), np.diag([0.5, 0.5, 2.0])])
        options = {"initial_simplex": simplex, "maxfev": MAX_STEPS, "xatol": 1e-3, "fatol": 1e-4}
        found = minimize(cost, guess, method="Nelder-Mead", options=options).x
        return cls(float(found[0] / 100), float(found[1] / 100), float(found[2]))

    def chord(self, vertices: np.ndarray) -> np.ndarray:
        """How far vertices go that follow the hinge wholly.

        Args:
            vertices: (V, 3), head frame, meters.

        Returns:
            (V, 3) float64, meters.
        """
        angle = np.radians(self.angle_deg)
        y, z = vertices[:, 1] - self.y, vertices[:, 2] - self.z
        c, s = np.cos(angle) - 1, np.sin(angle)
        return np.stack([np.zeros(len(vertices)), c * y - s * z, s * y + c * z], 1)

    def weights(self, vertices: np.ndarray, opening: np.ndarray, topology: HeadTopology) -> np.ndarray:
        """How much each vertex follows the jaw's bone: least squares, smoothed where they are uncertain.

        Args:
            vertices: (V, 3) of the neutral head, head frame, meters.
            opening: (V, 3) offsets of jawOpen, meters.
            topology: The head's.

        Returns:
            (V,) float64 in 0..1, 0 where jawOpen moves nothing.
        """
        chord = self.chord(vertices)
        raw = _weights_along(opening, chord)
        certainty = (chord * chord).sum(1) / SHORT_CHORD**2
        mean = topology.neighbor_mean
        weights = raw
        for _ in range(SMOOTHING_ROUNDS):
            weights = (certainty * raw + mean @ weights) / (certainty + 1)
        size = np.linalg.norm(opening, axis=1)
        return np.clip(weights, 0, 1) * np.clip(size / STILL - 1, 0, 1)

    def bounded(self, vertices: np.ndarray, opening: np.ndarray, topology: HeadTopology) -> np.ndarray:
        """JawOpen without what weights cannot reproduce near the lips, but for MAX_RESIDUAL.

        Args:
            vertices: (n, 3) of the neutral head, the first ones of the topology, head frame, meters.
            opening: (n, 3) offsets of jawOpen, meters.
            topology: The head's.

        Returns:
            (n, 3) float64 offsets.
        """
        from scipy.spatial import cKDTree

        distance, _ = cKDTree(topology.vertices[topology.lips]).query(topology.vertices[: len(vertices)])
        limit = (MAX_RESIDUAL + RESIDUAL_GROWTH * distance)[:, None]
        chord = self.chord(vertices)
        missing = opening - _weights_along(opening, chord)[:, None] * chord
        size = np.linalg.norm(missing, axis=1, keepdims=True)
        kept = (1 + (size / limit) ** LIMIT_EXPONENT) ** (-1 / LIMIT_EXPONENT)
        return opening - missing * (1 - kept)


def _weights_along(offsets: np.ndarray, chord: np.ndarray) -> np.ndarray:
    """(n,) the weights in 0..1 with which the chords (n, 3) are nearest to the offsets (n, 3)."""
    return np.clip((offsets * chord).sum(1) / np.maximum((chord * chord).sum(1), DEGENERATE), 0, 1)


def _rigid_hinge(points: np.ndarray, offsets: np.ndarray) -> JawHinge:
    """The hinge nearest to offsets (n, 3) of points (n, 3): a rigid motion of the plane (Umeyama 1991)."""
    before = points[:, 1:]
    after = before + offsets[:, 1:]
    a, b = before - before.mean(0), after - after.mean(0)
    angle = np.arctan2((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum(), (a * b).sum())
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shift = after.mean(0) - turn @ before.mean(0)
    y, z = np.linalg.lstsq(np.eye(2) - turn, shift, rcond=None)[0]
    return JawHinge(float(y), float(z), float(np.degrees(angle)))
