"""The lifted head as a closed mesh in the volume, and its registration to the predicted occupancy."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..geometry.frames import CROP_SIZE
from ..geometry.mesh import MeshTopology, shading_normals, triangle_normals
from ..geometry.rasterize import ray_intersections, z_buffer
from ..geometry.visibility import ramp
from ..lifting.lifter import HeadPrior
from ..template.template import HeadTemplate
from ..volume.guidance import neck_plane
from .settings import DEFAULT_SETTINGS, SurfaceSettings

#: Distance from the prior's surface within which the network's is searched for, voxels.
SEARCH_REACH = 8.0
#: Distance within which it is searched for first, voxels: there most vertices find it.
NEAR_REACH = 2.0
#: Step of that search, voxels.
SEARCH_STEP = 0.5
#: Depth behind the nearest surface up to which a vertex is seen, voxels.
OCCLUSION_TOLERANCE = 3.0
#: Cosine between normal and ray from which on the network's surface counts.
MIN_COSINE = 0.1
#: Cosine from which on it counts fully.
FULL_COSINE = 0.5
#: Weight of the network's surface where the camera does not see it.
UNSEEN_WEIGHT = 0.05
#: Weight of an edge's squared difference in the integral of the squared gradient, for equilateral triangles.
EQUILATERAL_WEIGHT = 1 / np.sqrt(3)
#: Fraction of the way to the tangent planes that the middles of edges go (T. Boubekeur and M. Alexa, "Phong
#: tessellation", SIGGRAPH Asia 2008): those of a sphere come to lie on it.
PHONG_FRACTION = 0.5


@dataclass(frozen=True)
class PriorMesh:
    """A closed mesh in the volume.

    Attributes:
        points: (P, 3) float64, volume frame.
        triangles: (T, 3) int32, counterclockwise from outside.
        plane: (4,) n, d, volume frame: the head is only where n . p + d >= 0.
        known_topology: Of these triangles, if another mesh has it already.
    """

    points: np.ndarray
    triangles: np.ndarray
    plane: np.ndarray
    known_topology: MeshTopology | None = None

    @classmethod
    def of(cls, prior: HeadPrior, template: HeadTemplate) -> "PriorMesh":
        """The lifted head where the photo shows it."""
        frame, pose = prior.frame, prior.pose
        solid = template.solid(prior.vertices.astype(np.float64))
        points = frame.camera_to_volume(pose.head_to_camera(solid[template.solid_vertices]))
        topology = template.solid_topology
        return cls(points, topology.triangles, neck_plane(frame, pose), topology)

    @cached_property
    def topology(self) -> MeshTopology:
        """What follows from the triangles alone."""
        return self.known_topology or MeshTopology(self.triangles, len(self.points))

    @cached_property
    def normals(self) -> np.ndarray:
        """(P, 3) float64, outward, volume frame, which is left-handed."""
        return -shading_normals(self.points, self.triangles).astype(np.float64)

    @cached_property
    def areas(self) -> np.ndarray:
        """(T,) square voxels: area of each triangle."""
        return np.asarray(np.linalg.norm(triangle_normals(self.points, self.triangles), axis=1) / 2)

    @cached_property
    def ray_intersections(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Where the columns' rays meet the mesh, see `core.geometry.rasterize.ray_intersections`."""
        return ray_intersections(self.points, self.triangles)

    @cached_property
    def front(self) -> np.ndarray:
        """(192, 192) float32 z at which each column's ray first meets the mesh, -inf where never."""
        pixel, z, _ = self.ray_intersections
        index, front = z_buffer(pixel, z, z)
        return np.where(index >= 0, front, -np.inf).astype(np.float32).reshape(CROP_SIZE, CROP_SIZE)

    @cached_property
    def cos_incidence(self) -> np.ndarray:
        """(P,) float64: cosine between normal and ray of the vertices that the camera sees, else 0."""
        x, y = np.clip(np.round(self.points[:, :2]).astype(int), 0, CROP_SIZE - 1).T
        visible = self.points[:, 2] >= self.front[y, x] - OCCLUSION_TOLERANCE
        return np.where(visible, np.maximum(self.normals[:, 2], 0), 0)

    def registered_to(self, volume: np.ndarray, settings: SurfaceSettings = DEFAULT_SETTINGS) -> "PriorMesh":
        """The mesh, bent as little as possible so that it passes where an occupancy is 0.5.

        What the camera sees counts, along the normals; the rest follows its neighbors. Minimizes the integral
        of weight (normal . move - offset)² + bending_length² |gradient of the move|².

        Args:
            volume: (200, 192, 192) float32 [z, y, x], occupancy 0..1.
            settings: Give the bending length.
        """
        from scipy.sparse import csr_matrix, diags, identity, kron
        from scipy.sparse.linalg import cg

        count = len(self.points)
        offset, found = self._offsets(volume)
        visibility = ramp(self.cos_incidence, MIN_COSINE, FULL_COSINE)
        area = np.bincount(self.triangles.ravel(), np.repeat(self.areas / 3, 3), count)
        weight = np.where(found, np.maximum(visibility, UNSEEN_WEIGHT), 0) * area
        across = csr_matrix(
            (self.normals.ravel(), np.arange(3 * count), np.arange(0, 3 * count + 1, 3)), (count, 3 * count)
        )
        # The last term keeps a mesh in place whose surface is nowhere found.
        matrix = (
            across.T @ diags(weight) @ across
            + EQUILATERAL_WEIGHT * settings.bending_length**2 * kron(self.topology.laplacian, identity(3))
            + 1e-4 * identity(3 * count)
        ).tocsr()
        move, _ = cg(
            matrix, across.T @ (weight * offset), M=diags(1 / matrix.diagonal()), rtol=1e-3, maxiter=400
        )
        return PriorMesh(self.points + move.reshape(-1, 3), self.triangles, self.plane, self.topology)

    def _offsets(self, volume: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distance of the occupancy's surface from each vertex along its normal.

        Returns:
            (P,) voxels, positive outward; (P,) bool, whether it was found.
        """
        # Most vertices find it nearby: only the others search on.
        offset, found = self._offsets_within(volume, NEAR_REACH, np.arange(len(self.points)))
        rest = np.flatnonzero(~found)
        offset[rest], found[rest] = self._offsets_within(volume, SEARCH_REACH, rest)
        return offset, found

    def _offsets_within(
        self, volume: np.ndarray, reach: float, vertices: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """`_offsets` of some of the vertices, of surfaces no further away than `reach`, voxels."""
        from scipy.ndimage import map_coordinates

        steps = np.arange(-reach, reach + SEARCH_STEP, SEARCH_STEP)
        samples = self.points[vertices, None] + steps[:, None] * self.normals[vertices, None]
        values = map_coordinates(volume, samples.reshape(-1, 3).T[::-1], order=1, mode="nearest")
        values = values.reshape(len(vertices), len(steps)) - 0.5
        leaving = (values[:, :-1] > 0) & (values[:, 1:] <= 0)
        distance = np.where(leaving, np.abs(steps[:-1] + SEARCH_STEP / 2), np.inf)
        nearest = distance.argmin(1)
        row = np.arange(len(nearest))
        found = np.isfinite(distance[row, nearest])
        inner, outer = values[row, nearest], values[row, nearest + 1]
        fraction = inner / np.where(found, inner - outer, 1)
        return np.where(found, steps[nearest] + SEARCH_STEP * fraction, 0), found

    def phong_subdivided(self) -> "PriorMesh":
        """The mesh with every triangle divided into four and rounded by Phong tessellation."""
        edges = self.topology.edges
        a, b = self.points[edges[:, 0]], self.points[edges[:, 1]]
        middle = (a + b) / 2
        rounded = np.zeros_like(middle)
        for end, index in ((a, edges[:, 0]), (b, edges[:, 1])):
            normal = self.normals[index]
            rounded += (middle - ((middle - end) * normal).sum(1, keepdims=True) * normal) / 2
        points = np.concatenate([self.points, middle + PHONG_FRACTION * (rounded - middle)])
        fine = self.topology.subdivided
        return PriorMesh(points, fine.triangles, self.plane, fine)
