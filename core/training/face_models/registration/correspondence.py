"""The registration of the template to the face model, as training reads it from the cache."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Registration:
    """Where the template's V vertices lie on the face model; triangles index `FaceModel.triangles`.

    face (V,) int32, bary (V, 3), offset (V, 3) meters: a vertex is its point on the sampled head plus the
    offset. direct (V,) bool: false where there is no such point (inside of mouth and sockets, lashes); those
    follow the direct ones: carry_row, carry_col (nnz,) int32 and carry_weight (nnz,) give vertex[row] =
    fitted[row] + sum of weight * (vertex[col] - fitted[col]). fitted (V, 3): the template on the neutral
    head. ict_face (N,) int32, ict_bary (N, 3): for each vertex of the face model's skin its point on the
    template's `solid_triangles`. ict_landmark_face (478,), ict_landmark_bary (478, 3): the detector's
    landmarks on the face model.
    """

    face: np.ndarray
    bary: np.ndarray
    offset: np.ndarray
    direct: np.ndarray
    carry_row: np.ndarray
    carry_col: np.ndarray
    carry_weight: np.ndarray
    fitted: np.ndarray
    ict_face: np.ndarray
    ict_bary: np.ndarray
    ict_landmark_face: np.ndarray
    ict_landmark_bary: np.ndarray

    def save(self, path: Path) -> None:
        """Write an .npz file."""
        np.savez_compressed(path, **asdict(self))

    @classmethod
    def load(cls, path: Path) -> "Registration":
        """Read what `save` wrote."""
        with np.load(path) as data:
            return cls(**{name: data[name] for name in data.files})

    def to_template(self, heads: np.ndarray, triangles: np.ndarray) -> np.ndarray:
        """The template in the shapes of heads of the face model.

        Args:
            heads: (..., N, 3) vertices of the heads, head frame, meters.
            triangles: (T, 3) int32 of the face model.

        Returns:
            (..., V, 3) vertices of the template, head frame, meters, of the type of `heads`.
        """
        from scipy.sparse import csr_matrix

        corners = heads[..., triangles[self.face], :]
        vertices = (corners * self.bary[..., None]).sum(-2) + self.offset
        count = len(self.face)
        matrix = csr_matrix((self.carry_weight, (self.carry_row, self.carry_col)), (count, count))
        moved = (vertices - self.fitted).reshape(-1, count, 3)
        followers = np.flatnonzero(~self.direct)
        for move in moved:
            move[followers] = (matrix @ move)[followers]
        return (moved.reshape(vertices.shape) + self.fitted).astype(heads.dtype)
