"""Trains the profile network."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ...detection.face_encoder import load_face_network
from ...detection.profile_frame import PX_PER_RADIUS
from ...detection.profile_network import COMPONENTS, ProfileNetwork
from ..fitting.run import RunConfig, TrainingRun, pretrained_groups
from .dataset import Batch, ProfileDataset

#: Errors of landmarks, radii, up to which they count squared, and beyond as they are (P. Huber, 1964).
HUBER_RADII = 0.05
#: How much an error in depth counts beside one in the picture.
DEPTH_WEIGHT = 0.7
#: Weight of whether there is a face beside the landmarks.
FACE_WEIGHT = 0.05
#: Steps after which shards that were made since are taken in.
REFRESH_STEPS = 500


@dataclass(frozen=True)
class ProfileConfig(RunConfig):
    """How the profile network is trained.

    encoder_rate: learning rate of the pretrained encoder, relative to the rest.
    """

    hours: float = 0.6
    batch: int = 32
    rate: float = 1.2e-3
    warmup: float = 0.04
    first_rate: float = 0.05
    save_minutes: float = 2.0
    encoder_rate: float = 0.5


def profile_loss(points: Tensor, logit: Tensor, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Errors of landmarks, and of whether there is a face.

    Args:
        points: (B, 478, 3) float32, pixels of the window.
        logit: (B,) float32.
        batch: what the windows show.

    Returns:
        The loss, and its two parts.
    """
    face = torch.from_numpy(batch.face)
    true = torch.from_numpy(batch.landmarks)
    depth = points[..., 2] - points[..., 2].mean(1, keepdim=True)
    found = torch.cat([points[..., :2], depth[..., None]], -1)
    error = functional.huber_loss(
        found / PX_PER_RADIUS, true / PX_PER_RADIUS, reduction="none", delta=HUBER_RADII
    ) * torch.tensor([1.0, 1.0, DEPTH_WEIGHT])
    landmarks = (error.sum(2).mean(1) * face).sum() / face.sum().clamp(min=1) / HUBER_RADII
    presence = functional.binary_cross_entropy_with_logits(logit, face)
    return landmarks + FACE_WEIGHT * presence, landmarks, presence


class ProfileTrainer(TrainingRun[Batch]):
    """Trains the profile network."""

    loss_fields = ("loss", "points", "face")
    network: ProfileNetwork
    config: ProfileConfig

    def __init__(self, folder: Path, config: ProfileConfig, encoder: Path, dataset: ProfileDataset) -> None:
        """Begin, or go on from the folder's checkpoint.

        Args:
            folder: Of the run.
            config: Hours, batch and so on.
            encoder: Weights of MediaPipe's face network, which a new run begins with.
            dataset: Of the windows; gives the linear model of landmarks, too.
        """
        self._dataset = dataset
        super().__init__(folder, config, lambda: self._begin(encoder))

    def loss(self, batch: Batch) -> tuple[Tensor, Sequence[Tensor]]:
        """The loss of `profile_loss`, and its two parts."""
        # (B, H, W, 3) permuted is what channels_last means. Depthwise convolutions are no faster in bfloat16.
        points, logit = self.network((torch.from_numpy(batch.pictures).float() / 255).permute(0, 3, 1, 2))
        loss, *parts = profile_loss(points, logit, batch)
        return loss, parts

    def run(self, show_progress: bool = True) -> None:
        """Train until the planned hours are over; nothing happens if they are already.

        Args:
            show_progress: Whether to draw a progress bar on stderr.
        """
        batches = self.random_batches(self._dataset, self._dataset.refresh, REFRESH_STEPS)
        self.train(batches, show_progress)

    def _begin(self, encoder: Path) -> ProfileNetwork:
        network = ProfileNetwork()
        if not self.checkpoint.is_file():
            network.encoder.load_state_dict(load_face_network(encoder).state_dict())
            mean, basis = self._dataset.mean_and_basis(COMPONENTS)
            network.mean.copy_(torch.from_numpy(mean))
            network.basis.copy_(torch.from_numpy(basis))
        return network

    def _parameter_groups(self) -> list[dict[str, Any]]:
        return pretrained_groups(self.network, self.network.encoder, self.config.encoder_rate)
