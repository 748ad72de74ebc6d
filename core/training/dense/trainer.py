"""Trains the network for dense landmarks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...detection.face_encoder import load_face_network
from ...lifting.dense_landmarks import DENSE_LIFTER_NAME
from ...lifting.dense_network import COMPONENTS, DenseNetwork, load_dense_network
from ...runtime.backend import DENSE_NAME
from ...runtime.weights import safetensors_arrays
from ..files import write_arrays
from ..fitting.run import RunConfig, TrainingRun, pretrained_groups
from .dataset import Batch, DenseDataset

#: The linear model of points, in the folder of the run.
MODEL_NAME = "points.npz"
#: Errors of points, cm, up to which they count squared, and beyond as they are (P. Huber, 1964).
HUBER_CM = 0.3
#: How much an error in depth counts beside one in the picture.
DEPTH_WEIGHT = 0.5
#: How much the shape's squared normalized error counts beside the points'.
SHAPE_WEIGHT = 0.3
#: The encoder's first blocks, which fine-tuning leaves as they are: two thirds of a step's time.
FIXED_BLOCKS = 5
#: Maximum of the learning rate of fine-tuning.
FINE_TUNING_RATE = 6e-4


@dataclass(frozen=True)
class DenseConfig(RunConfig):
    """How the network is trained.

    encoder_rate: learning rate of the pretrained encoder, relative to the rest.
    """

    hours: float = 1.5
    batch: int = 64
    rate: float = 1.2e-3
    average: float = 0.999
    encoder_rate: float = 0.5


def dense_loss(points: Tensor, shapes: Tensor, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Errors of points and shapes.

    Args:
        points: (B, P, 3) float32, cm.
        shapes: (B, K) float32, normalized.
        batch: what the windows show.

    Returns:
        The loss, and its two parts.
    """
    weight = torch.from_numpy(batch.weight)
    weight = weight / weight.sum()
    error = functional.huber_loss(
        points, torch.from_numpy(batch.points), reduction="none", delta=HUBER_CM
    ) * torch.tensor([1.0, 1.0, DEPTH_WEIGHT])
    of_points = (error.sum(2).mean(1) * weight).sum() / HUBER_CM
    of_shapes = ((shapes - torch.from_numpy(batch.shapes)).square().sum(1) * weight).sum()
    return of_points + SHAPE_WEIGHT * of_shapes, of_points, of_shapes


class DenseTrainer(TrainingRun[Batch]):
    """Trains the network."""

    loss_fields = ("loss", "points", "shapes")
    network: DenseNetwork
    config: DenseConfig

    def __init__(
        self,
        folder: Path,
        config: DenseConfig,
        encoder: Path,
        dataset: DenseDataset,
        pretrained: Path | None = None,
    ) -> None:
        """Begin, or go on from the folder's checkpoint.

        Args:
            folder: Of the run.
            config: Hours, batch and so on.
            encoder: Weights of MediaPipe's face network, which a new run begins with.
            dataset: Of the windows; gives the linear model of points, too.
            pretrained: Folder of models whose network is fine-tuned instead: its points stay those that they
                are, and so do the stem and the first `FIXED_BLOCKS` of its encoder.
        """
        self._dataset, self._pretrained = dataset, pretrained
        super().__init__(folder, config, lambda: self._begin(encoder))
        with np.load(folder / MODEL_NAME) as model:
            self._mean = torch.from_numpy(model["mean"])
            self._basis = torch.from_numpy(model["basis"])

    def loss(self, batch: Batch) -> tuple[Tensor, Sequence[Tensor]]:
        """The loss of `dense_loss`, and its two parts."""
        # (B, H, W, 3) permuted is what channels_last means. Depthwise convolutions are no faster in bfloat16.
        components, shapes = self.network(
            (torch.from_numpy(batch.pictures).float() / 255).permute(0, 3, 1, 2)
        )
        points = (self._mean + components @ self._basis).reshape(len(components), -1, 3)
        loss, *parts = dense_loss(points, shapes, batch)
        return loss, parts

    def run(self, show_progress: bool = True) -> None:
        """Train until the planned hours are over; nothing happens if they are already.

        Args:
            show_progress: Whether to draw a progress bar on stderr.
        """
        self.train(self.random_batches(self._dataset), show_progress)

    def _begin(self, encoder: Path) -> DenseNetwork:
        network = DenseNetwork()
        if not self.checkpoint.is_file():
            if self._pretrained:
                network.load_state_dict(load_dense_network(self._pretrained / DENSE_NAME).state_dict())
                model = safetensors_arrays(self._pretrained / DENSE_LIFTER_NAME)
                mean, basis = model["points_mean"], model["points_basis"]
            else:
                network.encoder.load_state_dict(load_face_network(encoder).state_dict())
                mean, basis = self._dataset.mean_and_basis(COMPONENTS)
            arrays = {"mean": mean.astype(np.float32), "basis": basis.astype(np.float32)}
            write_arrays(self.folder / MODEL_NAME, arrays, compressed=False)
        if self._pretrained:
            encoding = network.encoder
            for part in (encoding.stem, encoding.act, *encoding.blocks[:FIXED_BLOCKS]):
                part.requires_grad_(False)
        return network

    def _parameter_groups(self) -> list[dict[str, Any]]:
        return pretrained_groups(self.network, self.network.encoder, self.config.encoder_rate)
