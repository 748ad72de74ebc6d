"""The training loop of the volume network: resumable, with averaged weights and a log that can be plotted."""

import csv
import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch.utils.data import DataLoader
from tqdm import tqdm

from ...volume.network import NetworkConfig, VolumeRegressionNetwork
from ..data.dataset import DropRates, ShardDataset, TargetBuilder
from ..data.shards import require_shards
from ..files import write_checkpoint, written_atomically
from ..paths import DataPaths
from .loss import LossWeights, volume_loss

SECONDS_PER_HOUR = 3600
CHECKPOINT_NAME = "checkpoint.pt"
#: Steps whose means make a row of the log.
ROW_STEPS = 25
#: Steps without which the learning rate has hardly left its warm-up, and nothing is learned.
FEWEST_STEPS = 200
#: Seconds between updates of the progress bar where stderr is no terminal.
NON_INTERACTIVE_SECONDS = 30.0
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


def learning_rate(config: TrainConfig, fraction: float) -> float:
    """The learning rate after a fraction of the planned time."""
    return warmed_up_cosine(config.rate, config.warmup, fraction)


def warmed_up_cosine(rate: float, warmup: float, fraction: float, first: float = 0.0) -> float:
    """A learning rate that rises in a straight line, then falls by a half cosine to a hundredth.

    Args:
        rate: Its maximum.
        warmup: Up to which fraction of the planned time it rises.
        fraction: Of the planned time that has gone.
        first: Where it begins, as a fraction of the maximum.

    Returns:
        The learning rate.
    """
    if fraction < warmup:
        return rate * (first + (1 - first) * fraction / warmup)
    progress = min((fraction - warmup) / (1 - warmup), 1.0)
    return rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))


def training_step(
    loss: torch.Tensor,
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    averaged: torch.optim.swa_utils.AveragedModel,
) -> None:
    """One step of the optimizer with the clipped gradient, then an update of the averaged weights.

    Args:
        loss: a scalar of any shape, with its graph.
        network: whose gradient is clipped.
        optimizer: of its weights.
        averaged: its averaged copy.
    """
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
        """The file that training goes on from."""
        return self.folder / CHECKPOINT_NAME

    def save(self) -> None:
        """Write the checkpoint under a temporary name and move it into place."""
        write_checkpoint(
            self.checkpoint,
            self.network,
            self.averaged,
            self.optimizer,
            step=self.step,
            seconds=self.seconds,
            network_config=self.config.network.to_dict(),
        )

    def train_batch(self, batch: dict[str, torch.Tensor]) -> tuple[float, list[float]]:
        """One step of the optimizer.

        Args:
            batch: "inputs" (B, 10, 192, 192) float32, and "template", "target" and "rays" of `volume_loss`.

        Returns:
            The loss and its three parts.
        """
        rate = learning_rate(self.config, self.seconds / (self.config.hours * SECONDS_PER_HOUR))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        inputs = batch["inputs"].to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            delta = self.network(inputs)
        loss, parts = volume_loss(delta, batch["template"], batch["target"], batch["rays"], self.config.loss)
        training_step(loss, self.network, self.optimizer, self.averaged)
        self.step += 1
        return float(loss.detach()), parts.tolist()

    def run(self, dataset: ShardDataset, show_progress: bool = True) -> None:
        """Train until the planned hours are over; nothing happens if they are already.

        Args:
            dataset: the stream of training samples.
            show_progress: whether to draw a progress bar with step, loss, learning rate and remaining time on
                stderr.
        """
        config = self.config
        planned = config.hours * SECONDS_PER_HOUR
        if self.seconds >= planned:
            return
        loader = DataLoader(
            dataset, config.batch, num_workers=config.workers, prefetch_factor=2 if config.workers else None
        )
        with TrainingLog(self.folder / "log.csv", planned, self.seconds, show_progress) as log:
            self.network.train()
            last = saved = time.monotonic()
            for batch in loader:
                loss, parts = self.train_batch(batch)
                now = time.monotonic()
                self.seconds += now - last
                last = now
                finished = self.seconds >= planned
                log.add(self.step, self.seconds, self.optimizer.param_groups[0]["lr"], [loss, *parts])
                if finished or now - saved > config.save_minutes * 60:
                    self.save()
                    saved = now
                if finished:
                    return


class TrainingLog:
    """The log of a run: a row of means every `ROW_STEPS` steps, the first one at once, and a progress bar."""

    def __init__(
        self,
        path: Path,
        planned: float,
        passed: float,
        show_progress: bool,
        fields: Sequence[str] = LOG_FIELDS,
    ) -> None:
        """Open the log.

        Args:
            path: the CSV file, which is continued if it exists.
            planned: duration of the whole training, seconds.
            passed: how much of that is over, seconds.
            show_progress: whether to draw the bar.
            fields: names of the columns.
        """
        fresh = not path.exists()
        self._stream = path.open("a", newline="", encoding="utf-8")
        self._writer = csv.writer(self._stream)
        if fresh:
            self._writer.writerow(fields)
        self._window: list[list[float]] = []
        self._rows = 0
        interactive = sys.stderr.isatty()
        self._bar = tqdm(
            total=round(planned),
            initial=round(passed),
            disable=not show_progress,
            desc="training",
            bar_format="{desc} {percentage:3.0f} %|{bar:20}| {elapsed}, {remaining} left{postfix}",
            mininterval=1.0 if interactive else NON_INTERACTIVE_SECONDS,
        )

    def __enter__(self) -> "TrainingLog":
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()
        self._stream.close()

    def add(self, step: int, seconds: float, rate: float, values: list[float]) -> None:
        """Record a step: its number, the seconds passed so far, the learning rate, loss and its parts."""
        self._window.append(values)
        if self._rows == 0 or step % ROW_STEPS == 0:
            means = [sum(column) / len(self._window) for column in zip(*self._window, strict=True)]
            row = [step, f"{seconds / SECONDS_PER_HOUR:.4f}", f"{rate:.2e}", *(f"{m:.4f}" for m in means)]
            self._writer.writerow(row)
            self._stream.flush()
            self._window.clear()
            self._rows += 1
        self._bar.set_postfix_str(f"step {step}, loss {values[0]:.3f}, rate {rate:.1e}", refresh=False)
        self._bar.update(min(round(seconds), self._bar.total) - self._bar.n)


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
    """Write the averaged weights of a checkpoint as fp16 safetensors."""
    from safetensors.torch import save_file

    state = torch.load(checkpoint, weights_only=True)
    prefix = "module."
    tensors = {
        name.removeprefix(prefix): value.half().contiguous() if value.is_floating_point() else value
        for name, value in state["averaged"].items()
        if name.startswith(prefix) and not name.endswith("num_batches_tracked")
    }
    facts = {"steps": str(state["step"]), "hours": f"{state['seconds'] / 3600:.2f}"}
    with written_atomically(path) as temporary:
        save_file(tensors, temporary, {"config": json.dumps(state["network_config"]), **facts})
