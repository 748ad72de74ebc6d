"""ICT-FaceKit as a source of training heads: closed solid, colored surface, identities and expressions.

The face model's file is given by path and never shipped. Vertices are brought to the head frame (meters, z
up, face along -y) and every head is scaled to the size of the average one: a single photo cannot distinguish
a large head from a near one, so the size is taken out of what is learned.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .mesh_topology import boundary_loops

#: iBUG indices of the outer eye corners, subject's right and left.
OUTER_EYE_CORNERS = (36, 45)


@dataclass(frozen=True)
class HeadSample:
    """One head. vertices: (V, 3) float32 of all parts, head frame, meters."""

    identity: np.ndarray
    expression: np.ndarray
    vertices: np.ndarray


def zip_loop(loop: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Close a loop with triangles, sewn from its left to its right end like a zip.

    Unlike a fan, this stays between the lips when they meet.

    Args:
        loop: (n,) int, vertices in order.
        x: (n,) float, their coordinates along the slit.

    Returns:
        (n - 2, 3) int32 triangles.
    """
    n = len(loop)
    left, right = int(np.argmin(x)), int(np.argmax(x))
    one = [loop[(left + i) % n] for i in range((right - left) % n + 1)]
    two = [loop[(left - i) % n] for i in range((left - right) % n + 1)]
    at = dict(zip(loop.tolist(), x.tolist(), strict=True))
    triangles, i, j = [], 0, 0
    while i < len(one) - 1 or j < len(two) - 1:
        step_one = j == len(two) - 1 or (i < len(one) - 1 and at[one[i + 1]] <= at[two[j + 1]])
        if step_one:
            triangles.append((one[i + 1], one[i], two[j]))
            i += 1
        else:
            triangles.append((two[j], two[j + 1], one[i]))
            j += 1
    return np.array([t for t in triangles if len(set(t)) == 3], np.int32)


class FaceModel:
    """ICT-FaceKit in the head frame.

    triangles: (T, 3) int32 of all parts with triangle_part (T,) int8 and triangle_uv (T, 3) into uv (U, 2);
    solid: (S, 3) int32, the closed skin (mouth, eyes and neck sewn up) and the two eyeballs, outward.
    """

    def __init__(self, path: Path | str) -> None:
        data = np.load(path)
        self.part_names = [str(n) for n in data["part_names"]]
        self.part_ranges = data["part_ranges"]
        self.expression_names = [str(n) for n in data["expression_names"]]
        self.landmarks68 = data["landmarks68"]
        self.uv = data["uv"].astype(np.float32)
        polygons, polygon_uv = data["polygons"], data["polygon_uv"]
        quads = polygons[:, 3] >= 0
        self.triangles = np.concatenate([polygons[:, :3], polygons[quads][:, [0, 2, 3]]]).astype(np.int32)
        self.triangle_uv = np.concatenate([polygon_uv[:, :3], polygon_uv[quads][:, [0, 2, 3]]]).astype(
            np.int32
        )
        vertex_part = np.zeros(len(data["neutral"]), np.int8)
        for i, (a, b) in enumerate(self.part_ranges):
            vertex_part[a:b] = i
        # A polygon that joins two parts belongs to the inner one (lips end where the mouth socket begins).
        self.triangle_part = vertex_part[self.triangles].max(1)

        self.mean = self._axes(data["neutral"].astype(np.float32))
        self.identity = self._axes(data["identity"].astype(np.float32))
        self.expression = self._axes(data["expression"].astype(np.float32))
        self.corners = self.landmarks68[list(OUTER_EYE_CORNERS)]
        self.mean -= self.mean[self.corners].mean(0)
        self.skin_range = skin = slice(0, int(self.part_ranges[1][1]))
        centered = self.mean[skin] - self.mean[skin].mean(0)
        moves = (self.identity[:, skin] - self.identity[:, skin].mean(1, keepdims=True)).reshape(
            len(self.identity), -1
        )
        # Products of skin coordinates from which the size of any identity follows without its vertices.
        self._mean_mean = float((centered**2).sum())
        self._mean_move = moves @ centered.ravel()
        self._move_move = moves @ moves.T
        self.solid = self._close()

    @staticmethod
    def _axes(points: np.ndarray) -> np.ndarray:
        """cm, y up, face +z -> meters, z up, face -y."""
        return np.stack([points[..., 0], -points[..., 2], points[..., 1]], -1) * np.float32(0.01)

    def _close(self) -> np.ndarray:
        skin = self.triangles[self.triangle_part <= 1]
        pieces = [skin]
        for loop in map(np.array, boundary_loops(skin)):
            points = self.mean[loop]
            axis = 0 if np.ptp(points[:, 0]) > np.ptp(points[:, 1]) else 1
            pieces.append(zip_loop(loop, points[:, axis]))
        for name in ("eyeball_left", "eyeball_right"):
            pieces.append(self.triangles[self.triangle_part == self.part_names.index(name)])
        return np.concatenate(pieces).astype(np.int32)

    def head(self, identity: np.ndarray, expression: np.ndarray) -> HeadSample:
        """The head of some coefficients, at the average head's size.

        Args:
            identity: (100,) coefficients, in standard deviations.
            expression: (57,) weights, 0..1.

        Returns:
            The head, its vertices in the head frame, meters.
        """
        neutral = self.mean + np.tensordot(identity.astype(np.float32), self.identity, 1)
        size = np.float32(self.size(identity))
        vertices = (neutral + np.tensordot(expression.astype(np.float32), self.expression, 1)) * size
        vertices -= neutral[self.corners].mean(0) * size
        return HeadSample(identity, expression, vertices.astype(np.float32))

    def size(self, identity: np.ndarray) -> float:
        """The factor that brings the neutral head of an identity to the average head's size.

        Args:
            identity: (100,) coefficients, in standard deviations.

        Returns:
            The factor.
        """
        along = float(identity @ self._mean_move)
        return (self._mean_mean + along) / (
            self._mean_mean + 2 * along + float(identity @ self._move_move @ identity)
        )

    def sample_expression(self, rng: np.random.Generator) -> np.ndarray:
        """(57,) random expression weights in [0, 1], left and right mostly together."""
        names = self.expression_names
        weights = np.zeros(len(names))
        level = rng.random()
        count = 0 if level < 0.2 else int(rng.integers(2, 6 if level < 0.7 else 12))
        for index in rng.integers(0, len(names), count):
            value = rng.beta(1.2, 2.0)
            weights[index] = max(weights[index], value)
            name = names[index]
            if name[-2:] in ("_L", "_R") and rng.random() < 0.8:
                other = name[:-1] + ("R" if name.endswith("L") else "L")
                weights[names.index(other)] = value * rng.uniform(0.8, 1.0)
        for pair, fraction in (("mouthSmile", 0.3), ("eyeBlink", 0.12)):
            if rng.random() < fraction:
                value = rng.uniform(0.2, 1.0)
                for side in "LR":
                    weights[names.index(f"{pair}_{side}")] = value
        if rng.random() < 0.25:
            weights[names.index("jawOpen")] = rng.beta(1.2, 1.8)
        else:
            weights[names.index("jawOpen")] *= 0.3
            weights[names.index("mouthClose")] = 0.0
        return np.clip(weights, 0, 1)
