"""Geometry of triangle meshes that wrapping needs: normals, Laplacians, the nearest place on a surface."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix, diags
from scipy.spatial import cKDTree

from ..surface.isosurface import Surface
from .frames import NECK_PLANE_Z

#: Cotangents are cut off here: a sliver must not outweigh the mesh.
STEEPEST_COTANGENT = 5.0
#: Height over the plane that closes the surface's neck, metres, up to which the surface is no skin.
NECK_RIM = 0.004


def corner_sum(values: np.ndarray, triangles: np.ndarray, count: int) -> np.ndarray:
    """(count, C) the triangles' values (T, C) summed at their corners."""
    index = triangles.ravel()
    repeated = np.repeat(values, 3, axis=0)
    return np.stack([np.bincount(index, column, count) for column in repeated.T], 1)


def vertex_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(N, 3) float64 unit normals, averaged over the triangles by area."""
    p = vertices[triangles].astype(np.float64)
    cross = np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0])
    normals = corner_sum(cross, triangles, len(vertices))
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-20)


def triangle_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(T, 3) normals, their lengths twice the areas."""
    p = vertices[triangles].astype(np.float64)
    return np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0])


def cotangent_laplacian(vertices: np.ndarray, triangles: np.ndarray) -> tuple[csr_matrix, np.ndarray]:
    """The stiffness matrix (N, N), x' L x = integral of |grad x|², and the vertices' areas (N,), m².

    Pinkall and Polthier, Computing discrete minimal surfaces and their conjugates, 1993.
    """
    p = vertices[triangles].astype(np.float64)
    rows, columns, weights = [], [], []
    for k in range(3):
        a, b = p[:, (k + 1) % 3] - p[:, k], p[:, (k + 2) % 3] - p[:, k]
        cotangent = (a * b).sum(1) / np.maximum(np.linalg.norm(np.cross(a, b), axis=1), 1e-12)
        weights.append(np.clip(cotangent, -STEEPEST_COTANGENT, STEEPEST_COTANGENT) / 2)
        rows.append(triangles[:, (k + 1) % 3])
        columns.append(triangles[:, (k + 2) % 3])
    row, column, weight = np.concatenate(rows), np.concatenate(columns), np.concatenate(weights)
    count = len(vertices)
    off = csr_matrix((weight, (row, column)), (count, count))
    off = off + off.T
    laplacian = diags(np.asarray(off.sum(1)).ravel()) - off
    double = np.linalg.norm(triangle_normals(vertices, triangles), axis=1)
    area = corner_sum(double[:, None], triangles, count)[:, 0] / 6
    return laplacian.tocsr(), np.maximum(area, 1e-9)


@dataclass(frozen=True)
class Match:
    """Where points were found on a surface.

    points: (N, 3) metres, on the surface. normals: (N, 3), the surface's there. weight: (N,) 0..1, how much
    the place counts: the photo's confidence, 0 where nothing fits. confidence: (N,) 0..1, the photo's alone.
    """

    points: np.ndarray
    normals: np.ndarray
    weight: np.ndarray
    confidence: np.ndarray


class Target:
    """A surface to be wrapped, made ready for many nearest-point queries."""

    def __init__(self, surface: Surface) -> None:
        self.vertices = surface.vertices.astype(np.float64)
        self.faces = surface.faces
        self.normals = vertex_normals(self.vertices, self.faces)
        self.confidence = surface.confidence.astype(np.float64)
        self.skin = self.vertices[:, 2] > NECK_PLANE_Z + NECK_RIM
        self._tree = cKDTree(self.vertices, balanced_tree=False, compact_nodes=False)

    def match(
        self, points: np.ndarray, normals: np.ndarray, reach: float, least: float = 0.0, agree: float = 0.5
    ) -> Match:
        """The nearest places for points (N, 3) whose normals agree (cosine) within `reach` metres.

        least: the weight of places that the photo did not see.
        """
        distance, nearest = self._tree.query(points)
        normal = self.normals[nearest]
        # Exact enough: triangles are 1.5 mm, so the plane of the nearest vertex is the surface.
        offset = ((self.vertices[nearest] - points) * normal).sum(1)
        cosine = (normal * normals).sum(1)
        fits = (distance < reach) & (cosine > agree) & self.skin[nearest]
        fade = np.clip(2 * (1 - distance / reach), 0, 1) * np.clip((cosine - agree) / 0.2, 0, 1)
        confidence = self.confidence[nearest]
        weight = np.where(fits, np.maximum(confidence, least) * fade, 0)
        return Match(points + offset[:, None] * normal, normal, weight, confidence)

    def distance(self, points: np.ndarray) -> np.ndarray:
        """(N,) metres from points (N, 3) to the surface: to the triangles around the nearest vertices."""
        return np.linalg.norm(self.nearest(points)[0] - points, axis=1)

    def nearest(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N, 3) the nearest places on the triangles around the nearest vertices of points (N, 3), and those
        triangles (N,).
        """
        _, nearest = self._tree.query(points, k=3)
        wanted = np.zeros(len(self.vertices), bool)
        wanted[nearest] = True
        triangle = np.flatnonzero(wanted[self.faces].any(1))
        corner = self.faces[triangle].ravel()
        triangle = np.repeat(triangle, 3)
        order = np.argsort(corner, kind="stable")
        corner, triangle = corner[order], triangle[order]
        best = np.full(len(points), np.inf)
        place, chosen = np.zeros((len(points), 3)), np.zeros(len(points), np.int64)
        for column in nearest.T:
            first = np.searchsorted(corner, column)
            for k in range(int(np.bincount(corner).max())):
                here = np.minimum(first + k, len(corner) - 1)
                on = np.flatnonzero(corner[here] == column)
                tried = triangle[here[on]]
                found = nearest_on_triangle(points[on], self.vertices[self.faces[tried]])
                gap = np.linalg.norm(found - points[on], axis=1)
                nearer = gap < best[on]
                best[on[nearer]] = gap[nearer]
                place[on[nearer]], chosen[on[nearer]] = found[nearer], tried[nearer]
        return place, chosen


def nearest_on_triangle(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """(N, 3) the place of each triangle (N, 3, 3) that is nearest to its point (N, 3)."""
    best, place = np.full(len(points), np.inf), np.zeros((len(points), 3))
    for k in range(3):
        a, b = corners[:, k], corners[:, (k + 1) % 3]
        edge = b - a
        t = ((points - a) * edge).sum(1) / np.maximum((edge * edge).sum(1), 1e-20)
        foot = a + np.clip(t, 0, 1)[:, None] * edge
        gap = np.linalg.norm(points - foot, axis=1)
        place[gap < best] = foot[gap < best]
        best = np.minimum(best, gap)
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    normal = np.cross(b - a, c - a)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-20)
    height = ((points - a) * normal).sum(1)
    foot = points - height[:, None] * normal
    inside = np.ones(len(points), bool)
    for p, q in ((a, b), (b, c), (c, a)):
        inside &= (np.cross(q - p, foot - p) * normal).sum(1) >= 0
    return np.where(inside[:, None], foot, place)
