"""The head's skin as the hair needs it: distance from it, its closest points."""

import numpy as np
from scipy.spatial import cKDTree

from ..geometry.closest_point import closest_weights, search_threads
from ..geometry.mesh import even_barycentric, row_dot, triangle_normals, unit_vectors, vertex_normals
from ..template.topology import SKIN, HeadTopology, triangle_corners

#: Area that one sample of the skin stands for, square meters.
SAMPLE_AREA = 7e-6
#: Powers of the plastic number: M. Roberts, "The unreasonable effectiveness of quasirandom sequences", 2018.
R2 = 1 / 1.32471795724474602596 ** np.array([1, 2])
#: Distance from a sample, meters, up to which the skin is as flat as the sample's plane.
FLAT = 0.004
#: Cosine below which a point is beyond an edge of the mesh, so that it is as far as the sample itself.
EDGE_COSINE = 0.7
#: Height over the neck's rim, meters, from which the neck is continued.
RIM_MARGIN = 0.003
#: Relative error of the closest point that is allowed for speed.
APPROXIMATION = 0.03
#: Samples, by distance, whose triangles a point may be closest to.
NEAREST_SAMPLES = 8
#: Samples in a leaf of the search tree: far from the skin, where most of the hair's grid is, a search takes
#: 0.4 of the time of scipy's default, 16.
LEAF_SIZE = 48


class Skin:
    """The skin of one head, made ready for many queries.

    Attributes:
        vertices: (V, 3) float64, all vertices of the head, head frame, meters.
        normals: (V, 3) float64, unit normals of the skin; zero elsewhere.
        triangles: (T, 3) int, of the skin, into the vertices.
        triangle_uv: (T, 3, 2) float32, v up, texture coordinates of their corners.
        samples: (N, 3) float64, points all over the skin.
        sample_triangle: (N,) int, the triangle of each.
        sample_weights: (N, 3) float64, its barycentric coordinates.
        lower_end: Height of the neck's rim, meters: below it no skin hides what is behind it.
    """

    def __init__(self, vertices: np.ndarray, topology: HeadTopology) -> None:
        """Build the search tree.

        Args:
            vertices: (V, 3), head frame, meters.
            topology: Of the head.
        """
        self.vertices = vertices.astype(np.float64)
        faces = topology.faces_of(SKIN)
        self.triangles = np.stack([topology.triangles[2 * faces], topology.triangles[2 * faces + 1]], 1)
        self.triangles = self.triangles.reshape(-1, 3)
        self.triangle_uv = corner_uv(topology)
        self.normals = vertex_normals(self.vertices, self.triangles)
        self.sample_triangle, self.sample_weights = _sampled(self.vertices, self.triangles)
        self.samples = self.at_samples(self.vertices)
        normals = self.at_samples(self.normals)
        self._normals = unit_vectors(normals)
        self._tree = cKDTree(self.samples, LEAF_SIZE, balanced_tree=False, compact_nodes=False)
        self.lower_end = float(self.vertices[topology.neck, 2].max())

    def at_samples(self, values: np.ndarray) -> np.ndarray:
        """Values of vertices at the samples.

        Args:
            values: (V, ...), of the vertices.

        Returns:
            (N, ...), of the samples.
        """
        corners = values[self.triangles[self.sample_triangle]]
        return np.einsum("nk,nk...->n...", self.sample_weights, corners)

    def distance(self, points: np.ndarray, reach: float = np.inf) -> tuple[np.ndarray, np.ndarray]:
        """How far points are from the skin; below the neck, from its continuation.

        Args:
            points: (N, 3), head frame, meters.
            reach: Points further away than this, meters, are just that far, from any sample.

        Returns:
            (N,) float64 meters, negative inside the head; and (N,) int, the closest of the samples.
        """
        # The neck is open below: it goes on straight down, as a body would be there.
        points = np.array(points, np.float64)
        points[:, 2] = np.maximum(points[:, 2], self.lower_end + RIM_MARGIN)
        far, nearest = self._tree.query(
            points, eps=APPROXIMATION, distance_upper_bound=reach, workers=search_threads(len(points))
        )
        beyond = nearest == len(self.samples)
        nearest = np.where(beyond, 0, nearest)
        # By `take`: brackets take several times as long.
        offset = points - self.samples.take(nearest, 0)
        offset *= self._normals.take(nearest, 0)
        x, y, z = offset.T
        along = x + y + z
        plane = (np.abs(along) > EDGE_COSINE * far) | (far < FLAT)
        distance = np.where(plane, along, np.where(along < 0, -far, far))
        return np.where(beyond, reach, distance), nearest

    def hides(self, points: np.ndarray, margin: float = 0.0) -> np.ndarray:
        """Whether there is skin beside points that hides what is behind it: none does below the neck.

        Args:
            points: (N, 3), head frame, meters.
            margin: How far over the neck's lower end they must be, meters.

        Returns:
            (N,) bool.
        """
        return np.asarray(points[:, 2] > self.lower_end + margin)

    def closest(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The closest points of the skin; below the neck, of its continuation.

        Exact in folds, where `distance` is off by a millimeter or two: its samples are further apart than
        folds are wide.

        Args:
            points: (N, 3), head frame, meters, not further from the skin than some millimeters.

        Returns:
            (N,) float64 meters, how far they are, negative inside the head; (N, 3) float64 the closest
            points, meters; and (N, 3) float64 the skin's unit normals there.
        """
        below = np.minimum(points[:, 2] - self.lower_end - RIM_MARGIN, 0)
        points = points - below[:, None] * [0, 0, 1]
        _, near = self._tree.query(points, k=NEAREST_SAMPLES, workers=search_threads(len(points)))
        corners = self.triangles[self.sample_triangle[near]].reshape(-1, 3)
        weights, square = closest_weights(np.repeat(points, NEAREST_SAMPLES, 0), self.vertices[corners])
        best = square.reshape(-1, NEAREST_SAMPLES).argmin(1) + np.arange(len(points)) * NEAREST_SAMPLES
        weights, corners = weights[best], corners[best]
        found = np.einsum("nk,nkc->nc", weights, self.vertices[corners])
        normals = np.einsum("nk,nkc->nc", weights, self.normals[corners])
        normals = unit_vectors(normals)
        offset = points - found
        found[:, 2] += below
        side = np.where(row_dot(offset, normals) < 0, -1, 1)
        return side * np.linalg.norm(offset, axis=1), found, normals

    def normals_at(self, samples: np.ndarray) -> np.ndarray:
        """Unit normals of samples.

        Args:
            samples: (N,) int.

        Returns:
            (N, 3), head frame.
        """
        return np.asarray(self._normals[samples])

    def locate(self, points: np.ndarray, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where points on the skin are in its triangles.

        Args:
            points: (N, 3), head frame, meters.
            samples: (N,) int, the sample that is closest to each.

        Returns:
            (N,) int, the triangle of each; and (N, 3) float32, its barycentric coordinates, beyond 0 and 1
            for points beside it.
        """
        triangle = self.sample_triangle[samples]
        return triangle, barycentric(points, self.vertices[self.triangles[triangle]])


def barycentric(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Where points are in the planes of triangles.

    Args:
        points: (N, 3).
        corners: (N, 3, 3), of the triangle of each.

    Returns:
        (N, 3) float32, barycentric coordinates of the nearest point of the plane.
    """
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    first, second, offset = b - a, c - a, points - a
    aa, ab, bb = (first**2).sum(1), (first * second).sum(1), (second**2).sum(1)
    pa, pb = (offset * first).sum(1), (offset * second).sum(1)
    area = np.maximum(aa * bb - ab**2, 1e-18)
    v, w = (bb * pa - ab * pb) / area, (aa * pb - ab * pa) / area
    return np.stack([1 - v - w, v, w], 1).astype(np.float32)


def _sampled(vertices: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points evenly on triangles: the triangle (N,) of each, and its barycentric coordinates (N, 3)."""
    area = np.linalg.norm(triangle_normals(vertices, triangles), axis=1) / 2
    count = np.ceil(area / SAMPLE_AREA).astype(int)
    triangle = np.repeat(np.arange(len(count)), count)
    k = np.arange(len(triangle)) - np.repeat(np.cumsum(count) - count, count)
    u, v = (0.5 + k[:, None] * R2).T % 1
    return triangle, even_barycentric(u, v)


def corner_uv(topology: HeadTopology) -> np.ndarray:
    """Texture coordinates of the corners of the skin's triangles, in the order of `Skin.triangles`.

    Args:
        topology: Of the head.

    Returns:
        (T, 3, 2) float32, v up.
    """
    index = triangle_corners(topology.quad_uv, topology.quads, topology.triangles).reshape(-1, 2, 3)
    return np.asarray(topology.uv[index[topology.faces_of(SKIN)]].reshape(-1, 3, 2))
