"""The trainer of the volume network."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from ...volume.network import NetworkConfig, VolumeRegressionNetwork
from ..data.dataset import DropRates, ShardDataset, TargetBuilder
from ..data.shards import require_shards
from ..paths import DataPaths
from .loss import LossWeights, volume_loss
from .run import RunConfig, TrainingRun, export_averaged_weights

#: Steps without which the learning rate has hardly left its warm-up, and nothing is learned.
FEWEST_STEPS = 200


@dataclass(frozen=True)
class TrainConfig(RunConfig):
    """How the volume network is trained; workers: processes that prepare samples."""

    hours: float = 1.6
    average: float = 0.996
    workers: int = 2
    loss: LossWeights = field(default_factory=LossWeights)
    drop: DropRates = field(default_factory=DropRates)
    network: NetworkConfig = field(default_factory=NetworkConfig)


class Trainer(TrainingRun[dict[str, torch.Tensor]]):
    """Trains the volume network.

    A batch is "inputs" (B, 10, 192, 192) float32, and "template", "target" and "rays" of `volume_loss`.
    """

    loss_fields = ("loss", "occupancy", "depth_voxels", "normal")
    config: TrainConfig

    def __init__(self, folder: Path, config: TrainConfig) -> None:
        """Begin, or go on from the folder's checkpoint.

        Args:
            folder: Of the run.
            config: Hours, batch and so on.
        """
        super().__init__(folder, config, lambda: VolumeRegressionNetwork(config.network))

    def start_from(self, weights: Path) -> None:
        """Begin with the weights of an earlier version."""
        from ...volume.torch_predictor import load_network

        state = load_network(weights).state_dict()
        self.network.load_state_dict(state)
        self.averaged.module.load_state_dict(state)
        self.network.requires_grad_(True)

    def loss(self, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, Sequence[torch.Tensor]]:
        """The loss of `volume_loss`, and its three parts."""
        inputs = batch["inputs"].to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            delta = self.network(inputs)
        loss, parts = volume_loss(delta, batch["template"], batch["target"], batch["rays"], self.config.loss)
        return loss, list(parts)

    def run(self, dataset: ShardDataset, show_progress: bool = True) -> None:
        """Train until the planned hours are over; nothing happens if they are already.

        Args:
            dataset: The stream of training samples.
            show_progress: Whether to draw a progress bar on stderr.
        """
        workers = self.config.workers
        loader = DataLoader(
            dataset, self.config.batch, num_workers=workers, prefetch_factor=2 if workers else None
        )
        self.train(loader, show_progress)

    def _facts(self) -> dict[str, Any]:
        return {"network_config": self.config.network.to_dict()}


def train_network(
    paths: DataPaths, shards: Path, folder: Path, config: TrainConfig, start: Path | None = None
) -> int:
    """Train, or go on training, the volume network from shards.

    Args:
        paths: where the face model, the registration and, in `models`, the lifter are.
        shards: folder of the training shards.
        folder: the run's folder; a run that was stopped goes on where its checkpoint was.
        config: hours, batch and so on.
        start: weights file that a new run begins with; without it all weights are random.

    Returns:
        How many steps the run has made in all.

    Raises:
        PhotobustError: there are no shards.
    """
    from ...lifting.lifter import LandmarkLifter
    from ..face_models.heads import HeadSource

    count = len(require_shards(shards, "train"))
    # A worker reads shards of its own.
    config = replace(config, workers=min(config.workers, count))
    heads = HeadSource.from_paths(paths)
    lifter = LandmarkLifter.from_pretrained(paths.models, heads.template)
    trainer = Trainer(folder, config)
    if start and trainer.step == 0:
        trainer.start_from(start)
    # Another seed after each stop, so that a resumed run does not see the same pictures first again.
    targets = TargetBuilder(heads, lifter, config.drop)
    trainer.run(ShardDataset(shards, targets, config.seed + trainer.step))
    return trainer.step


def export_weights(checkpoint: Path, path: Path) -> None:
    """Write the averaged weights of a checkpoint as fp16 safetensors, with the network's configuration."""
    config = torch.load(checkpoint, weights_only=True)["network_config"]
    export_averaged_weights([checkpoint], path, {"config": json.dumps(config)})
