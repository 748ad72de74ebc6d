"""A regular grid of cells in the head frame, and fields on it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Grid:
    """A grid of points; fields on it are arrays [x, y, z].

    Attributes:
        origin: (3,) float64, the first point, head frame, meters.
        cell: Distance of neighboring points, meters.
        shape: Number of points along x, y and z.
    """

    origin: np.ndarray
    cell: float
    shape: tuple[int, int, int]

    @classmethod
    def around(cls, low: np.ndarray, high: np.ndarray, cell: float, most_cells: int) -> "Grid":
        """The grid of a box.

        Args:
            low: (3,) corner of the box, meters.
            high: (3,) opposite corner.
            cell: Distance of the points, meters.
            most_cells: The distance is made larger rather than there being more points.
        """
        extent = np.maximum(np.asarray(high) - low, cell)
        cell = max(cell, float(np.cbrt(extent.prod() / most_cells)))
        shape = np.ceil(extent / cell).astype(int) + 1
        return cls(np.asarray(low, np.float64), cell, (int(shape[0]), int(shape[1]), int(shape[2])))

    @cached_property
    def points(self) -> np.ndarray:
        """(X * Y * Z, 3) float32, head frame, meters."""
        axes = [self.origin[k] + self.cell * np.arange(self.shape[k]) for k in range(3)]
        out = np.empty((*self.shape, 3), np.float32)
        for k, axis in enumerate(axes):
            out[..., k] = axis.reshape([-1 if i == k else 1 for i in range(3)])
        return out.reshape(-1, 3)

    @property
    def heights(self) -> np.ndarray:
        """(Z,) float32, head frame, meters: of the points of each column, which follow one another."""
        return (self.origin[2] + self.cell * np.arange(self.shape[2])).astype(np.float32)

    def coarser(self, factor: float) -> "Grid":
        """A grid over the same box whose points are a factor further apart."""
        cell = self.cell * factor
        shape = [int(np.ceil((n - 1) / factor)) + 1 for n in self.shape]
        return Grid(self.origin, cell, (shape[0], shape[1], shape[2]))

    def sample(self, field: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Values of a field between the grid's points, trilinear; beyond the grid that of its border.

        Args:
            field: (X, Y, Z) or (X, Y, Z, C) float32.
            points: (N, 3), head frame, meters.

        Returns:
            (N,) or (N, C) float32.
        """
        # Coordinate by coordinate: over columns of three numbers numpy is slow.
        at = np.subtract(points.T, self.origin[:, None], order="C")
        at /= self.cell
        np.clip(at, 0, np.array(self.shape)[:, None] - 1 - 1e-4, out=at)
        low = at.astype(np.intp)
        at -= low
        x, y, z = at.astype(np.float32)
        corner = (low[0] * self.shape[1] + low[1]) * self.shape[2] + low[2]
        flat = field.reshape(-1, *field.shape[3:])
        result = np.zeros((*field.shape[3:], len(points)), np.float32)
        for dx, wx in ((0, 1 - x), (self.shape[1] * self.shape[2], x)):
            for dy, wy in ((0, 1 - y), (self.shape[2], y)):
                index = corner + (dx + dy)
                # Channel by channel: half the time of sums over rows of a few numbers.
                first = np.ascontiguousarray(flat.take(index, 0).T)
                index += 1
                part = np.ascontiguousarray(flat.take(index, 0).T)
                part -= first
                part *= z
                part += first
                part *= wx * wy
                result += part
        return np.ascontiguousarray(result.T)

    def resampled(self, field: np.ndarray, other: "Grid") -> np.ndarray:
        """A field of this grid on the points of another over the same box, trilinear.

        Args:
            field: (X, Y, Z) float32 on this grid.
            other: The other grid.

        Returns:
            (X, Y, Z) float32 of the other grid.
        """
        for axis in range(3):
            at = np.clip(
                (np.arange(other.shape[axis]) * other.cell) / self.cell, 0, self.shape[axis] - 1 - 1e-6
            )
            low = np.minimum(at.astype(int), max(self.shape[axis] - 2, 0))
            weight = (at - low).astype(np.float32).reshape([-1 if i == axis else 1 for i in range(3)])
            next_ = np.minimum(low + 1, self.shape[axis] - 1)
            field = field.take(low, axis) * (1 - weight) + field.take(next_, axis) * weight
        return field

    def gradient(self, field: np.ndarray, points: np.ndarray) -> np.ndarray:
        """The gradient of a field, by differences over a cell.

        Args:
            field: (X, Y, Z) float32 on this grid.
            points: (N, 3), head frame, meters.

        Returns:
            (N, 3) float32, the field's unit a meter.
        """
        out = np.empty((len(points), 3), np.float32)
        for k in range(3):
            step = np.zeros(3)
            step[k] = self.cell
            out[:, k] = self.sample(field, points + step) - self.sample(field, points - step)
        return out / np.float32(2 * self.cell)
