"""Face units on a person's head: carried over from the template by their deformation gradients.

Sumner and Popovic, Deformation transfer for triangle meshes (2004): what a unit does to each triangle of the
template (a 3 x 3 matrix) it does to that of the head, and the vertices follow by a Poisson equation. Offsets
merely scaled by the head's size were tried first: they leave lids open or push them into the eyeball where
eyes are larger or deeper than the average one's, and fold lips that are fuller. One factorisation serves all
52 units, so that the better way costs a quarter of a second.
"""

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix, diags
from scipy.sparse.linalg import splu

#: Vertices that no unit moves by more than this, metres, hold the others.
STILL = 5e-5
#: A unit leaves alone what the template's moves by less than the first, and fully moves what it moves by more
#: than the second, metres.
TOUCH = (2e-5, 2e-4)


def gradients(vertices: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(T, 3, 3) gradients of the hat functions of each triangle's corners, 1/m, and the areas (T,)."""
    p = vertices[triangles].astype(np.float64)
    normal = np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0])
    square = np.maximum((normal * normal).sum(1), 1e-22)[:, None]
    hats = [np.cross(normal, p[:, (k + 2) % 3] - p[:, (k + 1) % 3]) / square for k in range(3)]
    return np.stack(hats, 1), np.sqrt(square[:, 0]) / 2


def _frames(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(T, 3, 3) two edges and the normal, as long as the root of twice the area, in columns."""
    p = vertices[triangles].astype(np.float64)
    a, b = p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]
    normal = np.cross(a, b)
    length = np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-16)
    return np.stack([a, b, normal / np.sqrt(length)], 2)


class DeformationTransfer:
    """The template's units as deformation gradients of its skin and inner."""

    def __init__(self, vertices: np.ndarray, units: np.ndarray, triangles: np.ndarray) -> None:
        """vertices: (n, 3) of the average head, units (52, n, 3), metres; triangles (T, 3)."""
        self.triangles = triangles
        self.count = len(vertices)
        inverse = np.linalg.inv(_frames(vertices, triangles))
        moves = [_frames(vertices + unit, triangles) @ inverse - np.eye(3) for unit in units]
        #: (3 T, 52 * 3): for each triangle and direction of the gradient, all units' components.
        self._gradients = np.stack(moves).transpose(1, 3, 0, 2).reshape(len(triangles) * 3, -1)
        size = np.linalg.norm(units, axis=2)
        self._still = size.max(0) < STILL
        self._touch = np.clip((size - TOUCH[0]) / (TOUCH[1] - TOUCH[0]), 0, 1).astype(np.float32)

    def apply(self, neutral: np.ndarray) -> np.ndarray:
        """(52, n, 3) float32 the units' offsets, metres, on the head `neutral` (n, 3)."""
        hats, area = gradients(neutral, self.triangles)
        count = len(self.triangles)
        row = np.repeat(self.triangles, 3, axis=1).ravel()  # corner k, direction c -> k-th corner
        column = (np.arange(count)[:, None, None] * 3 + np.arange(3)).repeat(3, axis=1).ravel()
        divergence = csr_matrix(
            coo_matrix(((hats * area[:, None, None]).ravel(), (row, column)), (self.count, 3 * count))
        )
        right = divergence @ self._gradients
        gradient = csr_matrix(coo_matrix((hats.ravel(), (column, row)), (3 * count, self.count)))
        laplacian = divergence @ gradient
        hold = np.where(self._still, 1e3, 1e-9) * max(float(laplacian.diagonal().mean()), 1e-9)
        matrix = (laplacian + diags(hold)).tocsc()
        solver = splu(matrix, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
        moved = solver.solve(right).reshape(self.count, -1, 3).transpose(1, 0, 2)
        return (moved * self._touch[..., None]).astype(np.float32)
