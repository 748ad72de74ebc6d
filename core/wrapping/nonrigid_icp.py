"""Wraps the template onto a surface: first by what heads are like, then freely, stiff where nothing was seen.

Non-rigid registration in the manner of Amberg, Romdhani and Vetter, Optimal step nonrigid ICP algorithms for
surface registration (2007), with a thin-plate energy in place of their affine one: the displacement d of the
skin minimises, with ever smaller lengths s,

    sum of weight area |d - t|²  +  integral of s⁴ |laplacian d|² + b² |grad d|²  +  landmarks,

where t leads each vertex onto the tangent plane of the nearest place on the surface, so that it may slide.
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
from ..geometry.frames import NECK_PLANE_Z, Camera, HeadPose
from ..geometry.mesh import cotangent_laplacian, vertex_normals
from ..geometry.pose import similarity_displacements
from ..template.regions import EAR_BOX
from ..template.template import HeadTemplate
from ..template.topology import INNER, SKIN, HeadTopology, rim_halves

#: Standard deviations, metres: of the landmarks across their rays, and of the surface along its normal.
LANDMARK_ERRORS = ((EYES, 0.0010), (LIPS, 0.0010), (BROWS, 0.0025))
SURFACE_ERROR = 0.0010
#: Corrections to the lifted head: standard deviations of turn (radians), shift (metres), log size, the
#: identity's coefficients and the units' weights.
TURN, SHIFT, SIZE, IDENTITY, WEIGHT = 0.03, 0.005, 0.02, 0.5, 0.2
#: (smoothing length, reach) of the free steps, metres.
STEPS = ((0.016, 0.015), (0.010, 0.010), (0.006, 0.008), (0.004, 0.006), (0.003, 0.005), (0.002, 0.005))
#: Smoothing length of ears, of what the skin hides, and of the lids' and lips' rims, metres.
EAR_LENGTH, INNER_LENGTH, RIM_LENGTH = 0.025, 0.008, 0.003
#: Lengths, metres, over which the lifted head's differences from the average head are smoothed: at the rims,
#: elsewhere, and around the ears, where it brings creases along.
EASE_RIM, EASE, EASE_EAR = 0.0015, 0.003, 0.008
#: How far, metres, the ears' surroundings reach.
EAR_REACH = 0.025
#: Length over which a pull fades where there is no surface to follow, metres.
FADE_LENGTH = 0.004
#: Weight of places that the photo did not see, where the surface is the network's guess.
UNSEEN = 0.03
#: Area, square metres, that a landmark of a millimetre's error stands for.
LANDMARK_AREA = 1e-5


@dataclass(frozen=True)
class Rays:
    """Landmarks as the photo shows them.

    corners: (L, 3) int, vertices, weights: (L, 3), that a landmark lies between; points: (L, 2) photo frame,
    px; error: (L,) metres.
    """

    corners: np.ndarray
    weights: np.ndarray
    points: np.ndarray
    error: np.ndarray
    camera: Camera
    pose: HeadPose

    def offsets(self, vertices: np.ndarray) -> np.ndarray:
        """(L, 3) head frame, metres: what brings each landmark of vertices (V, 3) onto its ray."""
        places = (vertices[self.corners] * self.weights[..., None]).sum(1)
        seen = self.pose.head_to_camera(places)
        across = (self.points - self.camera.project(seen)) * seen[:, 2:] / self.camera.focal_px
        return np.concatenate([across, np.zeros((len(across), 1))], 1) @ self.pose.rotation

    def matrix(self, count: int) -> csr_matrix:
        """(L, count) landmarks from vertices."""
        row = np.repeat(np.arange(len(self.corners)), 3)
        return csr_matrix((self.weights.ravel(), (row, self.corners.ravel())), (len(self.corners), count))


def landmark_rays(points: np.ndarray, template: HeadTemplate, camera: Camera, pose: HeadPose) -> Rays:
    """The landmarks (478, 3) px of a face that a head is held to."""
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


class Wrap:
    """The wrap of one topology; keeps what does not depend on the photo."""

    def __init__(self, topology: HeadTopology) -> None:
        self.topology = topology
        body = topology.faces_of(SKIN, INNER)
        self.triangles = topology.triangles[np.concatenate([2 * body, 2 * body + 1])]
        self.skin_triangles = topology.triangles[
            np.concatenate([2 * (f := topology.faces_of(SKIN)), 2 * f + 1])
        ]
        #: Skin and inner come first in the numbering.
        self.count = int(self.triangles.max()) + 1
        vertices = topology.vertices[: self.count]
        self.skin = np.zeros(self.count, bool)
        self.skin[topology.vertices_of(SKIN)] = True
        sided = vertices * np.array([1, 1, 1]) * np.where(vertices[:, :1] < 0, [[-1, 1, 1]], [[1, 1, 1]])
        self.ear = ((sided > EAR_BOX[0]) & (sided < EAR_BOX[1])).all(1) & self.skin
        rim = np.zeros(self.count, bool)
        rim[np.concatenate([topology.lid_left, topology.lid_right, topology.lips])] = True
        #: How many edges, up to 4, each vertex is from the rims.
        self.from_rim = np.where(rim, 0, 4)
        quads = topology.quads[body]
        for ring in range(1, 4):
            near = np.unique(quads[(self.from_rim[quads] < ring).any(1)])
            self.from_rim[near] = np.minimum(self.from_rim[near], ring)
        #: 1 for vertices nearer, along edges, to an upper half of a rim, -1 for the others.
        self.rim_side = self._rim_side(quads)
        #: Skin and inner around lids and lips; and the skin alone, which must not cross itself. What crosses
        #: inside a closed mouth nobody sees, and parting it would open the lips.
        self.rim_triangles = self.triangles[self.from_rim[self.triangles].min(1) < 4]
        self.rim_skin = self.skin_triangles[self.from_rim[self.skin_triangles].min(1) < 4]
        self.share = np.select(
            [~self.skin, self.ear, self.from_rim == 0, self.from_rim == 1],
            [0.0, 0.1, 0.0, 0.5],
            1.0,
        )
        self._ease = self._easing(vertices.astype(np.float64))
        self._moves = np.concatenate([topology.identity * IDENTITY, topology.units * WEIGHT])

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

    def _easing(self, vertices: np.ndarray) -> SuperLU:
        """The equations that smooth displacements of the average head (n, 3)."""
        laplacian, area = cotangent_laplacian(vertices, self.triangles)
        far, _ = cKDTree(vertices[self.ear]).query(vertices)
        near = np.clip(1 - far / EAR_REACH, 0, 1)
        lengths = EASE + near * (EASE_EAR - EASE)
        lengths = np.where(self.from_rim < 4, EASE_RIM, lengths)
        self._area = area
        matrix = diags(area) + laplacian.T @ diags(lengths**4 / area) @ laplacian
        return splu(matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})

    def ease(self, vertices: np.ndarray) -> np.ndarray:
        """(V, 3) a head without the creases that being carried over from another topology has left in it."""
        mean = self.topology.vertices[: self.count].astype(np.float64)
        eased = vertices.astype(np.float64)
        eased[: self.count] = mean + self._ease.solve(self._area[:, None] * (eased[: self.count] - mean))
        return eased

    def match(self, vertices: np.ndarray, target: ClosestPointQuery, reach: float) -> Correspondences:
        """The places on the surface of skin and inner (their normals are the skin's at the rims)."""
        normals = vertex_normals(vertices[: self.count], self.skin_triangles)
        found = target.match(vertices[: self.count], normals, reach, UNSEEN)
        above = np.clip((vertices[: self.count, 2] - NECK_PLANE_Z - 0.004) / 0.01, 0, 1)
        return Correspondences(
            found.points, found.normals, found.weight * self.share * above, found.confidence
        )

    def fit(self, vertices: np.ndarray, target: ClosestPointQuery, rays: Rays, rounds: int = 3) -> np.ndarray:
        """(V, 3) head moved as heads vary (pose, identity, expression) towards surface and landmarks."""
        start = vertices.astype(np.float64)
        current = start
        moves = np.concatenate([similarity_displacements(start) * _SIMILARITY_SPREAD, self._moves])
        prior = np.eye(len(moves))
        marks = (moves[:, rays.corners] * rays.weights[..., None]).sum(2)  # (K, L, 3)
        spacing = 8.0  # vertices are nearer to one another than the surface's errors are independent
        for _ in range(rounds):
            found = self.match(current, target, 0.02)
            used = np.flatnonzero(found.weight > 0)
            root = np.sqrt(found.weight[used] / spacing) / SURFACE_ERROR
            normal = found.normals[used]
            rows = np.einsum("knc,nc->nk", moves[:, used], normal) * root[:, None]
            goal = ((found.points[used] - start[used]) * normal).sum(1) * root
            trust = np.sqrt(self._landmark_trust(found, rays)) / rays.error
            base = (start[rays.corners] * rays.weights[..., None]).sum(1)
            place = (current[rays.corners] * rays.weights[..., None]).sum(1)
            rows_m = (marks * trust[:, None]).reshape(len(moves), -1).T
            goal_m = ((place + rays.offsets(current) - base) * trust[:, None]).ravel()
            matrix = prior + rows.T @ rows + rows_m.T @ rows_m
            weights = np.linalg.solve(matrix, rows.T @ goal + rows_m.T @ goal_m)
            current = start + np.tensordot(weights, moves, 1)
        return current

    def _landmark_trust(self, found: Correspondences, rays: Rays) -> np.ndarray:
        """(L,) 0..1: landmarks that turn away from the camera are the detector's guesses."""
        return (found.confidence[rays.corners] * rays.weights).sum(1).clip(0, 1) ** 2

    def bend(self, vertices: np.ndarray, target: ClosestPointQuery, rays: Rays) -> np.ndarray:
        """(n, 3) skin and inner of a fitted head (V, 3), drawn onto the surface."""
        start = vertices[: self.count].astype(np.float64)
        laplacian, area = cotangent_laplacian(start, self.triangles)
        marks = rays.matrix(self.count)
        moved = start.copy()
        for length, reach in STEPS:
            found = self.match(moved, target, reach)
            lengths = self._lengths(length, found)
            data = area * found.weight
            trust = self._landmark_trust(found, rays) * LANDMARK_AREA * (0.001 / rays.error) ** 2
            goal = (
                moved - start + ((found.points - moved) * found.normals).sum(1, keepdims=True) * found.normals
            )
            goal_m = marks @ (moved - start) + rays.offsets(moved)
            smooth = laplacian.T @ diags(lengths**4 / area) @ laplacian
            matrix = (
                diags(data) + smooth + FADE_LENGTH**2 * UNSEEN * laplacian + marks.T @ diags(trust) @ marks
            )
            right = data[:, None] * goal + marks.T @ (trust[:, None] * goal_m)
            # Where nothing pulls at all the matrix would be singular.
            matrix = matrix + diags(area * 1e-4)
            solver = splu(matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
            moved = start + solver.solve(right)
        return moved

    def _lengths(self, length: float, found: Correspondences) -> np.ndarray:
        """(n,) smoothing lengths, metres."""
        unseen = 1 - found.confidence
        lengths = length * (1 + 4 * unseen)
        lengths = np.where(self.skin, lengths, np.maximum(lengths, INNER_LENGTH))
        lengths = np.where(self.ear, np.maximum(lengths, EAR_LENGTH), lengths)
        return np.where(self.from_rim <= 2, np.maximum(lengths, RIM_LENGTH), lengths)


_SIMILARITY_SPREAD = np.array([TURN] * 3 + [SHIFT] * 3 + [SIZE])[:, None, None]
