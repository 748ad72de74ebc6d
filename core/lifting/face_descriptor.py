"""Numbers by which two faces are seen to be those of two people, whatever the light, side and expression.

Two things are compared: the lifted head's shape, and the pattern of the colors of skin, brows, eyes and lips
beside their own mean, so that exposure and white balance do not count; of each pair of points, left and
right, the side that is seen better. Both are projected to where people differ most beside pictures of one
person (linear discriminant analysis), and compared under a normal distribution of people and one of pictures
of a person (probabilistic LDA: S. Prince and J. Elder, "Probabilistic linear discriminant analysis for
inferences about identity", ICCV 2007). Fitted by `core.training.fitting.face_descriptor` to renders of
portraits and of synthetic people.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..geometry.frames import Camera
from ..geometry.mesh import shading_normals
from ..geometry.visibility import ray_cosines
from ..image.crop import cut_crop
from ..runtime.weights import model_arrays
from ..segmentation.segments import Segmentation, SegmentClass
from ..template.template import HeadTemplate
from .lifter import HeadPrior

FILE_NAME = "face_descriptor.npz"
#: What hides a face.
COVERS = (SegmentClass.ACCESSORY, SegmentClass.HAIR, SegmentClass.HEADWEAR, SegmentClass.OCCLUDER)
#: Fraction of covered points from which on the pattern says nothing of the person. Of 40 synthetic people,
#: three photos each, two were taken apart for their glasses; without such patterns none.
MOST_COVERED = 0.1
#: Standard deviation of the crop's smoothing, pixels: noise and pores do not count.
SMOOTHING_PX = 1.2
#: Added to colors, 0..1, before their logarithm is taken.
DARK = 0.03
#: Added to the squared cosine between normal and ray, the weight of a point, so that one side always counts.
LEAST_SIGHT = 1e-4
#: Weight of the pattern's evidence beside that of the shape: neighboring points err together, and the light
#: that a portrait was taken in is the same in all its renders, which makes the pattern seem surer than it is.
PATTERN_WEIGHT = 0.3


def color_pattern(
    rgb: np.ndarray, camera: Camera, prior: HeadPrior, template: HeadTemplate, points: np.ndarray
) -> np.ndarray:
    """The colors of points of a face relative to their mean.

    Args:
        rgb: (H, W, 3) uint8, the photo.
        camera: Of the photo.
        prior: The head.
        template: Of the head.
        points: (N, 2) int, vertices of the template, each with its counterpart on the other side.

    Returns:
        (3 * N,) float32, logarithms.
    """
    crop = cv2.GaussianBlur(cut_crop(rgb, prior.frame), (0, 0), SMOOTHING_PX)
    triangles = template.solid_triangles
    triangles = triangles[(triangles < len(prior.vertices)).all(1)]
    vertices = prior.pose.head_to_camera(prior.vertices.astype(np.float64))
    cosines = ray_cosines(vertices, shading_normals(vertices, triangles))[points]
    pixels = prior.frame.photo_to_crop(camera.project(vertices[points.ravel()])).astype(np.float32)
    colors = cv2.remap(crop, pixels[:, :1], pixels[:, 1:], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    logarithms = np.log(colors.reshape(*points.shape, 3) / 255 + DARK)
    weight = (np.clip(cosines, 0, None) ** 2 + LEAST_SIGHT)[..., None]
    pattern = (logarithms * weight).sum(1) / weight.sum(1)
    return np.asarray(pattern - pattern.mean(0), np.float32).ravel()


def covered_fraction(
    segmentation: Segmentation, camera: Camera, prior: HeadPrior, points: np.ndarray
) -> float:
    """The fraction of points of a face before which there is glass, hair, a hand or headwear, 0..1.

    Args:
        segmentation: Of the photo.
        camera: Of the photo.
        prior: The head.
        points: (N, 2) int, as for `color_pattern`.
    """
    vertices = prior.vertices[points[:, 0]].astype(np.float64)
    found = segmentation.probabilities_at(camera.project(prior.pose.head_to_camera(vertices)))
    return float(np.isin(found.argmax(-1), COVERS).mean())


@dataclass(frozen=True)
class Discriminant:
    """Where one kind of features tells people apart.

    Attributes:
        mean: (F,) float64, of the features.
        matrix: (F, D) float64, to directions in which pictures of one person have variance 1.
        between: (D,) float64, variance of people along these.
    """

    mean: np.ndarray
    matrix: np.ndarray
    between: np.ndarray

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray], name: str) -> "Discriminant":
        """Read one of a file."""
        return cls(
            *(np.asarray(arrays[f"{name}_{part}"], np.float64) for part in ("mean", "matrix", "between"))
        )

    def project(self, features: np.ndarray) -> np.ndarray:
        """Project features onto the directions.

        Args:
            features: (..., F).

        Returns:
            (..., D) float64.
        """
        return np.asarray((features - self.mean) @ self.matrix)

    def log_ratio(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Logarithm of how much more probable projections are of one person than of two.

        Args:
            one: (..., D).
            other: (..., D).

        Returns:
            (...) float64.
        """
        total = self.between + 1
        determinant = total**2 - self.between**2
        own, cross = total / determinant - 1 / total, self.between / determinant
        quadratic = ((one**2 + other**2) * own - 2 * one * other * cross).sum(-1)
        return np.asarray(-quadratic / 2 - np.log(determinant / total**2).sum() / 2)


@dataclass(frozen=True)
class FaceDescriptor:
    """Describes faces and compares descriptions.

    Attributes:
        points: (N, 2) int, vertices whose colors count, and their counterparts.
        shape: Of heads along the principal directions of `PersonSolver`.
        pattern: Of `color_pattern`.
        limit: The score that 1 in 50 pairs of pictures of one person is below.
        shape_limit: The same of the score by the shape alone.
    """

    points: np.ndarray
    shape: Discriminant
    pattern: Discriminant
    limit: float
    shape_limit: float

    @classmethod
    def load(cls, models_dir: Path) -> "FaceDescriptor":
        """Read the descriptor of a folder of models."""
        with model_arrays(Path(models_dir) / FILE_NAME) as arrays:
            return cls(
                np.asarray(arrays["points"], np.int64),
                Discriminant.of(arrays, "shape"),
                Discriminant.of(arrays, "pattern"),
                float(arrays["limit"]),
                float(arrays["shape_limit"]),
            )

    def describe(self, shape: np.ndarray, pattern: np.ndarray) -> np.ndarray:
        """The description of a face.

        Args:
            shape: (..., C) the lifted head along the principal directions.
            pattern: (..., 3 * N) of `color_pattern`.

        Returns:
            (..., D) float64.
        """
        return np.concatenate([self.shape.project(shape), self.pattern.project(pattern)], -1)

    def score(self, one: np.ndarray, other: np.ndarray, by_shape: bool = False) -> np.ndarray:
        """How much two descriptions seem to be of one person; two people's are mostly below `limit`.

        Args:
            one: (..., D).
            other: (..., D).
            by_shape: Whether only the shape counts; then `shape_limit` is what they are below.

        Returns:
            (...) float64.
        """
        split = len(self.shape.between)
        shape = self.shape.log_ratio(one[..., :split], other[..., :split])
        if by_shape:
            return shape
        return shape + PATTERN_WEIGHT * self.pattern.log_ratio(one[..., split:], other[..., split:])
