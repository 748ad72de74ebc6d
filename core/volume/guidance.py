"""The volume network's input beside the picture: face mesh and prior head, drawn in the crop."""

from dataclasses import dataclass

import numpy as np

from ..geometry.frames import CROP_SIZE, HEAD_CENTER, NECK_PLANE_Z, VOLUME_CENTER_Z, CropFrame, HeadPose
from ..geometry.pose import fit_pose
from ..geometry.rasterize import fragments, interpolate, ray_distance_volume, ray_intersections, z_buffer
from ..lifting.lifter import HeadPrior, LandmarkLifter

#: Logit of the prior deep inside the head; outside it is the negative.
TEMPLATE_LOGIT = 10.0
#: Distance from the surface along a ray at which it gets there, voxels.
TEMPLATE_REACH = 6
#: Unit of the depth maps, voxels.
DEPTH_UNIT = 60.0
#: Unit of the canonical coordinates, meters.
CANONICAL_UNIT = 0.08
#: Number of maps.
MAPS = 7


@dataclass(frozen=True)
class Guidance:
    """What guides the volume network.

    Attributes:
        maps: (7, 192, 192) float32, crop frame: canonical coordinates of the face mesh (3) and its depth, the
            prior's front depth, back depth, silhouette.
        template_logits: (200, 192, 192) float32 [z, y, x], volume frame, of the prior's occupancy: what the
            network corrects.
    """

    maps: np.ndarray
    template_logits: np.ndarray


def neck_plane(frame: CropFrame, pose: HeadPose) -> np.ndarray:
    """The plane that closes the neck.

    The perspective bends planes; the one through the images of three points near the neck is close enough.

    Returns:
        (4,) float64 n, d, volume frame; the head is where n . p + d >= 0.
    """
    x, y = HEAD_CENTER[:2]
    points = np.array([[x, y, 0], [x + 0.04, y, 0], [x, y - 0.04, 0]]) + np.array([0, 0, NECK_PLANE_Z])
    a, b, c = frame.camera_to_volume(pose.head_to_camera(points))
    normal = np.cross(b - a, c - a)
    normal /= np.linalg.norm(normal)
    inside = frame.camera_to_volume(pose.head_to_camera(HEAD_CENTER))
    if normal @ (inside - a) < 0:
        normal = -normal
    return np.append(normal, -normal @ a)


def mesh_in_crop(points: np.ndarray, canonical: np.ndarray, frame: CropFrame) -> np.ndarray:
    """Detected landmarks in the volume frame.

    The detector's depth has no zero: it is that of the canonical face fitted to the landmarks.

    Args:
        points: (478, 3), photo frame, px.
        canonical: (478, 3) landmarks of the average face, head frame, meters.
        frame: Of the crop.

    Returns:
        (478, 3) float64, the center of the fitted head at z = 99.5.
    """
    pose = fit_pose(points, canonical)
    fitted = pose.rotation @ (canonical.mean(0) - HEAD_CENTER) * pose.scale
    depth = points[:, 2] - points[:, 2].mean() + fitted[2]
    return np.column_stack(
        [frame.photo_to_crop(points[:, :2].astype(np.float64)), VOLUME_CENTER_Z - depth * frame.scale]
    )


def depth_channel(z: np.ndarray, filled: np.ndarray) -> np.ndarray:
    """Depths as a channel of the network: of order one, zero where nothing is.

    Args:
        z: (N,), volume frame, voxels.
        filled: (N,) bool, where there is a depth.

    Returns:
        (N,) float32.
    """
    return np.where(filled, (z - VOLUME_CENTER_Z) / DEPTH_UNIT, 0).astype(np.float32)


def build_guidance(points: np.ndarray, prior: HeadPrior, lifter: LandmarkLifter) -> Guidance:
    """Guidance for one face.

    Args:
        points: (478, 3) detected landmarks, photo frame, px.
        prior: The lifted head.
        lifter: What lifted it: its template and face mesh are drawn.
    """
    frame, pose, template = prior.frame, prior.pose, lifter.template
    size = CROP_SIZE
    maps = np.zeros((MAPS, size, size), np.float32)

    mesh = mesh_in_crop(points, lifter.canonical, frame)
    triangle, pixel, bary, _ = fragments(mesh, lifter.mesh)
    z = interpolate(mesh[:, 2], lifter.mesh, triangle, bary)
    coordinates = interpolate(lifter.canonical / CANONICAL_UNIT, lifter.mesh, triangle, bary)
    index, coordinates, depth = z_buffer(pixel, z, coordinates, z)
    maps[:3] = coordinates.T.reshape(3, size, size)
    maps[3] = depth_channel(depth, index >= 0).reshape(size, size)

    solid = frame.camera_to_volume(pose.head_to_camera(template.solid(prior.vertices.astype(np.float64))))
    plane = neck_plane(frame, pose)
    intersections = ray_intersections(solid, template.solid_triangles)
    pixel, z, _ = intersections
    index, front = z_buffer(pixel, z, z)
    _, back = z_buffer(pixel, -z, z)
    filled = index >= 0
    maps[4] = depth_channel(front, filled).reshape(size, size)
    maps[5] = depth_channel(back, filled).reshape(size, size)
    maps[6] = filled.reshape(size, size)
    distance = ray_distance_volume(intersections, plane, TEMPLATE_REACH)
    distance *= np.float32(TEMPLATE_LOGIT / TEMPLATE_REACH)
    return Guidance(maps, distance)
