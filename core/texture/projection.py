"""Which texels the photo shows: occluded points, grazing rays and outlines are left out."""

from dataclasses import dataclass

import cv2
import numpy as np

from ..geometry.frames import CROP_SIZE, VOXELS_PER_METER, CropFrame, HeadPose
from ..geometry.visibility import depth_map, front_facing, ramp, ray_cosines
from ..image.sampling import sample_image
from ..template.topology import SKIN, HeadTopology

#: Side, pixels, of the depth map of the crop.
VIEW_SIZE = 480
PX_PER_METER = VOXELS_PER_METER * VIEW_SIZE / CROP_SIZE
#: Cosine between normal and ray at which a texel begins to count.
MIN_COSINE = 0.15
#: The same, at which it counts fully.
FULL_COSINE = 0.45
#: Meters behind the depth map up to which a texel counts as visible, and over which that fades.
DEPTH_TOLERANCE = 0.003
DEPTH_FADE = 0.001
#: Meters from the head's outline at which a texel begins to count, and counts fully: a head is never fitted
#: so well that no background shows nearer to it.
OUTLINE = (0.0025, 0.008)
#: The same from eyes and open mouth.
OPENING = (0.0004, 0.0014)
#: A discontinuity of depth, meters, that is an edge of something nearer.
DISCONTINUITY = 0.008
#: Pixels around a discontinuity that are left out.
DISCONTINUITY_REACH = 3
#: Meters behind the head at which its background is taken to be.
BACKGROUND_GAP = 0.1


@dataclass(frozen=True)
class HeadView:
    """The head in the crop, VIEW_SIZE pixels square.

    Attributes:
        distance: (S, S) float32 meters from the camera along its axis, inf where no head is.
        opening: (S, S) bool, eyes, teeth or the inside of the mouth.
    """

    distance: np.ndarray
    opening: np.ndarray


def render_view(
    topology: HeadTopology, camera_points: np.ndarray, frame: CropFrame
) -> tuple[HeadView, np.ndarray]:
    """Rasterize the head as the camera sees it.

    Args:
        topology: The head's.
        camera_points: (V, 3) its vertices, camera frame, meters.
        frame: The crop.

    Returns:
        The view, and the vertices (V, 2) in it, pixels.
    """
    points = to_view(frame, camera_points)
    opaque = np.repeat(topology.opaque, 2)
    triangles, part = topology.triangles[opaque], np.repeat(topology.face_part, 2)[opaque]
    front = front_facing(points, triangles)
    triangles, part = triangles[front], part[front]
    distance, triangle = depth_map(points, camera_points[:, 2].astype(np.float64), triangles, VIEW_SIZE)
    opening = (triangle >= 0) & (part[triangle] != topology.part_names.index(SKIN))
    return HeadView(distance, opening), points


def to_view(frame: CropFrame, camera_points: np.ndarray) -> np.ndarray:
    """Project points into the view.

    Args:
        frame: The crop.
        camera_points: (..., 3) camera frame, meters.

    Returns:
        (..., 2) pixels of the view.
    """
    return crop_to_view(frame.photo_to_crop(frame.camera.project(camera_points)))


def crop_to_view(points: np.ndarray) -> np.ndarray:
    """Go from the crop to the view.

    Args:
        points: (..., 2) pixels of the crop.

    Returns:
        (..., 2) pixels of the view.
    """
    return np.asarray((points + 0.5) * (VIEW_SIZE / CROP_SIZE) - 0.5)


def view_weights(
    view: HeadView, points: np.ndarray, distance: np.ndarray, cosine: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How well the camera sees points of the skin.

    Args:
        view: The head as the camera sees it.
        points: (N, 2) pixels of the view.
        distance: (N,) meters from the camera along its axis.
        cosine: (N,) between the surface's normal and the ray.

    Returns:
        (N,) float32, 0 to 1; and (N,) meters from the head's outline.
    """
    solid = np.isfinite(view.distance)
    far = float(view.distance[solid].max()) + BACKGROUND_GAP if solid.any() else 0.0
    depth = np.where(solid, view.distance, far).astype(np.float32)
    kernel = np.ones((2 * DISCONTINUITY_REACH + 1, 2 * DISCONTINUITY_REACH + 1), np.uint8)
    nearest, farthest = cv2.erode(depth, kernel), cv2.dilate(np.where(solid, depth, 0), kernel)
    outline = cv2.distanceTransform(solid.astype(np.uint8), cv2.DIST_L2, 5) / PX_PER_METER
    opening = cv2.distanceTransform(1 - view.opening.astype(np.uint8), cv2.DIST_L2, 5) / PX_PER_METER
    layers = np.stack([depth, nearest, farthest, outline], -1).astype(np.float32)
    shown, nearest, farthest, outline = sample_image(layers, points).T
    opening = sample_image(opening.astype(np.float32), points)
    # A steep surface passes through some depth within a pixel, and more of it within the edges' reach.
    slope = np.sqrt(1 / np.clip(cosine, 0.1, 1) ** 2 - 1) / PX_PER_METER
    weight = ramp(cosine, MIN_COSINE, FULL_COSINE) * ramp(outline, *OUTLINE) * ramp(opening, *OPENING)
    weight *= ramp(shown + DEPTH_TOLERANCE + slope - distance, 0.0, DEPTH_FADE)
    behind = distance - nearest - slope * DISCONTINUITY_REACH
    before = farthest - distance - slope * DISCONTINUITY_REACH
    weight *= ramp(-behind, -DISCONTINUITY, -DISCONTINUITY / 2) * ramp(
        -before, -2 * DISCONTINUITY, -DISCONTINUITY
    )
    return weight.astype(np.float32), outline


def cosines(camera_points: np.ndarray, normals: np.ndarray, pose: HeadPose) -> np.ndarray:
    """Cosines between normals and the rays to the camera.

    Args:
        camera_points: (N, 3) float32, camera frame, meters.
        normals: (N, 3) float32 unit normals, head frame.
        pose: Of the head.

    Returns:
        (N,) float32.
    """
    directions = normals @ pose.rotation.T.astype(np.float32)
    return ray_cosines(camera_points, directions, normalized=False)
