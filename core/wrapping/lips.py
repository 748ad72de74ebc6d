"""Keeps the lips from passing through one another in blendshapes.

MakeHuman's average mouth is a little open, photographed ones mostly are not: what rolls, presses or shrugs
there without touching runs through the other lip here. As lips do, they then push one another out of the way:
half the overlap each, smoothly less with the distance from the line between them.
"""

import numpy as np
from scipy.ndimage import gaussian_filter1d, maximum_filter1d
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from ..geometry.mesh import self_intersections
from ..geometry.rasterize import fragments, interpolate
from ..template.topology import HeadTopology, rim_halves

#: Distance along the skin from the line between the lips, meters, up to which it moves with them.
REACH = 0.016
#: The same, up to which the lips can touch.
CONTACT_REACH = 0.012
#: Cell, meters, of the map from above that overlaps are measured in.
CELL = 0.0005
#: Cells a side.
CELLS = 256
#: Clearance between lips that have touched, meters.
CLEARANCE = 0.0001
#: Overlaps are taken from as far, meters, to either side along the lips, and smoothed as much.
SPREAD = 0.002
#: Least push, meters.
MIN_PUSH = 0.0003
#: Most pushes until nothing intersects.
ROUNDS = 8


class LipSeparation:
    """Separates the lips of heads of one topology."""

    def __init__(self, topology: HeadTopology, triangles: np.ndarray, skin_triangles: np.ndarray) -> None:
        """Measure distances along the mesh.

        Args:
            topology: Of the heads.
            triangles: (T, 3) int, of skin and inner.
            skin_triangles: (S, 3) int, of the skin alone.
        """
        vertices = topology.vertices.astype(np.float64)
        count = int(triangles.max()) + 1
        ends = triangles.ravel(), np.roll(triangles, -1, axis=1).ravel()
        length = np.linalg.norm(vertices[ends[0]] - vertices[ends[1]], axis=1)
        graph = csr_matrix((length, ends), (count, count))
        upper, lower = rim_halves(topology.vertices, topology.lips)
        above, below = (
            dijkstra(graph, directed=False, indices=half, min_only=True) for half in (upper, lower)
        )
        #: Distance along the mesh from the line between the lips; 1 over it, -1 under it.
        distance, self._side = np.minimum(above, below), np.where(above < below, 1.0, -1.0)
        self._weight = np.clip(1 - (distance / REACH) ** 2, 0, 1) ** 2
        near = skin_triangles[(distance[skin_triangles] < CONTACT_REACH).all(1)]
        side = self._side[near].sum(1)
        self._upper, self._lower = near[side == 3], near[side == -3]
        self._corners = np.setdiff1d(topology.lips, np.concatenate([upper, lower]))

    def separate(self, vertices: np.ndarray) -> np.ndarray:
        """Move lips that have passed through one another apart.

        Args:
            vertices: (n, 3) skin and inner, head frame, meters.

        Returns:
            (n, 3) float64.
        """
        separated = vertices.astype(np.float64).copy()
        for _ in range(ROUNDS):
            pairs = self.intersections(separated)
            if not len(pairs):
                break
            low = separated[self._corners, :2].mean(0) - CELLS * CELL / 2
            overlap = np.maximum(self._overlap(separated, low), MIN_PUSH)
            # Smiling corners reach over one another without touching: only what intersects is separated.
            across = separated[pairs, 0]
            ends = np.stack([across.min((1, 2)), across.max((1, 2))], 1)
            first, last = np.clip((ends - low[0]) / CELL, 0, CELLS - 1).astype(np.int64).T
            change = np.zeros(CELLS + 1)
            np.add.at(change, first, 1)
            np.add.at(change, last + 1, -1)
            overlap[np.cumsum(change[:-1]) == 0] = 0
            cells = int(SPREAD / CELL)
            wide = gaussian_filter1d(maximum_filter1d(overlap, 2 * cells + 1), cells / 2)
            push = np.interp((separated[:, 0] - low[0]) / CELL, np.arange(CELLS), wide, 0, 0) / 2
            separated[:, 2] += push * self._weight * self._side
        return separated

    def intersections(self, vertices: np.ndarray) -> np.ndarray:
        """Find triangles of the two lips that intersect.

        Args:
            vertices: (n, 3) skin and inner, meters.

        Returns:
            (k, 2, 3) int, the vertices of pairs of triangles, one of the upper and one of the lower lip.
        """
        both = np.concatenate([self._upper, self._lower])
        return both[self_intersections(vertices, both, np.arange(len(both)) < len(self._upper))]

    def _overlap(self, vertices: np.ndarray, low: np.ndarray) -> np.ndarray:
        """(CELLS,) meters that the lower lip reaches over the upper one, along x.

        low: (2,) x, y of the corner of the map, meters.
        """
        points = (vertices[:, :2] - low) / CELL
        maps = []
        for triangles, sign in ((self._upper, -1.0), (self._lower, 1.0)):
            triangle, pixel, bary, _ = fragments(points, triangles, CELLS)
            height = sign * interpolate(vertices[:, 2], triangles, triangle, bary)
            top = np.full(CELLS * CELLS, -np.inf)
            np.maximum.at(top, pixel, height)
            maps.append(top)
        # The highest of the lower lip over the lowest of the upper one.
        return np.maximum((maps[0] + maps[1]).reshape(CELLS, CELLS).max(0), 0) + CLEARANCE
