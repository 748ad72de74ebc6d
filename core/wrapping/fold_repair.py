"""Mends what a registration has folded or pushed through itself.

Folded are triangles that look inwards where the template's look outwards. Lids and lips that pass through one
another are found by their edges (Moeller and Trumbore, Fast minimum storage ray/triangle intersection, 1997).
"""

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import spsolve

from ..geometry.mesh import cotangent_laplacian, self_intersections, triangle_normals

#: A triangle is folded if its normal turns from the template's by more than the arc cosine of this.
FOLDED = 0.1
#: Rings of vertices around a folded triangle that are laid anew, growing from try to try.
RINGS = (1, 2, 3, 4, 6)
#: How often, and how far, metres, lids and lips that cross are moved apart.
PUSHES, PUSH = 12, 0.00015


class FoldRepair:
    """Lays small patches of a head anew, as smoothly displaced from the template as their rims allow."""

    def __init__(
        self,
        vertices: np.ndarray,
        triangles: np.ndarray,
        judged: np.ndarray,
        rims: np.ndarray,
        side: np.ndarray,
    ) -> None:
        """vertices: (n, 3) of the template; triangles: (T, 3) of all that hangs together; judged: (J, 3)
        those that must not be folded; rims: (R, 3) those of them that must not cross one another;
        side: (n,) 1 for vertices by an upper rim, -1 by a lower one.
        """
        self._triangles = triangles
        self.judged = judged
        self._rims = rims
        self._side = side.astype(np.float64)
        self._count = len(vertices)
        laplacian, area = cotangent_laplacian(vertices, triangles)
        self.energy = (laplacian.T.multiply(1 / area)).tocsr() @ laplacian
        index = triangles[:, [0, 1, 2]].ravel(), triangles[:, [1, 2, 0]].ravel()
        near = csr_matrix((np.ones(len(index[0]), bool), index), (self._count, self._count))
        self.near = (near + near.T).tocsr()

    def folded(self, vertices: np.ndarray, reference: np.ndarray) -> np.ndarray:
        """(k,) indices of the judged triangles that are folded in vertices (n, 3) beside the reference."""
        now = triangle_normals(vertices, self.judged)
        before = triangle_normals(reference, self.judged)
        length = np.linalg.norm(now, axis=1) * np.linalg.norm(before, axis=1)
        return np.flatnonzero((now * before).sum(1) < FOLDED * length)

    def mend(
        self,
        vertices: np.ndarray,
        reference: np.ndarray,
        part: bool = True,
        movable: np.ndarray | None = None,
    ) -> np.ndarray:
        """(n, 3) vertices without folds that the reference (n, 3), the template moved alike, has not.

        part: also part lids and lips where they pass through one another. movable: (n,) bool, those that may
        be laid anew; that need not be enough.
        """
        mended = vertices.astype(np.float64).copy()
        if part:
            mended = self.parted(mended)
        for rings in RINGS:
            folded = self.folded(mended, reference)
            if not len(folded):
                break
            patch = np.zeros(self._count, bool)
            patch[self.judged[folded]] = True
            for _ in range(rings):
                patch = self.near @ patch
            if movable is not None:
                patch &= movable
            inside, outside = np.flatnonzero(patch), np.flatnonzero(~patch)
            shift = mended - reference
            rows = self.energy[inside]
            moved = spsolve(rows[:, inside].tocsc(), -(rows[:, outside] @ shift[outside]))
            mended[inside] = reference[inside] + moved
        return mended

    def parted(self, vertices: np.ndarray) -> np.ndarray:
        """Vertices (n, 3) with what crosses between upper and lower rims moved apart, up and down."""
        parted = vertices.copy()
        for _ in range(PUSHES):
            pairs = self_intersections(parted, self._rims)
            sides = self._side[self._rims].mean(1)[pairs]
            pairs = pairs[(sides[:, 0] > 0) != (sides[:, 1] > 0)]
            if not len(pairs):
                break
            push = np.zeros(self._count)
            involved = np.unique(self._rims[pairs.ravel()])
            push[involved] = self._side[involved]
            around = (self.near @ push) / np.maximum(self.near.sum(1).A1, 1)
            push = np.where(push == 0, around, push)
            parted[:, 2] += push * PUSH
        return parted
