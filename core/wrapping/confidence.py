"""How well the photo shows each vertex of a wrapped head: the head's confidence.

A vertex has the confidence of the point of the surface that it lies on, and no more than the head allows:

* The camera must see it. The surface's own rule (`core.surface.vertex_colors.vertex_visibility`), applied to
  the head: not occluded by another part of it, not grazing. The back of an ear, the inside of a nostril, the
  inner side of a lid lie near a surface that was visible, but were not.
* The volume must be able to show it. Structures narrower than two voxels are beyond what samples a voxel
  apart can represent (Shannon), so the largest ball that touches the head at the vertex, from inside or
  outside, without containing other parts of it, must be at least two voxels wide. Its diameter is the local
  feature size; Ma, Bae and Choi, 3D medial axis point approximation using nearest neighbors and the normal
  field (2012). The rims of lids, lips and nostrils and the edges of ears are narrower: the head's shape there
  is the template's, held by landmarks, and "the closest point of the surface" means nothing.

How far a vertex is from the surface plays no part.
"""

import numpy as np
from scipy.spatial import cKDTree

from ..geometry.closest_point import NECK_RIM, ClosestPointQuery, LocatedPoints
from ..geometry.frames import NECK_PLANE_Z, VOXELS_PER_METER, Camera, HeadPose
from ..geometry.mesh import row_dot, triangle_normals, vertex_normals
from ..geometry.visibility import (
    depth_map,
    front_facing,
    ramp,
    ray_cosines,
    surrounding_pixels,
    unoccluded,
)
from ..surface.vertex_colors import FACING_COSINE, GRAZING_COSINE, OCCLUSION_TOLERANCE
from ..template.topology import CLEAR, INNER, LASHES, TEETH_LOWER, TEETH_UPPER, TONGUE, HeadTopology
from .rigid_parts import RigidParts

#: Confidence above which the photo shows a vertex well.
RELIABLE_CONFIDENCE = 0.6
#: Parts that no photo is trusted to show.
INVISIBLE_PARTS = (INNER, TEETH_UPPER, TEETH_LOWER, TONGUE, LASHES, *CLEAR)
#: Farthest point of the surface that a vertex may correspond to, meters.
MAX_DISTANCE = 0.006
#: Least cosine between the normals of a vertex and of the point that it corresponds to.
MIN_COSINE = 0.3
#: Narrowest structure that the volume can represent, meters.
MIN_FEATURE_SIZE = 2 / VOXELS_PER_METER
#: Side, pixels, of the depth map, in which the head is as large as fits.
DEPTH_MAP_SIZE = 240
#: Meters that a vertex may lie behind the depth map and still be visible fully.
OCCLUSION_TOLERANCE_M = OCCLUSION_TOLERANCE / VOXELS_PER_METER
#: Points nearer than this, meters, are one, and heights below the other are none.
COINCIDENT = 1e-6
MIN_HEIGHT = 1e-9


class ConfidenceEstimator:
    """Confidence of heads of one topology."""

    def __init__(self, topology: HeadTopology, parts: RigidParts, body: np.ndarray) -> None:
        """Prepare what depends on the topology alone.

        Args:
            topology: Of the heads.
            parts: Of the topology.
            body: (T, 3) int, triangles of skin and inner, whose vertices come first.
        """
        self._topology = topology
        self._body = body
        self._count = int(body.max()) + 1
        self._opaque = topology.triangles[np.repeat(topology.opaque, 2)]
        self._skin = parts.skin
        invisible = np.setdiff1d(topology.vertices_of(*INVISIBLE_PARTS), parts.skin)
        self._visible = np.setdiff1d(np.arange(len(topology.vertices)), invisible)

    def surface_confidence(
        self,
        vertices: np.ndarray,
        target: ClosestPointQuery,
        skin: LocatedPoints | None = None,
        normals: np.ndarray | None = None,
        located: LocatedPoints | None = None,
    ) -> np.ndarray:
        """The surface's confidence at the vertices of a head.

        Args:
            vertices: (V, 3) float64, head frame, meters.
            target: The surface.
            skin: Where the skin's vertices are on it, if that is known: nothing else then has confidence.
            normals: (V, 3) of the vertices, if they are known.
            located: Where all vertices are on it, if that is known.

        Returns:
            (V,) 0..1, 0 where the vertices are not on the surface.
        """
        index = self._visible if skin is None else self._skin
        if skin is not None:
            located = skin
        else:
            located = target.locate(vertices[index]) if located is None else located.part(index)
        if normals is None:
            normals = vertex_normals(vertices, self._topology.triangles)
        normals = normals[index]
        found = located.match(normals, MAX_DISTANCE, min_cosine=MIN_COSINE)
        # The surface ends at a plane through the neck, below which the head goes on.
        valid = np.flatnonzero((found.weight > 0) & (vertices[index, 2] > NECK_PLANE_Z + NECK_RIM))
        # A vertex of a thin fold may face as the head does, and the closest triangle, its other side, not.
        _, triangle = located.nearest(valid)
        facing = triangle_normals(target.vertices, target.faces[triangle])
        valid = valid[row_dot(facing, normals[valid]) > 0]
        confidence = np.zeros(len(vertices))
        confidence[index[valid]] = found.confidence[valid]
        return confidence

    def confidence(
        self,
        vertices: np.ndarray,
        target: ClosestPointQuery,
        camera: Camera,
        pose: HeadPose,
        skin: LocatedPoints | None = None,
        located: LocatedPoints | None = None,
    ) -> np.ndarray:
        """The confidence of a head.

        Args:
            vertices: (V, 3) float64, head frame, meters.
            target: The surface that it was wrapped onto.
            camera: Of the photo.
            pose: Of the head.
            skin: Where the skin's vertices are on the surface, if that is known: nothing else then has
                confidence.
            located: Where all vertices are on it, if that is known.

        Returns:
            (V,) 0 (guessed) to 1 (visible, facing the camera).
        """
        normals = vertex_normals(vertices, self._topology.triangles)
        found = self.surface_confidence(vertices, target, skin, normals, located)
        confidence = np.minimum(found, self._visibility(vertices, normals, camera, pose))
        body = np.flatnonzero(confidence[: self._count])
        size = feature_size(vertices[: self._count], self._body, chosen=body)
        confidence[body[size < MIN_FEATURE_SIZE]] = 0
        return confidence

    def visibility(self, vertices: np.ndarray, camera: Camera, pose: HeadPose) -> np.ndarray:
        """How well the camera sees the vertices of a head: unoccluded and not grazing.

        Args:
            vertices: (V, 3), head frame, meters.
            camera: Of the photo.
            pose: Of the head.

        Returns:
            (V,) 0..1.
        """
        return self._visibility(vertices, vertex_normals(vertices, self._topology.triangles), camera, pose)

    def _visibility(
        self, vertices: np.ndarray, normals: np.ndarray, camera: Camera, pose: HeadPose
    ) -> np.ndarray:
        """`visibility` of vertices (V, 3) whose normals (V, 3) are known."""
        points = pose.head_to_camera(vertices.astype(np.float64))
        directions = normals @ pose.rotation.T
        cosine = ray_cosines(points, directions)
        facing = ramp(cosine, GRAZING_COSINE, FACING_COSINE)
        return self._unoccluded(points, camera) * facing * (0.5 + 0.5 * cosine)

    def _unoccluded(self, points: np.ndarray, camera: Camera) -> np.ndarray:
        """(V,) 0..1 of points (V, 3), camera frame: 1 in front, 0 well behind what is in front."""
        pixels = camera.project(points)
        low = pixels.min(0)
        pixels = (pixels - low) * ((DEPTH_MAP_SIZE - 3) / np.ptp(pixels, axis=0).max()) + 1
        facing = self._opaque[front_facing(pixels, self._opaque)]
        depth, _ = depth_map(pixels, points[:, 2], facing, DEPTH_MAP_SIZE)
        around, _ = surrounding_pixels(pixels, depth.shape)
        return unoccluded(depth, around, points[:, 2], OCCLUSION_TOLERANCE_M)


def feature_size(
    vertices: np.ndarray,
    triangles: np.ndarray,
    max_size: float = MIN_FEATURE_SIZE,
    chosen: np.ndarray | slice = slice(None),
) -> np.ndarray:
    """The local feature size: diameter of the largest ball that touches a mesh at a vertex and is empty.

    Up to a fifth too small, as normals of vertices are means.

    Args:
        vertices: (n, 3) meters.
        triangles: (T, 3) int.
        max_size: Meters; what is larger is not measured.
        chosen: The vertices that are measured.

    Returns:
        (m,) meters, for the m chosen vertices, inf where that is larger than `max_size`.
    """
    normals = vertex_normals(vertices, triangles)
    corners = vertices[triangles]
    # Triangles' centroids too: triangles are as large as what is measured. They lie under a round surface by
    # half of what they lie under its tangent planes at the corners.
    centroids = corners.mean(1)
    under = np.einsum("tkc,tkc->tk", normals[triangles], corners - centroids[:, None])[..., None]
    points = np.concatenate([vertices, centroids + (under * normals[triangles]).mean(1) / 2])
    centers, normals = vertices[chosen], normals[chosen]
    # A ball smaller than `max_size` has all its points within `max_size` of the vertex.
    trees = [cKDTree(cloud, balanced_tree=False, compact_nodes=False) for cloud in (points, centers)]
    pairs = trees[0].sparse_distance_matrix(trees[1], max_size, output_type="ndarray")
    pairs = pairs[pairs["v"] > COINCIDENT]
    point, vertex, distance = pairs["i"], pairs["j"], pairs["v"]
    # The ball through a point that touches the tangent plane of the vertex.
    height = np.abs(row_dot(normals[vertex], points[point] - centers[vertex]))
    size = np.full(len(centers), np.inf)
    np.minimum.at(size, vertex, distance**2 / np.maximum(height, MIN_HEIGHT))
    return np.where(size < max_size, size, np.inf)
