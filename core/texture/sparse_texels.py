"""Values of a texture's texels that are zero nearly everywhere, kept without the zeros."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SparseTexels:
    """A value a texel.

    Attributes:
        count: Number of texels.
        where: (k,) int32, those with another value than zero.
        values: (k,) float32, theirs.
    """

    count: int
    where: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> "SparseTexels":
        """Keep values.

        Args:
            values: (n,) float32.
        """
        values = np.ascontiguousarray(values)
        # Compared first: several times as fast as to look for them among the numbers.
        where = np.flatnonzero(values != 0).astype(np.int32)
        return cls(len(values), where, values[where])

    def dense(self) -> np.ndarray:
        """(n,) float32, the values."""
        values = np.zeros(self.count, np.float32)
        values[self.where] = self.values
        return values
