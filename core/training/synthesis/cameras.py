"""Random cameras and poses, and the compact record of one training picture."""

import numpy as np
from scipy.spatial.transform import Rotation

from ...geometry.frames import FRONTAL, HEAD_CENTER, Camera, HeadPose
from .sample import PICTURE_SIZE, Scene


def head_rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """(3, 3) head -> camera, degrees as in HeadPose.angles: turned to the picture's right, raised,
    clockwise.
    """
    turn = Rotation.from_euler("z", yaw, degrees=True) * Rotation.from_euler("x", -pitch, degrees=True)
    return Rotation.from_euler("z", roll, degrees=True).as_matrix() @ FRONTAL @ turn.as_matrix()


def sample_scene(rng: np.random.Generator, max_yaw: float = 90.0, far: float = 0.0) -> Scene:
    """A random view: selfie to telephoto, frontal to profile, the head anywhere in a larger photo. far:
    fraction of views that are turned by more than half of `max_yaw`, beside those that are by chance.
    """
    if far and rng.random() < far:
        yaw = rng.choice([-1, 1]) * rng.uniform(max_yaw / 2, max_yaw)
    else:
        yaw = rng.normal(0, 18) if rng.random() < 0.3 else rng.uniform(-max_yaw, max_yaw)
    return scene_at(rng, yaw)


def scene_at(rng: np.random.Generator, yaw: float) -> Scene:
    """A random view of a head that is turned by `yaw`, degrees, to the picture's right."""
    pitch = np.clip(rng.normal(0, 14), -40, 40)
    roll = np.clip(rng.normal(0, 12), -45, 45)
    distance = np.exp(rng.uniform(np.log(0.35), np.log(4.0)))
    scale = rng.uniform(620, 900) if rng.random() < 0.85 else rng.uniform(280, 620)
    focal = scale * distance
    center = (PICTURE_SIZE - 1) / 2 + rng.normal(0, 10, 2)
    # The picture is a window of a larger photo: its optical center lies elsewhere, up to some 15 degrees
    # away.
    principal_offset = np.tan(np.radians(np.clip(rng.normal(0, 5, 2), -15, 15))) * focal
    x, y = center - principal_offset
    camera = Camera(focal, float(x), float(y), source="exif")
    ray = np.append(principal_offset / focal, 1.0)
    rotation = head_rotation(yaw, pitch, roll)
    pose = HeadPose(rotation, ray * distance - rotation @ HEAD_CENTER)
    return Scene(camera, pose, sample_assumed_focal(rng, focal))


def sample_assumed_focal(rng: np.random.Generator, focal: float) -> float:
    """The focal length of the EXIF data, or the guess where these have none; pixels."""
    known = rng.random() < 0.7
    return float(focal if known else focal * np.exp(np.clip(rng.normal(0, 0.35), -0.9, 0.9)))
