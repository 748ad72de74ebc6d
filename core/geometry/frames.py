"""Frames and the maps between them: photo, camera, crop, volume and head.

* photo: pixels, x right, y down, the center of the top-left pixel is (0, 0).
* camera: meters, x right, y down, z away from the camera (OpenCV's convention).
* crop: 192 x 192 px, a similarity of the photo: roll removed, the head's center at (95.5, 95.5), 6.5 px per
  cm there.
* volume: points (x, y, z); x and y as in the crop, z grows toward the camera, 99.5 at the head's center, one
  voxel is one crop pixel at the head's center. Arrays are indexed [z, y, x]. A column of voxels is a camera
  ray.
* head: meters, z up, the face looks along -y, +x is the subject's left, origin between the eyes' outer
  corners.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

#: Side of the crop, pixels: what VRN and its successors use, and what the networks were trained at.
CROP_SIZE = 192
#: Voxels of the volume along z, y and x; x and y are the crop's pixels.
VOLUME_SHAPE = (200, CROP_SIZE, CROP_SIZE)
#: Scale of the crop at the head's center, pixels per cm: 29.5 cm fit in, so that every head is whole.
CROP_PX_PER_CM = 6.5
#: Scale of the volume, voxels per meter.
VOXELS_PER_METER = 100.0 * CROP_PX_PER_CM
#: Middle of the crop, x and y, pixels; pixel centers are at whole numbers.
CROP_CENTER = (CROP_SIZE - 1) / 2
#: Middle of the volume, z, voxels: where the head's center is.
VOLUME_CENTER_Z = (VOLUME_SHAPE[0] - 1) / 2
#: Middle of the whole head in the head frame, meters: what the crop and the volume are centered on.
HEAD_CENTER = np.array([0.0, 0.065, -0.01])
#: Height in the head frame, meters, of the plane below the chin that closes the neck.
NECK_PLANE_Z = -0.155
#: Rotation head -> camera of a face that looks straight into the camera.
FRONTAL = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
#: Diagonal of 35 mm film, mm: EXIF's "focal length in 35 mm film" refers to it.
FILM_DIAGONAL_MM = 43.27
#: Focal length of a normal lens, mm, 35 mm equivalent: assumed of photos without EXIF.
DEFAULT_FOCAL_MM = 50.0


def apply_affine(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Map points by an affine matrix.

    Args:
        matrix: (2, 3) float.
        points: (..., 2) float, in the frame that the matrix maps from.

    Returns:
        (..., 2), in the frame that it maps to.
    """
    return points @ matrix[:, :2].T + matrix[:, 2]


def invert_affine(matrix: np.ndarray) -> np.ndarray:
    """Invert an affine matrix.

    Args:
        matrix: (2, 3) float, not singular.

    Returns:
        (2, 3) float64.
    """
    linear = np.linalg.inv(matrix[:, :2])
    return np.concatenate([linear, -(linear @ matrix[:, 2])[:, None]], 1)


def upright_map(up: np.ndarray, scale: float) -> np.ndarray:
    """The linear part of a similarity that turns a direction upward.

    Args:
        up: (2,), photo frame; of any length, zero for a picture that is not turned.
        scale: Crop pixels per photo pixel.

    Returns:
        (2, 2) float64, photo -> crop.
    """
    angle = np.arctan2(up[0], -up[1]) if np.hypot(up[0], up[1]) > 1e-9 else 0.0  # clockwise roll in the photo
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    return np.array([[cos, sin], [-sin, cos]])


def compose_affine(second: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Chain two affine matrices.

    Args:
        second: (2, 3) float, applied last.
        first: (2, 3) float, applied first.

    Returns:
        (2, 3) float64.
    """
    linear = second[:, :2] @ first[:, :2]
    return np.column_stack([linear, second[:, :2] @ first[:, 2] + second[:, 2]])


@dataclass(frozen=True)
class Camera:
    """A pinhole camera without distortion; focal length and principal point in photo pixels.

    `source` says where the focal length comes from: "exif", "option" or "default".
    """

    focal_px: float
    cx: float
    cy: float
    source: str = "default"

    @classmethod
    def from_focal_mm(cls, focal_mm: float, width: int, height: int, source: str = "default") -> "Camera":
        """Camera of a photo from its 35 mm equivalent focal length (by the diagonal).

        Args:
            focal_mm: Focal length, mm.
            width: Of the photo, pixels.
            height: Of the photo, pixels.
            source: Where the focal length is from.
        """
        focal_px = focal_mm / FILM_DIAGONAL_MM * float(np.hypot(width, height))
        return cls(focal_px, (width - 1) / 2, (height - 1) / 2, source)

    def focal_mm(self, width: int, height: int) -> float:
        """35 mm equivalent focal length of this camera for a `width` x `height` photo."""
        return self.focal_px * FILM_DIAGONAL_MM / float(np.hypot(width, height))

    def document(self, width: int, height: int) -> dict[str, Any]:
        """As face.json has the camera of a `width` x `height` photo."""
        return {
            "focal_length_mm35": round(self.focal_mm(width, height), 2),
            "focal_length_source": self.source,
            "focal_length_px": round(self.focal_px, 2),
            "principal_point_px": [self.cx, self.cy],
        }

    def project(self, points: np.ndarray) -> np.ndarray:
        """Project points into the photo.

        Args:
            points: (..., 3) camera frame, meters, in front of the camera.

        Returns:
            (..., 2) photo frame, pixels.
        """
        # Coordinate by coordinate: numpy is slow over rows of two.
        pixels = np.empty((*points.shape[:-1], 2))
        for k, center in enumerate((self.cx, self.cy)):
            across = points[..., k] / points[..., 2]
            np.add(across * self.focal_px, center, out=pixels[..., k], dtype=np.float64)
        return pixels


@dataclass(frozen=True)
class HeadPose:
    """Where the head is: camera = rotation @ head + translation.

    Attributes:
        rotation: (3, 3) float64.
        translation: (3,) float64, meters.
    """

    rotation: np.ndarray
    translation: np.ndarray

    def head_to_camera(self, points: np.ndarray) -> np.ndarray:
        """Map points.

        Args:
            points: (..., 3) head frame, meters.

        Returns:
            (..., 3) camera frame, meters.
        """
        return points @ self.rotation.T + self.translation

    def camera_to_head(self, points: np.ndarray) -> np.ndarray:
        """Map points.

        Args:
            points: (..., 3) camera frame, meters.

        Returns:
            (..., 3) head frame, meters.
        """
        return (points - self.translation) @ self.rotation

    @cached_property
    def angles(self) -> tuple[float, float, float]:
        """(yaw, pitch, roll) in degrees: the face turned to the picture's right, raised, and turned
        clockwise.
        """
        m = FRONTAL.T @ self.rotation  # in head axes: identity when frontal
        forward = m @ np.array([0.0, -1.0, 0.0])
        yaw = np.degrees(np.arctan2(forward[0], -forward[1]))
        pitch = np.degrees(np.arcsin(np.clip(forward[2], -1, 1)))
        # Roll is what is left after undoing yaw and pitch.
        y, p = np.radians(yaw), np.radians(pitch)
        rz = np.array([[np.cos(y), -np.sin(y), 0], [np.sin(y), np.cos(y), 0], [0, 0, 1]])
        rx = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
        rest = (rz @ rx).T @ m
        return float(yaw), float(pitch), float(np.degrees(np.arctan2(rest[0, 2], rest[2, 2])))

    def document(self) -> dict[str, Any]:
        """As face.json has it."""
        yaw, pitch, roll = (round(angle, 2) for angle in self.angles)
        return {
            "yaw": yaw,
            "pitch": pitch,
            "roll": roll,
            "rotation_head_to_camera": self.rotation.tolist(),
            "translation_m": self.translation.tolist(),
        }


@dataclass(frozen=True)
class AffineFrame:
    """A square picture cut out of the photo.

    Attributes:
        matrix: (2, 3) float64, photo -> crop, a similarity.
    """

    matrix: np.ndarray

    @cached_property
    def inverse(self) -> np.ndarray:
        """(2, 3) float64, crop -> photo."""
        return invert_affine(self.matrix)

    @property
    def scale(self) -> float:
        """Crop pixels per photo pixel."""
        return float(np.sqrt(abs(np.linalg.det(self.matrix[:, :2]))))

    def photo_to_crop(self, points: np.ndarray) -> np.ndarray:
        """Map points.

        Args:
            points: (..., 2) photo frame, pixels.

        Returns:
            (..., 2) crop frame, pixels.
        """
        return apply_affine(self.matrix, points)

    def crop_to_photo(self, points: np.ndarray) -> np.ndarray:
        """Map points.

        Args:
            points: (..., 2) crop frame, pixels.

        Returns:
            (..., 2) photo frame, pixels.
        """
        return apply_affine(self.inverse, points)


@dataclass(frozen=True)
class CropFrame(AffineFrame):
    """The crop of one face and the volume behind it.

    Attributes:
        camera: Of the photo.
        distance: Meters from the camera to the plane z = 99.5 of the volume, along the optical axis.
    """

    camera: Camera
    distance: float

    def volume_to_camera(self, points: np.ndarray) -> np.ndarray:
        """Map points; undoes the perspective.

        Args:
            points: (..., 3) volume frame (x, y, z), voxels.

        Returns:
            (..., 3) camera frame, meters.
        """
        photo = self.crop_to_photo(points[..., :2])
        depth = self.distance - (points[..., 2:] - VOLUME_CENTER_Z) / VOXELS_PER_METER
        xy = (photo - np.array([self.camera.cx, self.camera.cy])) / self.camera.focal_px * depth
        return np.concatenate([xy, depth], -1)

    def camera_to_volume(self, points: np.ndarray) -> np.ndarray:
        """Map points; applies the perspective.

        Args:
            points: (..., 3) camera frame, meters.

        Returns:
            (..., 3) volume frame (x, y, z), voxels.
        """
        xy = self.photo_to_crop(self.camera.project(points))
        z = VOLUME_CENTER_Z + (self.distance - points[..., 2:]) * VOXELS_PER_METER
        return np.concatenate([xy, z], -1)


def crop_frame_around(camera: Camera, pose: HeadPose) -> CropFrame:
    """The crop of a head whose metric pose is known: roll removed, 6.5 px per cm at the head's center."""
    center = pose.head_to_camera(HEAD_CENTER)
    distance = float(center[2])
    position = camera.project(center)
    scale = VOXELS_PER_METER * distance / camera.focal_px
    # The picture of the head's up axis, projected at its center, points up in the crop.
    up = camera.project(pose.head_to_camera(HEAD_CENTER + np.array([0.0, 0.0, 0.01]))) - position
    linear = upright_map(up, scale)
    offset = np.array([CROP_CENTER, CROP_CENTER]) - linear @ position
    return CropFrame(np.column_stack([linear, offset]), camera, distance)
