"""The lifted head as a solid in the volume, and how it moves to where the network sees the surface."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..geometry.frames import CROP_SIZE
from ..geometry.mesh import edges_of, shading_normals
from ..geometry.rasterize import fragments, interpolate, z_buffer
from ..lifting.lifter import HeadPrior
from ..template.template import HeadTemplate
from ..volume.guidance import neck_plane

#: Voxels from the likely surface within which the network's is looked for, and the steps of the search.
REACH, STEP = 8.0, 0.5
#: Voxels that a vertex may lie behind the nearest surface and still be seen.
HIDDEN = 3.0
#: Cosines between normal and ray from which on the network's surface counts, and counts fully; how much it
#: counts where no camera has seen it; voxels over which the head gives way where it counts fully.
GRAZING, FACING, UNSEEN, GIVES = 0.1, 0.5, 0.05, 2.5
#: Weight of an edge's squared difference in the integral of the squared gradient, in even triangles.
EVEN = 1 / np.sqrt(3)
#: How much of the way to the tangent planes the middles of edges go (Boubekeur and Alexa, "Phong
#: Tessellation", SIGGRAPH Asia 2008): those of a ball come to lie on it.
PHONG = 0.5


@dataclass(frozen=True)
class PriorMesh:
    """A closed mesh in the volume. points: (P, 3) float64, volume frame; triangles: (T, 3) int32,
    counterclockwise from outside; plane: (4,) n, d, volume frame: it is solid only where n . p + d >= 0.
    """

    points: np.ndarray
    triangles: np.ndarray
    plane: np.ndarray

    @classmethod
    def of(cls, lifted: HeadPrior, template: HeadTemplate) -> "PriorMesh":
        """The lifted head where the photo shows it."""
        frame, pose = lifted.frame, lifted.pose
        solid = template.solid(lifted.vertices.astype(np.float64))
        used, triangles = np.unique(template.solid_triangles, return_inverse=True)
        points = frame.camera_to_volume(pose.head_to_camera(solid[used]))
        return cls(points, triangles.reshape(-1, 3).astype(np.int32), neck_plane(frame, pose))

    @cached_property
    def normals(self) -> np.ndarray:
        """(P, 3) float64, outward, volume frame, which is left-handed."""
        return -shading_normals(self.points, self.triangles).astype(np.float64)

    @cached_property
    def areas(self) -> np.ndarray:
        """(T,) square voxels: area of each triangle."""
        a, b, c = (self.points[self.triangles[:, k]] for k in range(3))
        return np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2

    @cached_property
    def hits(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Where the columns' rays meet the mesh: (N,) pixel, y * 192 + x; (N,) z; (N,) twice the signed area
        of the triangle in the picture.
        """
        triangle, pixel, bary, area = fragments(self.points, self.triangles)
        return pixel, interpolate(self.points[:, 2], self.triangles, triangle, bary), area

    @cached_property
    def front(self) -> np.ndarray:
        """(192, 192) float32 z at which each column's ray first meets the mesh, -inf where never."""
        pixel, z, _ = self.hits
        index, front = z_buffer(pixel, z, z)
        return np.where(index >= 0, front, -np.inf).astype(np.float32).reshape(CROP_SIZE, CROP_SIZE)

    @cached_property
    def facing(self) -> np.ndarray:
        """(P,) float64: cosine between normal and ray of the vertices that the camera sees, else 0."""
        x, y = np.clip(np.round(self.points[:, :2]).astype(int), 0, CROP_SIZE - 1).T
        seen = self.points[:, 2] >= self.front[y, x] - HIDDEN
        return np.where(seen, np.maximum(self.normals[:, 2], 0), 0)

    @cached_property
    def edges(self) -> np.ndarray:
        """(E, 2) int32, each edge once."""
        return edges_of(self.triangles)

    def registered_to(self, volume: np.ndarray) -> "PriorMesh":
        """The head, bent as little as possible so that it passes where the occupancy (200, 192, 192) float32
        [z, y, x] is 0.5.

        What the camera sees counts, across the surface; the rest goes along with its neighbours: the least of
        integral of weight (normal . move - offset)² + GIVES² |gradient of the move|².
        """
        from scipy.sparse import coo_matrix, csr_matrix, diags, identity, kron
        from scipy.sparse.linalg import cg

        count = len(self.points)
        offset, found = self._offsets(volume)
        seen = np.clip((self.facing - GRAZING) / (FACING - GRAZING), 0, 1)
        area = np.bincount(self.triangles.ravel(), np.repeat(self.areas / 3, 3), count)
        weight = np.where(found, np.maximum(seen, UNSEEN), 0) * area
        one, two = self.edges.T
        joined = coo_matrix((np.ones(len(one)), (one, two)), (count, count))
        joined = joined + joined.T
        laplacian = diags(np.asarray(joined.sum(1)).ravel()) - joined
        across = csr_matrix(
            (self.normals.ravel(), np.arange(3 * count), np.arange(0, 3 * count + 1, 3)), (count, 3 * count)
        )
        # The last term holds a head that is not found at all where it is.
        matrix = (
            across.T @ diags(weight) @ across
            + EVEN * GIVES**2 * kron(laplacian, identity(3))
            + 1e-4 * identity(3 * count)
        ).tocsr()
        move, _ = cg(
            matrix, across.T @ (weight * offset), M=diags(1 / matrix.diagonal()), rtol=1e-3, maxiter=400
        )
        return PriorMesh(self.points + move.reshape(-1, 3), self.triangles, self.plane)

    def _offsets(self, volume: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(P,) how far, voxels, outwards the occupancy's surface is from each vertex, along its normal; (P,)
        bool whether there is one.
        """
        from scipy.ndimage import map_coordinates

        steps = np.arange(-REACH, REACH + STEP, STEP)
        places = self.points[:, None] + steps[:, None] * self.normals[:, None]
        values = map_coordinates(volume, places.reshape(-1, 3).T[::-1], order=1, mode="nearest")
        values = values.reshape(len(self.points), -1) - 0.5
        leaving = (values[:, :-1] > 0) & (values[:, 1:] <= 0)
        distance = np.where(leaving, np.abs(steps[:-1] + STEP / 2), np.inf)
        nearest = distance.argmin(1)
        row = np.arange(len(nearest))
        found = np.isfinite(distance[row, nearest])
        inner, outer = values[row, nearest], values[row, nearest + 1]
        share = inner / np.where(found, inner - outer, 1)
        return np.where(found, steps[nearest] + STEP * share, 0), found

    def refined(self) -> "PriorMesh":
        """The head with every triangle divided into four, and rounder."""
        a, b = self.points[self.edges[:, 0]], self.points[self.edges[:, 1]]
        middle = (a + b) / 2
        rounder = np.zeros_like(middle)
        for end, index in ((a, self.edges[:, 0]), (b, self.edges[:, 1])):
            normal = self.normals[index]
            rounder += (middle - ((middle - end) * normal).sum(1, keepdims=True) * normal) / 2
        points = np.concatenate([self.points, middle + PHONG * (rounder - middle)])
        # Edges are sorted: where one is found by its number.
        key = self.edges[:, 0].astype(np.int64) * len(self.points) + self.edges[:, 1]
        corners = [self.triangles[:, k] for k in range(3)]
        ab, bc, ca = (
            np.searchsorted(key, np.minimum(p, q).astype(np.int64) * len(self.points) + np.maximum(p, q))
            + len(self.points)
            for p, q in ((corners[0], corners[1]), (corners[1], corners[2]), (corners[2], corners[0]))
        )
        parts = ((corners[0], ab, ca), (ab, corners[1], bc), (ca, bc, corners[2]), (ab, bc, ca))
        triangles = np.concatenate([np.stack(part, 1) for part in parts]).astype(np.int32)
        return PriorMesh(points, triangles, self.plane)
