"""The closest points on a surface, and which of them a mesh that is wrapped onto it should move to."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from .frames import NECK_PLANE_Z
from .mesh import vertex_normals

#: Height over the plane that closes the surface's neck, meters, up to which the surface is no skin.
NECK_RIM = 0.004
#: Range of cosines over the least one in which a correspondence's weight grows from 0 to 1.
COSINE_FADE = 0.2


@dataclass(frozen=True)
class Correspondences:
    """Points of a surface, one for each point of a query.

    Attributes:
        points: (N, 3) float64, meters, on the surface.
        normals: (N, 3) float64, the surface's unit normals there.
        weight: (N,) float64, 0..1, how much the correspondence counts: the confidence, faded with distance
            and angle, 0 where the surface has nothing that fits.
        confidence: (N,) float64, 0..1, the surface's alone.
    """

    points: np.ndarray
    normals: np.ndarray
    weight: np.ndarray
    confidence: np.ndarray


class ClosestPointQuery:
    """A surface in the head frame, made ready for many queries.

    Attributes:
        vertices: (V, 3) float64, head frame, meters.
        faces: (T, 3) int32, counterclockwise from outside.
        normals: (V, 3) float64 unit normals.
        confidence: (V,) float64, 0..1.
        skin: (V,) bool, whether the vertex is above the plane that closes the neck.
    """

    def __init__(self, vertices: np.ndarray, faces: np.ndarray, confidence: np.ndarray) -> None:
        """Build the search tree.

        Args:
            vertices: (V, 3), head frame, meters.
            faces: (T, 3) int, counterclockwise from outside.
            confidence: (V,) 0..1, how far the photo shows the surface there.
        """
        self.vertices = vertices.astype(np.float64)
        self.faces = faces
        self.normals = vertex_normals(self.vertices, self.faces)
        self.confidence = confidence.astype(np.float64)
        self.skin = self.vertices[:, 2] > NECK_PLANE_Z + NECK_RIM
        self._tree = cKDTree(self.vertices, balanced_tree=False, compact_nodes=False)

    def match(
        self,
        points: np.ndarray,
        normals: np.ndarray,
        max_distance: float,
        min_weight: float = 0.0,
        min_cosine: float = 0.5,
    ) -> Correspondences:
        """The closest points whose normals agree.

        Args:
            points: (N, 3) float64, head frame, meters.
            normals: (N, 3) float64 unit normals.
            max_distance: Meters up to which a point of the surface corresponds.
            min_weight: Weight of correspondences that the photo does not show.
            min_cosine: Least cosine between the two normals.

        Returns:
            A correspondence for each point.
        """
        distance, nearest = self._tree.query(points)
        normal = self.normals[nearest]
        # Exact enough: triangles are 1.5 mm, so the plane of the nearest vertex is the surface.
        offset = ((self.vertices[nearest] - points) * normal).sum(1)
        cosine = (normal * normals).sum(1)
        fits = (distance < max_distance) & (cosine > min_cosine) & self.skin[nearest]
        fade = np.clip(2 * (1 - distance / max_distance), 0, 1)
        fade = fade * np.clip((cosine - min_cosine) / COSINE_FADE, 0, 1)
        confidence = self.confidence[nearest]
        weight = np.where(fits, np.maximum(confidence, min_weight) * fade, 0)
        return Correspondences(points + offset[:, None] * normal, normal, weight, confidence)

    def distance(self, points: np.ndarray) -> np.ndarray:
        """Distances of points from the triangles around the nearest vertices.

        Args:
            points: (N, 3) float64, head frame, meters.

        Returns:
            (N,) float64, meters.
        """
        return np.linalg.norm(self.nearest(points)[0] - points, axis=1)

    def nearest(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The closest points on the triangles around the three nearest vertices.

        Args:
            points: (N, 3) float64, head frame, meters.

        Returns:
            The closest points (N, 3) float64 and the triangles (N,) int64 that they are on.
        """
        _, nearest = self._tree.query(points, k=3)
        wanted = np.zeros(len(self.vertices), bool)
        wanted[nearest] = True
        triangle = np.flatnonzero(wanted[self.faces].any(1))
        corner = self.faces[triangle].ravel()
        triangle = np.repeat(triangle, 3)
        order = np.argsort(corner, kind="stable")
        corner, triangle = corner[order], triangle[order]
        least = np.full(len(points), np.inf)
        closest, chosen = np.zeros((len(points), 3)), np.zeros(len(points), np.int64)
        for column in nearest.T:
            first = np.searchsorted(corner, column)
            for k in range(int(np.bincount(corner).max())):
                index = np.minimum(first + k, len(corner) - 1)
                on = np.flatnonzero(corner[index] == column)
                tried = triangle[index[on]]
                found = closest_on_triangle(points[on], self.vertices[self.faces[tried]])
                gap = np.linalg.norm(found - points[on], axis=1)
                nearer = gap < least[on]
                least[on[nearer]] = gap[nearer]
                closest[on[nearer]], chosen[on[nearer]] = found[nearer], tried[nearer]
        return closest, chosen


def closest_on_triangle(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """The point of each triangle that is closest to its point.

    Args:
        points: (N, 3) float64, any frame and unit.
        corners: (N, 3, 3) float64, one triangle a point.

    Returns:
        (N, 3) float64.
    """
    least, closest = np.full(len(points), np.inf), np.zeros((len(points), 3))
    for k in range(3):
        a, b = corners[:, k], corners[:, (k + 1) % 3]
        edge = b - a
        t = ((points - a) * edge).sum(1) / np.maximum((edge * edge).sum(1), 1e-20)
        foot = a + np.clip(t, 0, 1)[:, None] * edge
        gap = np.linalg.norm(points - foot, axis=1)
        closest[gap < least] = foot[gap < least]
        least = np.minimum(least, gap)
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    normal = np.cross(b - a, c - a)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-20)
    height = ((points - a) * normal).sum(1)
    foot = points - height[:, None] * normal
    inside = np.ones(len(points), bool)
    for p, q in ((a, b), (b, c), (c, a)):
        inside &= (np.cross(q - p, foot - p) * normal).sum(1) >= 0
    return np.where(inside[:, None], foot, closest)
