"""Moves a wrapped head so that named points of it are where a person has put them in the photo.

Shape, expression and pose are found together, the most probable ones under which the points project onto
their places (Gauss-Newton with Gaussian priors). What the statistics cannot explain is spread smoothly around
each point, so that every point meets its place. No vertex moves farther than three standard deviations of its
place on heads.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..geometry.frames import HEAD_CENTER, Camera, HeadPose
from ..geometry.pose import rotation_matrix
from ..template.pins import NamedPin, named_pins
from ..template.topology import INNER, LASHES, SKIN, HeadTopology

#: What a pin can correct.
SHAPE, EXPRESSION, POSE = "shape", "expression", "pose"
CORRECTIONS = (SHAPE, EXPRESSION, POSE)
#: Standard deviation of what differs between the sides of a face, of what both have in common.
ASYMMETRY = 0.4
#: Width of the transition between the sides, meters.
SIDE_WIDTH = 0.015
#: Standard deviation of a vertex beside what the statistics know, meters: that of wraps of scanned heads.
DETAIL_SIGMA = 0.002
#: Largest displacement of a vertex in standard deviations.
MAX_SIGMAS = 3.0
#: Standard deviation of a change of a blendshape's weight.
EXPRESSION_SIGMA = 0.3
#: Standard deviations of a change of the pose: radians about each axis, meters across the photo, and of the
#: logarithm of the distance.
TURN_SIGMA = 0.1
SHIFT_SIGMA = 0.01
DISTANCE_SIGMA = 0.05
#: Standard deviation of a pin's place, meters at the head.
PIN_SIGMA = 0.0005
#: Standard deviation of how far a pin moves along the line of sight, of which the photo says nothing, meters.
DEPTH_SIGMA = 0.003
#: Distance from the moved pins, meters, over which the head becomes free to move.
FREE_RADIUS = 0.025
#: Standard deviation, meters, of where the rest of the head is held, as if by so many points.
REST_SIGMA = 0.002
REST_POINTS = 60
#: Every how many vertices one holds the rest of the head.
REST_STEP = 9
#: Radius, meters, around a pin within which what is left of its way is made up.
DETAIL_RADIUS = 0.012
#: A pin that is nearer to its place than this, meters, counts as unmoved.
UNMOVED = 0.0002
#: Steps of Gauss and Newton.
ROUNDS = 4
#: Height over which displacements fade toward the ring that the neck ends in, meters.
NECK_FADE = 0.03
#: Blendshapes that no pin speaks of: the gaze and what the lips hide.
UNSEEN_BLENDSHAPES = ("eyeLook", "tongueOut")


@dataclass(frozen=True)
class Pin:
    """Where a named point belongs.

    Attributes:
        name: Of the point, one of `core.template.pins`.
        x: Photo frame, pixels.
        y: The same.
        corrects: What is wrong if the point is elsewhere, one of CORRECTIONS.
        locked: Whether the point only holds still; kept for whoever goes on with it.
    """

    name: str
    x: float
    y: float
    corrects: str = SHAPE
    locked: bool = False


@dataclass(frozen=True)
class PinnedHead:
    """A head as its pins have it.

    Attributes:
        offset: (V, 3) float64, what the shape changes by, head frame, meters.
        expression: (52,) float64, what the blendshapes' weights change by.
        photo_offset: (V, 3) float64, what the head as photographed changes by: shape and expression.
        pose: Of the head.
        errors_px: By the pins' names, how far each is from its place.
    """

    offset: np.ndarray
    expression: np.ndarray
    photo_offset: np.ndarray
    pose: HeadPose
    errors_px: dict[str, float]


@dataclass(frozen=True)
class PinScene:
    """The head that is corrected, as it is before.

    Attributes:
        photo: (V, 3) float64, as photographed, head frame, meters.
        blendshapes: (52, V, 3), offsets, meters.
        expression: (52,) weights.
        camera: Of the photo.
        pose: Of the head.
    """

    photo: np.ndarray
    blendshapes: np.ndarray
    expression: np.ndarray
    camera: Camera
    pose: HeadPose


class PinSolver:
    """Solves for pins on heads of one topology."""

    def __init__(self, topology: HeadTopology) -> None:
        """Prepare the statistics.

        Args:
            topology: Of the heads.
        """
        self.topology = topology
        self.pins: dict[str, NamedPin] = {pin.name: pin for pin in named_pins(topology)}
        vertices = topology.vertices.astype(np.float64)
        side = np.tanh(vertices[:, 0] / SIDE_WIDTH)[None, :, None]
        common = topology.identity.astype(np.float64)
        #: (2 K, V, 3) meters, displacements by one standard deviation.
        self.modes = np.concatenate([common, ASYMMETRY * side * common])
        variance = (self.modes**2).sum((0, 2)) + 3 * DETAIL_SIGMA**2
        #: (V,) standard deviation of a vertex's place on heads, meters.
        self.sigma = np.sqrt(variance)
        self._skin = topology.vertices_of(SKIN)
        self._held = self._skin[::REST_STEP]
        self._soft = np.zeros(len(vertices))
        self._soft[topology.vertices_of(SKIN, INNER, LASHES)] = 1.0
        self._free = np.array([not name.startswith(UNSEEN_BLENDSHAPES) for name in topology.blendshape_names])
        base = vertices[topology.neck, 2].max()
        ramp = np.clip((vertices[:, 2] - base) / NECK_FADE, 0, 1)
        self._above_neck = ramp * ramp * (3 - 2 * ramp)

    def solve(self, scene: PinScene, pins: Sequence[Pin]) -> PinnedHead:
        """Find the most probable head whose points are where the pins are.

        Args:
            scene: The head before.
            pins: Of different names, all known.

        Returns:
            What it changes by.
        """
        count = len(scene.photo)
        if not pins:
            nothing = np.zeros((count, 3))
            return PinnedHead(nothing, np.zeros(len(scene.expression)), nothing, scene.pose, {})
        problem = _Problem(self, scene, pins)
        z = problem.most_probable()
        pose, expression = problem.pose(z), problem.expression(z)
        corrects = {pin.corrects for pin in pins}
        offset = np.tensordot(problem.shape_weights(z), self.modes, 1) * self._above_neck[:, None]
        offset = self._bounded(offset)
        moved = np.tensordot(expression, scene.blendshapes, 1)
        if SHAPE in corrects:
            offset = self._bounded(
                offset + self._residual_offset(problem, scene.photo + offset + moved, pose)
            )
        photo_offset = offset + moved
        if EXPRESSION in corrects and SHAPE not in corrects:
            photo_offset = photo_offset + self._residual_offset(problem, scene.photo + photo_offset, pose)
        vertices = [self.pins[pin.name].vertex for pin in pins]
        reached = scene.camera.project(pose.head_to_camera((scene.photo + photo_offset)[vertices]))
        wanted = np.array([(pin.x, pin.y) for pin in pins])
        errors = np.linalg.norm(reached - wanted, axis=1)
        named = {pin.name: float(error) for pin, error in zip(pins, errors, strict=True)}
        return PinnedHead(offset, expression, photo_offset, pose, named)

    def _bounded(self, offset: np.ndarray) -> np.ndarray:
        """(V, 3) displacements, none of more than MAX_SIGMAS."""
        length = np.linalg.norm(offset, axis=1)
        return offset * np.minimum(1, MAX_SIGMAS * self.sigma / np.maximum(length, 1e-9))[:, None]

    def _residual_offset(self, problem: "_Problem", head: np.ndarray, pose: HeadPose) -> np.ndarray:
        """(V, 3) smooth displacements that take the pins of a head (V, 3) the rest of their way.

        Interpolated with Matern's kernel of smoothness 3/2, across the line of sight.
        """
        vertices = problem.vertices
        in_camera = pose.head_to_camera(head[vertices])
        pixels = (problem.targets - problem.scene.camera.project(in_camera)) * in_camera[:, 2:]
        meters = pixels / problem.scene.camera.focal_px
        residual = np.column_stack([meters, np.zeros(len(meters))]) @ pose.rotation
        between = _kernel(np.linalg.norm(head[vertices][:, None] - head[vertices], axis=2))
        weights = np.linalg.solve(between + 1e-9 * np.eye(len(vertices)), residual)
        around = _kernel(np.linalg.norm(head[:, None] - head[vertices], axis=2))
        return (around @ weights) * (self._soft * self._above_neck)[:, None]


class _Problem:
    """What is unknown of one head, in standard deviations: shape, expression, pose, as far as they are asked
    for.
    """

    def __init__(self, solver: PinSolver, scene: PinScene, pins: Sequence[Pin]) -> None:
        self.scene = scene
        self._solver = solver
        self.vertices = np.array([solver.pins[pin.name].vertex for pin in pins])
        in_camera = scene.pose.head_to_camera(scene.photo[self.vertices])
        before = scene.camera.project(in_camera)
        wanted = np.array([(pin.x, pin.y) for pin in pins]) - before
        self._px_per_meter = scene.camera.focal_px / in_camera[:, 2]
        far = MAX_SIGMAS * solver.sigma[self.vertices] * self._px_per_meter
        held = np.array([pin.corrects != POSE for pin in pins])
        reach = np.minimum(1, far / np.maximum(np.linalg.norm(wanted, axis=1), 1e-9))
        #: (N, 2) places of the pins, photo frame, pixels; none farther than a vertex can be.
        self.targets = before + wanted * np.where(held, reach, 1.0)[:, None]
        moved = np.linalg.norm(wanted, axis=1) > UNMOVED * self._px_per_meter
        corrects = {pin.corrects for pin in pins}
        shapes, blendshapes = len(solver.modes), len(scene.expression)
        self._sizes = (
            shapes if SHAPE in corrects else 0,
            blendshapes if EXPRESSION in corrects else 0,
            6 if POSE in corrects else 0,
        )
        distance = np.full(len(solver._held), np.inf)
        if moved.any():
            apart = scene.photo[solver._held][:, None] - scene.photo[self.vertices[moved]]
            distance = np.linalg.norm(apart, axis=2).min(1)
        held_fast = 1 - np.exp(-0.5 * (distance / FREE_RADIUS) ** 2)
        self._hold = np.sqrt(held_fast * REST_POINTS / len(distance)) / REST_SIGMA

    def shape_weights(self, z: np.ndarray) -> np.ndarray:
        """(2 K,) weights of the modes."""
        count = self._sizes[0]
        return z[:count] if count else np.zeros(len(self._solver.modes))

    def expression(self, z: np.ndarray) -> np.ndarray:
        """(52,) what the weights change by; what comes of it stays within 0 and 1."""
        start, count = self._sizes[0], self._sizes[1]
        if not count:
            return np.zeros(len(self.scene.expression))
        before = self.scene.expression
        change = z[start : start + count] * EXPRESSION_SIGMA * self._solver._free
        return np.clip(before + change, np.minimum(before, 0), np.maximum(before, 1)) - before

    def pose(self, z: np.ndarray) -> HeadPose:
        """The pose; the head turns about its center."""
        if not self._sizes[2]:
            return self.scene.pose
        turn, shift = z[-6:-3] * TURN_SIGMA, z[-3:-1] * SHIFT_SIGMA
        center = self.scene.pose.head_to_camera(HEAD_CENTER)
        rotation = rotation_matrix(turn) @ self.scene.pose.rotation
        center = np.append(center[:2] + shift, center[2]) * np.exp(z[-1] * DISTANCE_SIGMA)
        return HeadPose(rotation, center - rotation @ HEAD_CENTER)

    def points(self, z: np.ndarray) -> np.ndarray:
        """(N, 3) the pins' points, head frame, meters."""
        solver, index = self._solver, self.vertices
        points = self.scene.photo[index].copy()
        if self._sizes[0]:
            points += np.tensordot(self.shape_weights(z), solver.modes[:, index], 1)
        if self._sizes[1]:
            points += np.tensordot(self.expression(z), self.scene.blendshapes[:, index], 1)
        return points

    def residuals(self, z: np.ndarray) -> np.ndarray:
        """(3 N,) how far the pins are from their places in the photo, and how far they have moved along the
        line of sight, in standard deviations.
        """
        points = self.points(z)
        rest = self.scene.camera.project(self.pose(z).head_to_camera(points)) - self.targets
        deeper = (points - self.scene.photo[self.vertices]) @ self.scene.pose.rotation[2]
        across = rest / (PIN_SIGMA * self._px_per_meter)[:, None]
        return np.column_stack([across, deeper / DEPTH_SIGMA]).ravel()

    def most_probable(self) -> np.ndarray:
        """The unknowns with the least sum of squares of themselves, of the pins' residuals and of how far
        the rest of the head moves.
        """
        shapes = self._sizes[0]
        z = np.zeros(sum(self._sizes))
        prior = np.eye(len(z))
        if shapes:
            held = self._solver.modes[:, self._solver._held] * self._hold[:, None]
            flat = held.reshape(shapes, -1)
            prior[:shapes, :shapes] += flat @ flat.T
        for _ in range(ROUNDS):
            residual = self.residuals(z)
            jacobian = self._jacobian(z, residual)
            step = np.linalg.solve(prior + jacobian.T @ jacobian, -(prior @ z + jacobian.T @ residual))
            z = z + step
        return z

    def _jacobian(self, z: np.ndarray, residual: np.ndarray) -> np.ndarray:
        """(3 N, n) derivatives of the residuals: of shape and expression from the projection's, of the pose
        by differences.
        """
        shapes, expressions, poses = self._sizes
        pose, camera = self.pose(z), self.scene.camera
        in_camera = pose.head_to_camera(self.points(z))
        scale = camera.focal_px / in_camera[:, 2] / (PIN_SIGMA * self._px_per_meter)
        slope = np.zeros((len(in_camera), 3, 3))
        slope[:, 0, 0] = slope[:, 1, 1] = scale
        slope[:, 0, 2], slope[:, 1, 2] = (-in_camera[:, :2] / in_camera[:, 2:] * scale[:, None]).T
        slope = slope @ pose.rotation
        slope[:, 2] = self.scene.pose.rotation[2] / DEPTH_SIGMA
        columns = []
        if shapes:
            columns.append(np.einsum("nij,knj->nik", slope, self._solver.modes[:, self.vertices]))
        if expressions:
            start = self.scene.expression + z[shapes : shapes + expressions] * EXPRESSION_SIGMA
            # A weight at its limit does not go on, unless the limit is where it comes from.
            open_ = self._solver._free & (start > -1e-6) & (start < 1 + 1e-6)
            moves = self.scene.blendshapes[:, self.vertices] * EXPRESSION_SIGMA * open_[:, None, None]
            columns.append(np.einsum("nij,knj->nik", slope, moves))
        rows = [column.reshape(len(residual), -1) for column in columns]
        if poses:
            delta = 1e-4
            steps = z[None] + delta * np.eye(len(z))[-poses:]
            rows.append(np.stack([(self.residuals(one) - residual) / delta for one in steps], 1))
        return np.concatenate(rows, 1)


def _kernel(distance: np.ndarray) -> np.ndarray:
    """Matern's kernel of smoothness 3/2 at distances, meters."""
    scaled = np.sqrt(3) * distance / DETAIL_RADIUS
    return np.asarray((1 + scaled) * np.exp(-scaled))
