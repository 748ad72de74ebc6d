"""The last step of the wrap: what is well seen and still off the surface is brought near it.

The free registration is smooth over millimetres and leaves ears, lids and lips to the template, so that some
of what was seen stays off the surface. Here the normal distance is all that counts, and only what exceeds a
band: inside it the head is left as smooth as it is, for the surface's finest relief is the voxels', not the
face's (epsilon-insensitive, as in V. Vapnik's support vector regression). What is added is smooth by the same
thin-plate energy as before, so that neighbours and rims go along.
"""

from collections.abc import Callable

import numpy as np
from scipy.sparse import diags
from scipy.sparse.linalg import splu

from core.head_mesh import Target, cotangent_laplacian, vertex_normals
from core.head_sight import AGREE, REACH

#: Distance, metres, from the surface up to which nothing is done: half of what is allowed.
BAND = 0.00025
#: Smoothing length, metres, of what is added, and how often it is.
LENGTH, ROUNDS = 0.0015, 4
#: Weights, beside the smoothness, of the pull, and of staying.
PULL, STAY = 6.0, 0.05
#: Confidence at which a place begins to be pulled, and is pulled fully.
BEGIN, FULL = 0.3, 0.6


def settle(
    vertices: np.ndarray,
    triangles: np.ndarray,
    skin_triangles: np.ndarray,
    confidence: Callable[[np.ndarray], np.ndarray],
    target: Target,
) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (n, 3) of skin and inner, head frame, metres, no farther from the surface than BAND where they
    are well seen, and the confidence (n,) that the last round has gone by.

    triangles: (T, 3) of all vertices; skin_triangles: (S, 3), those whose normals must agree with the
    surface's; confidence: gives (n,) for moved vertices: what comes out from behind something counts from
    then on.
    """
    settled, sure = vertices.astype(np.float64), np.zeros(len(vertices))
    for _ in range(ROUNDS):
        sure = confidence(settled)
        trust = np.clip((sure - BEGIN) / (FULL - BEGIN), 0, 1)
        found = target.match(settled, vertex_normals(settled, skin_triangles), REACH, agree=AGREE)
        offset = ((found.points - settled) * found.normals).sum(1)
        excess = np.sign(offset) * np.maximum(np.abs(offset) - BAND, 0)
        laplacian, area = cotangent_laplacian(settled, triangles)
        pull = PULL * area * trust * (found.weight > 0) * (excess != 0)
        matrix = diags(pull + STAY * area) + LENGTH**4 * (laplacian.T @ diags(1 / area) @ laplacian)
        solver = splu(matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
        settled = settled + solver.solve((pull * excess)[:, None] * found.normals)
    return settled, sure
