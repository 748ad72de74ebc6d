"""A network's training run: resumable, with averaged weights, and a log that can be plotted."""

import csv
import math
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from ..files import write_checkpoint, written_atomically

SECONDS_PER_HOUR = 3600
CHECKPOINT_NAME = "checkpoint.pt"
LOG_NAME = "log.csv"
#: What the log has of every step before the loss and its parts.
STEP_FIELDS = ("step", "hours", "rate")
#: Steps whose means make a row of the log.
ROW_STEPS = 25
#: Seconds between updates of the progress bar where stderr is no terminal.
NON_INTERACTIVE_SECONDS = 30.0
#: The length that a gradient is clipped to.
MAX_GRADIENT_NORM = 1.0
#: What the learning rate ends with, as a fraction of its maximum.
LAST_RATE = 0.01
#: What `AveragedModel` puts before the names of weights.
AVERAGED_PREFIX = "module."

Batch = TypeVar("Batch")
RandomBatch = TypeVar("RandomBatch", covariant=True)


class BatchSource(Protocol[RandomBatch]):
    """A dataset that random batches are drawn from."""

    def batch(self, rng: np.random.Generator, size: int) -> RandomBatch:
        """A batch of so many samples."""
        ...


@dataclass(frozen=True)
class RunConfig:
    """How a network is trained.

    hours: training time that the learning rate is planned for; batch: samples in a step; rate: maximum of
    the learning rate; warmup: the fraction of the time in which the rate rises; first_rate: what it rises
    from, as a fraction of the maximum; average: decay of the averaged weights a step; save_minutes: between
    checkpoints.
    """

    hours: float = 1.0
    batch: int = 8
    rate: float = 1e-3
    weight_decay: float = 0.02
    warmup: float = 0.03
    first_rate: float = 0.0
    average: float = 0.995
    save_minutes: float = 5.0
    seed: int = 0

    def learning_rate(self, fraction: float) -> float:
        """The learning rate: it rises in a straight line, then falls by a half cosine to a hundredth.

        Args:
            fraction: Of the planned time that has passed.

        Returns:
            The learning rate.
        """
        if fraction < self.warmup:
            return self.rate * (self.first_rate + (1 - self.first_rate) * fraction / self.warmup)
        progress = min((fraction - self.warmup) / (1 - self.warmup), 1.0)
        return self.rate * (LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * progress)))


def averaged_copy(network: nn.Module, decay: float) -> torch.optim.swa_utils.AveragedModel:
    """A copy of a network that follows its weights as an exponential moving average.

    Args:
        network: The network.
        decay: Of the average, a step.
    """
    return torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(decay), use_buffers=True
    )


def pretrained_groups(network: nn.Module, encoder: nn.Module, relative: float) -> list[dict[str, Any]]:
    """Groups of parameters for an optimizer: those of a pretrained part learn at a rate of their own.

    Args:
        network: The network.
        encoder: Its pretrained part.
        relative: The part's learning rate, relative to that of the rest.
    """
    pretrained = list(encoder.parameters())
    known = {id(p) for p in pretrained}
    others = [p for p in network.parameters() if id(p) not in known]
    return [{"params": others}, {"params": pretrained, "relative": relative}]


def training_step(
    loss: Tensor,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    averaged: torch.optim.swa_utils.AveragedModel,
) -> None:
    """One step of the optimizer with the clipped gradient, then an update of the averaged weights.

    Args:
        loss: A scalar of any shape, with its graph.
        network: Whose gradient is clipped.
        optimizer: Of its weights.
        averaged: Its averaged copy.
    """
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), MAX_GRADIENT_NORM)
    optimizer.step()
    averaged.update_parameters(network)


class TrainingRun(ABC, Generic[Batch]):
    """One run in a folder: `checkpoint.pt` (everything to go on from) and `log.csv`.

    A network's trainer says what its loss is, and what it is called in the log (`loss_fields`).
    """

    #: Names of the loss and its parts in the log.
    loss_fields: Sequence[str] = ("loss",)
    network: nn.Module

    def __init__(self, folder: Path, config: RunConfig, build: Callable[[], nn.Module]) -> None:
        """Begin, or go on from the folder's checkpoint.

        Args:
            folder: Of the run; it is made if need be.
            config: Hours, batch and so on.
            build: Makes the network, with the weights that a new run begins with.
        """
        self.folder, self.config = folder, config
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(config.seed)
        self.step, self.seconds = 0, 0.0
        self.network = build()
        # torch declares no `memory_format` for modules.
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.averaged = averaged_copy(self.network, config.average)
        self.optimizer = torch.optim.AdamW(
            self._parameter_groups(), config.rate, weight_decay=config.weight_decay
        )
        if self.checkpoint.is_file():
            self._restore()

    @property
    def checkpoint(self) -> Path:
        """Where the run goes on from."""
        return self.folder / CHECKPOINT_NAME

    @property
    def planned_seconds(self) -> float:
        """Training time in all."""
        return self.config.hours * SECONDS_PER_HOUR

    @abstractmethod
    def loss(self, batch: Batch) -> tuple[Tensor, Sequence[Tensor]]:
        """The loss of a batch, with its graph; and its parts, scalars for the log."""

    def save(self) -> None:
        """Write the checkpoint under a temporary name and move it into place."""
        progress = {"step": self.step, "seconds": self.seconds, **self._facts()}
        write_checkpoint(self.checkpoint, self.network, self.averaged, self.optimizer, **progress)

    def train_batch(self, batch: Batch) -> list[float]:
        """One step of the optimizer; returns the loss and its parts."""
        rate = self.config.learning_rate(self.seconds / self.planned_seconds)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("relative", 1.0)
        loss, parts = self.loss(batch)
        training_step(loss, self.network, self.optimizer, self.averaged)
        self.step += 1
        return [float(loss.detach()), *(float(part.detach()) for part in parts)]

    def train(self, batches: Iterable[Batch], show_progress: bool = True) -> None:
        """Train until the planned hours are over; nothing happens if they are already.

        Args:
            batches: As many as there may be.
            show_progress: Whether to draw a progress bar with step, loss, learning rate and remaining time on
                stderr.
        """
        if self.seconds >= self.planned_seconds:
            return
        fields = (*STEP_FIELDS, *self.loss_fields)
        path = self.folder / LOG_NAME
        self.network.train()
        with TrainingLog(path, fields, self.planned_seconds, self.seconds, show_progress) as log:
            last = saved = time.monotonic()
            for batch in batches:
                values = self.train_batch(batch)
                now = time.monotonic()
                self.seconds += now - last
                last = now
                finished = self.seconds >= self.planned_seconds
                log.add(self.step, self.seconds, self.optimizer.param_groups[0]["lr"], values)
                if finished or now - saved > self.config.save_minutes * 60:
                    self.save()
                    saved = now
                if finished:
                    return

    def random_batches(
        self, dataset: BatchSource[Batch], refresh: Callable[[], object] | None = None, refresh_steps: int = 1
    ) -> Iterator[Batch]:
        """Batches of a dataset without end, others after each stop than before.

        Args:
            dataset: Of the samples.
            refresh: Takes in what was added to the dataset since.
            refresh_steps: After how many steps that is done.
        """
        # Another seed after each stop, so that a resumed run does not see the same samples first again.
        rng = np.random.default_rng([self.config.seed, self.step])
        while True:
            yield dataset.batch(rng, self.config.batch)
            if refresh and self.step % refresh_steps == 0:
                refresh()

    def _parameter_groups(self) -> Iterator[nn.Parameter] | list[dict[str, Any]]:
        """What the optimizer gets; `relative` is a group's factor of the learning rate."""
        return self.network.parameters()

    def _facts(self) -> dict[str, Any]:
        """What else the checkpoint keeps."""
        return {}

    def _restore(self) -> None:
        state = torch.load(self.checkpoint, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]


class TrainingLog:
    """The log of a run: a row of means every `ROW_STEPS` steps, the first one at once, and a progress bar."""

    def __init__(
        self, path: Path, fields: Sequence[str], planned: float, passed: float, show_progress: bool
    ) -> None:
        """Open the log.

        Args:
            path: The CSV file, which is continued if it exists.
            fields: Names of the columns.
            planned: Duration of the whole training, seconds.
            passed: How much of that is over, seconds.
            show_progress: Whether to draw the bar.
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


def export_averaged_weights(
    checkpoints: Sequence[Path], path: Path, facts: Mapping[str, str] | None = None
) -> None:
    """Write the averaged weights of a run as fp16 safetensors.

    Args:
        checkpoints: That of the run; and of runs that it went on from, or that went on from the same one: the
            mean of all is written (M. Wortsman et al., "Model soups", 2022).
        path: The file.
        facts: What its header has beside steps and hours.
    """
    from safetensors.torch import save_file

    states = [torch.load(checkpoint, weights_only=True) for checkpoint in checkpoints]
    averaged = [state["averaged"] for state in states]
    tensors = {
        name.removeprefix(AVERAGED_PREFIX): torch.stack([state[name].float() for state in averaged])
        .mean(0)
        .half()
        .contiguous()
        for name, value in averaged[0].items()
        if name.startswith(AVERAGED_PREFIX) and value.is_floating_point()
    }
    hours = states[0]["seconds"] / SECONDS_PER_HOUR
    header = {**(facts or {}), "steps": str(states[0]["step"]), "hours": f"{hours:.2f}"}
    with written_atomically(path) as temporary:
        save_file(tensors, temporary, header)


def mix_weights(path: Path, other: Path, share: float) -> None:
    """Replace the weights of a file by a mean with those that a run began with, which keeps what they can do.

    M. Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022.

    Args:
        path: The file, fp16 safetensors as `export_averaged_weights` writes them.
        other: The same of the weights that the run began with.
        share: Of the former, 0..1.
    """
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    with safe_open(path, "pt") as file:
        header = {**(file.metadata() or {}), "share": f"{share:g}"}
    own, first = load_file(path), load_file(other)
    mixed = {
        name: (share * value.float() + (1 - share) * first[name].float()).half().contiguous()
        for name, value in own.items()
    }
    with written_atomically(path) as temporary:
        save_file(mixed, temporary, header)
