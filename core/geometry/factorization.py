"""Solves sparse symmetric systems of one sparsity pattern again and again."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_matrix, csr_matrix, spmatrix
from scipy.sparse.linalg import splu

#: SuperLU's: how many columns it merges into a supernode at least, and how many it works on at a time: two
#: thirds of the time of its defaults on the thin-plate energies of heads.
RELAX = 8
PANEL_SIZE = 8


@dataclass(frozen=True)
class _Pattern:
    """Where the entries of matrices go when their unknowns are ordered for elimination.

    Attributes:
        indices: (k,) columns of the matrices' entries, row by row.
        indptr: (n + 1,) where their rows begin.
        source: (k,) of each entry of the ordered matrix, column by column, which one of theirs it is.
        ordered: Of the ordered matrix: the rows of its entries, and where its columns begin.
    """

    indices: np.ndarray
    indptr: np.ndarray
    source: np.ndarray
    ordered: tuple[np.ndarray, np.ndarray]

    def is_of(self, matrix: csr_matrix) -> bool:
        """Whether a matrix has its entries there."""
        return np.array_equal(self.indptr, matrix.indptr) and np.array_equal(self.indices, matrix.indices)


class SymmetricSolver:
    """Positive definite systems of one sparsity pattern: the order of elimination is found once.

    Finding it takes as long as the factorization itself.
    """

    def __init__(self, pattern: spmatrix) -> None:
        """Find the order of elimination.

        Args:
            pattern: (n, n) positive definite, with the pattern of all that will be solved, or nearly so.
        """
        factors = splu(csc_matrix(pattern), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
        #: (n,) position of each unknown in the order, and the unknown at each position.
        self._position = factors.perm_c.astype(np.int64)
        self._order = np.argsort(self._position)
        self._pattern: _Pattern | None = None

    def solve(self, matrix: spmatrix, right: np.ndarray) -> np.ndarray:
        """Solve a system.

        Args:
            matrix: (n, n) positive definite.
            right: (n,) or (n, k).

        Returns:
            The solution, of the right side's shape, float64.
        """
        factors = splu(
            self._ordered(matrix),
            permc_spec="NATURAL",
            diag_pivot_thresh=0.0,
            relax=RELAX,
            panel_size=PANEL_SIZE,
            options={"SymmetricMode": True},
        )
        return np.asarray(factors.solve(np.ascontiguousarray(right[self._order]))[self._position])

    def _ordered(self, matrix: spmatrix) -> csc_matrix:
        """A matrix (n, n) with its unknowns in the order of elimination.

        Sorting its entries takes a quarter of the factorization's time: the last matrix's are remembered.
        """
        rows = csr_matrix(matrix)
        rows.sum_duplicates()
        pattern = self._pattern
        if pattern is None or not pattern.is_of(rows):
            entries = rows.tocoo()
            places = self._position[entries.row], self._position[entries.col]
            numbered = csc_matrix((np.arange(1.0, rows.nnz + 1), places), matrix.shape)
            source = numbered.data.astype(np.intp) - 1
            pattern = _Pattern(rows.indices, rows.indptr, source, (numbered.indices, numbered.indptr))
            self._pattern = pattern
        return csc_matrix((rows.data[pattern.source], *pattern.ordered), matrix.shape)
