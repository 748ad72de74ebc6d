"""The training loop of the volume network: resumable, with averaged weights and a log that can be plotted."""

import csv
import json
import math
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch.utils.data import DataLoader

from ...volume.network import NetworkConfig, VolumeRegressionNetwork
from ..data.dataset import DropRates, ShardDataset, TargetBuilder
from ..paths import DataPaths
from .loss import LossWeights, volume_loss

LOG_FIELDS = ("step", "hours", "rate", "loss", "occupancy", "depth_voxels", "normal")


@dataclass(frozen=True)
class TrainConfig:
    """hours: training time that the learning rate is planned for; rate: its maximum; average: decay of the
    averaged weights a step; save_minutes: between checkpoints.
    """

    hours: float = 1.6
    batch: int = 8
    rate: float = 1e-3
    weight_decay: float = 0.02
    warmup: float = 0.03
    average: float = 0.996
    workers: int = 2
    save_minutes: float = 5.0
    seed: int = 0
    loss: LossWeights = field(default_factory=LossWeights)
    drop: DropRates = field(default_factory=DropRates)
    network: NetworkConfig = field(default_factory=NetworkConfig)


def learning_rate(config: TrainConfig, share: float) -> float:
    """Warm-up, then a half cosine down to a hundredth, by the share of the planned time that has passed."""
    if share < config.warmup:
        return config.rate * share / config.warmup
    progress = min((share - config.warmup) / (1 - config.warmup), 1.0)
    return config.rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))


def training_step(
    loss: torch.Tensor,
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    averaged: torch.optim.swa_utils.AveragedModel,
) -> None:
    """One step of the optimiser down the clipped gradient, and of the averaged weights."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()
    averaged.update_parameters(network)


class Trainer:
    """One run in a folder: `checkpoint.pt` (everything to go on from), `log.csv`, `averaged.pt`."""

    def __init__(self, folder: Path, config: TrainConfig) -> None:
        self.folder, self.config = Path(folder), config
        self.folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(config.seed)
        self.network = VolumeRegressionNetwork(config.network)
        # torch declares no `memory_format` for modules.
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.averaged = torch.optim.swa_utils.AveragedModel(
            self.network,
            multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(config.average),
            use_buffers=True,
        )
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), config.rate, weight_decay=config.weight_decay
        )
        self.step, self.seconds = 0, 0.0
        if self.checkpoint.exists():
            state = torch.load(self.checkpoint, weights_only=True)
            self.network.load_state_dict(state["network"])
            self.averaged.load_state_dict(state["averaged"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step, self.seconds = state["step"], state["seconds"]

    def start_from(self, weights: Path) -> None:
        """Begin with the weights of an earlier version."""
        from ...volume.torch_predictor import load_network

        state = load_network(weights).state_dict()
        self.network.load_state_dict(state)
        self.averaged.module.load_state_dict(state)
        self.network.requires_grad_(True)

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    def save(self) -> None:
        """Write the checkpoint under a temporary name and move it into place."""
        state = {
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "network_config": self.config.network.to_dict(),
        }
        temporary = self.checkpoint.with_suffix(".tmp")
        torch.save(state, temporary)
        temporary.replace(self.checkpoint)

    def train_batch(self, batch: dict[str, torch.Tensor]) -> tuple[float, list[float]]:
        """One step of the optimiser; the loss and its parts."""
        rate = learning_rate(self.config, self.seconds / (self.config.hours * 3600))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        inputs = batch["inputs"].to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            delta = self.network(inputs)
        loss, parts = volume_loss(delta, batch["template"], batch["target"], batch["rays"], self.config.loss)
        training_step(loss, self.network, self.optimizer, self.averaged)
        self.step += 1
        return float(loss.detach()), parts.tolist()

    def run(self, dataset: ShardDataset) -> None:
        """Train until the planned hours are over."""
        config = self.config
        loader = DataLoader(dataset, config.batch, num_workers=config.workers, prefetch_factor=2)
        log = self.folder / "log.csv"
        fresh = not log.exists()
        with log.open("a", newline="") as stream:
            writer = csv.writer(stream)
            if fresh:
                writer.writerow(LOG_FIELDS)
            self.network.train()
            last = saved = time.monotonic()
            window: list[list[float]] = []
            for batch in loader:
                loss, parts = self.train_batch(batch)
                window.append([loss, *parts])
                now = time.monotonic()
                self.seconds += now - last
                last = now
                over = self.seconds >= config.hours * 3600
                if self.step % 25 == 0:
                    means = [sum(column) / len(window) for column in zip(*window, strict=True)]
                    rate = self.optimizer.param_groups[0]["lr"]
                    writer.writerow(
                        [self.step, f"{self.seconds / 3600:.4f}", f"{rate:.2e}", *(f"{m:.4f}" for m in means)]
                    )
                    stream.flush()
                    window.clear()
                if over or now - saved > config.save_minutes * 60:
                    self.save()
                    saved = now
                if over:
                    return


def train_network(
    paths: DataPaths, shards: Path, folder: Path, config: TrainConfig, start: Path | None = None
) -> None:
    """Train, or go on training, the volume network from shards; needs the lifter in the models folder.

    A new run begins with the weights of `start`, if given.
    """
    from ...lifting.lifter import LandmarkLifter
    from ..face_models.heads import HeadSource

    heads = HeadSource.from_paths(paths)
    lifter = LandmarkLifter.from_pretrained(paths.models, heads.template)
    trainer = Trainer(folder, config)
    if start and trainer.step == 0:
        trainer.start_from(start)
    # Another seed after each stop, so that a resumed run does not see the same pictures first again.
    maker = TargetBuilder(heads, lifter, config.drop)
    trainer.run(ShardDataset(shards, maker, config.seed + trainer.step))


def export_weights(checkpoint: Path, path: Path) -> None:
    """Write the averaged weights of a checkpoint as fp16 safetensors."""
    from safetensors.torch import save_file

    state = torch.load(checkpoint, weights_only=True)
    prefix = "module."
    tensors = {
        name.removeprefix(prefix): value.half().contiguous() if value.is_floating_point() else value
        for name, value in state["averaged"].items()
        if name.startswith(prefix) and not name.endswith("num_batches_tracked")
    }
    temporary = path.with_suffix(".tmp")
    facts = {"steps": str(state["step"]), "hours": f"{state['seconds'] / 3600:.2f}"}
    save_file(tensors, temporary, {"config": json.dumps(state["network_config"]), **facts})
    temporary.replace(path)
