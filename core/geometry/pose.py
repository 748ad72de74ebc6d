"""Rigid pose of a head from detected landmarks: where the crop is cut before anything has been learned of the
shape.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .frames import HEAD_CENTER, Camera, HeadPose, apply_affine


def umeyama(source: np.ndarray, target: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Find the similarity between two sets of points by least squares.

    S. Umeyama, "Least-squares estimation of transformation parameters between two point patterns", PAMI 1991.

    Args:
        source: (N, 3) float, any frame and unit; not all in one point.
        target: (N, 3) float, any frame and unit, the same points there.

    Returns:
        scale, rotation (3, 3) and offset (3,), with target ~ scale * rotation @ source + offset.
    """
    source_mean, target_mean = source.mean(0), target.mean(0)
    a, b = source - source_mean, target - target_mean
    u, s, vt = np.linalg.svd(b.T @ a)
    d = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = (u * d) @ vt
    scale = float((s * d).sum() / (a**2).sum())
    return scale, rotation, target_mean - scale * rotation @ source_mean


def similarity_displacements(vertices: np.ndarray) -> np.ndarray:
    """What small similarities about its centroid do to a mesh.

    Args:
        vertices: (V, 3) float64, any frame.

    Returns:
        (7, V, 3): displacements by a unit turn (radian) about each axis, a unit shift along each, and a unit
        growth (of the logarithm of the size).
    """
    centered = vertices - vertices.mean(0)
    axes = np.eye(3)
    turns = [np.cross(axis, centered) for axis in axes]
    shifts = [np.broadcast_to(axis, vertices.shape) for axis in axes]
    return np.stack([*turns, *shifts, centered])


def rotation_matrix(vector: np.ndarray) -> np.ndarray:
    """The rotation about an axis (Rodrigues' formula).

    Args:
        vector: (3,) the axis, as long as the angle in radians.

    Returns:
        (3, 3) float64.
    """
    angle = float(np.linalg.norm(vector))
    if angle < 1e-9:
        return np.eye(3)
    x, y, z = vector / angle
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k


def angle_between(one: np.ndarray, other: np.ndarray) -> float:
    """The angle between two rotations.

    Args:
        one: (3, 3).
        other: (3, 3).

    Returns:
        Degrees.
    """
    return float(np.degrees(np.arccos(np.clip((np.trace(one.T @ other) - 1) / 2, -1, 1))))


def rotation_to_ray(ray: np.ndarray) -> np.ndarray:
    """The smallest rotation that takes the optical axis (0, 0, 1) to a ray.

    Args:
        ray: (3,) camera frame, of any length, not straight backward.

    Returns:
        (3, 3) float64.
    """
    d = ray / np.linalg.norm(ray)
    v = np.array([-d[1], d[0], 0.0])  # cross((0, 0, 1), d)
    k = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    return np.eye(3) + k + k @ k / (1 + d[2])


@dataclass(frozen=True)
class WeakPerspectivePose:
    """A head's pose as the picture shows it, independent of the focal length.

    Attributes:
        rotation: (3, 3) head -> camera turned to look straight at the head's center.
        center: (2,) where the head's center is in the photo frame, pixels.
        scale: Photo pixels per meter at the head's center.
    """

    rotation: np.ndarray
    center: np.ndarray
    scale: float

    def in_camera(self, camera: Camera) -> HeadPose:
        """The metric pose under a camera: distance from the scale, rotation from the direction of the
        head.
        """
        distance = camera.focal_px / self.scale
        ray = np.append((self.center - np.array([camera.cx, camera.cy])) / camera.focal_px, 1.0)
        rotation = rotation_to_ray(ray) @ self.rotation
        return HeadPose(rotation, ray * distance - rotation @ HEAD_CENTER)

    @classmethod
    def of(cls, pose: HeadPose, camera: Camera) -> "WeakPerspectivePose":
        """The inverse of `in_camera`."""
        center = pose.head_to_camera(HEAD_CENTER)
        ray = center / center[2]
        return cls(
            rotation_to_ray(ray).T @ pose.rotation, camera.project(center), camera.focal_px / float(center[2])
        )

    @property
    def up(self) -> np.ndarray:
        """(2,) the head's up axis in the photo, its length the sine of its angle to the ray."""
        return np.asarray(self.rotation[:2, 2])

    def mapped(self, affine: np.ndarray) -> "WeakPerspectivePose":
        """The pose in the photo turned about the camera's principal point.

        Args:
            affine: (2, 3) rotation of the photo.
        """
        turn = np.eye(3)
        turn[:2, :2] = affine[:, :2]
        return replace(self, rotation=turn @ self.rotation, center=apply_affine(affine, self.center))

    def corrected(self, rotation: np.ndarray, offset: np.ndarray, log_scale: float) -> "WeakPerspectivePose":
        """This pose turned, moved and scaled.

        Args:
            rotation: (3, 3), seen by the camera.
            offset: (2,), right and down in the photo, meters at the head's center.
            log_scale: Logarithm of the factor of the scale.
        """
        return replace(
            self,
            rotation=rotation @ self.rotation,
            center=self.center + self.scale * offset,
            scale=self.scale * float(np.exp(log_scale)),
        )


def mean_pose(poses: Sequence[WeakPerspectivePose], weights: Sequence[float]) -> WeakPerspectivePose:
    """The weighted mean of poses.

    The rotation is the one nearest to the mean of the matrices (M. Moakher, "Means and averaging in the group
    of rotations", SIAM J. Matrix Anal. 2002).

    Args:
        poses: Of one head in one photo.
        weights: One a pose; they sum up to 1.
    """
    u, _, vt = np.linalg.svd(np.tensordot(weights, [p.rotation for p in poses], 1))
    rotation = (u * [1.0, 1.0, np.sign(np.linalg.det(u @ vt))]) @ vt
    scale = float(np.exp(np.dot(weights, [np.log(p.scale) for p in poses])))
    return WeakPerspectivePose(rotation, np.tensordot(weights, [p.center for p in poses], 1), scale)


def fit_pose(points: np.ndarray, canonical: np.ndarray) -> WeakPerspectivePose:
    """Find the pose of a head by its landmarks alone, with the similarity from canonical to detected ones.

    Args:
        points: (N, 3) detected landmarks, photo frame, px, z as in FaceLandmarks.
        canonical: (N, 3) the same landmarks of the average head, head frame, meters.
    """
    scale, rotation, offset = umeyama(canonical, points.astype(np.float64))
    return WeakPerspectivePose(rotation, (scale * rotation @ HEAD_CENTER + offset)[:2], scale)
