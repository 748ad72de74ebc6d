"""Trains the segmentation network."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...segmentation.network import SegmentationNetwork, load_segmentation_network
from ...segmentation.segments import SegmentClass
from ..fitting.run import RunConfig, TrainingRun, pretrained_groups
from .dataset import SegmentationDataset
from .person import load_person_network
from .teacher import IGNORED

#: Weight of each class in the cross entropy, in the order of `SegmentClass`: small and rare ones count more.
CLASS_WEIGHTS = (0.8, 1.0, 1.2, 1.4, 1.8, 1.4, 1.4, 1.0)
#: Weight of the overlap beside the cross entropy.
OVERLAP_WEIGHT = 1.0
#: Steps after which shards that were made since are taken in.
REFRESH_STEPS = 100

#: (B, 256, 256, 3) uint8 pictures, (B, 256, 256) uint8 labels, (B, 3) float32 directions.
SegmentationBatch = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class SegmentationConfig(RunConfig):
    """How the segmentation network is trained.

    person_rate: learning rate of the pretrained encoder, relative to the rest, 0 to leave it as it is.
    """

    rate: float = 1.5e-3
    warmup: float = 0.04
    first_rate: float = 0.05
    average: float = 0.99
    save_minutes: float = 3.0
    person_rate: float = 0.2


def segmentation_loss(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Cross entropy, and one minus the soft overlap of each class that is there.

    The overlap is that of F. Milletari et al., "V-Net", 2016.

    Args:
        logits: (B, 8, H, W) float32.
        labels: (B, H, W) int64, `IGNORED` where nothing is known.

    Returns:
        The loss, and its two parts.
    """
    known = labels != IGNORED
    target = torch.where(known, labels, 0)
    log_probability = torch.log_softmax(logits, 1)
    weights = torch.tensor(CLASS_WEIGHTS)
    cross_entropy = functional.nll_loss(log_probability, labels, weights, ignore_index=IGNORED)
    # Sums over the pixels of each class, without a map for each class.
    probability = log_probability.exp() * known[:, None]
    chosen = probability.gather(1, target[:, None])[:, 0]
    empty = torch.zeros(len(SegmentClass))
    together = empty.index_add(0, target.flatten(), chosen.flatten())
    pixels = empty.index_add(0, target.flatten(), known.flatten().float())
    both = probability.sum((0, 2, 3)) + pixels
    overlap = 1 - ((2 * together + 1) / (both + 1))[pixels > 0].mean()
    return cross_entropy + OVERLAP_WEIGHT * overlap, cross_entropy, overlap


class SegmentationTrainer(TrainingRun[SegmentationBatch]):
    """Trains the segmentation network."""

    loss_fields = ("loss", "cross_entropy", "overlap")
    network: SegmentationNetwork
    config: SegmentationConfig

    def __init__(
        self, folder: Path, config: SegmentationConfig, person: Path, start: Path | None = None
    ) -> None:
        """Begin, or go on from the folder's checkpoint.

        Args:
            folder: Of the run.
            config: Hours, batch and so on.
            person: Weights of the person network, whose encoder a new run begins with.
            start: Weights of the whole network that a new run begins with instead.
        """
        super().__init__(folder, config, lambda: self._begin(person, start))

    def loss(self, batch: SegmentationBatch) -> tuple[Tensor, Sequence[Tensor]]:
        """The loss of `segmentation_loss`, and its two parts."""
        pictures, labels, directions = batch
        # (B, H, W, 3) permuted is what channels_last means.
        inputs = (torch.from_numpy(pictures).float() / 255).permute(0, 3, 1, 2)
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.network(inputs, torch.from_numpy(directions))
        loss, *parts = segmentation_loss(logits.float(), torch.from_numpy(labels.astype(np.int64)))
        return loss, parts

    def run(self, dataset: SegmentationDataset, show_progress: bool = True) -> None:
        """Train until the planned hours are over; nothing happens if they are already.

        Args:
            dataset: Of labeled pictures.
            show_progress: Whether to draw a progress bar on stderr.
        """
        self.train(self.random_batches(dataset, dataset.refresh, REFRESH_STEPS), show_progress)

    def _begin(self, person: Path, start: Path | None) -> SegmentationNetwork:
        if start and not self.checkpoint.is_file():
            return load_segmentation_network(start).train().requires_grad_(True)
        network = SegmentationNetwork()
        if not self.checkpoint.is_file():
            network.person.load_state_dict(load_person_network(person).encoder.state_dict())
        return network

    def _parameter_groups(self) -> list[dict[str, Any]]:
        if not self.config.person_rate:
            self.network.person.requires_grad_(False)
        return pretrained_groups(self.network, self.network.person, self.config.person_rate)
