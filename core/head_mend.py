"""Unfolds what a registration has folded: triangles that look inwards where the template's look outwards."""

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import spsolve

from core.head_mesh import cotangent_laplacian, triangle_normals

#: A triangle is folded if its normal turns from the template's by more than the arc cosine of this.
FOLDED = 0.1
#: Rings of vertices around a folded triangle that are laid anew, growing from try to try.
RINGS = (1, 2, 3, 4, 6)


class Mender:
    """Lays small patches of a head anew, as smoothly displaced from the template as their rims allow."""

    def __init__(self, vertices: np.ndarray, triangles: np.ndarray, judged: np.ndarray) -> None:
        """vertices: (n, 3) of the template; triangles: (T, 3) of all that hangs together; judged: (J, 3)
        those that must not be folded.
        """
        self._triangles = triangles
        self._judged = judged
        self._count = len(vertices)
        laplacian, area = cotangent_laplacian(vertices, triangles)
        self._energy = (laplacian.T.multiply(1 / area)).tocsr() @ laplacian
        index = triangles[:, [0, 1, 2]].ravel(), triangles[:, [1, 2, 0]].ravel()
        near = csr_matrix((np.ones(len(index[0]), bool), index), (self._count, self._count))
        self._near = (near + near.T).tocsr()

    def folded(self, vertices: np.ndarray, reference: np.ndarray) -> np.ndarray:
        """(k,) indices of the judged triangles that are folded in vertices (n, 3) beside the reference."""
        now = triangle_normals(vertices, self._judged)
        before = triangle_normals(reference, self._judged)
        length = np.linalg.norm(now, axis=1) * np.linalg.norm(before, axis=1)
        return np.flatnonzero((now * before).sum(1) < FOLDED * length)

    def mend(self, vertices: np.ndarray, reference: np.ndarray) -> np.ndarray:
        """(n, 3) vertices without folds that the reference (n, 3), the template moved alike, has not."""
        mended = vertices.astype(np.float64).copy()
        for rings in RINGS:
            folded = self.folded(mended, reference)
            if not len(folded):
                break
            patch = np.zeros(self._count, bool)
            patch[self._judged[folded]] = True
            for _ in range(rings):
                patch = self._near @ patch
            inside, outside = np.flatnonzero(patch), np.flatnonzero(~patch)
            shift = mended - reference
            rows = self._energy[inside]
            moved = spsolve(rows[:, inside].tocsc(), -(rows[:, outside] @ shift[outside]))
            mended[inside] = reference[inside] + moved
        return mended
