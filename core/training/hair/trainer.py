"""Trains the hair network."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...hair.block import BLOCK, FLOW_FACTOR
from ...hair.network import HairVolumeNetwork, load_network
from ...hair.volume_network import FIELD_LIMIT, OUTPUT_SCALE
from ..fitting.run import RunConfig, TrainingRun
from .dataset import HairBatch, HairDataset
from .samples import TRUTH_LIMIT

#: Meters of a field by which the logit of its occupancy changes by 1.
TEMPERATURE = 0.004
#: Weights of the overlap of the volumes, of their outlines from the side and from behind, and of the flow.
OVERLAP_WEIGHT = 1.0
OUTLINE_WEIGHT = 0.5
FLOW_WEIGHT = 0.6
#: The flow counts so much more within this distance, meters, of the hair's surface, where it is seen.
SURFACE_GAIN = 3.0
SURFACE_REACH = 0.012


@dataclass(frozen=True)
class HairTrainingConfig(RunConfig):
    """How the hair network is trained."""

    batch: int = 16
    rate: float = 2e-3
    first_rate: float = 0.05
    save_minutes: float = 3.0


def hair_loss(correction: Tensor, flow: Tensor, batch: HairBatch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """How far the corrected volume is from the true one, and the flow from the true one.

    Args:
        correction: (B, 56, 80, 64) float32 of the network.
        flow: (B, 3, 28, 40, 32) float32 of the network.
        batch: What it was given, and the truth.

    Returns:
        The loss; and its parts: cross entropy of the occupancy, one minus the overlaps, one minus the cosine
        of the flow.
    """
    # Every second depth, beginning at random, says as much in half the time.
    first = int(torch.randint(2, ()))
    field = torch.from_numpy(batch.inputs[:, first : BLOCK[0] : 2]).float() * (FIELD_LIMIT / 127)
    outside = (torch.from_numpy(batch.inputs[:, BLOCK[0] + first : 2 * BLOCK[0] : 2]) > 0).float()
    truth = torch.from_numpy(batch.truth[:, first::2]).float() * (TRUTH_LIMIT / 127)
    logits = (field + correction[:, first::2] * OUTPUT_SCALE) / TEMPERATURE
    target = torch.sigmoid(truth / TEMPERATURE)
    entropy = functional.binary_cross_entropy_with_logits(logits, target, reduction="none") * outside
    # By the size of the hair, so that short hair counts as much as long hair.
    size = (target * outside).sum((1, 2, 3))
    occupancy = (entropy.sum((1, 2, 3)) / (size + 250)).mean()
    found, true = torch.sigmoid(logits) * outside, target * outside
    overlap = 1 - soft_overlap(found, true)
    for axis in (1, 3):
        outline = soft_overlap(found.amax(axis)[:, None], true.amax(axis)[:, None])
        overlap = overlap + OUTLINE_WEIGHT * (1 - outline)
    wanted = torch.from_numpy(batch.flow).float() / 127
    weight = wanted.norm(dim=1) * (1 + SURFACE_GAIN * _at_surface(batch.truth))
    cosine = functional.cosine_similarity(flow, wanted, 1, 1e-3)
    direction = (weight * (1 - cosine)).sum() / (weight.sum() + 1)
    loss = occupancy + OVERLAP_WEIGHT * overlap + FLOW_WEIGHT * direction
    return loss, occupancy, overlap, direction


def _at_surface(truth: np.ndarray) -> Tensor:
    """(B, 28, 40, 32) float32: 1 in the flow's cells near the true surface, from (B, 56, 80, 64) int8."""
    field = torch.from_numpy(truth).float() * (TRUTH_LIMIT / 127)
    return (functional.avg_pool3d(field[:, None], FLOW_FACTOR)[:, 0].abs() < SURFACE_REACH).float()


def soft_overlap(found: Tensor, true: Tensor) -> Tensor:
    """Mean intersection over union of volumes (F. Milletari et al., "V-Net", 2016).

    Args:
        found: (B, ...) float32, 0..1.
        true: (B, ...) float32, 0..1.

    Returns:
        () 0..1.
    """
    found, true = found.flatten(1), true.flatten(1)
    both = (found * true).sum(1)
    return ((both + 1) / (found.sum(1) + true.sum(1) - both + 1)).mean()


def _begin(start: Path | None) -> HairVolumeNetwork:
    return load_network(start).requires_grad_(True) if start else HairVolumeNetwork()


class HairTrainer(TrainingRun[HairBatch]):
    """Trains the hair network."""

    loss_fields = ("loss", "occupancy", "overlap", "flow")

    def __init__(self, folder: Path, config: HairTrainingConfig, start: Path | None = None) -> None:
        """Begin, or go on from the folder's checkpoint.

        Args:
            folder: Of the run.
            config: Hours, batch and so on.
            start: Weights that a new run begins with; by default random ones.
        """
        super().__init__(folder, config, lambda: _begin(start))

    def loss(self, batch: HairBatch) -> tuple[Tensor, Sequence[Tensor]]:
        """The loss of `hair_loss`, and its parts."""
        inputs = (torch.from_numpy(batch.inputs).float() / 127).to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            correction, flow = self.network(inputs)
        loss, *parts = hair_loss(correction.float(), flow.float(), batch)
        return loss, parts

    def run(self, dataset: HairDataset, show_progress: bool = True) -> None:
        """Train until the planned hours are over; nothing happens if they are already.

        Args:
            dataset: Of samples.
            show_progress: Whether to draw a progress bar on stderr.
        """
        self.train(self.random_batches(dataset), show_progress)
