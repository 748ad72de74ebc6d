"""Dense landmarks: where a network sees points of the whole head, and what that says of the lifted head.

The network looks at the face once more, in a window that the lifted head places, and gives 618 points in
three dimensions and the shape (as E. Wood et al., "3D face reconstruction with dense landmarks", ECCV 2022,
who fit a head to 703). A linear regression turns the difference between what it gives and the lifted head
into a correction of pose and shape: it knows how far either can be trusted. Then it looks again, in a window
that the corrected head places: each crop of the face is looked at once, with a regression of its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from ..errors import ModelError
from ..geometry.frames import AffineFrame, Camera
from ..geometry.pose import WeakPerspectivePose
from ..image.crop import network_input
from ..runtime.backend import DENSE_NAME, DENSE_ONNX_NAME, choose_backend
from ..runtime.weights import safetensors_arrays
from ..template.template import HeadTemplate
from .cascade import Stage
from .dense_window import cut_window, dense_frame, points_in_window
from .face_features import FaceFeatures
from .shading import FITTED_TO

#: The points' linear model and the regressions, in the folder of models.
DENSE_LIFTER_NAME = "dense_lifter.safetensors"


@dataclass(frozen=True)
class PointModel:
    """The points of a head, as they follow from its shape: MediaPipe's 478, then the lifter's feature sites.

    Attributes:
        mean: (P, 3) float32, of the average head, head frame, meters.
        basis: (K, P, 3) float32, meters, how they move with the coefficients of the shape.
    """

    mean: np.ndarray
    basis: np.ndarray

    @classmethod
    def of(
        cls, mean: np.ndarray, basis: np.ndarray, template: HeadTemplate, sites: np.ndarray
    ) -> "PointModel":
        """The points of a basis of shapes.

        Args:
            mean: (V, 3) the average head, head frame, meters.
            basis: (K, V, 3) displacements, meters.
            template: What the shapes are shapes of; its landmarks are linear in its vertices.
            sites: (N,) int, vertices.
        """
        heads = [mean, *basis]
        points = [np.concatenate([template.landmarks(head), head[sites]]) for head in heads]
        stacked = np.stack(points).astype(np.float32)
        return cls(stacked[0], stacked[1:])

    def __call__(self, coefficients: np.ndarray) -> np.ndarray:
        """(P, 3) float32, head frame, meters, of the shape with coefficients (K,)."""
        return np.asarray(self.mean + np.tensordot(coefficients.astype(np.float32), self.basis, 1))


@dataclass(frozen=True)
class DenseModel:
    """The linear model of points in the window.

    Attributes:
        mean: (P * 3,) float32, cm from the window's middle: right, down, and away from the camera beyond the
            head's center.
        basis: (96, P * 3) float32, the components times their deviations, cm.
    """

    mean: np.ndarray
    basis: np.ndarray

    def weights(self, points: np.ndarray) -> np.ndarray:
        """The weights of the components that come nearest to points.

        Args:
            points: (P, 3) in the window, cm.

        Returns:
            (96,).
        """
        return np.asarray(self._inverse @ (points.ravel() - self.mean))

    @cached_property
    def _inverse(self) -> np.ndarray:
        """(96, P * 3), points -> weights."""
        return np.asarray(np.linalg.solve(self.basis @ self.basis.T, self.basis))


class DenseBackend(Protocol):
    """What runs the network."""

    def run(self, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Look at a window.

        Args:
            picture: (160, 160, 3) uint8, RGB.

        Returns:
            (96,) and (K,) float32: weights of the points' components, normalized coefficients of the shape.
        """
        ...


class TorchDense:
    """Torch, the reference backend."""

    def __init__(self, path: Path) -> None:
        """Read the weights; raises ModelError if they are missing or do not fit."""
        from .dense_network import load_dense_network

        self._network = load_dense_network(path)

    def run(self, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `DenseBackend.run`."""
        import torch

        with torch.inference_mode():
            components, shape = self._network(torch.from_numpy(network_input(picture)))
        return components[0].numpy(), shape[0].numpy()


class OnnxDense:
    """ONNX Runtime, the backend that artists have."""

    def __init__(self, path: Path) -> None:
        """Read the network; raises ModelError if it is missing or damaged."""
        from ..runtime.onnx_session import OnnxSession

        # Too small a network for more than one thread.
        self._session = OnnxSession(path, threads=1)

    def run(self, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `DenseBackend.run`."""
        components, shape = self._session.run_all(picture=network_input(picture))
        return components[0], shape[0]


def load_dense_backend(models_dir: Path, backend: str | None = None) -> DenseBackend:
    """The network of a folder of models with the backend that `choose_backend` chooses.

    Raises:
        ModelError: It is missing or damaged.
    """
    if choose_backend(models_dir, backend) == "torch":
        return TorchDense(Path(models_dir) / DENSE_NAME)
    return OnnxDense(Path(models_dir) / DENSE_ONNX_NAME)


@dataclass(frozen=True)
class LiftedPoints:
    """A head that the lifter's outputs stand for.

    Attributes:
        z: (6 + K,) its normalized outputs.
        pose: Of the head.
        points: (P, 3) float32, head frame, meters: those of `PointModel`.
    """

    z: np.ndarray
    pose: WeakPerspectivePose
    points: np.ndarray


@dataclass(frozen=True)
class DenseLandmarks:
    """What the network sees, made into a correction of the lifter's outputs.

    Attributes:
        network: The network.
        model: Of points in the window.
        stages: The regressions: of the first look, of the second, and so on.
    """

    network: DenseBackend
    model: DenseModel
    stages: tuple[Stage, ...]

    def corrected(
        self,
        z: np.ndarray,
        lifted_points: Callable[[np.ndarray], LiftedPoints],
        camera: Camera,
        crops: Sequence[FaceFeatures],
    ) -> np.ndarray:
        """Correct the lifter's outputs, one crop after another.

        Args:
            z: (6 + K,) float32, the normalized outputs of the lifter's stages.
            lifted_points: The head that such outputs stand for.
            camera: Of the view.
            crops: Of the picture. There are as many looks as crops, but no more than regressions.

        Returns:
            (6 + K,) float32, normalized.
        """
        for stage, crop in zip(self.stages, crops, strict=False):
            z = z + stage(self.stage_input(lifted_points(z), camera, crop.picture, crop.frame))
        return z

    def stage_input(
        self, head: LiftedPoints, camera: Camera, picture: np.ndarray, frame: AffineFrame
    ) -> np.ndarray:
        """A regression's input: what the network sees less where the head is so far.

        Args:
            head: As it is so far.
            camera: Of the view.
            picture: (192, 192, 3) uint8, RGB, a crop of the view.
            frame: View -> crop.

        Returns:
            (96 + K,) float32: weights of the points' components, normalized coefficients of the shape.
        """
        window = dense_frame(head.pose)
        components, shape = self.network.run(cut_window(picture, frame, window))
        placed = self.model.weights(points_in_window(head.points, head.pose, camera, window))
        return np.concatenate([components - placed, shape - head.z[-len(shape) :]]).astype(np.float32)


def load_dense_landmarks(
    models_dir: Path, fingerprint: np.ndarray, backend: str | None = None
) -> DenseLandmarks | None:
    """The dense landmarks of a folder of models.

    Args:
        models_dir: The folder.
        fingerprint: (32,) uint8, of the lifter.
        backend: See `core.runtime.backend.choose_backend`.

    Returns:
        None if the folder has none.

    Raises:
        ModelError: A file is missing or damaged, or the regressions belong to another lifter.
    """
    path = Path(models_dir) / DENSE_LIFTER_NAME
    if not path.is_file():
        return None
    arrays = safetensors_arrays(path)
    if not np.array_equal(arrays.pop(FITTED_TO, ()), fingerprint):
        raise ModelError(
            f"{path} belongs to another version of the lifter: get the project's models folder again"
        )
    weights = {name: np.asarray(value, np.float32) for name, value in arrays.items()}
    model = DenseModel(weights["points_mean"], weights["points_basis"])
    count = sum(name.startswith("stage") and name.endswith("weight") for name in weights)
    stages = tuple(Stage.read(weights, number) for number in range(1, count + 1))
    return DenseLandmarks(load_dense_backend(models_dir, backend), model, stages)
