"""Repairs what a registration has folded or pushed through itself.

Folded are triangles that face inward where the template's face outward. Lids and lips that pass through one
another are found by their self-intersections (`core.geometry.mesh.self_intersections`).
"""

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import spsolve

from ..geometry.mesh import cotangent_laplacian, row_dot, self_intersections, triangle_normals

#: A triangle is folded if its normal turns from the template's by more than the arc cosine of this.
FOLD_COSINE = 0.1
#: Triangles smaller than this face nowhere, square meters: slivers where lids meet, collapsed to a line.
NEGLIGIBLE_AREA = 1e-9
#: Rings of vertices around a folded triangle that are replaced, growing from attempt to attempt.
RINGS = (1, 2, 3, 4, 6)
#: How often lids and lips that intersect are moved apart at most.
SEPARATION_ROUNDS = 12
#: How far they are moved in each round, meters.
SEPARATION_STEP = 0.00015


class FoldRepair:
    """Replaces small patches of a head by the template, as smoothly displaced as their borders allow."""

    def __init__(
        self,
        vertices: np.ndarray,
        triangles: np.ndarray,
        checked: np.ndarray,
        rims: np.ndarray,
        side: np.ndarray,
    ) -> None:
        """Prepare the bending energy.

        Args:
            vertices: (n, 3) of the template, meters.
            triangles: (T, 3) int, of all that is connected.
            checked: (J, 3) int, those that must not be folded.
            rims: (R, 3) int, those of them that must not intersect one another.
            side: (n,) 1 for vertices by an upper rim, -1 by a lower one.
        """
        self._triangles = triangles
        self.checked = checked
        self._rims = rims
        self._side = side.astype(np.float64)
        self._upper = self._side[rims].mean(1) > 0
        self._count = len(vertices)
        self._last: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
        laplacian, area = cotangent_laplacian(vertices, triangles)
        self.energy = (laplacian.T.multiply(1 / area)).tocsr() @ laplacian
        index = triangles[:, [0, 1, 2]].ravel(), triangles[:, [1, 2, 0]].ravel()
        edges = csr_matrix((np.ones(len(index[0]), bool), index), (self._count, self._count))
        self.adjacency = (edges + edges.T).tocsr()

    def folded(self, vertices: np.ndarray, reference: np.ndarray) -> np.ndarray:
        """Find folded triangles.

        Args:
            vertices: (n, 3) of a head, meters.
            reference: (n, 3) of the template, moved alike.

        Returns:
            (k,) int indices into the checked triangles, of those that have an area.
        """
        now = triangle_normals(vertices, self.checked)
        before, size = self._normals_of(reference)
        square = row_dot(now, now)
        length = np.sqrt(square * size)
        # A normal is as long as twice its triangle's area.
        faces = square > (2 * NEGLIGIBLE_AREA) ** 2
        return np.flatnonzero(faces & (row_dot(now, before) < FOLD_COSINE * length))

    def _normals_of(self, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Normals (J, 3) of the checked triangles of a reference (n, 3), and their squared lengths (J,)."""
        last = self._last
        if last is None or last[0] is not reference:
            before = triangle_normals(reference, self.checked)
            # A head is repaired again and again beside the same reference.
            self._last = last = reference, before, row_dot(before, before)
        return last[1], last[2]

    def repair(
        self,
        vertices: np.ndarray,
        reference: np.ndarray,
        separate: bool = True,
        movable: np.ndarray | None = None,
    ) -> np.ndarray:
        """Unfold a head.

        Args:
            vertices: (n, 3) of a head, meters.
            reference: (n, 3) of the template, moved alike.
            separate: Also separate lids and lips where they pass through one another.
            movable: (n,) bool, vertices that may move; that need not be enough.

        Returns:
            (n, 3) float64 without folds that the reference does not have, as far as that is possible.
        """
        repaired = vertices.astype(np.float64).copy()
        if separate:
            repaired = self.separate_rims(repaired)
        for rings in RINGS:
            folded = self.folded(repaired, reference)
            if not len(folded):
                break
            patch = np.zeros(self._count, bool)
            patch[self.checked[folded]] = True
            for _ in range(rings):
                patch = self.adjacency @ patch
            if movable is not None:
                patch &= movable
            inside, outside = np.flatnonzero(patch), np.flatnonzero(~patch)
            shift = repaired - reference
            rows = self.energy[inside]
            moved = spsolve(rows[:, inside].tocsc(), -(rows[:, outside] @ shift[outside]))
            repaired[inside] = reference[inside] + moved
        return repaired

    def separate_rims(self, vertices: np.ndarray) -> np.ndarray:
        """Move upper and lower rims that intersect apart, up and down.

        Args:
            vertices: (n, 3) of a head, meters.

        Returns:
            (n, 3) the moved vertices.
        """
        separated = vertices.copy()
        for _ in range(SEPARATION_ROUNDS):
            pairs = self_intersections(separated, self._rims, self._upper)
            if not len(pairs):
                break
            push = np.zeros(self._count)
            involved = np.unique(self._rims[pairs.ravel()])
            push[involved] = self._side[involved]
            around = (self.adjacency @ push) / np.maximum(self.adjacency.sum(1).A1, 1)
            push = np.where(push == 0, around, push)
            separated[:, 2] += push * SEPARATION_STEP
        return separated
