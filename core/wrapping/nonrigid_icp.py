"""Registers the template to a surface: first as heads vary, then freely, stiff where nothing is visible.

Non-rigid ICP in the manner of Amberg, Romdhani and Vetter, Optimal step nonrigid ICP algorithms for
surface registration (2007), with a thin-plate energy in place of their affine one: the displacement d of the
skin minimizes, with ever smaller lengths s,

    sum of weight area |d - t|²  +  integral of s⁴ |laplacian d|² + b² |grad d|²  +  landmarks,

where t leads each vertex onto the tangent plane of the closest point of the surface: so it may slide.
On the astronaut `trimesh.registration.nricp_amberg` took 2.6 s of one core and folded 28 triangles of the
skin, this 0.6 s and 6; loose enough to follow lips, the former follows the voxels' ridges too.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix, diags
from scipy.sparse.csgraph import dijkstra
from scipy.sparse.linalg import SuperLU, splu
from scipy.spatial import cKDTree

from ..detection.mediapipe_topology import BROWS, EYES, LIPS
from ..geometry.closest_point import ClosestPointQuery, Correspondences
from ..geometry.factorization import SymmetricSolver
from ..geometry.frames import NECK_PLANE_Z, Camera, HeadPose
from ..geometry.mesh import cotangent_laplacian, vertex_normals
from ..geometry.pose import similarity_displacements
from ..template.regions import EAR_BOX
from ..template.template import HeadTemplate
from ..template.topology import INNER, SKIN, HeadTopology, rim_halves
from .settings import WrapSettings

#: Landmarks and their standard deviations across their rays, meters.
LANDMARK_ERRORS = ((EYES, 0.0010), (LIPS, 0.0010), (BROWS, 0.0025))
#: Standard deviations of the linear model's corrections: turn (radians), shift (meters), log size.
TURN_SPREAD = 0.03
SHIFT_SPREAD = 0.005
SIZE_SPREAD = 0.02
#: Standard deviations of the identity's coefficients and the blendshapes' weights.
IDENTITY_SPREAD = 0.5
BLENDSHAPE_SPREAD = 0.2
#: Greatest distance of correspondences, meters, of the linear model.
LINEAR_DISTANCE = 0.02
#: Vertices whose errors count as one: they are nearer to one another than errors are independent.
CORRELATED_VERTICES = 8.0
#: Least smoothing lengths of the non-rigid ICP, meters: of ears, of what the skin hides, of the rims of lids
#: and lips.
EAR_LENGTH = 0.025
INNER_LENGTH = 0.008
RIM_LENGTH = 0.003
#: How much longer the smoothing length is where nothing is visible.
UNSEEN_STIFFNESS = 4
#: Lengths, meters, over which the prior's differences from the average head are smoothed.
PRIOR_LENGTH = 0.003
#: The same, at the rims.
PRIOR_RIM_LENGTH = 0.0015
#: The same, around the ears, where the prior has creases.
PRIOR_EAR_LENGTH = 0.008
#: How far the ears' surroundings reach, meters.
EAR_REACH = 0.025
#: Length over which an attraction fades where there is no surface to follow, meters.
FADE_LENGTH = 0.004
#: Area that a landmark of LANDMARK_SCALE's error stands for, m².
LANDMARK_AREA = 1e-5
#: Error of a landmark, meters, that LANDMARK_AREA refers to.
LANDMARK_SCALE = 0.001
#: Height over the neck's plane, meters, at which the surface begins to count, and over which it grows.
NECK_BEGIN = 0.004
NECK_WIDTH = 0.01
#: Rings of vertices, from the rims, that are distinguished.
RIM_RINGS = 4
#: Weights of the surface at ears, and at the ring beside the rims.
EAR_WEIGHT = 0.1
RIM_RING_WEIGHT = 0.5
#: Weight of staying, of a vertex's area, so that the system is not singular.
DAMPING = 1e-4


@dataclass(frozen=True)
class Rays:
    """Landmarks as the photo shows them.

    Attributes:
        corners: (L, 3) int, vertices that a landmark lies between.
        weights: (L, 3) barycentric coordinates.
        points: (L, 2) photo frame, pixels.
        error: (L,) standard deviation across the ray, meters.
        camera: Of the photo.
        pose: Of the head.
    """

    corners: np.ndarray
    weights: np.ndarray
    points: np.ndarray
    error: np.ndarray
    camera: Camera
    pose: HeadPose

    def offsets(self, vertices: np.ndarray) -> np.ndarray:
        """What brings each landmark onto its ray.

        Args:
            vertices: (V, 3) a head, head frame, meters.

        Returns:
            (L, 3) head frame, meters.
        """
        landmarks = (vertices[self.corners] * self.weights[..., None]).sum(1)
        in_camera = self.pose.head_to_camera(landmarks)
        across = (self.points - self.camera.project(in_camera)) * in_camera[:, 2:] / self.camera.focal_px
        return np.concatenate([across, np.zeros((len(across), 1))], 1) @ self.pose.rotation

    def matrix(self, count: int) -> csr_matrix:
        """(L, count) sparse: interpolates landmarks from vertices."""
        row = np.repeat(np.arange(len(self.corners)), 3)
        return csr_matrix((self.weights.ravel(), (row, self.corners.ravel())), (len(self.corners), count))


def landmark_rays(points: np.ndarray, template: HeadTemplate, camera: Camera, pose: HeadPose) -> Rays:
    """The landmarks that a head is registered to.

    Args:
        points: (478, 3) as detected, photo frame, pixels.
        template: Where they are on the head.
        camera: Of the photo.
        pose: Of the head.

    Returns:
        Those around eyes and lips and on the brows.
    """
    index = np.concatenate([np.array(group) for group, _ in LANDMARK_ERRORS])
    error = np.concatenate([np.full(len(group), value) for group, value in LANDMARK_ERRORS])
    # Corners beyond the vertices are the solid's extra ones, which no landmark of the skin refers to.
    return Rays(
        template.landmark_triangles[index],
        template.landmark_bary[index].astype(np.float64),
        points[index, :2].astype(np.float64),
        error,
        camera,
        pose,
    )


class TemplateRegistration:
    """Registers heads of one topology; keeps what does not depend on the photo.

    Attributes:
        topology: Of the heads.
        settings: What can be set.
        triangles: (T, 3) int, of skin and inner.
        skin_triangles: (S, 3) int, of the skin.
        count: Number of vertices of skin and inner, which come first.
        skin: (count,) bool.
        ear: (count,) bool.
        rim_distance: (count,) int, how many edges, up to RIM_RINGS, each vertex is from the rims.
        rim_side: (count,) 1 for vertices nearer, along edges, to an upper half of a rim, -1 for the others.
        rim_triangles: (R, 3) int, of skin and inner, around lids and lips.
        rim_skin: (Q, 3) int, those of the skin alone, which must not intersect itself. What intersects inside
            a closed mouth is never visible, and separating it would open the lips.
        surface_weight: (count,) 0..1, how much the surface counts.
        solver: Of thin-plate energies of skin and inner.
    """

    def __init__(
        self,
        topology: HeadTopology,
        settings: WrapSettings = WrapSettings(),  # noqa: B008 (frozen)
    ) -> None:
        """Prepare what depends on the topology alone.

        Args:
            topology: Of the heads.
            settings: What can be set.
        """
        self.settings = settings
        self.topology = topology
        body = topology.faces_of(SKIN, INNER)
        self.triangles = topology.triangles[np.concatenate([2 * body, 2 * body + 1])]
        self.skin_triangles = topology.triangles[
            np.concatenate([2 * (f := topology.faces_of(SKIN)), 2 * f + 1])
        ]
        self.count = int(self.triangles.max()) + 1
        vertices = topology.vertices[: self.count]
        self.skin = np.zeros(self.count, bool)
        self.skin[topology.vertices_of(SKIN)] = True
        sided = vertices * np.where(vertices[:, :1] < 0, [-1, 1, 1], 1)
        self.ear = ((sided > EAR_BOX[0]) & (sided < EAR_BOX[1])).all(1) & self.skin
        rim = np.zeros(self.count, bool)
        rim[np.concatenate([topology.lid_left, topology.lid_right, topology.lips])] = True
        self.rim_distance = np.where(rim, 0, RIM_RINGS)
        quads = topology.quads[body]
        for ring in range(1, RIM_RINGS):
            near = np.unique(quads[(self.rim_distance[quads] < ring).any(1)])
            self.rim_distance[near] = np.minimum(self.rim_distance[near], ring)
        self.rim_side = self._rim_side(quads)
        self.rim_triangles = self.triangles[self.rim_distance[self.triangles].min(1) < RIM_RINGS]
        self.rim_skin = self.skin_triangles[self.rim_distance[self.skin_triangles].min(1) < RIM_RINGS]
        self.surface_weight = np.select(
            [~self.skin, self.ear, self.rim_distance == 0, self.rim_distance == 1],
            [0.0, EAR_WEIGHT, 0.0, RIM_RING_WEIGHT],
            1.0,
        )
        self._smoothing, self.solver = self._smoothing_solver(vertices.astype(np.float64))
        self._modes = np.concatenate(
            [topology.identity * IDENTITY_SPREAD, topology.blendshapes * BLENDSHAPE_SPREAD]
        )

    def _rim_side(self, quads: np.ndarray) -> np.ndarray:
        """(n,) the side of each vertex; quads: (F, 4) of skin and inner."""
        topology = self.topology
        halves: tuple[list[int], list[int]] = ([], [])
        for loop in (topology.lid_left, topology.lid_right, topology.lips):
            upper, lower = rim_halves(topology.vertices, loop)
            halves[0].extend(upper)
            halves[1].extend(lower)
        ends = quads.ravel(), np.roll(quads, -1, axis=1).ravel()
        graph = csr_matrix((np.ones(len(ends[0])), ends), (self.count, self.count))
        above, below = (
            dijkstra(graph, directed=False, indices=half, unweighted=True, min_only=True) for half in halves
        )
        return np.where(above < below, 1, -1)

    def _smoothing_solver(self, vertices: np.ndarray) -> tuple[SuperLU, SymmetricSolver]:
        """The factorized system that smooths displacements of the average head (n, 3), and what solves
        systems of its pattern.
        """
        laplacian, area = cotangent_laplacian(vertices, self.triangles)
        distance, _ = cKDTree(vertices[self.ear]).query(vertices)
        nearness = np.clip(1 - distance / EAR_REACH, 0, 1)
        lengths = PRIOR_LENGTH + nearness * (PRIOR_EAR_LENGTH - PRIOR_LENGTH)
        lengths = np.where(self.rim_distance < RIM_RINGS, PRIOR_RIM_LENGTH, lengths)
        self._area = area
        matrix = diags(area) + laplacian.T @ diags(lengths**4 / area) @ laplacian
        smoothing = splu(matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
        return smoothing, SymmetricSolver(matrix)

    def smooth_prior(self, vertices: np.ndarray) -> np.ndarray:
        """Take out the creases that the transfer from another topology has left in the prior.

        Args:
            vertices: (V, 3) the prior, head frame, meters.

        Returns:
            (V, 3) float64.
        """
        mean = self.topology.vertices[: self.count].astype(np.float64)
        smooth = vertices.astype(np.float64)
        offset = self._area[:, None] * (smooth[: self.count] - mean)
        smooth[: self.count] = mean + self._smoothing.solve(offset)
        return smooth

    def match(self, vertices: np.ndarray, target: ClosestPointQuery, max_distance: float) -> Correspondences:
        """Find the correspondences of skin and inner, whose normals are the skin's at the rims.

        Args:
            vertices: (V, 3) a head, head frame, meters.
            target: The surface.
            max_distance: Greatest distance, meters.

        Returns:
            The correspondences of the first `count` vertices.
        """
        normals = vertex_normals(vertices[: self.count], self.skin_triangles)
        found = target.match(vertices[: self.count], normals, max_distance, self.settings.unseen_weight)
        above = np.clip((vertices[: self.count, 2] - NECK_PLANE_Z - NECK_BEGIN) / NECK_WIDTH, 0, 1)
        return Correspondences(
            found.points, found.normals, found.weight * self.surface_weight * above, found.confidence
        )

    def fit_linear_model(self, vertices: np.ndarray, target: ClosestPointQuery, rays: Rays) -> np.ndarray:
        """Fit pose, identity and expression to surface and landmarks.

        Args:
            vertices: (V, 3) the prior, head frame, meters.
            target: The surface.
            rays: The landmarks.

        Returns:
            (V, 3) float64.
        """
        start = vertices.astype(np.float64)
        current = start
        modes = np.concatenate([similarity_displacements(start) * _SIMILARITY_SPREAD, self._modes])
        prior = np.eye(len(modes))
        marks = (modes[:, rays.corners] * rays.weights[..., None]).sum(2)  # (K, L, 3)
        for _ in range(self.settings.linear_rounds):
            found = self.match(current, target, LINEAR_DISTANCE)
            used = np.flatnonzero(found.weight > 0)
            root = np.sqrt(found.weight[used] / CORRELATED_VERTICES) / self.settings.surface_error
            normal = found.normals[used]
            rows = np.einsum("knc,nc->nk", modes[:, used], normal) * root[:, None]
            goal = ((found.points[used] - start[used]) * normal).sum(1) * root
            trust = np.sqrt(self._landmark_trust(found, rays)) / rays.error
            base = (start[rays.corners] * rays.weights[..., None]).sum(1)
            now = (current[rays.corners] * rays.weights[..., None]).sum(1)
            rows_m = (marks * trust[:, None]).reshape(len(modes), -1).T
            goal_m = ((now + rays.offsets(current) - base) * trust[:, None]).ravel()
            matrix = prior + rows.T @ rows + rows_m.T @ rows_m
            weights = np.linalg.solve(matrix, rows.T @ goal + rows_m.T @ goal_m)
            current = start + np.tensordot(weights, modes, 1)
        return current

    def _landmark_trust(self, found: Correspondences, rays: Rays) -> np.ndarray:
        """(L,) 0..1: landmarks that turn away from the camera are the detector's guesses."""
        return (found.confidence[rays.corners] * rays.weights).sum(1).clip(0, 1) ** 2

    def nonrigid_icp(self, vertices: np.ndarray, target: ClosestPointQuery, rays: Rays) -> np.ndarray:
        """Move skin and inner onto the surface.

        Args:
            vertices: (V, 3) the fitted head, head frame, meters.
            target: The surface.
            rays: The landmarks.

        Returns:
            (n, 3) float64, skin and inner.
        """
        start = vertices[: self.count].astype(np.float64)
        laplacian, area = cotangent_laplacian(start, self.triangles)
        marks = rays.matrix(self.count)
        moved = start.copy()
        for length, max_distance in self.settings.steps:
            found = self.match(moved, target, max_distance)
            lengths = self._lengths(length, found)
            data = area * found.weight
            trust = self._landmark_trust(found, rays) * LANDMARK_AREA * (LANDMARK_SCALE / rays.error) ** 2
            goal = (
                moved - start + ((found.points - moved) * found.normals).sum(1, keepdims=True) * found.normals
            )
            goal_m = marks @ (moved - start) + rays.offsets(moved)
            smooth = laplacian.T @ diags(lengths**4 / area) @ laplacian
            matrix = (
                diags(data)
                + smooth
                + FADE_LENGTH**2 * self.settings.unseen_weight * laplacian
                + marks.T @ diags(trust) @ marks
            )
            right = data[:, None] * goal + marks.T @ (trust[:, None] * goal_m)
            # Where nothing attracts at all the matrix would be singular.
            matrix = matrix + diags(area * DAMPING)
            moved = start + self.solver.solve(matrix, right)
        return moved

    def _lengths(self, length: float, found: Correspondences) -> np.ndarray:
        """(n,) smoothing lengths, meters."""
        unseen = 1 - found.confidence
        lengths = length * (1 + UNSEEN_STIFFNESS * unseen)
        lengths = np.where(self.skin, lengths, np.maximum(lengths, INNER_LENGTH))
        lengths = np.where(self.ear, np.maximum(lengths, EAR_LENGTH), lengths)
        return np.where(self.rim_distance <= 2, np.maximum(lengths, RIM_LENGTH), lengths)


_SIMILARITY_SPREAD = np.array([TURN_SPREAD] * 3 + [SHIFT_SPREAD] * 3 + [SIZE_SPREAD])[:, None, None]
