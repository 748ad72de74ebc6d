"""What is not skin: eyeballs, teeth, tongue and lashes follow the head; the lids lie on the eyeballs.

Eyeballs stay the template's, teeth and tongue too: they are only moved and scaled alike in all directions.
Their face units are the template's, scaled, so that they move with the jaw and the gaze.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.spatial import cKDTree

from ..detection.mediapipe_topology import IRIS_CENTERS
from ..geometry.frames import Camera, HeadPose
from ..template.topology import (
    EYE_LEFT,
    EYE_RIGHT,
    INNER,
    LASHES,
    SKIN,
    TEETH_LOWER,
    TEETH_UPPER,
    TONGUE,
    HeadTopology,
)

SIDES = ("left", "right")
#: Room between eyeball and lid, metres.
CLEARANCE = 0.0003
#: How far, metres, from the lids' rims skin and sockets are kept out of the eyeball.
LID_REACH = 0.006
#: Depth, metres, in the eyeball beyond which what the skin hides is left there, where the skin must not move.
DEEP = 0.0015
#: Vertices that a lash vertex hangs on.
LASH_ROOTS = 3
#: Radians; the iris is a few pixels, and eyes seldom turn farther.
LARGEST_GAZE = np.radians(25.0)


@dataclass(frozen=True)
class Sphere:
    """A sphere: centre (3,) and radius, metres."""

    centre: np.ndarray
    radius: float


def fit_sphere(points: np.ndarray) -> Sphere:
    """The sphere nearest to points (n, 3)."""
    matrix = np.column_stack([2 * points, np.ones(len(points))])
    solution = np.linalg.lstsq(matrix, (points**2).sum(1), rcond=None)[0]
    centre = solution[:3]
    return Sphere(centre, float(np.sqrt(solution[3] + centre @ centre)))


class HeadParts:
    """Where the parts of one topology belong."""

    def __init__(self, topology: HeadTopology) -> None:
        self.topology = topology
        mean = topology.vertices.astype(np.float64)
        self.mean = mean
        self.skin = topology.vertices_of(SKIN)
        self.body = topology.vertices_of(SKIN, INNER)
        self.loops = {"left": topology.lid_left, "right": topology.lid_right}
        self.eyes = {
            side: topology.vertices_of(name) for side, name in zip(SIDES, (EYE_LEFT, EYE_RIGHT), strict=True)
        }
        self.balls = {side: fit_sphere(mean[index]) for side, index in self.eyes.items()}
        near = {
            side: cKDTree(mean[loop]).query(mean[self.body])[0] < LID_REACH
            for side, loop in self.loops.items()
        }
        self.lids = {side: self.body[index] for side, index in near.items()}
        #: Which of these the skin hides.
        self.hidden = {side: ~np.isin(index, self.skin) for side, index in self.lids.items()}
        self.lashes = topology.vertices_of(LASHES)
        rim = np.concatenate([*self.loops.values()])
        self._roots = rim[cKDTree(mean[rim]).query(mean[self.lashes], LASH_ROOTS)[1]]
        gap = np.linalg.norm(mean[self._roots] - mean[self.lashes][:, None], axis=2)
        share = 1 / np.maximum(gap, 1e-4)
        self._share = share / share.sum(1, keepdims=True)
        upper, lower = topology.vertices_of(TEETH_UPPER), topology.vertices_of(TEETH_LOWER, TONGUE)
        mouth = mean[topology.lips].mean(0)
        around = self.skin[np.linalg.norm(mean[self.skin] - mouth, axis=1) < 0.045]
        above = mean[around, 2] > mouth[2]
        #: What each part of the mouth is carried by.
        self._mouth = ((upper, around[above]), (lower, around[~above]))

    def eyeball(self, vertices: np.ndarray, side: str) -> Sphere:
        """The eyeball that fits into the lids of vertices (V, 3)."""
        loop, ball = self.loops[side], self.balls[side]
        width = np.ptp(vertices[loop, 0]) / np.ptp(self.mean[loop, 0])
        scale = float(np.clip(width, 0.85, 1.2))
        radius = ball.radius * scale
        wanted = radius + np.maximum(
            (np.linalg.norm(self.mean[loop] - ball.centre, axis=1) - ball.radius) * scale, CLEARANCE
        )
        start = vertices[loop].mean(0) + (ball.centre - self.mean[loop].mean(0)) * scale
        centre = start
        for _ in range(6):
            away = centre - vertices[loop]
            length = np.linalg.norm(away, axis=1)
            rows = np.concatenate([away / length[:, None], np.eye(3)])
            rest = np.concatenate([wanted - length, start - centre])
            centre = centre + np.linalg.lstsq(rows, rest, rcond=None)[0]
        return Sphere(centre, radius)

    def free_lids(self, vertices: np.ndarray, side: str, ball: Sphere, deepest: float = np.inf) -> np.ndarray:
        """(V, 3) vertices with the lids of one side moved out of the eyeball.

        deepest: depth, metres, beyond which what the skin hides is left there.
        """
        index = self.lids[side]
        away = vertices[index] - ball.centre
        length = np.linalg.norm(away, axis=1)
        room = self.widest[side] * ball.radius + CLEARANCE
        short = np.maximum(room - length, 0)
        short[self.hidden[side] & (short > deepest)] = 0
        moved = vertices.copy()
        moved[index] += away / length[:, None] * short[:, None]
        return moved

    @cached_property
    def widest(self) -> dict[str, float]:
        """Greatest distance of the eyeballs' front from their middle, in radii."""
        widest = {}
        for side, index in self.eyes.items():
            away = self.mean[index] - self.balls[side].centre
            front = away[:, 1] < 0
            widest[side] = float(np.linalg.norm(away[front], axis=1).max() / self.balls[side].radius)
        return widest

    def place(self, neutral: np.ndarray, balls: dict[str, Sphere]) -> np.ndarray:
        """(V, 3) the neutral with its skin and inner as they are, and every other part where it belongs."""
        placed = neutral.copy()
        for side, index in self.eyes.items():
            ball = self.balls[side]
            scale = balls[side].radius / ball.radius
            placed[index] = (self.mean[index] - ball.centre) * scale + balls[side].centre
        for part, carriers in self._mouth:
            scale = self.mouth_scale(neutral)
            middle = self.mean[carriers].mean(0)
            placed[part] = (self.mean[part] - middle) * scale + neutral[carriers].mean(0)
        scale = float(np.mean([balls[side].radius / self.balls[side].radius for side in SIDES]))
        roots = (self.mean[self._roots] * self._share[..., None]).sum(1)
        there = (neutral[self._roots] * self._share[..., None]).sum(1)
        placed[self.lashes] = there + (self.mean[self.lashes] - roots) * scale
        return placed

    def mouth_scale(self, neutral: np.ndarray) -> float:
        """Size of teeth and tongue beside the template's."""
        carriers = np.concatenate([index for _, index in self._mouth])
        now, before = neutral[carriers], self.mean[carriers]
        return float(np.clip(np.sqrt(now.var(0).sum() / before.var(0).sum()), 0.85, 1.15))

    def units(self, body: np.ndarray, balls: dict[str, Sphere], mouth_scale: float) -> np.ndarray:
        """(52, V, 3) float32 all parts' units, metres; body: (52, n, 3) those of skin and inner, which come
        first.
        """
        source = self.topology.units
        units = source * np.float32(mouth_scale)
        units[:, : body.shape[1]] = body
        for side, index in self.eyes.items():
            units[:, index] = source[:, index] * np.float32(balls[side].radius / self.balls[side].radius)
        for unit, before in zip(units, source, strict=True):
            self.attach_lashes(unit, before)
        return units

    def attach_lashes(self, unit: np.ndarray, source: np.ndarray) -> None:
        """Let the lashes of a unit (V, 3) go with its lids as in the template's unit `source`; changes it."""
        share = self._share[..., None]
        change = ((unit[self._roots] - source[self._roots]) * share).sum(1)
        unit[self.lashes] = source[self.lashes] + change

    def gaze(
        self,
        balls: dict[str, Sphere],
        points: np.ndarray,
        camera: Camera,
        pose: HeadPose,
    ) -> np.ndarray:
        """(2,) angles, radians, that the eyes look to the subject's left and up, from the photo's irises.

        points: (478, 3), the detector's landmarks, px.
        """
        origin = pose.camera_to_head(np.zeros(3))
        total = np.zeros(3)
        for side in SIDES:
            ball = balls[side]
            pixel = points[IRIS_CENTERS[side], :2].astype(np.float64)
            ray = np.append((pixel - (camera.cx, camera.cy)) / camera.focal_px, 1.0) @ pose.rotation
            ray /= np.linalg.norm(ray)
            to = ball.centre - origin
            along = to @ ray
            square = ball.radius**2 - (to @ to - along**2)
            hit = ray * (along - np.sqrt(max(square, 0.0))) - to
            # Eyes look at one thing: their mean is surer than each.
            total += hit / np.linalg.norm(hit)
        x, y, z = total / np.linalg.norm(total)
        angles = np.array([np.arctan2(x, -y), np.arcsin(z)])
        return np.clip(angles, -LARGEST_GAZE, LARGEST_GAZE)

    def gaze_weights(self, gaze: np.ndarray) -> np.ndarray:
        """(52,) weights of the gaze units for angles (2,) to the left and up, radians."""
        weights = np.zeros(len(self.topology.unit_names))
        left, up = gaze
        for side in SIDES:
            sideways = "Out" if (left > 0) == (side == "left") else "In"
            for direction, angle in ((sideways, abs(left)), ("Up" if up > 0 else "Down", abs(up))):
                k = self.topology.unit(f"eyeLook{direction}{side.capitalize()}")
                weights[k] = min(angle / self._turns[k], 1.0)
        return weights

    @cached_property
    def _turns(self) -> dict[int, float]:
        """The angle, radians, that each gaze unit turns its eye by."""
        turns = {}
        for side, index in self.eyes.items():
            away = self.mean[index] - self.balls[side].centre
            front = int(away[:, 1].argmin())
            for direction in ("In", "Out", "Up", "Down"):
                k = self.topology.unit(f"eyeLook{direction}{side.capitalize()}")
                a = away[front]
                b = a + self.topology.units[k, index[front]]
                cosine = a @ b / (np.linalg.norm(a) * np.linalg.norm(b))
                turns[k] = float(np.arccos(np.clip(cosine, -1, 1)))
        return turns
