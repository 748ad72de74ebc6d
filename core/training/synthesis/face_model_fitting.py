"""Fits the face model to the landmarks found in a portrait: regularized Gauss-Newton on the reprojection."""

from dataclasses import dataclass, replace

import numpy as np

from ...detection.mediapipe_topology import FIRST_IRIS, LEFT_EYE_OUTER, RIGHT_EYE_OUTER
from ...geometry.frames import FRONTAL
from ...geometry.pose import rotation_matrix
from ..face_models.ict_facekit import FaceModel

#: Landmarks on the face's outline: they slide along the silhouette, so they count less.
OUTLINE = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
#: Weight of these landmarks.
OUTLINE_WEIGHT = 0.3
#: Weight of the irises, which turn in their eyes.
IRIS_WEIGHT = 0.5
#: Standard deviation of a landmark, as a fraction of the distance between the outer corners of the eyes.
LANDMARK_SIGMA = 0.017
#: Landmarks next to each other err together: as many as this count as one.
CORRELATED = 6.0
#: How far off, standard deviations, landmarks begin to count less: behind a fringe, or badly placed.
OUTLIER = 4.0
#: The turn that heads are taken to have at first, degrees: it makes the eyes' distance look smaller.
TURN_DEG = 20.0
#: Focal length at first, of the picture's width.
FOCAL_GUESS = 900.0 / 512.0
#: Standard deviation of the focal length's logarithm.
FOCAL_SPREAD = 0.35
#: Standard deviation of expression weights; identity weights have 1.
EXPRESSION_SPREAD = 0.35
#: Largest identity weight.
MAX_IDENTITY = 3.0
#: Step from which on the shape is fitted, too: the pose comes first.
SHAPE_FROM = 3
#: Step from which on landmarks that are far off count less.
ROBUST_FROM = 5
#: Step from which on the focal length is free.
FOCAL_FROM = 6
#: Precision that holds the focal length until then.
HELD = 1e9
#: Most that one step turns, radians.
MAX_TURN = 0.3
#: Most that one step changes the distance, as a fraction of it.
MAX_APPROACH = 0.3
#: Most that one step changes the focal length, as its logarithm.
MAX_ZOOM = 0.2
#: Unknowns before the weights: rotation (3), translation (3), logarithm of the focal length.
POSE_UNKNOWNS = 7
#: Of the landmarks' errors, the fraction that the fit's error counts as they are; larger ones count as that.
ERROR_QUANTILE = 0.98


@dataclass(frozen=True)
class PortraitFit:
    """camera (m) = rotation @ FaceModel.head(identity, expression).vertices + translation; the principal
    point is the picture's middle.

    identity (100,), expression (57,), rotation (3, 3), translation (3,) m, focal px; error: RMS of the inner
    landmarks' reprojection as a fraction of the distance between the outer corners of the eyes.
    """

    identity: np.ndarray
    expression: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray
    focal: float
    error: float

    def project(self, vertices: np.ndarray, width: int, height: int) -> np.ndarray:
        """Project vertices into the portrait.

        Args:
            vertices: (N, 3) head frame, meters.
            width: of the portrait, pixels.
            height: of the portrait, pixels.

        Returns:
            (N, 3) float32: x and y, photo frame, pixels, and depth, meters.
        """
        camera = vertices @ self.rotation.T + self.translation
        xy = camera[:, :2] / camera[:, 2:] * self.focal + np.array([(width - 1) / 2, (height - 1) / 2])
        return np.concatenate([xy, camera[:, 2:]], 1).astype(np.float32)


def fit_portrait(
    model: FaceModel, vertices: np.ndarray, points: np.ndarray, width: int, height: int, iterations: int = 25
) -> PortraitFit:
    """Fit pose, focal length, identity and expression to landmarks: damped, robust Gauss-Newton.

    Args:
        model: the face model.
        vertices: (478,) its vertex at each landmark.
        points: (478, 2 or more) pixels of the landmarks.
        width: of the picture, pixels.
        height: of the picture, pixels.
        iterations: of Gauss-Newton.

    Returns:
        The fit with its error.
    """
    solver = _Solver(model, vertices, points, width, height)
    found = solver.first()
    for number in range(iterations):
        solver.step(found, number)
    count = len(model.identity)
    # `FaceModel.head` takes the head's size out: move the camera nearer instead, which leaves the picture as
    # it is.
    head = model.head(found.weights[:count], found.weights[count:])
    plain = solver.shape(found)
    sized = head.vertices[vertices].astype(np.float64)
    size = float(np.ptp(sized[:FIRST_IRIS, 0]) / np.ptp(plain[:FIRST_IRIS, 0]))
    translation = size * found.translation + found.rotation @ (size * plain - sized).mean(0)
    fit = PortraitFit(head.identity, head.expression, found.rotation, translation, found.focal, 0.0)
    drawn = fit.project(sized, width, height)
    inner = np.setdiff1d(np.arange(FIRST_IRIS), OUTLINE)
    off = np.linalg.norm(drawn[inner, :2] - solver.target[inner], axis=1)
    error = float(np.sqrt(np.mean(np.minimum(off, np.quantile(off, ERROR_QUANTILE)) ** 2)) / solver.eyes)
    return replace(fit, error=error)


@dataclass
class _Found:
    """What is solved for.

    Attributes:
        rotation: (3, 3) model to camera.
        translation: (3,) meters.
        focal: Pixels.
        weights: (B,) of identity and expression.
    """

    rotation: np.ndarray
    translation: np.ndarray
    focal: float
    weights: np.ndarray


class _Solver:
    """Gauss-Newton on the landmarks of one portrait.

    Attributes:
        target: (478, 2) pixels of the landmarks.
        eyes: Distance between the outer corners of the eyes, pixels, as if seen from the front.
    """

    def __init__(
        self, model: FaceModel, vertices: np.ndarray, points: np.ndarray, width: int, height: int
    ) -> None:
        self._identities = len(model.identity)
        self._mean = model.mean[vertices].astype(np.float64)
        shapes = [model.identity[:, vertices], model.expression[:, vertices]]
        self._basis = np.concatenate(shapes).astype(np.float64)
        self.target = points[:, :2].astype(np.float64)
        self._center = np.array([(width - 1) / 2, (height - 1) / 2])
        corners = self.target[RIGHT_EYE_OUTER] - self.target[LEFT_EYE_OUTER]
        self.eyes = float(np.linalg.norm(corners)) / np.cos(np.radians(TURN_DEG))
        self._weight = np.ones(len(vertices))
        self._weight[list(OUTLINE)] = OUTLINE_WEIGHT
        self._weight[FIRST_IRIS:] = IRIS_WEIGHT
        self._sigma = LANDMARK_SIGMA * self.eyes
        self._log_focal = np.log(FOCAL_GUESS * width)
        expressions = np.full(len(model.expression), 1 / EXPRESSION_SPREAD)
        self._precision = np.concatenate([np.ones(self._identities), expressions])
        self._focal = FOCAL_GUESS * width

    def first(self) -> _Found:
        """The mean head, upright, its eyes where they are in the picture."""
        eyes = self._mean[[RIGHT_EYE_OUTER, LEFT_EYE_OUTER]]
        depth = self._focal * np.linalg.norm(eyes[0] - eyes[1]) / self.eyes
        middle = self.target[[RIGHT_EYE_OUTER, LEFT_EYE_OUTER]].mean(0)
        offset = (middle - self._center) / self._focal * depth
        translation = np.array([*offset, depth]) - FRONTAL @ eyes.mean(0)
        return _Found(FRONTAL.copy(), translation, self._focal, np.zeros(len(self._basis)))

    def shape(self, found: _Found) -> np.ndarray:
        """(478, 3) the landmarks of the head, meters, model frame."""
        return self._mean + np.tensordot(found.weights, self._basis, 1)

    def step(self, found: _Found, number: int) -> None:
        """Improve what was found; `number`: of steps before."""
        residual, jacobian = self._linearized(found, shaped=number >= SHAPE_FROM)
        free = jacobian.shape[-1]
        far = (residual**2).sum(1) / (OUTLIER * self._sigma) ** 2
        robust = self._weight / np.sqrt(1 + far) if number >= ROBUST_FROM else self._weight
        w = (robust / self._sigma)[:, None] / np.sqrt(CORRELATED)
        rows, right = (jacobian * w[..., None]).reshape(-1, free), (residual * w).ravel()
        normal, gradient = rows.T @ rows, rows.T @ right
        normal[6, 6] += FOCAL_SPREAD**-2 if number >= FOCAL_FROM else HELD
        gradient[6] += (self._log_focal - np.log(found.focal)) * FOCAL_SPREAD**-2
        if free > POSE_UNKNOWNS:
            self._regularize(normal, gradient, found.weights)
        delta = np.linalg.solve(normal + 1e-9 * np.eye(free), gradient)
        delta[:3] *= min(1.0, MAX_TURN / max(float(np.linalg.norm(delta[:3])), 1e-9))
        distance = found.translation[2]
        delta[5] = np.clip(delta[5], -MAX_APPROACH * distance, MAX_APPROACH * distance)
        delta[6] = np.clip(delta[6], -MAX_ZOOM, MAX_ZOOM)
        found.rotation = rotation_matrix(delta[:3]) @ found.rotation
        found.translation = found.translation + delta[3:6]
        found.focal *= float(np.exp(delta[6]))
        if free > POSE_UNKNOWNS:
            found.weights += delta[POSE_UNKNOWNS:]
            identity, expression = np.split(found.weights, [self._identities])
            found.weights = np.concatenate(
                [np.clip(identity, -MAX_IDENTITY, MAX_IDENTITY), np.clip(expression, 0, 1)]
            )

    def _linearized(self, found: _Found, shaped: bool) -> tuple[np.ndarray, np.ndarray]:
        """(478, 2) pixels to go, and (478, 2, unknowns) derivatives, of the weights only if `shaped`."""
        turned = self.shape(found) @ found.rotation.T
        camera = turned + found.translation
        z = camera[:, 2:]
        residual = self.target - (camera[:, :2] / z * found.focal + self._center)
        # d(pixel)/d(camera point): (N, 2, 3)
        d = np.zeros((len(z), 2, 3))
        d[:, 0, 0] = d[:, 1, 1] = found.focal / z[:, 0]
        d[:, :, 2] = -camera[:, :2] / z**2 * found.focal
        columns = [np.einsum("nij,nj->ni", d, np.cross(axis, turned)) for axis in np.eye(3)]
        columns += [d[:, :, i] for i in range(3)]
        columns.append(camera[:, :2] / z * found.focal)  # d/d log focal
        jacobian = np.stack(columns, -1)
        if shaped:
            shapes = np.einsum("nij,bnj->nib", d, self._basis @ found.rotation.T)
            jacobian = np.concatenate([jacobian, shapes], -1)
        return residual, jacobian

    def _regularize(self, normal: np.ndarray, gradient: np.ndarray, weights: np.ndarray) -> None:
        """Pull the weights to 0, and freeze those at a bound that still want to leave it; in place."""
        index = np.arange(POSE_UNKNOWNS, len(normal))
        normal[index, index] += self._precision**2
        gradient[POSE_UNKNOWNS:] -= self._precision**2 * weights
        first = POSE_UNKNOWNS + self._identities
        expression = weights[self._identities :]
        stuck = ((expression <= 0) & (gradient[first:] < 0)) | ((expression >= 1) & (gradient[first:] > 0))
        frozen = first + np.flatnonzero(stuck)
        normal[frozen] = normal[:, frozen] = 0
        normal[frozen, frozen] = 1
        gradient[frozen] = 0
