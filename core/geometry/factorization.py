"""Solves sparse symmetric systems of one sparsity pattern again and again."""

import numpy as np
from scipy.sparse import csc_matrix, spmatrix
from scipy.sparse.linalg import splu

#: SuperLU's: how many columns it merges into a supernode at least, and how many it works on at a time: two
#: thirds of the time of its defaults on the thin-plate energies of heads.
RELAX = 8
PANEL_SIZE = 8


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

    def solve(self, matrix: spmatrix, right: np.ndarray) -> np.ndarray:
        """Solve a system.

        Args:
            matrix: (n, n) positive definite.
            right: (n,) or (n, k).

        Returns:
            The solution, of the right side's shape, float64.
        """
        entries = matrix.tocoo()
        ordered = csc_matrix(
            (entries.data, (self._position[entries.row], self._position[entries.col])), matrix.shape
        )
        factors = splu(
            ordered,
            permc_spec="NATURAL",
            diag_pivot_thresh=0.0,
            relax=RELAX,
            panel_size=PANEL_SIZE,
            options={"SymmetricMode": True},
        )
        return np.asarray(factors.solve(np.ascontiguousarray(right[self._order]))[self._position])
