"""Fits `core.lifting.shape_model`: which combinations of the lifter's components are identities, and which
expressions.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from ...detection.landmarks import FaceLandmarks
from ...lifting.lifter import LandmarkLifter
from ...lifting.shape_model import SPLIT_NOISE, FaceShapeModel, components_fingerprint
from ..face_models.face_weights import face_weights
from ..face_models.heads import ICT, HeadSource
from ..synthesis.sample import Sample

#: Random identities, and random expressions, that the components are fitted to.
HEADS = 1500
EXPRESSIONS = 4000
#: Components that are kept: those left out move the face by 0.2 mm and by 0.06 mm.
IDENTITY_COMPONENTS = 60
EXPRESSION_COMPONENTS = 30
SEED = 1
#: Error, root mean square, meters, from which on a lifted head is a failure.
FAILED_M = 0.007
#: How far the residuals' covariance is drawn to its diagonal, as a thousand pictures say little of pairs of a
#: hundred directions. Of 0.1 and 0.5, 0.5 came nearer to the truth on people held out.
SHRINKAGE = 0.5


def fit_shape_model(lifter: LandmarkLifter, heads: HeadSource) -> dict[str, np.ndarray]:
    """The arrays of models/face_shape_model.npz.

    Args:
        lifter: Its components are those that heads are expressed in.
        heads: What people look like.

    Returns:
        identity (60, 100) and expression (30, 100) float32, in the lifter's components, meters per standard
        deviation; offset (100,) float32; weight (V,) float32, under which the components are orthonormal;
        lifter (32,) uint8, its `components_fingerprint`.
    """
    mean, basis = lifter.weights["mean"], lifter.weights["basis"]
    weight = face_weights(mean).astype(np.float32)
    flat = (basis * weight[:, None]).reshape(len(basis), -1)

    def coefficients(identity: np.ndarray, expression: np.ndarray) -> np.ndarray:
        head = heads.template_of(ICT, identity, expression)
        return np.asarray((head - mean).reshape(-1) @ flat.T, np.float64)

    rng = np.random.default_rng(SEED)
    people, names = len(heads.model.identity), len(heads.model.expression_names)
    neutral = np.zeros(names)
    identities = np.stack([coefficients(rng.normal(size=people), neutral) for _ in range(HEADS)])
    average = coefficients(np.zeros(people), neutral)
    moves = np.stack([coefficients(np.zeros(people), row) - average for row in np.eye(names)])
    weights = np.stack([heads.model.sample_expression(rng) for _ in range(EXPRESSIONS)])
    expressions = weights @ moves
    arrays = {
        "identity": scaled_components(identities, IDENTITY_COMPONENTS),
        "expression": scaled_components(expressions, EXPRESSION_COMPONENTS),
        "offset": identities.mean(0) + expressions.mean(0),
        "weight": weight,
    }
    found = {name: array.astype(np.float32) for name, array in arrays.items()}
    return found | {"lifter": components_fingerprint(lifter.weights)}


def scaled_components(rows: np.ndarray, count: int) -> np.ndarray:
    """Principal components as long as their standard deviations.

    Args:
        rows: (N, C).
        count: How many.

    Returns:
        (count, C), the largest first; signs are such that their largest entries are positive.
    """
    values, vectors = np.linalg.eigh(np.cov(rows.T))
    largest = np.argsort(values)[::-1][:count]
    components = (vectors[:, largest] * np.sqrt(values[largest])).T
    signs = np.sign(np.take_along_axis(components, np.abs(components).argmax(1)[:, None], 1))
    return np.asarray(components * signs)


def lifted_pairs(
    lifter: LandmarkLifter, heads: HeadSource, arrays: Mapping[str, np.ndarray], samples: Iterable[Sample]
) -> tuple[np.ndarray, np.ndarray]:
    """True heads and what the lifter makes of their pictures.

    Args:
        lifter: To measure.
        heads: Of the samples.
        arrays: Of `fit_shape_model`.
        samples: Pictures; those of other sources than ICT-FaceKit, and turned portraits, are left out.

    Returns:
        (N, C) true and (N, C) lifted heads, in the lifter's components, relative to the model's mean.
    """
    model = FaceShapeModel.of(lifter, arrays)
    true, lifted = [], []
    for sample in samples:
        if sample.source != ICT or sample.turned:
            continue
        prior = lifter.lift(FaceLandmarks(sample.landmarks), sample.scene.assumed_camera, sample.picture)
        head = heads.template_of(ICT, sample.identity, sample.expression)
        true.append(model.coefficients(head))
        lifted.append(model.coefficients(prior.vertices))
    return np.stack(true), np.stack(lifted)


def principal_directions(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """(C, C) float64: from the lifter's components to principal directions, in standard deviations.

    Args:
        arrays: identity and expression of `fit_shape_model`.
    """
    both = np.concatenate([arrays["identity"], arrays["expression"]]).astype(np.float64)
    values, vectors = np.linalg.eigh(both.T @ both + SPLIT_NOISE**2 * np.eye(both.shape[1]))
    order = np.argsort(values)[::-1]
    return np.asarray(vectors[:, order] / np.sqrt(values[order]))


def fit_residual(
    arrays: Mapping[str, np.ndarray], true: np.ndarray, lifted: np.ndarray
) -> dict[str, np.ndarray]:
    """How the lifter errs.

    Args:
        arrays: Of `fit_shape_model`.
        true: (N, C) true heads, in the lifter's components, relative to the model's mean.
        lifted: (N, C) what the lifter made of pictures of them.

    Returns:
        residual (C, C) float32, the covariance of the truth around what was lifted, principal directions.
        Failures are left out.
    """
    error = true - lifted
    error = error[np.linalg.norm(error, axis=1) < FAILED_M] @ principal_directions(arrays)
    residual = error.T @ error / len(error)
    residual = (1 - SHRINKAGE) * residual + SHRINKAGE * np.diag(np.diag(residual))
    return {"residual": residual.astype(np.float32)}
