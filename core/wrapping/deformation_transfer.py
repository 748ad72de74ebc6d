"""Blendshapes of a person's head: transferred from the template by their deformation gradients.

R. Sumner and J. Popovic, Deformation transfer for triangle meshes (2004): what a blendshape does to each
triangle of the template (a 3 x 3 matrix) it does to that of the head, and the vertices follow by a Poisson
equation. Offsets merely scaled by the head's size were tried first: they leave lids open or push them into
the eyeball where eyes are larger or deeper than the average ones, and fold lips that are fuller. One
factorization serves all 52, so that this costs a quarter of a second.
"""

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix, diags
from scipy.sparse.linalg import splu

from ..geometry.mesh import row_cross, triangle_normals
from ..geometry.visibility import ramp

#: Vertices that no blendshape moves by more than this, meters, are fixed.
FIXED_MOVE = 5e-5
#: Lengths, meters, that the template's blendshape moves a vertex by, up to which it stays, and from which on
#: it moves fully.
MOVE_RANGE = (2e-5, 2e-4)
#: Weights of staying, in means of the Laplacian's diagonal, of fixed and of free vertices.
FIXED_WEIGHT = 1e3
FREE_WEIGHT = 1e-9
#: Right sides that are solved at a time, four blendshapes': all at once take four times as long, since their
#: columns fit in no cache.
COLUMNS = 12
#: Squared lengths below this are none.
DEGENERATE = 1e-22


def gradients(vertices: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradients of the hat functions of triangles' corners.

    Args:
        vertices: (n, 3) meters.
        triangles: (T, 3) int.

    Returns:
        (T, 3, 3) float64, one row a corner, 1/m; and the areas (T,), m².
    """
    p = vertices[triangles].astype(np.float64)
    normal = triangle_normals(vertices, triangles)
    square = np.maximum((normal * normal).sum(1), DEGENERATE)[:, None]
    hats = [row_cross(normal, p[:, (k + 2) % 3] - p[:, (k + 1) % 3]) / square for k in range(3)]
    return np.stack(hats, 1), np.sqrt(square[:, 0]) / 2


def _frames(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(T, 3, 3) two edges and the normal, as long as the root of twice the area, in columns."""
    p = vertices[triangles].astype(np.float64)
    a, b = p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]
    normal = triangle_normals(vertices, triangles)
    length = np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-16)
    return np.stack([a, b, normal / np.sqrt(length)], 2)


class DeformationTransfer:
    """The template's blendshapes as deformation gradients of its skin and inner."""

    def __init__(self, vertices: np.ndarray, blendshapes: np.ndarray, triangles: np.ndarray) -> None:
        """Compute the deformation gradients.

        Args:
            vertices: (n, 3) of the average head, meters.
            blendshapes: (52, n, 3) offsets, meters.
            triangles: (T, 3) int.
        """
        self.triangles = triangles
        self.count = len(vertices)
        frames = _frames(vertices, triangles)
        inverse = np.linalg.inv(frames)
        by_shape = np.empty((len(triangles), 3, len(blendshapes), 3), np.float32)
        # Most triangles are moved by few blendshapes; what rounding leaves of the others is kept, too.
        by_shape[:] = (frames @ inverse - np.eye(3)).transpose(0, 2, 1)[:, :, None]
        for k, offset in enumerate(blendshapes):
            moved = offset.any(1)[triangles].any(1)
            move = _frames(vertices + offset, triangles[moved]) @ inverse[moved] - np.eye(3)
            by_shape[moved, :, k] = move.transpose(0, 2, 1)
        #: (3 T, 52 * 3): for each triangle and direction of the gradient, all blendshapes' components.
        self._gradients = by_shape.reshape(len(triangles) * 3, -1)
        size = np.linalg.norm(blendshapes, axis=2)
        self._fixed = size.max(0) < FIXED_MOVE
        self._fade = ramp(size, *MOVE_RANGE).astype(np.float32)

    def apply(self, neutral: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """Transfer blendshapes to a head.

        Args:
            neutral: (n, 3) skin and inner, meters.
            chosen: (52,) bool, which of the blendshapes.

        Returns:
            (52, n, 3) float32 offsets, meters; zero where they are not chosen.
        """
        hats, area = gradients(neutral, self.triangles)
        count = len(self.triangles)
        row = np.repeat(self.triangles, 3, axis=1).ravel()  # corner k, direction c -> k-th corner
        column = (np.arange(count)[:, None, None] * 3 + np.arange(3)).repeat(3, axis=1).ravel()
        divergence = csr_matrix(
            coo_matrix(((hats * area[:, None, None]).ravel(), (row, column)), (self.count, 3 * count))
        )
        right = (divergence.astype(np.float32) @ self._gradients).reshape(self.count, -1, 3)[:, chosen]
        gradient = csr_matrix(coo_matrix((hats.ravel(), (column, row)), (3 * count, self.count)))
        laplacian = divergence @ gradient
        hold = np.where(self._fixed, FIXED_WEIGHT, FREE_WEIGHT) * max(
            float(laplacian.diagonal().mean()), 1e-9
        )
        matrix = (laplacian + diags(hold)).tocsc()
        solver = splu(matrix, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
        columns = right.reshape(self.count, -1).astype(np.float64)
        parts = (columns[:, k : k + COLUMNS] for k in range(0, columns.shape[1], COLUMNS))
        moved = np.concatenate([solver.solve(np.ascontiguousarray(part)) for part in parts], axis=1)
        offsets = np.zeros((len(chosen), self.count, 3), np.float32)
        offsets[chosen] = moved.reshape(self.count, -1, 3).transpose(1, 0, 2) * self._fade[chosen, :, None]
        return offsets
