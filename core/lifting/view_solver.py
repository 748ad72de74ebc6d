"""Solves one person's head from one or several views together: bundle adjustment under a prior.

There is one identity; each view has an expression, a pose and a focal length of its own. `ViewSolver.solve`
minimizes, by Gauss-Newton steps with Levenberg's damping,

    |identity|² + sum over views of  |expression|² + (log focal / its spread)²
        + sum of robust(|whitened (projection(point) - pixel)|²)                 `PointObservations`
        + |matrix (identity, expression, pose correction) - target|²             `LinearObservation`,
    + sum over pairs of views of  robust(|(projection(surface point) - pixel) / sigma|²)   `SurfaceMatches`,

where coefficients are in standard deviations of people (`shape_model`). All is deterministic.

    solver = ViewSolver(FaceShapeModel.load(lifter, models_dir))
    pins = solver.points(vertices, pixels, 0.5)  # (N,) vertex indices, (N, 2) pixels, sigma in pixels
    view = View(camera, pose, points=(pins,))  # started where the lifter put the head
    solution = solver.solve([view], start=identity, expressions=[expression])
    solution.views[0].pose, .camera, .expression; solver.model.vertices(solution.identity, ...)

To move a finished head, add what `solve` with pins changed, `vertices(solved) - vertices(started)`, to it,
and give a `LinearObservation.around` the start, so that what no pin pulls at stays.

K. Levenberg, "A method for the solution of certain non-linear problems in least squares", 1944;
B. Triggs et al., "Bundle adjustment: a modern synthesis", 2000.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..geometry.frames import Camera, HeadPose
from ..geometry.pose import WeakPerspectivePose, rotation_matrix
from .shape_model import FaceShapeModel, PointBasis

#: Corrections of a view's pose: rotation vector, radians (3), offset in the photo, meters at the head's
#: center (2), logarithm of the scale.
POSE = 6
#: Steps of Gauss and Newton, at most.
MAX_STEPS = 30
#: Relative decrease of the cost below which a step was the last.
SMALL_DECREASE = 1e-6
#: Damping of the first step, and the factors that it changes by after a good and after a bad step.
FIRST_DAMPING = 1e-4
GOOD_STEP = 0.2
BAD_STEP = 6.0
LEAST_DAMPING = 1e-10
#: Damping at which the solver gives up.
MOST_DAMPING = 1e6
#: Differences by which the projection is differentiated, radians, meters and of the logarithms.
DIFFERENCE = 1e-5
#: Corrections of the pose have this standard deviation unless a view says otherwise: as good as free.
FREE_POSE = np.array([0.5, 0.5, 0.5, 0.1, 0.1, 1.0])


@dataclass(frozen=True)
class PointObservations:
    """Points of the head that were seen in a photo.

    Attributes:
        basis: The points.
        pixels: (N, 2) float64, where they were seen, photo frame.
        whitening: (N, 2, 2) float64: residual in standard deviations = whitening @ (projection - pixel).
        freedom: Degrees of freedom of Student's distribution of the errors: the smaller, the less outliers
            pull. None for the normal distribution.
        repetitions: How many of these observations say the same, since neighbors err alike: their sum counts
            this many times less.
    """

    basis: PointBasis
    pixels: np.ndarray
    whitening: np.ndarray
    freedom: float | None = None
    repetitions: float = 1.0


@dataclass(frozen=True)
class LinearObservation:
    """Something known of identity, expression and pose correction together.

    Attributes:
        matrix: (R, K + J + 6) float64, of (identity, expression, pose correction).
        target: (R,) float64; residual in standard deviations = matrix @ (...) - target.
    """

    matrix: np.ndarray
    target: np.ndarray

    @classmethod
    def around(cls, identity: np.ndarray, expression: np.ndarray, sigma: float) -> "LinearObservation":
        """Keep coefficients near their start.

        Args:
            identity: (K,) the start.
            expression: (J,) the start.
            sigma: How far they may go, in the prior's standard deviations.
        """
        start = np.concatenate([identity, expression])
        matrix = np.eye(len(start), len(start) + POSE) / sigma
        return cls(matrix, start / sigma)


@dataclass(frozen=True)
class View:
    """One photo of the person.

    Attributes:
        camera: Where the solution starts; its principal point is kept.
        pose: Where the solution starts.
        points: What was seen.
        linear: What else is known.
        focal_spread: Standard deviation of the focal length's logarithm; 0 keeps it.
        pose_spread: (6,) standard deviations of the pose's correction; 0 keeps one.
        fixed_expression: Whether the expression stays as it starts.
    """

    camera: Camera
    pose: HeadPose
    points: tuple[PointObservations, ...] = ()
    linear: tuple[LinearObservation, ...] = ()
    focal_spread: float = 0.0
    pose_spread: np.ndarray = field(default_factory=lambda: FREE_POSE)
    fixed_expression: bool = False


@dataclass(frozen=True)
class SurfaceMatches:
    """Points of the skin that were found in two photos.

    Which points of the template they are is not known: a match says where the ray of the first photo's pixel,
    where it meets the skin, is in the second photo.

    Attributes:
        one: Index of the view whose pixels were looked for.
        other: Index of the view in which they were found.
        basis: N points of the template about where the rays meet the skin.
        normals: (N, 3) float64, of the skin there, head frame of the first view, unit vectors.
        pixels: (N, 2) float64, photo frame of the first view.
        found: (N, 2) float64, photo frame of the second view.
        sigma: (N,) float64, standard deviations of `found`, pixels.
        freedom: See `PointObservations`.
        repetitions: See `PointObservations`.
    """

    one: int
    other: int
    basis: PointBasis
    normals: np.ndarray
    pixels: np.ndarray
    found: np.ndarray
    sigma: np.ndarray
    freedom: float
    repetitions: float = 1.0


@dataclass(frozen=True)
class SolvedView:
    """What a view turned out to be.

    Attributes:
        camera: With the focal length found.
        pose: Of the head.
        expression: (J,) float64 coefficients.
        residuals: For each `PointObservations` (N,) float64, distances in standard deviations.
    """

    camera: Camera
    pose: HeadPose
    expression: np.ndarray
    residuals: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Solution:
    """One person's head.

    Attributes:
        identity: (K,) float64 coefficients.
        views: What each view turned out to be.
        information: (K, K) float64, inverse of the identity's posterior covariance.
        cost: What was minimized.
        steps: How many steps it took.
    """

    identity: np.ndarray
    views: tuple[SolvedView, ...]
    information: np.ndarray
    cost: float
    steps: int


class ViewSolver:
    """Solves heads of one shape model."""

    def __init__(self, model: FaceShapeModel) -> None:
        """Take the prior."""
        self.model = model

    def points(
        self,
        corners: np.ndarray,
        pixels: np.ndarray,
        sigma: float | np.ndarray,
        bary: np.ndarray | None = None,
        freedom: float | None = None,
        repetitions: float = 1.0,
    ) -> PointObservations:
        """Observations of points of the template.

        Args:
            corners: (N,) int, vertices, or (N, 3) int, corners of triangles.
            pixels: (N, 2) photo frame.
            sigma: Standard deviations, pixels: one, (N,), or covariances (N, 2, 2).
            bary: (N, 3) where in the triangles.
            freedom: See `PointObservations`.
            repetitions: See `PointObservations`.
        """
        whitening = whitening_of(sigma, len(pixels))
        pixels = np.asarray(pixels, np.float64)
        return PointObservations(self.model.points(corners, bary), pixels, whitening, freedom, repetitions)

    def solve(
        self,
        views: Sequence[View],
        start: np.ndarray | None = None,
        expressions: Sequence[np.ndarray] | None = None,
        fixed_identity: bool = False,
        max_steps: int = MAX_STEPS,
        matches: Sequence[SurfaceMatches] = (),
    ) -> Solution:
        """Find the most probable identity, expressions, poses and focal lengths.

        Args:
            views: The photos.
            start: (K,) identity to start at (default: the mean).
            expressions: For each view (J,) to start at (default: the mean).
            fixed_identity: Whether the identity stays as it starts.
            max_steps: Steps, at most.
            matches: What pairs of photos show beside each other.

        Returns:
            The solution.

        Raises:
            ValueError: There is no view.
        """
        if not views:
            raise ValueError("there is no view to solve")
        problem = _Problem(self.model, views, fixed_identity, matches)
        x = problem.start(start, expressions)
        cost = problem.evaluate(x)
        damping, steps, decrease = FIRST_DAMPING, 0, np.inf
        while steps < max_steps and decrease > SMALL_DECREASE * cost:
            steps += 1
            information, gradient = problem.normal_equations(x)
            decrease = 0.0
            while damping < MOST_DAMPING:
                damped = information + damping * np.diag(np.diag(information))
                trial = x - np.linalg.solve(damped, gradient)
                trial_cost = problem.evaluate(trial)
                if trial_cost <= cost:
                    decrease, x, cost = cost - trial_cost, trial, trial_cost
                    damping = max(damping * GOOD_STEP, LEAST_DAMPING)
                    break
                damping *= BAD_STEP
        return problem.solution(x, cost, steps)


#: Identity (K,), expression (J,), pose correction (6,) and log focal of a view.
_Parts = tuple[np.ndarray, np.ndarray, np.ndarray, float]


@dataclass(frozen=True)
class _Matched:
    """Matches with the unknowns somewhere.

    Attributes:
        residual: (N, 2) in the second photo, standard deviations.
        rays: (N, 3) how far points move along the first photo's rays as the skin moves along its normals.
        by_head: (N, 2, 3) derivatives of the residual by the points, head frame.
    """

    residual: np.ndarray
    rays: np.ndarray
    by_head: np.ndarray


class _Problem:
    """One call of `ViewSolver.solve`: the unknowns are x = identity, then (expression, pose, log focal) of
    each view.
    """

    def __init__(
        self,
        model: FaceShapeModel,
        views: Sequence[View],
        fixed_identity: bool,
        matches: Sequence[SurfaceMatches],
    ) -> None:
        self.views = views
        self.matches = matches
        self.k, self.j = len(model.identity), len(model.expression)
        self.block = self.j + POSE + 1
        self.weak = [WeakPerspectivePose.of(v.pose, v.camera) for v in views]
        free: list[np.ndarray] = [np.full(self.k, not fixed_identity)]
        for view in views:
            free += [
                np.full(self.j, not view.fixed_expression),
                view.pose_spread > 0,
                np.array([view.focal_spread > 0]),
            ]
        #: (U,) which unknowns move.
        self.free = np.concatenate(free).astype(np.float64)
        self.prior = np.ones(self.k + len(views) * self.block)
        for n, view in enumerate(views):
            pose, focal = self._pose_slice(n), self._start_of(n) + self.j + POSE
            self.prior[pose] = 1 / np.where(view.pose_spread > 0, view.pose_spread, 1) ** 2
            self.prior[focal] = 1 / (view.focal_spread or 1) ** 2

    def _start_of(self, n: int) -> int:
        return self.k + n * self.block

    def _pose_slice(self, n: int) -> slice:
        first = self._start_of(n) + self.j
        return slice(first, first + POSE)

    def _block(self, n: int) -> np.ndarray:
        """(J + 7,) int, where a view's own unknowns are."""
        return np.arange(self._start_of(n), self._start_of(n) + self.block)

    def start(self, identity: np.ndarray | None, expressions: Sequence[np.ndarray] | None) -> np.ndarray:
        """The unknowns at the beginning."""
        x = np.zeros(len(self.prior))
        if identity is not None:
            x[: self.k] = identity
        for n, expression in enumerate(expressions or ()):
            x[self._start_of(n) : self._start_of(n) + self.j] = expression
        return x

    def parts(self, x: np.ndarray, n: int) -> _Parts:
        """Identity, expression, pose correction and log focal of a view."""
        first = self._start_of(n)
        own = x[first : first + self.block]
        return x[: self.k], own[: self.j], own[self.j : self.j + POSE], float(own[-1])

    def placed(self, n: int, correction: np.ndarray, log_focal: float) -> tuple[HeadPose, Camera]:
        """Pose and camera of a view."""
        camera = self.views[n].camera
        if log_focal:
            camera = replace(camera, focal_px=camera.focal_px * float(np.exp(log_focal)))
        weak = self.weak[n].corrected(rotation_matrix(correction[:3]), correction[3:5], float(correction[5]))
        return weak.in_camera(camera), camera

    def evaluate(self, x: np.ndarray) -> float:
        """The cost of unknowns."""
        cost = float((self.prior * x**2).sum())
        for n, view in enumerate(self.views):
            identity, expression, correction, log_focal = self.parts(x, n)
            pose, camera = self.placed(n, correction, log_focal)
            for observed in view.points:
                residual = _whitened(
                    observed, camera.project(pose.head_to_camera(observed.basis.at(identity, expression)))
                )
                cost += _robust_cost(residual, observed)
            all_ = np.concatenate([identity, expression, correction])
            for known in view.linear:
                cost += float(((known.matrix @ all_ - known.target) ** 2).sum())
        for match in self.matches:
            residual = self._matched(match, self.parts(x, match.one), self.parts(x, match.other)).residual
            cost += _robust_cost(residual, match)
        return cost

    def normal_equations(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Half the Hessian (U, U), as Gauss and Newton have it, and half the gradient (U,) of the cost."""
        information, gradient = np.diag(self.prior), self.prior * x
        shared = np.arange(self.k)
        for n, view in enumerate(self.views):
            identity, expression, correction, log_focal = self.parts(x, n)
            index = np.concatenate([shared, self._block(n)])
            for observed in view.points:
                jacobian, residual = self._linearized(
                    n, observed, identity, expression, correction, log_focal
                )
                _add(information, gradient, index, jacobian, residual)
            all_ = np.concatenate([identity, expression, correction])
            for known in view.linear:
                _add(information, gradient, index[:-1], known.matrix, known.matrix @ all_ - known.target)
        for match in self.matches:
            index = np.concatenate([shared, self._block(match.one), self._block(match.other)])
            _add(information, gradient, index, *self._linearized_match(x, match))
        fixed = self.free == 0
        information[fixed] = 0
        information[:, fixed] = 0
        information[fixed, fixed] = 1
        gradient[fixed] = 0
        return information, gradient

    def _linearized(
        self,
        n: int,
        observed: PointObservations,
        identity: np.ndarray,
        expression: np.ndarray,
        correction: np.ndarray,
        log_focal: float,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Jacobian (2 N, K + J + 7) and residuals (2 N,) of observations, by their weights."""
        points = observed.basis.at(identity, expression)
        pose, camera = self.placed(n, correction, log_focal)
        in_camera = pose.head_to_camera(points)
        pixels = camera.project(in_camera)
        count = len(points)
        by_head = observed.whitening @ _projection_derivatives(camera, in_camera) @ pose.rotation
        jacobian = np.empty((count, 2, self.k + self.block))
        shapes = np.concatenate([observed.basis.identity, observed.basis.expression])
        jacobian[:, :, : self.k + self.j] = by_head @ shapes.transpose(1, 2, 0)
        unknowns = np.append(correction, log_focal)
        for m in range(POSE + 1):
            moved = unknowns.copy()
            moved[m] += DIFFERENCE
            other, other_camera = self.placed(n, moved[:POSE], float(moved[POSE]))
            change = (other_camera.project(other.head_to_camera(points)) - pixels) / DIFFERENCE
            jacobian[:, :, self.k + self.j + m] = np.einsum("nij,nj->ni", observed.whitening, change)
        residual = _whitened(observed, pixels)
        root = _robust_root(residual, observed)
        jacobian *= root[:, None, None]
        return jacobian.reshape(2 * count, -1), (residual * root[:, None]).ravel()

    def _matched(
        self,
        match: SurfaceMatches,
        one: _Parts,
        other: _Parts,
        points: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> "_Matched":
        """Where the surface points of a match are, with the parts of its two views and, if they are known
        already, the template's `points` in both.
        """
        first, second = points or (match.basis.at(*one[:2]), match.basis.at(*other[:2]))
        _, _, correction, log_focal = one
        pose, camera = self.placed(match.one, correction, log_focal)
        rays = np.column_stack(
            [(match.pixels - [camera.cx, camera.cy]) / camera.focal_px, np.ones(len(match.pixels))]
        )
        rays = rays @ pose.rotation
        eye = -pose.translation @ pose.rotation
        toward = (match.normals * rays).sum(1)
        depth = (match.normals * (first - eye)).sum(1) / toward
        _, _, correction, log_focal = other
        pose, camera = self.placed(match.other, correction, log_focal)
        moved = eye + depth[:, None] * rays + second - first
        in_camera = pose.head_to_camera(moved)
        residual = (camera.project(in_camera) - match.found) / match.sigma[:, None]
        by_head = _projection_derivatives(camera, in_camera) @ pose.rotation / match.sigma[:, None, None]
        return _Matched(residual, rays / toward[:, None], by_head)

    def _linearized_match(self, x: np.ndarray, match: SurfaceMatches) -> tuple[np.ndarray, np.ndarray]:
        """Jacobian (2 N, K + 2 (J + 7)) and residuals (2 N,) of matches, by their weights."""
        parts = self.parts(x, match.one), self.parts(x, match.other)
        points = match.basis.at(*parts[0][:2]), match.basis.at(*parts[1][:2])
        matched = self._matched(match, *parts, points)
        residual, count = matched.residual, len(match.pixels)
        # Where the skin moves along its normal, the point moves along the ray.
        along = np.einsum("nij,nj->ni", matched.by_head, matched.rays)[:, :, None]
        normal = match.normals
        jacobian = np.empty((count, 2, self.k + 2 * self.block))
        jacobian[:, :, : self.k] = along * np.einsum("nc,knc->nk", normal, match.basis.identity)[:, None]
        by_expression = np.einsum("nic,jnc->nij", matched.by_head, match.basis.expression)
        one, other = self.k, self.k + self.block
        jacobian[:, :, one : one + self.j] = (
            along * np.einsum("nc,jnc->nj", normal, match.basis.expression)[:, None] - by_expression
        )
        jacobian[:, :, other : other + self.j] = by_expression
        for which, first in enumerate((one, other)):
            identity, expression, correction, log_focal = parts[which]
            unknowns = np.append(correction, log_focal)
            for m in range(POSE + 1):
                moved = unknowns.copy()
                moved[m] += DIFFERENCE
                both = list(parts)
                both[which] = identity, expression, moved[:POSE], float(moved[POSE])
                change = self._matched(match, both[0], both[1], points).residual - residual
                jacobian[:, :, first + self.j + m] = change / DIFFERENCE
        root = _robust_root(residual, match)
        jacobian *= root[:, None, None]
        return jacobian.reshape(2 * count, -1), (residual * root[:, None]).ravel()

    def solution(self, x: np.ndarray, cost: float, steps: int) -> Solution:
        """What the unknowns stand for."""
        information, _ = self.normal_equations(x)
        own, others = slice(self.k), slice(self.k, None)
        # Schur's complement: what is left of the identity's information with everything else unknown.
        rest = np.linalg.solve(information[others, others], information[others, own])
        views = []
        for n, view in enumerate(self.views):
            identity, expression, correction, log_focal = self.parts(x, n)
            pose, camera = self.placed(n, correction, log_focal)
            distances = tuple(
                np.linalg.norm(
                    _whitened(s, camera.project(pose.head_to_camera(s.basis.at(identity, expression)))),
                    axis=1,
                )
                for s in view.points
            )
            views.append(SolvedView(camera, pose, expression.copy(), distances))
        identity_information: np.ndarray = information[own, own] - information[own, others] @ rest
        return Solution(x[: self.k].copy(), tuple(views), identity_information, cost, steps)


def whitening_of(sigma: float | np.ndarray, count: int) -> np.ndarray:
    """What turns errors into standard deviations.

    Args:
        sigma: Standard deviations, pixels: one, (N,), or covariances (N, 2, 2).
        count: N.

    Returns:
        (N, 2, 2) float64.
    """
    sigma = np.asarray(sigma, np.float64)
    if sigma.ndim == 3:
        return np.asarray(np.linalg.inv(np.linalg.cholesky(sigma)))
    return np.eye(2) / np.broadcast_to(sigma, count)[:, None, None]


def _whitened(observed: PointObservations, pixels: np.ndarray) -> np.ndarray:
    """(N, 2) residuals of projected points (N, 2), in standard deviations."""
    return np.asarray(np.einsum("nij,nj->ni", observed.whitening, pixels - observed.pixels))


def _robust_cost(residual: np.ndarray, observed: PointObservations | SurfaceMatches) -> float:
    """The cost of residuals (N, 2)."""
    squared = (residual**2).sum(1)
    if observed.freedom is not None:
        squared = (observed.freedom + 2) * np.log1p(squared / observed.freedom)
    return float(squared.sum()) / observed.repetitions


def _robust_root(residual: np.ndarray, observed: PointObservations | SurfaceMatches) -> np.ndarray:
    """(N,) square roots of the weights of residuals (N, 2)."""
    root = np.full(len(residual), 1 / np.sqrt(observed.repetitions))
    if observed.freedom is not None:
        squared = (residual**2).sum(1)
        root *= np.sqrt((observed.freedom + 2) / (observed.freedom + squared))
    return root


def _projection_derivatives(camera: Camera, in_camera: np.ndarray) -> np.ndarray:
    """(N, 2, 3) derivatives of the projection of points (N, 3) by them, camera frame."""
    inverse = camera.focal_px / in_camera[:, 2]
    by_point = np.zeros((len(in_camera), 2, 3))
    by_point[:, 0, 0] = by_point[:, 1, 1] = inverse
    by_point[:, :, 2] = -in_camera[:, :2] / in_camera[:, 2:] * inverse[:, None]
    return by_point


def _add(
    information: np.ndarray,
    gradient: np.ndarray,
    index: np.ndarray,
    jacobian: np.ndarray,
    residual: np.ndarray,
) -> None:
    """Add observations to the normal equations, in place."""
    information[np.ix_(index, index)] += jacobian.T @ jacobian
    gradient[index] += jacobian.T @ residual
