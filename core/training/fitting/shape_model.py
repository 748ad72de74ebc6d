"""Fits `core.lifting.shape_model`: which combinations of the lifter's components are identities, and which
expressions.
"""

import numpy as np

from ...lifting.lifter import LandmarkLifter
from ..face_models.face_weights import face_weights
from ..face_models.heads import ICT, HeadSource

#: Random identities, and random expressions, that the components are fitted to.
HEADS = 1500
EXPRESSIONS = 4000
#: Components that are kept: those left out move the face by 0.2 mm and by 0.06 mm.
IDENTITY_COMPONENTS = 60
EXPRESSION_COMPONENTS = 30
SEED = 1


def fit_shape_model(lifter: LandmarkLifter, heads: HeadSource) -> dict[str, np.ndarray]:
    """The arrays of models/face_shape_model.npz.

    Args:
        lifter: Its components are those that heads are expressed in.
        heads: What people look like.

    Returns:
        identity (60, 100) and expression (30, 100) float32, in the lifter's components, meters per standard
        deviation; offset (100,) float32; weight (V,) float32, under which the components are orthonormal.
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
    return {name: array.astype(np.float32) for name, array in arrays.items()}


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
