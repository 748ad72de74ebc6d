"""One training picture with the truth behind it."""

from dataclasses import dataclass

import numpy as np

from ...geometry.frames import Camera, HeadPose

#: Side of a training picture, pixels.
PICTURE_SIZE = 320


@dataclass(frozen=True)
class Scene:
    """A head before a camera.

    assumed_focal_px: the focal length that the reconstruction reads from EXIF data or guesses.
    """

    camera: Camera
    pose: HeadPose
    assumed_focal_px: float

    @property
    def assumed_camera(self) -> Camera:
        """The camera as whoever knows no focal length takes it to be."""
        return Camera(self.assumed_focal_px, self.camera.cx, self.camera.cy)


@dataclass(frozen=True)
class Sample:
    """One picture and the truth behind it.

    picture: (320, 320, 3) uint8 RGB. landmarks: (478, 3) float32, photo frame, as the detector gave them.
    source: which model the head comes from ("ict" or "makehuman"); identity and expression: its coefficients,
    float32. turned: a portrait turned in 3D, whose head was only fitted to landmarks.
    """

    picture: np.ndarray
    landmarks: np.ndarray
    source: str
    identity: np.ndarray
    expression: np.ndarray
    scene: Scene
    turned: bool = False

    @property
    def yaw_bin(self) -> int:
        """0, 30 or 60: the bin of 30 degrees that the head's yaw falls into."""
        return min(int(abs(self.scene.pose.angles[0]) // 30) * 30, 60)
