"""The true heads behind the held-out pictures, and where on them a reconstruction is measured."""

import numpy as np

from ...detection.mediapipe_topology import NOSE_TIP
from ...geometry.frames import HEAD_CENTER, NECK_PLANE_Z
from ...geometry.mesh import triangle_normals, unit_vectors, vertex_normals
from ..face_models.heads import ICT, MAKEHUMAN, HeadSource
from ..face_models.visibility import visible_triangles
from ..synthesis.sample import Sample
from .metrics import TrueHead

#: Radius of the face around the tip of the nose, meters, as on the scan.
FACE_RADIUS = 0.095
#: Points of a face at which errors are measured.
FACE_POINTS = 1500


class TrueHeads:
    """Makes the true head of a sample; what only depends on the topology is found once."""

    def __init__(self, heads: HeadSource) -> None:
        self.heads = heads
        nothing = np.zeros(len(heads.model.identity)), np.zeros(len(heads.model.expression_names))
        self._outer: dict[str, np.ndarray] = {}
        self._face: dict[str, np.ndarray] = {}
        for source in (ICT, MAKEHUMAN):
            vertices = heads.vertices(source, *nothing)
            points, triangles = heads.solid(source, vertices)
            self._outer[source] = visible_triangles(points.astype(np.float32), triangles)
            tip = heads.template.landmarks(heads.template_vertices(source, vertices))[NOSE_TIP]
            near = np.linalg.norm(points[triangles].mean(1) - tip, axis=1) < FACE_RADIUS
            self._face[source] = near & self._outer[source]

    def outer_triangles(self, source: str) -> np.ndarray:
        """(T,) bool: triangles of the solid that are visible from outside (no nostrils, no mouth)."""
        return self._outer[source]

    def of(self, sample: Sample, rng: np.random.Generator) -> TrueHead:
        """The true head of a sample, in its camera's frame; rng spreads the points."""
        heads, pose = self.heads, sample.scene.pose
        vertices = heads.vertices(sample.source, sample.identity, sample.expression).astype(np.float64)
        template = heads.template_of(sample.source, sample.identity, sample.expression).astype(np.float64)
        solid, triangles = heads.solid(sample.source, vertices)
        solid = pose.head_to_camera(solid)
        region = self._face[sample.source]
        points, normals = spread_points(solid, triangles[region], FACE_POINTS, rng)
        x, y = HEAD_CENTER[:2]
        neck = np.array([[x, y, NECK_PLANE_Z], [x + 0.04, y, NECK_PLANE_Z], [x, y - 0.04, NECK_PLANE_Z]])
        return TrueHead(
            points,
            normals,
            solid,
            triangles,
            region,
            pose.head_to_camera(heads.template.landmarks(template)),
            pose.head_to_camera(heads.template.landmarks68(template)),
            pose.head_to_camera(np.vstack([neck, HEAD_CENTER])),
            sample.scene.camera,
        )


def spread_points(
    vertices: np.ndarray, triangles: np.ndarray, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Random points, spread evenly over triangles.

    Args:
        vertices: (V, 3), any frame and unit.
        triangles: (T, 3) int, outward.
        count: points.
        rng: random numbers.

    Returns:
        Points (count, 3) and the interpolated unit normals (count, 3) there.
    """
    corners = vertices[triangles]
    normals = vertex_normals(vertices, triangles)
    areas = np.linalg.norm(triangle_normals(vertices, triangles), axis=1)
    picked = rng.choice(len(triangles), count, p=areas / areas.sum())
    u, v = rng.random((2, count))
    over = u + v > 1
    u[over], v[over] = 1 - u[over], 1 - v[over]
    fractions = np.stack([1 - u - v, u, v], 1)
    points = np.einsum("nk,nkc->nc", fractions, corners[picked])
    return points, unit_vectors(np.einsum("nk,nkc->nc", fractions, normals[triangles[picked]]))
