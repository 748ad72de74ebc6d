"""One stage of the lifter's cascade: reads the picture where the head is estimated to be, and corrects it.

A cascade of linear regressions, each on features sampled where the one before it has placed the head's
vertices, is the supervised descent method (X. Xiong and F. De la Torre, "Supervised descent method and its
applications to face alignment", CVPR 2013), here for a head's shape and pose, with features learned from
photos.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..geometry.frames import Camera, HeadPose
from ..geometry.mesh import shading_normals
from ..geometry.visibility import ramp, ray_cosines
from .face_features import FaceFeatures

#: Cosine between a vertex's normal and its ray from which on its features count fully; facing away they count
#: nothing. The stages were trained with this.
FULL_FEATURE_COSINE = 0.25


@dataclass(frozen=True)
class FeatureSites:
    """The template's vertices at which features are sampled.

    Attributes:
        vertices: (N,) int64, into the template's.
        used: (U,) int64, the vertices of the triangles around them.
        triangles: (T, 3) int64, those triangles, into `used`.
        positions: (N,) int64, of the sites in `used`.
    """

    vertices: np.ndarray
    used: np.ndarray
    triangles: np.ndarray
    positions: np.ndarray

    @classmethod
    def of(cls, vertices: np.ndarray, triangles: np.ndarray) -> "FeatureSites":
        """Sites at vertices of a mesh.

        Args:
            vertices: (N,) int.
            triangles: (T, 3) int64, the mesh.
        """
        around = triangles[np.isin(triangles, vertices).any(1)]
        used, corners = np.unique(around, return_inverse=True)
        return cls(vertices, used, corners.reshape(-1, 3), np.searchsorted(used, vertices))

    def sample_around(
        self, crops: Sequence[FaceFeatures], used: np.ndarray, pose: HeadPose, camera: Camera
    ) -> np.ndarray:
        """The features where a head's sites are in the picture.

        Args:
            crops: Features of crops of the picture, over which the mean is taken.
            used: (U, 3), the head's vertices `used`, head frame, meters.
            pose: Of the head.
            camera: Of the photo.

        Returns:
            (N * 112,) float32, faded where a site is seen at a grazing angle, zero where it faces away.
        """
        around = pose.head_to_camera(used.astype(np.float64))
        normals = shading_normals(around, self.triangles)[self.positions]
        points = around[self.positions]
        cosine = ray_cosines(points, normals)
        weight = ramp(cosine, 0.0, FULL_FEATURE_COSINE).astype(np.float32)
        projected = camera.project(points)
        sampled = mean_of([features.at(projected) for features in crops])
        return (sampled * weight[:, None]).ravel()


def mean_of(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """The mean of arrays.

    Args:
        arrays: (N, ...) float32 each, one at least, all of one shape.

    Returns:
        (N, ...) float32; the mean of one is that array itself.
    """
    total = arrays[0]
    for array in arrays[1:]:
        total = total + array
    return total / np.float32(len(arrays)) if len(arrays) > 1 else total


@dataclass(frozen=True)
class Stage:
    """A linear regression of standardized inputs.

    Attributes:
        mean: (F,) float32, of the inputs.
        scale: (F,) float32, of the inputs.
        weight: (O, F) float32.
        bias: (O,) float32.
    """

    mean: np.ndarray
    scale: np.ndarray
    weight: np.ndarray
    bias: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """(F,) float32 inputs -> (O,) what to add to the lifter's normalized outputs."""
        return np.asarray(self.weight @ ((x - self.mean) / self.scale) + self.bias)

    @classmethod
    def read(cls, weights: Mapping[str, np.ndarray], number: int) -> "Stage":
        """Take one stage out of a lifter's weights.

        Args:
            weights: All arrays of the file, by name.
            number: Of the stage, from 1 on.
        """
        names = ("mean", "scale", "weight", "bias")
        return cls(*(weights[f"stage{number}.{name}"] for name in names))

    @classmethod
    def of_nothing(cls, inputs: int, outputs: int) -> "Stage":
        """A stage of so many inputs that corrects none of so many outputs: what fitting begins with."""
        shapes = ((inputs,), (inputs,), (outputs, inputs), (outputs,))
        mean, scale, weight, bias = (np.zeros(shape, np.float32) for shape in shapes)
        return cls(mean, scale + 1, weight, bias)
