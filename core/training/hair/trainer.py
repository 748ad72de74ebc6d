"""Trains the hair network."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...hair.block import BLOCK
from ...hair.network import HairVolumeNetwork
from ...hair.volume_network import FIELD_LIMIT, OUTPUT_SCALE
from ..files import write_checkpoint, written_atomically
from ..fitting.trainer import SECONDS_PER_HOUR, TrainingLog, training_step, warmed_up_cosine
from .dataset import HairBatch, HairDataset
from .samples import TRUTH_LIMIT

CHECKPOINT_NAME = "checkpoint.pt"
LOG_FIELDS = ("step", "seconds", "rate", "loss", "occupancy", "overlap", "flow")
#: Meters of a field by which the logit of its occupancy changes by 1.
TEMPERATURE = 0.004
#: Weights of the overlap of the volumes, of their outlines from the side and from behind, and of the flow.
OVERLAP_WEIGHT = 1.0
OUTLINE_WEIGHT = 0.5
FLOW_WEIGHT = 0.3
#: What the learning rate begins with, of its maximum.
FIRST_RATE = 0.05


@dataclass(frozen=True)
class HairTrainingConfig:
    """How to train.

    hours: training time that the learning rate is planned for; rate: its maximum; average: decay of the
    averaged weights a step; save_minutes: between checkpoints.
    """

    hours: float = 1.0
    batch: int = 16
    rate: float = 2e-3
    weight_decay: float = 0.02
    warmup: float = 0.03
    average: float = 0.995
    save_minutes: float = 3.0
    seed: int = 0


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
    weight = wanted.norm(dim=1)
    cosine = functional.cosine_similarity(flow, wanted, 1, 1e-3)
    direction = (weight * (1 - cosine)).sum() / (weight.sum() + 1)
    loss = occupancy + OVERLAP_WEIGHT * overlap + FLOW_WEIGHT * direction
    return loss, occupancy, overlap, direction


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


class HairTrainer:
    """One run in a folder: `checkpoint.pt` (everything to go on from) and `log.csv`."""

    def __init__(self, folder: Path, config: HairTrainingConfig) -> None:
        """Begin or go on.

        Args:
            folder: Of the run.
            config: Hours, batch and so on.
        """
        self.folder, self.config = folder, config
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(config.seed)
        self.step, self.seconds = 0, 0.0
        self.network = HairVolumeNetwork()
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
        if self.checkpoint.is_file():
            state = torch.load(self.checkpoint, weights_only=True)
            self.network.load_state_dict(state["network"])
            self.averaged.load_state_dict(state["averaged"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step, self.seconds = state["step"], state["seconds"]

    @property
    def checkpoint(self) -> Path:
        """Where the run goes on from."""
        return self.folder / CHECKPOINT_NAME

    def save(self) -> None:
        """Write the checkpoint under a temporary name and move it into place."""
        kept = {"step": self.step, "seconds": self.seconds}
        write_checkpoint(self.checkpoint, self.network, self.averaged, self.optimizer, **kept)

    def train_batch(self, batch: HairBatch) -> list[float]:
        """One step of the optimizer; returns the loss and its parts."""
        fraction = self.seconds / (self.config.hours * SECONDS_PER_HOUR)
        for group in self.optimizer.param_groups:
            group["lr"] = warmed_up_cosine(self.config.rate, self.config.warmup, fraction, FIRST_RATE)
        inputs = (torch.from_numpy(batch.inputs).float() / 127).to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            correction, flow = self.network(inputs)
        loss, *parts = hair_loss(correction.float(), flow.float(), batch)
        training_step(loss, self.network, self.optimizer, self.averaged)
        self.step += 1
        return [float(loss.detach()), *(float(part.detach()) for part in parts)]

    def run(self, dataset: HairDataset, show_progress: bool = True) -> None:
        """Train until the planned hours are over; nothing happens if they are already.

        Args:
            dataset: Of samples.
            show_progress: Whether to draw a progress bar on stderr.
        """
        planned = self.config.hours * SECONDS_PER_HOUR
        # Another seed after each stop, so that a resumed run does not see the same samples first again.
        rng = np.random.default_rng([self.config.seed, self.step])
        self.network.train()
        with TrainingLog(self.folder / "log.csv", planned, self.seconds, show_progress, LOG_FIELDS) as log:
            last = saved = time.monotonic()
            while self.seconds < planned:
                values = self.train_batch(dataset.batch(rng, self.config.batch))
                now = time.monotonic()
                self.seconds += now - last
                last = now
                log.add(self.step, self.seconds, self.optimizer.param_groups[0]["lr"], values)
                if self.seconds >= planned or now - saved > self.config.save_minutes * 60:
                    self.save()
                    saved = now


def export_hair_weights(checkpoint: Path, path: Path) -> None:
    """Write the averaged weights of a checkpoint as fp16 safetensors."""
    from safetensors.torch import save_file

    state = torch.load(checkpoint, weights_only=True)
    prefix = "module."
    tensors = {
        name.removeprefix(prefix): value.half().contiguous()
        for name, value in state["averaged"].items()
        if name.startswith(prefix) and value.is_floating_point()
    }
    facts = {"steps": str(state["step"]), "hours": f"{state['seconds'] / SECONDS_PER_HOUR:.2f}"}
    with written_atomically(path) as temporary:
        save_file(tensors, temporary, facts)
