"""How well the photo shows each place of a wrapped head: the head's confidence.

A vertex is as sure as the place of the surface that it lies on, and no surer than the head itself allows:

* The camera must see it. The surface's own rule (`core.surface.vertex_colors.seen_by_camera`), applied to the
  head: not hidden behind another part of it, not grazing. The back of an ear, the inside of a nostril, the
  inner side of a lid lie near a surface that was seen, but were not.
* The volume must be able to show it. Structures narrower than two voxels are beyond what samples a voxel
  apart can represent (Shannon), so the largest ball that touches the head at the vertex, from inside or
  outside, without containing other parts of it, must be at least two voxels wide. Its diameter is the local
  feature size; Ma, Bae and Choi, 3D medial axis point approximation using nearest neighbors and the normal
  field (2012). The rims of lids, lips and nostrils and the edges of ears are narrower: there the head's shape
  is the template's, held by landmarks, and "the nearest place on the surface" means nothing.

How far a vertex is from the surface plays no part.
"""

import numpy as np
from scipy.spatial import cKDTree

from ..geometry.closest_point import NECK_RIM, ClosestPointQuery
from ..geometry.frames import NECK_PLANE_Z, VOXELS_PER_METRE, Camera, HeadPose
from ..geometry.mesh import triangle_normals, vertex_normals
from ..geometry.visibility import (
    depth_map,
    front_facing,
    ramp,
    ray_cosines,
    surrounding_pixels,
    unoccluded,
)
from ..surface.vertex_colors import FACING, FRONT_TOLERANCE, GRAZING
from ..template.topology import INNER, LASHES, TEETH_LOWER, TEETH_UPPER, TONGUE, HeadTopology
from .rigid_parts import HeadParts

#: Confidence from which on a place of the head counts as well seen.
WELL_SEEN = 0.6
#: Parts that no photo is trusted to show.
UNSEEN_PARTS = (INNER, TEETH_UPPER, TEETH_LOWER, TONGUE, LASHES)
#: Farthest place of the surface that a vertex may belong to, metres, and least cosine between the normals.
REACH, AGREE = 0.006, 0.3
#: Narrowest structure that the volume shows, metres.
FINEST = 2 / VOXELS_PER_METRE
#: Side, pixels, of the picture of depths, in which the head is as large as fits.
PICTURE = 240
#: Metres that a vertex may lie behind that picture and still be seen fully.
BEHIND = FRONT_TOLERANCE / VOXELS_PER_METRE


class ConfidenceEstimator:
    """Confidence of heads of one topology."""

    def __init__(self, topology: HeadTopology, parts: HeadParts, body: np.ndarray) -> None:
        """body: (T, 3) triangles of skin and inner, whose vertices come first."""
        self._topology = topology
        self._body = body
        self._count = int(body.max()) + 1
        opaque = topology.face_part != topology.part_names.index(LASHES)
        self._opaque = topology.triangles[np.repeat(opaque, 2)]
        self._unseen = np.setdiff1d(topology.vertices_of(*UNSEEN_PARTS), parts.skin)

    def surface_confidence(self, vertices: np.ndarray, target: ClosestPointQuery) -> np.ndarray:
        """(V,) the surface's confidence where the vertices (V, 3) are on it, 0 elsewhere."""
        normals = vertex_normals(vertices, self._topology.triangles)
        found = target.match(vertices, normals, REACH, min_cosine=AGREE)
        # The surface ends at a plane through the neck, below which the head goes on.
        there = (found.weight > 0) & (vertices[:, 2] > NECK_PLANE_Z + NECK_RIM)
        there[self._unseen] = False
        # A place of a thin fold may face as the head does, and what is nearest, its other side, not.
        index = np.flatnonzero(there)
        _, triangle = target.nearest(vertices[index])
        facing = triangle_normals(target.vertices, target.faces[triangle])
        there[index[(facing * normals[index]).sum(1) <= 0]] = False
        return np.where(there, found.confidence, 0)

    def confidence(
        self, vertices: np.ndarray, target: ClosestPointQuery, camera: Camera, pose: HeadPose
    ) -> np.ndarray:
        """(V,) 0 (guessed) to 1 (seen, facing the camera) of a head (V, 3), head frame, metres."""
        found = self.surface_confidence(vertices, target)
        confidence = np.minimum(found, self.seen(vertices, camera, pose))
        confidence[: self._count][feature_size(vertices[: self._count], self._body) < FINEST] = 0
        return confidence

    def seen(self, vertices: np.ndarray, camera: Camera, pose: HeadPose) -> np.ndarray:
        """(V,) 0..1, how well the camera sees the vertices (V, 3): unhidden and not grazing."""
        points = pose.head_to_camera(vertices.astype(np.float64))
        directions = vertex_normals(vertices, self._topology.triangles) @ pose.rotation.T
        cosine = ray_cosines(points, directions)
        facing = ramp(cosine, GRAZING, FACING)
        return self._unhidden(points, camera) * facing * (0.5 + 0.5 * cosine)

    def _unhidden(self, points: np.ndarray, camera: Camera) -> np.ndarray:
        """(V,) 0..1 of points (V, 3), camera frame: 1 in front, 0 well behind what is in front."""
        pixels = camera.project(points)
        low = pixels.min(0)
        pixels = (pixels - low) * ((PICTURE - 3) / np.ptp(pixels, axis=0).max()) + 1
        facing = self._opaque[front_facing(pixels, self._opaque)]
        depth, _ = depth_map(pixels, points[:, 2], facing, PICTURE)
        around, _ = surrounding_pixels(pixels, depth.shape)
        return unoccluded(depth, around, points[:, 2], BEHIND)


def feature_size(vertices: np.ndarray, triangles: np.ndarray, widest: float = FINEST) -> np.ndarray:
    """(n,) diameter, metres, of the largest ball that touches a mesh (n, 3) at each vertex and contains no
    other place of it; inf where that is wider than `widest`. Up to a fifth too small, as normals of vertices
    are means.
    """
    normals = vertex_normals(vertices, triangles)
    corners = vertices[triangles]
    # Middles too: triangles are as large as what is looked for. They lie under a round surface by half of
    # what they lie under its tangent planes at the corners.
    middles = corners.mean(1)
    under = (normals[triangles] * (corners - middles[:, None])).sum(2, keepdims=True)
    places = np.concatenate([vertices, middles + (under * normals[triangles]).mean(1) / 2])
    # A ball narrower than `widest` has all its points within `widest` of the vertex.
    pairs = cKDTree(places).sparse_distance_matrix(cKDTree(vertices), widest, output_type="ndarray")
    pairs = pairs[pairs["v"] > 1e-6]
    place, vertex, apart = pairs["i"], pairs["j"], pairs["v"]
    # The ball through a place that touches the tangent plane of the vertex.
    height = np.abs((normals[vertex] * (places[place] - vertices[vertex])).sum(1))
    size = np.full(len(vertices), np.inf)
    np.minimum.at(size, vertex, apart**2 / np.maximum(height, 1e-9))
    return np.where(size < widest, size, np.inf)
