"""Rendered heads as the lifter sees them, kept on disk: their crops, lifted heads, and true ones."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch

from ...errors import PhotobustError
from ...geometry.frames import AffineFrame, Camera
from ...geometry.pose import WeakPerspectivePose
from ...image.crop import CropVariation
from ...lifting.lifter import LandmarkLifter
from ...template.symmetry import Mirror
from ..data.shards import Shard
from ..face_models.heads import HeadSource
from ..files import write_arrays
from ..fitting.cascade import observation_of, true_outputs
from ..paths import DataPaths


@dataclass(frozen=True)
class LiftedFaces:
    """The faces of one shard of pictures, all turned to the picture's right.

    Attributes:
        crops: (N, C, 192, 192, 3) uint8, RGB, C crops of each face.
        frames: (N, C, 2, 3) float64, photo -> crop.
        rotation: (N, 3, 3) float64, of the pose that was fitted to the landmarks.
        center: (N, 2) float64, of that pose.
        scale: (N,) float64, of that pose.
        camera: (N, 3) float64, the assumed one: focal length, principal point, pixels.
        lifted: (N, 6 + K) float32, normalized outputs of the lifter's stages.
        truth: (N, 6 + K) float32, what they should be.
        weight: (N,) float32, how much each counts.
        yaw: (N,) float32, degrees.
    """

    crops: np.ndarray
    frames: np.ndarray
    rotation: np.ndarray
    center: np.ndarray
    scale: np.ndarray
    camera: np.ndarray
    lifted: np.ndarray
    truth: np.ndarray
    weight: np.ndarray
    yaw: np.ndarray

    @classmethod
    def read(cls, path: Path) -> "LiftedFaces":
        """Read those of a file that `write_lifted_faces` wrote.

        Raises:
            PhotobustError: It is of an earlier version.
        """
        with np.load(path) as arrays:
            names = [field.name for field in fields(cls)]
            if missing := set(names) - set(arrays.files):
                raise PhotobustError(
                    f"{path} has no {', '.join(sorted(missing))}: remove it, and run "
                    "scripts/training/dense_network.py faces again."
                )
            return cls(**{name: arrays[name] for name in names})

    def __len__(self) -> int:
        return len(self.crops)

    def pose(self, k: int) -> WeakPerspectivePose:
        """The pose that was fitted to the landmarks of face k."""
        return WeakPerspectivePose(self.rotation[k], self.center[k], float(self.scale[k]))

    def assumed_camera(self, k: int) -> Camera:
        """The camera that was assumed of face k."""
        focal_px, cx, cy = (float(value) for value in self.camera[k])
        return Camera(focal_px, cx, cy)

    def crop_frame(self, k: int, crop: int) -> AffineFrame:
        """Photo -> a crop of face k."""
        return AffineFrame(self.frames[k, crop])


def lifted_faces(
    paths: DataPaths, shard_path: Path, variations: Sequence[CropVariation], training: bool
) -> LiftedFaces:
    """Lift the heads of a shard of pictures by landmarks and stages alone.

    Args:
        paths: where the face model, the registration and the lifter are.
        shard_path: the pictures.
        variations: of the crop; the stages see features averaged over them.
        training: whether frontal faces are mirrored at random, and some landmarks degraded.
    """
    torch.set_num_threads(1)
    heads, mirror = HeadSource.from_paths(paths), Mirror.load(paths.models)
    lifter = LandmarkLifter.from_pretrained(paths.models, heads.template, shaded=False, dense=False)
    shard = Shard(shard_path)
    rng = np.random.default_rng(int(shard_path.stem[-5:])) if training else None
    rows = [observation_of(shard.sample(i), heads, lifter, mirror, rng) for i in range(len(shard))]
    crops, frames, lifted = [], [], []
    for row in rows:
        features = lifter.features(row.sample.picture, row.points, row.pose, None, variations)
        camera = row.sample.scene.assumed_camera
        crops.append([crop.picture for crop in features])
        frames.append([crop.frame.matrix for crop in features])
        lifted.append(lifter.staged(row.x, row.z, row.pose, camera, features))
    cameras = [row.sample.scene.assumed_camera for row in rows]
    return LiftedFaces(
        np.stack(crops),
        np.stack(frames),
        np.stack([row.pose.rotation for row in rows]),
        np.stack([row.pose.center for row in rows]),
        np.array([row.pose.scale for row in rows]),
        np.array([[camera.focal_px, camera.cx, camera.cy] for camera in cameras]),
        np.stack(lifted).astype(np.float32),
        true_outputs(lifter, rows),
        np.array([row.weight for row in rows], np.float32),
        np.array([row.sample.scene.pose.angles[0] for row in rows], np.float32),
    )


def write_lifted_faces(path: Path, faces: LiftedFaces) -> None:
    """Write them under a temporary name, and move the file into place."""
    write_arrays(path, {field.name: getattr(faces, field.name) for field in fields(faces)}, compressed=False)
