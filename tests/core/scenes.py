"""Synthetic heads: ellipsoids of known size in the metric head frame, seen by a known camera."""

from dataclasses import dataclass

import numpy as np
import trimesh

from core.geometry.frames import (
    FRONTAL,
    HEAD_CENTER,
    VOLUME_SHAPE,
    VOXELS_PER_METER,
    Camera,
    CropFrame,
    HeadPose,
    crop_frame_around,
)
from core.surface.prior_mesh import PriorMesh

#: Half axes, meters: width, length, height.
AXES = np.array([0.07, 0.09, 0.11])


@dataclass(frozen=True)
class Scene:
    frame: CropFrame
    pose: HeadPose
    volume: np.ndarray
    size: int

    def prior(self, size: float = 0.97, shift: float = 0.002) -> PriorMesh:
        """What a lifter might take the ellipsoid for: one of another size, meters beside it."""
        return prior_ellipsoid(self, HEAD_CENTER + np.array([shift, -shift, shift]), AXES * size)

    def project(self, points: np.ndarray) -> np.ndarray:
        """(N, 3) head frame -> (N, 2) photo frame."""
        return self.frame.camera.project(self.pose.head_to_camera(points))


def rotation(yaw: float, pitch: float = 0.0, roll: float = 0.0) -> np.ndarray:
    """(3, 3) head -> camera of a head turned by these angles, degrees."""
    y, p, r = np.radians([yaw, pitch, roll])
    rz = np.array([[np.cos(y), -np.sin(y), 0], [np.sin(y), np.cos(y), 0], [0, 0, 1]])
    rx = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    ry = np.array([[np.cos(r), 0, np.sin(r)], [0, 1, 0], [-np.sin(r), 0, np.cos(r)]])
    return FRONTAL @ ry @ rx @ rz


def head_pose(rotated: np.ndarray, center: np.ndarray) -> HeadPose:
    """The pose that puts the head's center at a point of the camera frame."""
    return HeadPose(rotated, center - rotated @ HEAD_CENTER)


def distance_inside(
    points: np.ndarray, axes: np.ndarray = AXES, center: np.ndarray = HEAD_CENTER
) -> np.ndarray:
    """(...,) about how far, meters, points of the head frame are inside an ellipsoid."""
    scaled = np.linalg.norm((points - center) / axes, axis=-1)
    gradient = np.linalg.norm((points - center) / axes**2, axis=-1)
    return scaled * (1 - scaled) / np.maximum(gradient, 1e-9)


def volume_points() -> np.ndarray:
    """(200, 192, 192, 3) the voxels' (x, y, z), volume frame."""
    z, y, x = np.meshgrid(*(np.arange(n, dtype=float) for n in VOLUME_SHAPE), indexing="ij")
    return np.stack([x, y, z], -1)


def ellipsoid_scene(
    yaw: float = 0, pitch: float = 0, roll: float = 0, distance: float = 0.6, size: int = 480
) -> Scene:
    """An ellipsoid head, a little off the axis of a camera of 50 mm."""
    pose = head_pose(rotation(yaw, pitch, roll), np.array([0.04, -0.03, distance]))
    frame = crop_frame_around(Camera.from_focal_mm(50, size, size), pose)
    head = pose.camera_to_head(frame.volume_to_camera(volume_points()))
    volume = np.clip(0.5 + distance_inside(head) * VOXELS_PER_METER / 3, 0, 1).astype(np.float32)
    return Scene(frame, pose, volume, size)


def prior_ellipsoid(scene: Scene, center: np.ndarray, axes: np.ndarray) -> PriorMesh:
    """An ellipsoid of the head frame as a prior, cut off nowhere."""
    ball = trimesh.creation.icosphere(subdivisions=4)
    points = scene.frame.camera_to_volume(scene.pose.head_to_camera(center + ball.vertices * axes))
    return PriorMesh(points, ball.faces.astype(np.int32), np.array([0.0, 0.0, 0.0, 1.0]))
