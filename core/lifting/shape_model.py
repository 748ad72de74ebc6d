"""Heads as identity plus expression: what photos of one person have in common, and what they have not.

The lifter's components mix both. `models/face_shape_model.npz`, made by `scripts/build/face_shape_model.py`,
says which of their combinations are identities and which are expressions, each scaled so that people have a
standard deviation of one.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import ModelError
from ..runtime.stored_weights import StoredWeights
from ..runtime.weights import model_arrays
from ..template.template import HeadTemplate
from .lifter import FILE_NAME as LIFTER_FILE
from .lifter import LandmarkLifter

FILE_NAME = "face_shape_model.npz"


def components_fingerprint(weights: Mapping[str, np.ndarray]) -> np.ndarray:
    """What tells whether coefficients of two lifters mean the same.

    Args:
        weights: The lifter's: "mean" (V, 3) and "basis" (C, V, 3), meters.

    Returns:
        (32,) uint8, the SHA-256 of both as float32.
    """
    digest = hashlib.sha256()
    for name in ("mean", "basis"):
        digest.update(np.ascontiguousarray(weights[name], np.float32).tobytes())
    return np.frombuffer(digest.digest(), np.uint8)


@dataclass(frozen=True)
class PointBasis:
    """Points on the template as linear functions of identity and expression.

    Attributes:
        mean: (N, 3) float64, head frame, meters, where both are zero.
        identity: (K, N, 3) float64, meters per standard deviation.
        expression: (J, N, 3) float64, meters per standard deviation.
    """

    mean: np.ndarray
    identity: np.ndarray
    expression: np.ndarray

    def at(self, identity: np.ndarray, expression: np.ndarray) -> np.ndarray:
        """The points of a head.

        Args:
            identity: (K,) coefficients, standard deviations.
            expression: (J,) coefficients, standard deviations.

        Returns:
            (N, 3) float64, head frame, meters.
        """
        return np.asarray(
            self.mean
            + np.tensordot(identity, self.identity, 1)
            + np.tensordot(expression, self.expression, 1)
        )


@dataclass(frozen=True)
class FaceShapeModel:
    """The prior of heads. Both kinds of coefficients are normal with mean 0 and standard deviation 1.

    Attributes:
        mean: (V, 3) float32, the template's vertices where all coefficients are zero, head frame, meters.
        components: (C, V, 3) float32, the lifter's.
        identity: (K, C) float64, what each identity coefficient is in these.
        expression: (J, C) float64, what each expression coefficient is in these.
        offset: (C,) float64, what `mean` is in these, beside the lifter's mean.
        weight: (V,) float32, how much each vertex counts where heads are projected onto the components.
    """

    mean: np.ndarray
    components: np.ndarray
    identity: np.ndarray
    expression: np.ndarray
    offset: np.ndarray
    weight: np.ndarray

    @classmethod
    def of(cls, lifter: LandmarkLifter, arrays: Mapping[str, np.ndarray]) -> "FaceShapeModel":
        """The model of a lifter.

        Args:
            lifter: Its mean and components are those of the model.
            arrays: The arrays of `face_shape_model.npz`.

        Raises:
            ModelError: The arrays belong to another lifter.
        """
        components, mean = lifter.weights["basis"], lifter.weights["mean"]
        identity, expression, offset, weight = (
            np.asarray(arrays[name], np.float64) for name in ("identity", "expression", "offset", "weight")
        )
        if not np.array_equal(arrays["lifter"], components_fingerprint(lifter.weights)):
            raise ModelError(
                f"{FILE_NAME} belongs to another lifter: get the project's models folder again, or, for a "
                "lifter of your own, make it with scripts/build/face_shape_model.py"
            )
        shifted = mean + np.tensordot(offset.astype(np.float32), components, 1)
        return cls(shifted, components, identity, expression, offset, weight.astype(np.float32))

    @classmethod
    def load(cls, lifter: LandmarkLifter, models_dir: Path) -> "FaceShapeModel":
        """Read the model of a lifter from the folder of the models."""
        with model_arrays(Path(models_dir) / FILE_NAME) as arrays:
            return cls.of(lifter, arrays)

    @classmethod
    def from_pretrained(cls, models_dir: Path) -> "FaceShapeModel":
        """Read the model and the lifter's components, without the lifter's network.

        Args:
            models_dir: Folder of the models.

        Raises:
            ModelError: A file is missing or damaged.
        """
        weights = StoredWeights.of_file(Path(models_dir) / LIFTER_FILE)
        return cls.load(LandmarkLifter(weights, HeadTemplate.load(models_dir)), models_dir)

    @property
    def components_covariance(self) -> np.ndarray:
        """(C, C) float64, of heads in the lifter's components, square meters."""
        both = np.concatenate([self.identity, self.expression])
        return np.asarray(both.T @ both + SPLIT_NOISE**2 * np.eye(both.shape[1]))

    def points(self, corners: np.ndarray, bary: np.ndarray | None = None) -> PointBasis:
        """Points of the template.

        Args:
            corners: (N,) int, vertices, or (N, 3) int, corners of triangles.
            bary: (N, 3) where in these triangles; needed with (N, 3) corners.
        """
        corners = np.asarray(corners)
        corners = corners[:, None] if corners.ndim == 1 else corners
        weights = np.ones(corners.shape) if bary is None else np.asarray(bary, np.float64)
        mean = np.einsum("nk,nkc->nc", weights, self.mean[corners].astype(np.float64))
        components = np.einsum("nk,mnkc->mnc", weights, self.components[:, corners].astype(np.float64))
        return PointBasis(
            mean, np.tensordot(self.identity, components, 1), np.tensordot(self.expression, components, 1)
        )

    def vertices(self, identity: np.ndarray, expression: np.ndarray) -> np.ndarray:
        """The template in the shape of a head.

        Args:
            identity: (K,) coefficients.
            expression: (J,) coefficients.

        Returns:
            (V, 3) float32, head frame, meters.
        """
        coefficients = identity @ self.identity + expression @ self.expression
        return np.asarray(self.mean + np.tensordot(coefficients.astype(np.float32), self.components, 1))

    def coefficients(self, vertices: np.ndarray) -> np.ndarray:
        """Project heads onto the lifter's components.

        Args:
            vertices: (..., V, 3) of the template, head frame, meters.

        Returns:
            (..., C) float64, relative to the model's mean.
        """
        weighted = (np.asarray(vertices, np.float64) - self.mean) * self.weight[:, None]
        flat = weighted.reshape(*weighted.shape[:-2], -1)
        return np.asarray(flat @ self.components.reshape(len(self.components), -1).T.astype(np.float64))

    def split(self, coefficients: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The most probable identity and expression of a head.

        Args:
            coefficients: (C,) of `coefficients`.

        Returns:
            (K,) identity and (J,) expression.
        """
        both = np.concatenate([self.identity, self.expression])
        # The noise only decides between explanations that fit equally well: 0.02 mm.
        gram = both @ both.T + SPLIT_NOISE**2 * np.eye(len(both))
        solution = np.linalg.solve(gram, both @ coefficients)
        return solution[: len(self.identity)], solution[len(self.identity) :]


#: Standard deviation, meters, of what a head may differ from identity plus expression.
SPLIT_NOISE = 2e-5
