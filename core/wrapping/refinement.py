"""The last step of the wrap: what is visible and still off the surface is brought near it.

The non-rigid ICP is smooth over millimeters and leaves ears, lids and lips to the template, so that some of
what the photo shows stays off the surface. Here the distance is all that counts, and only what exceeds a
tolerance: inside it the head is left as smooth as it is, for the surface's finest relief is the voxels', not
the face's (epsilon-insensitive, as in V. Vapnik's support vector regression). What is added is smooth by the
same thin-plate energy as before, so that neighbors and rims go along. Where that holds a vertex back, or the
repair of folds moves it off again, its penalty grows from round to round (the penalty method for bounds;
Nocedal and Wright, Numerical optimization, 17.1).
"""

from collections.abc import Callable

import numpy as np
from scipy.sparse import diags

from ..geometry.closest_point import ClosestPointQuery, LocatedPoints
from ..geometry.factorization import SymmetricSolver
from ..geometry.mesh import cotangent_laplacian, row_dot, triangle_normals, vertex_normals
from ..geometry.visibility import ramp
from .confidence import MAX_DISTANCE, MIN_COSINE
from .settings import WrapSettings

#: Weights, beside the smoothness, of the attraction to the surface, and of staying.
ATTRACTION = 6.0
DAMPING = 0.05
#: Confidence at which a vertex begins to be attracted.
MIN_CONFIDENCE = 0.3
#: Confidence from which on it is attracted fully.
FULL_CONFIDENCE = 0.6
#: Distance, meters, beyond which a vertex is attracted in further rounds.
MAX_RESIDUAL = 0.00045
#: Factor by which its attraction grows from round to round.
PENALTY_GROWTH = 3.0
#: Distances below this, meters, have no direction.
DEGENERATE = 1e-12


def refine(
    vertices: np.ndarray,
    triangles: np.ndarray,
    skin_triangles: np.ndarray,
    confidence_of: Callable[[np.ndarray, LocatedPoints], np.ndarray],
    target: ClosestPointQuery,
    clean: Callable[[np.ndarray], np.ndarray],
    solver: SymmetricSolver,
    settings: WrapSettings = WrapSettings(),  # noqa: B008 (frozen)
) -> tuple[np.ndarray, np.ndarray]:
    """Bring vertices within the tolerance of the surface where the photo shows them.

    Args:
        vertices: (n, 3) of skin and inner, head frame, meters.
        triangles: (T, 3) int, of all vertices.
        skin_triangles: (S, 3) int, those whose normals must agree with the surface's.
        confidence_of: Gives (n,) 0..1 for moved vertices, of which it is known where the skin's are on the
            surface: what comes into view counts from then on.
        target: The surface.
        clean: Gives (n, 3) for moved vertices without folds, the last word.
        solver: Of thin-plate energies of these triangles.
        settings: Tolerance, length and rounds.

    Returns:
        (n, 3) float64 the moved vertices, and (n,) the confidence that the last round has used.
    """
    refined, used = vertices.astype(np.float64), np.zeros(len(vertices))
    penalty = np.ones(len(vertices))
    skin = np.unique(skin_triangles)
    for number in range(settings.refinement_rounds + settings.extra_rounds):
        located = target.locate(refined[skin])
        confidence = confidence_of(refined, located)
        offset, valid = np.zeros(refined.shape), np.zeros(len(refined), bool)
        normals = vertex_normals(refined, skin_triangles)[skin]
        offset[skin], valid[skin] = _offsets(located, normals, confidence[skin])
        distance = np.linalg.norm(offset, axis=1)
        if number >= settings.refinement_rounds:
            far = (distance > MAX_RESIDUAL) & (np.minimum(confidence, used) > FULL_CONFIDENCE)
            if not far.any():
                break
            penalty[far] *= PENALTY_GROWTH
        used = confidence
        tolerance = settings.tolerance
        excess = offset * (np.maximum(distance - tolerance, 0) / np.maximum(distance, DEGENERATE))[:, None]
        trust = ramp(confidence, MIN_CONFIDENCE, FULL_CONFIDENCE)
        laplacian, area = cotangent_laplacian(refined, triangles)
        attraction = ATTRACTION * penalty * area * trust * valid * (distance > tolerance)
        smoothness = settings.refinement_length**4 * (laplacian.T @ diags(1 / area) @ laplacian)
        matrix = diags(attraction + DAMPING * area) + smoothness
        refined = refined + solver.solve(matrix, attraction[:, None] * excess)
        if number >= settings.refinement_rounds - 1:
            refined = clean(refined)
    return refined, used


def _offsets(
    located: LocatedPoints, normals: np.ndarray, confidence: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(n, 3) the offsets of the surface from n vertices, meters, and (n,) bool, which are valid.

    normals: (n, 3) of the vertices; confidence: (n,); where it is low there is no offset.
    """
    found = located.match(normals, MAX_DISTANCE, min_cosine=MIN_COSINE)
    offset = found.points - located.points
    valid = (found.weight > 0) & (confidence > MIN_CONFIDENCE)
    # The plane of the closest vertex is the surface only where that is flat, not at creases and edges.
    index = np.flatnonzero(valid)
    point, triangle = located.nearest(index)
    surface = located.surface
    agrees = row_dot(triangle_normals(surface.vertices, surface.faces[triangle]), normals[index]) > 0
    offset[index[agrees]] = (point - located.points[index])[agrees]
    return offset, valid
