"""Keeps the lips from passing through one another in face units.

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

#: How far along the skin, metres, from the line between the lips one is pushed with them, and how far from it
#: skin can be what touches.
REACH, TOUCHING = 0.016, 0.012
#: Cell, metres, of the map from above that overlaps are measured in, and its cells a side.
CELL, CELLS = 0.0005, 256
#: Room left between lips that have touched, metres.
ROOM = 0.0001
#: Overlaps are taken from as far, metres, to either side along the lips, and smoothed as much.
SPREAD = 0.002
#: Least push, metres, and most pushes until nothing crosses.
LEAST, ROUNDS = 0.0003, 8


class Lips:
    """The lips of one topology."""

    def __init__(self, topology: HeadTopology, triangles: np.ndarray, skin_triangles: np.ndarray) -> None:
        """triangles: (T, 3) of skin and inner; skin_triangles: (S, 3) of the skin alone."""
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
        far, self._side = np.minimum(above, below), np.where(above < below, 1.0, -1.0)
        self._share = np.clip(1 - (far / REACH) ** 2, 0, 1) ** 2
        near = skin_triangles[(far[skin_triangles] < TOUCHING).all(1)]
        side = self._side[near].sum(1)
        self._upper, self._lower = near[side == 3], near[side == -3]
        self._corners = np.setdiff1d(topology.lips, np.concatenate([upper, lower]))

    def parted(self, vertices: np.ndarray) -> np.ndarray:
        """(n, 3) skin and inner with lips (n, 3) that have passed through one another moved apart."""
        parted = vertices.astype(np.float64).copy()
        for _ in range(ROUNDS):
            pairs = self.crossed(parted)
            if not len(pairs):
                break
            low = parted[self._corners, :2].mean(0) - CELLS * CELL / 2
            overlap = np.maximum(self._overlap(parted, low), LEAST)
            # Smiling corners reach over one another without touching: only what has crossed is parted.
            across = parted[pairs, 0]
            ends = np.stack([across.min((1, 2)), across.max((1, 2))], 1)
            first, last = np.clip((ends - low[0]) / CELL, 0, CELLS - 1).astype(np.int64).T
            change = np.zeros(CELLS + 1)
            np.add.at(change, first, 1)
            np.add.at(change, last + 1, -1)
            overlap[np.cumsum(change[:-1]) == 0] = 0
            cells = int(SPREAD / CELL)
            wide = gaussian_filter1d(maximum_filter1d(overlap, 2 * cells + 1), cells / 2)
            push = np.interp((parted[:, 0] - low[0]) / CELL, np.arange(CELLS), wide, 0, 0) / 2
            parted[:, 2] += push * self._share * self._side
        return parted

    def crossed(self, vertices: np.ndarray) -> np.ndarray:
        """(k, 2, 3) vertices of the triangles of the upper and of the lower lip that cross one another."""
        both = np.concatenate([self._upper, self._lower])
        pairs = self_intersections(vertices, both)
        one, other = (pairs < len(self._upper)).T
        return both[pairs[one != other]]

    def _overlap(self, vertices: np.ndarray, low: np.ndarray) -> np.ndarray:
        """(CELLS,) metres that the lower lip reaches over the upper one, at places along x.

        low: (2,) x, y of the corner of the map, metres.
        """
        places = (vertices[:, :2] - low) / CELL
        maps = []
        for triangles, sign in ((self._upper, -1.0), (self._lower, 1.0)):
            triangle, pixel, bary, _ = fragments(places, triangles, CELLS)
            height = sign * interpolate(vertices[:, 2], triangles, triangle, bary)
            top = np.full(CELLS * CELLS, -np.inf)
            np.maximum.at(top, pixel, height)
            maps.append(top)
        # The highest of the lower lip over the lowest of the upper one.
        return np.maximum((maps[0] + maps[1]).reshape(CELLS, CELLS).max(0), 0) + ROOM
