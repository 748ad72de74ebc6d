"""Fits the face model to the landmarks found in a portrait: regularized Gauss-Newton on the reprojection."""

from dataclasses import dataclass, replace

import numpy as np

from ...geometry.frames import FRONTAL
from ...geometry.pose import rotation_matrix
from ..face_models.ict_facekit import FaceModel

#: Landmarks on the face's outline: they slide along the silhouette, so they count less.
OUTLINE = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
_FOCAL_GUESS = 900.0 / 512.0
_FOCAL_SPREAD = 0.35


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
    n_id, n_ex = len(model.identity), len(model.expression)
    mean = model.mean[vertices].astype(np.float64)
    basis = np.concatenate([model.identity[:, vertices], model.expression[:, vertices]]).astype(np.float64)
    target = points[:, :2].astype(np.float64)
    center = np.array([(width - 1) / 2, (height - 1) / 2])
    eyes = float(np.linalg.norm(target[33] - target[263])) / max(np.cos(np.radians(20)), 0.1)
    weight = np.ones(len(vertices))
    weight[list(OUTLINE)] = 0.3
    weight[468:] = 0.5
    sigma = 0.017 * eyes
    focal = _FOCAL_GUESS * width
    rotation = FRONTAL.copy()
    depth = focal * np.linalg.norm(mean[33] - mean[263]) / eyes
    offset = (target[[33, 263]].mean(0) - center) / focal * depth
    translation = np.array([*offset, depth]) - rotation @ mean[[33, 263]].mean(0)
    weights = np.zeros(n_id + n_ex)
    prior = np.concatenate([np.ones(n_id), np.full(n_ex, 1 / 0.35)])
    log_prior = np.log(focal)
    for step in range(iterations):
        shape = mean + np.tensordot(weights, basis, 1)
        turned = shape @ rotation.T
        camera = turned + translation
        z = camera[:, 2:]
        residual = target - (camera[:, :2] / z * focal + center)
        # d(pixel)/d(camera point): (N, 2, 3)
        d = np.zeros((len(z), 2, 3))
        d[:, 0, 0] = d[:, 1, 1] = focal / z[:, 0]
        d[:, :, 2] = -camera[:, :2] / z**2 * focal
        columns = []
        for axis in np.eye(3):
            columns.append(np.einsum("nij,nj->ni", d, np.cross(axis, turned)))
        columns += [d[:, :, i] for i in range(3)]
        columns.append(camera[:, :2] / z * focal)  # d/d log focal
        free = 7
        jac = np.stack(columns, -1)
        if step >= 3:  # the pose first, then the shape
            shapes = np.einsum("nij,bnj->nib", d, basis @ rotation.T)
            jac = np.concatenate([jac, shapes], -1)
            free += len(weights)
        # Landmarks that disagree with the rest (behind a fringe, or badly placed on the model) count less.
        far = (residual**2).sum(1) / (4 * sigma) ** 2
        robust = weight / np.sqrt(1 + far) if step >= 5 else weight
        w = (robust / sigma)[:, None] / np.sqrt(6.0)  # neighboring landmarks err together: six count as one
        rows, rhs = (jac * w[..., None]).reshape(-1, free), (residual * w).ravel()
        normal, gradient = rows.T @ rows, rows.T @ rhs
        normal[6, 6] += _FOCAL_SPREAD**-2 if step >= 6 else 1e9
        gradient[6] += (log_prior - np.log(focal)) * _FOCAL_SPREAD**-2
        if free > 7:
            index = np.arange(7, free)
            normal[index, index] += prior**2
            gradient[7:] -= prior**2 * weights
            # Expression weights at a bound that still want to leave it are frozen for this step.
            ex = weights[n_id:]
            stuck = ((ex <= 0) & (gradient[7 + n_id :] < 0)) | ((ex >= 1) & (gradient[7 + n_id :] > 0))
            frozen = 7 + n_id + np.flatnonzero(stuck)
            normal[frozen] = normal[:, frozen] = 0
            normal[frozen, frozen] = 1
            gradient[frozen] = 0
        delta = np.linalg.solve(normal + 1e-9 * np.eye(free), gradient)
        delta[:3] *= min(1.0, 0.3 / max(float(np.linalg.norm(delta[:3])), 1e-9))
        delta[5] = np.clip(delta[5], -0.3 * translation[2], 0.3 * translation[2])
        delta[6] = np.clip(delta[6], -0.2, 0.2)
        rotation = rotation_matrix(delta[:3]) @ rotation
        translation = translation + delta[3:6]
        focal *= float(np.exp(delta[6]))
        if free > 7:
            weights += delta[7:]
            weights[:n_id] = np.clip(weights[:n_id], -3, 3)
            weights[n_id:] = np.clip(weights[n_id:], 0, 1)
    # `FaceModel.head` takes the head's size out: move the camera nearer instead, which leaves the picture as
    # it is.
    head = model.head(weights[:n_id], weights[n_id:])
    plain = mean + np.tensordot(weights, basis, 1)
    sized = head.vertices[vertices].astype(np.float64)
    size = float(np.ptp(sized[:468, 0]) / np.ptp(plain[:468, 0]))
    translation = size * translation + rotation @ (size * plain - sized).mean(0)
    fit = PortraitFit(head.identity, head.expression, rotation, translation, focal, 0.0)
    drawn = fit.project(sized, width, height)
    inner = np.setdiff1d(np.arange(468), OUTLINE)
    off = np.linalg.norm(drawn[inner, :2] - target[inner], axis=1)
    error = float(np.sqrt(np.mean(np.minimum(off, np.quantile(off, 0.98)) ** 2)) / eyes)
    return replace(fit, error=error)
