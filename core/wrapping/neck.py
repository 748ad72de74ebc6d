"""The end of the neck: one level ring, rounded and evenly spaced, so that a head stands, or joins a body.

The surface says little of the neck's end, and where it follows shoulders and collars the ring of the template
goes up and down by centimeters. The ring is brought onto a level plane, as a smooth closed curve; the
displacement d of the skin above it minimizes

    integral of s⁴ |laplacian d|² + h c |d|²,

c the confidence: what the photo shows of the neck stays where it was found.
"""

import numpy as np
from scipy.sparse import csr_matrix, diags
from scipy.sparse.csgraph import dijkstra

from ..geometry.mesh import cotangent_laplacian, triangle_normals
from ..template.topology import SKIN, HeadTopology
from .fold_repair import FOLD_COSINE

#: How far, meters along the average head's edges, the skin above the ring follows.
REACH = 0.05
#: Smoothing length s, meters.
SMOOTHING_LENGTH = 0.003
#: Weights h, without unit, of what the photo shows: the first at which nothing folds is used.
VISIBLE_WEIGHTS = (4.0, 1.0, 0.25, 0.0)
#: Harmonics of the ring's outline, seen from above: more would bring back the corners of shoulders.
HARMONICS = 3
#: Points, of the outline, that its length is measured by.
OUTLINE_POINTS = 720


class NeckRing:
    """Levels the neck's end in heads of one topology; keeps what does not depend on the photo.

    Attributes:
        moved: (k,) int, the vertices that may be moved.
    """

    def __init__(self, topology: HeadTopology) -> None:
        """Prepare how the skin follows the ring.

        Args:
            topology: Of the heads.
        """
        self._ring = topology.neck
        skin = topology.faces_of(SKIN)
        triangles = topology.triangles[np.stack([2 * skin, 2 * skin + 1], 1).ravel()]
        mean = topology.vertices[: int(triangles.max()) + 1].astype(np.float64)
        edges = np.concatenate([triangles[:, [k, (k + 1) % 3]] for k in range(3)])
        length = np.linalg.norm(mean[edges[:, 0]] - mean[edges[:, 1]], axis=1)
        graph = csr_matrix((length, edges.T), (len(mean), len(mean)))
        distance = dijkstra(graph, directed=False, indices=self._ring, min_only=True)
        free = (distance < REACH) & (distance > 0)
        self._free = np.flatnonzero(free)
        self.moved = np.concatenate([self._ring, self._free])
        self._triangles = triangles[free[triangles].any(1)]
        facing = triangle_normals(mean, self._triangles)
        self._facing = facing / np.linalg.norm(facing, axis=1, keepdims=True)
        # Where the free vertices end, they meet the rest without a kink: their neighbors are in the energy.
        laplacian, area = cotangent_laplacian(mean, triangles)
        scaled = diags(1 / np.maximum(area, 1e-12)) @ laplacian
        energy = (laplacian.T @ scaled).tocsc()
        scale = SMOOTHING_LENGTH**4
        self._energy = scale * energy[self._free][:, self._free].toarray()
        self._coupling = scale * energy[self._free][:, self._ring].toarray()
        self._area = area[self._free]

    def level(self, vertices: np.ndarray, confidence: np.ndarray) -> np.ndarray:
        """Bring the neck's end onto a level plane.

        Args:
            vertices: (n, 3) skin and inner, or a whole head, head frame, meters.
            confidence: (n,) 0..1, how well the photo shows them.

        Returns:
            (n, 3) float64 the head with a level ring.
        """
        leveled = vertices.astype(np.float64)
        move = self._target(leveled[self._ring]) - leveled[self._ring]
        leveled[self._ring] += move
        before = vertices[self._free].astype(np.float64)
        for weight in VISIBLE_WEIGHTS:
            system = self._energy + np.diag(weight * self._area * confidence[self._free])
            leveled[self._free] = before - np.linalg.solve(system, self._coupling @ move)
            if not self._folds(leveled):
                break
        return leveled

    def _folds(self, vertices: np.ndarray) -> bool:
        """Whether a triangle of vertices (n, 3) faces inward where the average head's faces outward."""
        normal = triangle_normals(vertices, self._triangles)
        return bool(((normal * self._facing).sum(1) < FOLD_COSINE * np.linalg.norm(normal, axis=1)).any())

    def _target(self, ring: np.ndarray) -> np.ndarray:
        """(r, 3) where the vertices of a ring (r, 3) belong."""
        middle = ring.mean(0)
        # Edges differ in length: their middles, weighted by it, stand for the outline.
        ahead = np.roll(ring, -1, 0)
        weight = np.sqrt(np.linalg.norm(ahead - ring, axis=1))
        offset = ((ring + ahead) / 2 - middle)[:, :2]
        turn = np.arctan2(offset[:, 1], offset[:, 0])
        coefficients = np.linalg.lstsq(
            _harmonics(turn) * weight[:, None], np.linalg.norm(offset, axis=1) * weight, rcond=None
        )[0]
        # From the ring's first vertex, at the front, once around.
        start = np.arctan2(*(ring[0] - middle)[1::-1])
        sense = np.sign(np.sum(np.cross(ring - middle, ahead - middle)[:, 2]))
        around = start + sense * np.linspace(0, 2 * np.pi, OUTLINE_POINTS + 1)
        radius = _harmonics(around) @ coefficients
        outline = np.stack([radius * np.cos(around), radius * np.sin(around)], 1)
        along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(outline, axis=0), axis=1))])
        wanted = np.arange(len(ring)) / len(ring) * along[-1]
        flat = np.stack([np.interp(wanted, along, outline[:, axis]) for axis in (0, 1)], 1)
        # At the height of the front, which is what photos show of a neck.
        height = ring[ring[:, 1] < middle[1], 2].mean()
        return np.column_stack([flat + middle[:2], np.full(len(ring), height)])


def _harmonics(turn: np.ndarray) -> np.ndarray:
    """(n, 2 HARMONICS + 1) the constant, cosines and sines of angles (n,), radians."""
    order = np.arange(1, HARMONICS + 1)
    angle = turn[:, None] * order
    return np.concatenate([np.ones((len(turn), 1)), np.cos(angle), np.sin(angle)], 1)
