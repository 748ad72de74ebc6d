"""The last step of the wrap: what is well seen and still off the surface is brought near it.

The free registration is smooth over millimetres and leaves ears, lids and lips to the template, so that some
of what was seen stays off the surface. Here the distance is all that counts, and only what exceeds a band:
inside it the head is left as smooth as it is, for the surface's finest relief is the voxels', not the face's
(epsilon-insensitive, as in V. Vapnik's support vector regression). What is added is smooth by the same
thin-plate energy as before, so that neighbours and rims go along. Where that holds a vertex back, or mending
folds moves it off again, it is pulled harder from round to round (the penalty method for bounds; Nocedal and
Wright, Numerical optimization, 17.1).
"""

from collections.abc import Callable

import numpy as np
from scipy.sparse import diags
from scipy.sparse.linalg import splu

from ..geometry.closest_point import ClosestPointQuery
from ..geometry.mesh import cotangent_laplacian, triangle_normals, vertex_normals
from .confidence import AGREE, REACH

#: Distance, metres, from the surface up to which nothing is done: half of what is allowed.
BAND = 0.00025
#: Smoothing length, metres, of what is added, and how often it is.
LENGTH, ROUNDS = 0.0015, 4
#: Weights, beside the smoothness, of the pull, and of staying.
PULL, STAY = 6.0, 0.05
#: Confidence at which a place begins to be pulled, and is pulled fully.
BEGIN, FULL = 0.3, 0.6
#: Distance, metres, over which a place is pulled again, by how much harder, and in how many rounds at most.
OVER, HARDER, MORE = 0.00045, 3.0, 6


def settle(
    vertices: np.ndarray,
    triangles: np.ndarray,
    skin_triangles: np.ndarray,
    confidence: Callable[[np.ndarray], np.ndarray],
    target: ClosestPointQuery,
    clean: Callable[[np.ndarray], np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (n, 3) of skin and inner, head frame, metres, no farther from the surface than BAND where they
    are well seen, and the confidence (n,) that the last round has gone by.

    triangles: (T, 3) of all vertices; skin_triangles: (S, 3), those whose normals must agree with the
    surface's; confidence: gives (n,) for moved vertices: what comes out from behind something counts from
    then on; clean: gives (n, 3) for moved vertices without folds, the last word.
    """
    settled, used = vertices.astype(np.float64), np.zeros(len(vertices))
    harder = np.ones(len(vertices))
    for number in range(ROUNDS + MORE):
        sure = confidence(settled)
        offset, there = _offsets(settled, skin_triangles, sure, target)
        gap = np.linalg.norm(offset, axis=1)
        if number >= ROUNDS:
            over = (gap > OVER) & (np.minimum(sure, used) > FULL)
            if not over.any():
                break
            harder[over] *= HARDER
        used = sure
        excess = offset * (np.maximum(gap - BAND, 0) / np.maximum(gap, 1e-12))[:, None]
        trust = np.clip((sure - BEGIN) / (FULL - BEGIN), 0, 1)
        laplacian, area = cotangent_laplacian(settled, triangles)
        pull = PULL * harder * area * trust * there * (gap > BAND)
        matrix = diags(pull + STAY * area) + LENGTH**4 * (laplacian.T @ diags(1 / area) @ laplacian)
        solver = splu(matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
        settled = settled + solver.solve(pull[:, None] * excess)
        if number >= ROUNDS - 1:
            settled = clean(settled)
    return settled, used


def _offsets(
    vertices: np.ndarray, skin_triangles: np.ndarray, sure: np.ndarray, target: ClosestPointQuery
) -> tuple[np.ndarray, np.ndarray]:
    """(n, 3) what leads vertices (n, 3) to the surface, metres, and (n,) bool: where there is any.

    sure: (n,) their confidence; where it is low nothing is looked for.
    """
    normals = vertex_normals(vertices, skin_triangles)
    found = target.match(vertices, normals, REACH, min_cosine=AGREE)
    offset = ((found.points - vertices) * found.normals).sum(1)[:, None] * found.normals
    there = (found.weight > 0) & (sure > BEGIN)
    # The plane of the nearest vertex is the surface only where that is flat, not at creases and edges.
    index = np.flatnonzero(there)
    place, triangle = target.nearest(vertices[index])
    facing = triangle_normals(target.vertices, target.faces[triangle])
    agrees = (facing * normals[index]).sum(1) > 0
    offset[index[agrees]] = (place - vertices[index])[agrees]
    return offset, there
