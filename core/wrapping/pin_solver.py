"""Moves a wrapped head so that named points of it are where a person has put them in the photo.

Shape, expression and pose are found together, the most probable ones under which the points project onto
their places, in one photo or in several of the person: one shape, and an expression and a pose for each photo
(`core.lifting.view_solver`). What the statistics cannot explain is spread smoothly around each point, so that
every point meets its place. No vertex moves farther than three standard deviations of its place on heads.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..geometry.frames import Camera, HeadPose
from ..lifting.shape_model import FaceShapeModel, PointBasis
from ..lifting.view_solver import (
    POSE as POSE_UNKNOWNS,
)
from ..lifting.view_solver import (
    LinearObservation,
    PointObservations,
    Solution,
    View,
    ViewSolver,
    whitening_of,
)
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
POSE_SPREAD = np.array([TURN_SIGMA] * 3 + [SHIFT_SIGMA] * 2 + [DISTANCE_SIGMA])
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
#: Steps of Gauss and Newton: what they leave is spread around the pins.
MAX_STEPS = 8
#: How often weights of blendshapes that come out impossible are held at their limits.
LIMIT_ROUNDS = 4
#: Weights beyond their limits by less than this are not.
NEGLIGIBLE_WEIGHT = 1e-4
#: How often what the statistics leave is spread: points that several photos show need more than one go.
DETAIL_ROUNDS = 2
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
        photo: Name of the further photo of the person that it is placed in; empty for the main photo.
    """

    name: str
    x: float
    y: float
    corrects: str = SHAPE
    locked: bool = False
    photo: str = ""


@dataclass(frozen=True)
class PinView:
    """The head in one photo, as it is before.

    Attributes:
        photo: (V, 3) float64, as photographed, head frame, meters.
        camera: Of the photo.
        pose: Of the head.
    """

    photo: np.ndarray
    camera: Camera
    pose: HeadPose


@dataclass(frozen=True)
class PinScene:
    """The head that is corrected, as it is before.

    Attributes:
        main: In the main photo.
        blendshapes: (52, V, 3), offsets, meters.
        expression: (52,) weights in the main photo.
        further: In further photos of the person, by their names.
    """

    main: PinView
    blendshapes: np.ndarray
    expression: np.ndarray
    further: Mapping[str, PinView] = field(default_factory=dict)

    def view(self, name: str) -> PinView:
        """The view of a photo, the main one's without a name."""
        return self.further[name] if name else self.main


@dataclass(frozen=True)
class PinnedHead:
    """A head as its pins have it.

    Attributes:
        offset: (V, 3) float64, what the shape changes by, head frame, meters.
        expression: (52,) float64, what the blendshapes' weights in the main photo change by.
        photo_offset: (V, 3) float64, what the head in the main photo changes by: shape and expression.
        pose: Of the head in the main photo.
        errors_px: By the pins' names, how far each is from its place; the most, if photos share it.
        further: The head in the further photos, by their names.
    """

    offset: np.ndarray
    expression: np.ndarray
    photo_offset: np.ndarray
    pose: HeadPose
    errors_px: dict[str, float]
    further: Mapping[str, PinView] = field(default_factory=dict)


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
        shapes, expressions = len(self.modes), len(topology.blendshape_names)
        # Identities are MakeHuman's. Expressions are each head's own: `_Problem` fills them in.
        nothing = np.zeros((expressions, shapes))
        model = FaceShapeModel(
            vertices, self.modes, np.eye(shapes), nothing, np.zeros(shapes), np.ones(len(vertices))
        )
        self.solver = ViewSolver(model)
        self.held = topology.vertices_of(SKIN)[::REST_STEP]
        self.free = np.array([not name.startswith(UNSEEN_BLENDSHAPES) for name in topology.blendshape_names])
        self._soft = np.zeros(len(vertices))
        self._soft[topology.vertices_of(SKIN, INNER, LASHES)] = 1.0
        base = vertices[topology.neck, 2].max()
        ramp = np.clip((vertices[:, 2] - base) / NECK_FADE, 0, 1)
        self._above_neck = ramp * ramp * (3 - 2 * ramp)

    def solve(self, scene: PinScene, pins: Sequence[Pin]) -> PinnedHead:
        """Find the most probable head whose points are where the pins are.

        Args:
            scene: The head before.
            pins: Of different names in each photo, all known; those in photos that there are none of count
                nothing.

        Returns:
            What it changes by.
        """
        pins = [pin for pin in pins if not pin.photo or pin.photo in scene.further]
        count = len(scene.main.photo)
        if not pins:
            nothing = np.zeros((count, 3))
            unchanged = np.zeros(len(scene.expression))
            return PinnedHead(nothing, unchanged, nothing, scene.main.pose, {}, scene.further)
        problem = _Problem(self, scene, pins)
        problem.solve()
        offset = np.tensordot(problem.shape_weights, self.modes, 1) * self._above_neck[:, None]
        offset = self._bounded(offset)
        corrects = {pin.corrects for pin in pins}
        if SHAPE in corrects:
            for _ in range(DETAIL_ROUNDS if scene.further else 1):
                offset = self._bounded(offset + self._residual_offset(problem, problem.groups, offset))
        expression, pose = problem.expression(""), problem.pose("")
        photo_offset = offset + np.tensordot(expression, scene.blendshapes, 1)
        if EXPRESSION in corrects and SHAPE not in corrects:
            main = [group for group in problem.groups if not group.photo]
            photo_offset = photo_offset + self._residual_offset(problem, main, offset)
        errors: dict[str, float] = {}
        for group in problem.groups:
            moved = photo_offset[group.vertices] if not group.photo else problem.moved(group, offset)
            places = problem.project(group, moved)
            far = np.linalg.norm(places - [(pin.x, pin.y) for pin in group.pins], axis=1)
            for pin, error in zip(group.pins, far.tolist(), strict=True):
                errors[pin.name] = max(error, errors.get(pin.name, 0.0))
        further = {name: problem.view(name, offset) for name in scene.further}
        return PinnedHead(offset, expression, photo_offset, pose, errors, further)

    def _bounded(self, offset: np.ndarray) -> np.ndarray:
        """(V, 3) displacements, none of more than MAX_SIGMAS."""
        length = np.linalg.norm(offset, axis=1)
        return offset * np.minimum(1, MAX_SIGMAS * self.sigma / np.maximum(length, 1e-9))[:, None]

    def _residual_offset(
        self, problem: "_Problem", groups: "Sequence[_PhotoPins]", offset: np.ndarray
    ) -> np.ndarray:
        """(V, 3) smooth displacements that take pins the rest of their way, for a shape moved by (V, 3).

        Interpolated with Matern's kernel of smoothness 3/2: across the line of sight, or to where several
        photos have a point.
        """
        axes: dict[int, list[np.ndarray]] = {}
        residuals: dict[int, list[np.ndarray]] = {}
        for group in groups:
            moved = problem.moved(group, offset)
            pose = problem.pose(group.photo)
            in_camera = pose.head_to_camera(group.view.photo[group.vertices] + moved)
            pixels = (group.targets - group.view.camera.project(in_camera)) * in_camera[:, 2:]
            meters = pixels / group.view.camera.focal_px
            for vertex, residual in zip(group.vertices.tolist(), meters, strict=True):
                axes.setdefault(vertex, []).append(pose.rotation[:2])
                residuals.setdefault(vertex, []).append(residual)
        vertices = np.array(list(axes), int)
        if not len(vertices):
            return np.zeros_like(offset)
        wanted = np.array(
            [
                np.linalg.lstsq(np.concatenate(axes[v]), np.concatenate(residuals[v]), rcond=None)[0]
                for v in vertices.tolist()
            ]
        )
        head = problem.scene.main.photo + offset
        between = _kernel(np.linalg.norm(head[vertices][:, None] - head[vertices], axis=2))
        weights = np.linalg.solve(between + 1e-9 * np.eye(len(vertices)), wanted)
        around = _kernel(np.linalg.norm(head[:, None] - head[vertices], axis=2))
        return np.asarray((around @ weights) * (self._soft * self._above_neck)[:, None])


@dataclass(frozen=True)
class _PhotoPins:
    """The pins of one photo.

    Attributes:
        photo: Its name, empty for the main photo.
        view: The head in it.
        pins: In it.
        vertices: (N,) of the pins.
        targets: (N, 2) their places, photo frame, pixels; none farther than a vertex can be.
        px_per_meter: (N,) at the pins.
        moved: (N,) whether each is elsewhere than its point.
    """

    photo: str
    view: PinView
    pins: tuple[Pin, ...]
    vertices: np.ndarray
    targets: np.ndarray
    px_per_meter: np.ndarray
    moved: np.ndarray

    @classmethod
    def of(cls, solver: PinSolver, scene: PinScene, photo: str, pins: Sequence[Pin]) -> "_PhotoPins":
        view = scene.view(photo)
        vertices = np.array([solver.pins[pin.name].vertex for pin in pins])
        in_camera = view.pose.head_to_camera(view.photo[vertices])
        before = view.camera.project(in_camera)
        wanted = np.array([(pin.x, pin.y) for pin in pins]) - before
        px_per_meter = view.camera.focal_px / in_camera[:, 2]
        length = np.linalg.norm(wanted, axis=1)
        far = MAX_SIGMAS * solver.sigma[vertices] * px_per_meter
        held = np.array([pin.corrects != POSE for pin in pins])
        reach = np.where(held, np.minimum(1, far / np.maximum(length, 1e-9)), 1.0)
        targets = before + wanted * reach[:, None]
        return cls(photo, view, tuple(pins), vertices, targets, px_per_meter, length > UNMOVED * px_per_meter)

    def corrects(self, what: str) -> bool:
        """Whether one of the pins corrects this."""
        return any(pin.corrects == what for pin in self.pins)


class _Problem:
    """The pins of one head as observations of `ViewSolver`, and the solution."""

    def __init__(self, solver: PinSolver, scene: PinScene, pins: Sequence[Pin]) -> None:
        self.scene = scene
        self._solver = solver
        photos = dict.fromkeys(pin.photo for pin in pins)
        self.groups = [
            _PhotoPins.of(solver, scene, photo, [pin for pin in pins if pin.photo == photo])
            for photo in photos
        ]
        moved = np.concatenate([group.vertices[group.moved] for group in self.groups])
        distance = np.full(len(solver.held), np.inf)
        if len(moved):
            apart = scene.main.photo[solver.held][:, None] - scene.main.photo[moved]
            distance = np.linalg.norm(apart, axis=2).min(1)
        held_fast = 1 - np.exp(-0.5 * (distance / FREE_RADIUS) ** 2)
        hold = np.sqrt(held_fast * REST_POINTS / len(distance)) / REST_SIGMA
        flat = (solver.modes[:, solver.held] * hold[:, None]).reshape(len(solver.modes), -1)
        shapes, expressions = len(solver.modes), len(scene.expression)
        root = np.zeros((shapes, shapes + expressions + POSE_UNKNOWNS))
        root[:, :shapes] = np.linalg.cholesky(flat @ flat.T + 1e-9 * np.eye(shapes)).T
        self._held = LinearObservation(root, np.zeros(shapes))
        #: By photo, what weights that are at their limits change by; NaN for the others.
        self._limited = {group.photo: np.full(expressions, np.nan) for group in self.groups}
        self._solution: Solution | None = None

    def solve(self) -> None:
        """Find the most probable unknowns, weights of blendshapes between 0 and 1."""
        fixed = not any(group.corrects(SHAPE) for group in self.groups)
        for _ in range(LIMIT_ROUNDS):
            views = [self._view(group, first=group is self.groups[0]) for group in self.groups]
            self._solution = self._solver.solver.solve(views, fixed_identity=fixed, max_steps=MAX_STEPS)
            limited = [self._limit(group.photo) for group in self.groups]
            if not any(limited):
                return

    def _limit(self, photo: str) -> bool:
        """Hold weights that have come out impossible at their limits from now on; whether there are any."""
        change = self._changed(photo)
        possible = self._clipped(change)
        beyond = np.abs(change - possible) > NEGLIGIBLE_WEIGHT
        self._limited[photo] = np.where(beyond, possible, self._limited[photo])
        return bool(beyond.any())

    def _clipped(self, change: np.ndarray) -> np.ndarray:
        before = self.scene.expression
        return np.asarray(np.clip(before + change, np.minimum(before, 0), np.maximum(before, 1)) - before)

    def _view(self, group: _PhotoPins, first: bool) -> View:
        solver, view, index = self._solver, group.view, group.vertices
        limited = self._limited[group.photo]
        open_ = (solver.free & np.isnan(limited)) * EXPRESSION_SIGMA
        moves = self.scene.blendshapes[:, index].astype(np.float64)
        basis = PointBasis(
            view.photo[index] + np.tensordot(np.nan_to_num(limited), moves, 1),
            solver.modes[:, index],
            moves * open_[:, None, None],
        )
        whitening = whitening_of(PIN_SIGMA * group.px_per_meter, len(index))
        pins = PointObservations(basis, group.targets, whitening)
        # How far pins move along the line of sight.
        both = np.concatenate([basis.identity, basis.expression])
        deeper = (both @ view.pose.rotation[2]).T / DEPTH_SIGMA
        deeper = np.concatenate([deeper, np.zeros((len(index), POSE_UNKNOWNS))], 1)
        depth = LinearObservation(deeper, np.zeros(len(index)))
        return View(
            view.camera,
            view.pose,
            (pins,),
            (depth, self._held) if first else (depth,),
            pose_spread=POSE_SPREAD if group.corrects(POSE) else np.zeros(POSE_UNKNOWNS),
            fixed_expression=not group.corrects(EXPRESSION),
        )

    @property
    def shape_weights(self) -> np.ndarray:
        """(2 K,) weights of the modes."""
        return self._solved.identity

    @property
    def _solved(self) -> Solution:
        if self._solution is None:
            raise RuntimeError("solve first")
        return self._solution

    def _changed(self, photo: str) -> np.ndarray:
        number = [group.photo for group in self.groups].index(photo)
        limited = self._limited[photo]
        found = self._solved.views[number].expression * EXPRESSION_SIGMA * self._solver.free
        return np.where(np.isnan(limited), found, limited)

    def expression(self, photo: str) -> np.ndarray:
        """(52,) what the weights in a photo change by; what comes of it stays within 0 and 1."""
        if photo not in self._limited:
            return np.zeros(len(self.scene.expression))
        return self._clipped(self._changed(photo))

    def pose(self, photo: str) -> HeadPose:
        """Of the head in a photo."""
        for group, view in zip(self.groups, self._solved.views, strict=True):
            if group.photo == photo and group.corrects(POSE):
                return view.pose
        return self.scene.view(photo).pose

    def view(self, photo: str, offset: np.ndarray) -> PinView:
        """The head in a further photo, its shape moved by (V, 3)."""
        before = self.scene.view(photo)
        opened = np.tensordot(self.expression(photo), self.scene.blendshapes, 1)
        return PinView(before.photo + offset + opened, before.camera, self.pose(photo))

    def moved(self, group: _PhotoPins, offset: np.ndarray) -> np.ndarray:
        """(N, 3) how far the points of a photo's pins have moved, for a shape moved by (V, 3)."""
        opened = np.tensordot(self.expression(group.photo), self.scene.blendshapes[:, group.vertices], 1)
        return np.asarray(offset[group.vertices] + opened)

    def project(self, group: _PhotoPins, moved: np.ndarray) -> np.ndarray:
        """(N, 2) where the points of a photo's pins are in it, moved by (N, 3)."""
        points = group.view.photo[group.vertices] + moved
        return group.view.camera.project(self.pose(group.photo).head_to_camera(points))


def _kernel(distance: np.ndarray) -> np.ndarray:
    """Matern's kernel of smoothness 3/2 at distances, meters."""
    scaled = np.sqrt(3) * distance / DETAIL_RADIUS
    return np.asarray((1 + scaled) * np.exp(-scaled))
