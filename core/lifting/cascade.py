"""One stage of the lifter's cascade: looks at the picture where the head is believed to be, and corrects it.

A cascade of linear regressions, each on features taken where the one before it has put the parts of the head,
is the supervised descent method (X. Xiong and F. De la Torre, "Supervised descent method and its applications
to face alignment", CVPR 2013), here for a head's shape and pose, with features learned from photos.
"""

from dataclasses import dataclass

import numpy as np

from ..geometry.frames import Camera, HeadPose
from ..geometry.mesh import shading_normals
from ..geometry.visibility import ray_cosines
from .face_features import FaceFeatures

#: A vertex is looked at in full if its normal and the direction to the camera have a cosine above 1 / this.
FACING = 4.0


@dataclass(frozen=True)
class Probes:
    """The template's vertices at which pictures are looked at. vertices: (N,) int64; triangles: (T, 3) int64,
    those around them, into `used`: (U,) int64 vertices; places: (N,) int64, where in `used` the first are.
    """

    vertices: np.ndarray
    used: np.ndarray
    triangles: np.ndarray
    places: np.ndarray

    @classmethod
    def of(cls, vertices: np.ndarray, triangles: np.ndarray) -> "Probes":
        """Probes at vertices (N,) of a mesh with triangles (T, 3)."""
        around = triangles[np.isin(triangles, vertices).any(1)]
        used, corners = np.unique(around, return_inverse=True)
        return cls(vertices, used, corners.reshape(-1, 3), np.searchsorted(used, vertices))

    def look(self, features: FaceFeatures, head: np.ndarray, pose: HeadPose, camera: Camera) -> np.ndarray:
        """(N * 112,) float32 features of a head (V, 3), head frame, where it is seen; less where it grazes,
        none where it looks away.
        """
        around = pose.head_to_camera(head[self.used].astype(np.float64))
        normals = shading_normals(around, self.triangles)[self.places]
        points = around[self.places]
        cosine = ray_cosines(points, normals)
        seen = np.clip(cosine * FACING, 0, 1).astype(np.float32)
        return (features.at(camera.project(points)) * seen[:, None]).ravel()


@dataclass(frozen=True)
class Stage:
    """A linear regression: mean, scale (F,) of what it sees; weight (O, F), bias (O,)."""

    mean: np.ndarray
    scale: np.ndarray
    weight: np.ndarray
    bias: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """(F,) -> (O,) what is to be added to the lifter's outputs."""
        return np.asarray(self.weight @ ((x - self.mean) / self.scale) + self.bias)

    @classmethod
    def read(cls, weights: dict[str, np.ndarray], number: int) -> "Stage":
        """Stage `number`, from 1 on, of a lifter's weights."""
        names = ("mean", "scale", "weight", "bias")
        return cls(*(weights[f"stage{number}.{name}"] for name in names))
