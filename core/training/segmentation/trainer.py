"""The training loop of the segmentation network: resumable, with averaged weights and a log."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...segmentation.network import SegmentationNetwork, load_segmentation_network
from ...segmentation.segments import SegmentClass
from ..files import write_checkpoint, written_atomically
from ..fitting.trainer import SECONDS_PER_HOUR, TrainingLog, training_step, warmed_up_cosine
from .dataset import SegmentationDataset
from .person import load_person_network
from .teacher import IGNORED

CHECKPOINT_NAME = "checkpoint.pt"
LOG_FIELDS = ("step", "hours", "rate", "loss", "cross_entropy", "overlap")
#: Weight of each class in the cross entropy, in the order of `SegmentClass`: small and rare ones count more.
CLASS_WEIGHTS = (0.8, 1.0, 1.2, 1.4, 1.8, 1.4, 1.4, 1.0)
#: Weight of the overlap beside the cross entropy.
OVERLAP_WEIGHT = 1.0
#: What the learning rate begins with, of its maximum.
FIRST_RATE = 0.05
#: Steps between two looks for shards that were made since.
REFRESH_STEPS = 100


@dataclass(frozen=True)
class SegmentationConfig:
    """How to train.

    hours: training time that the learning rate is planned for; rate: its maximum; person_rate: that of the
    pretrained encoder, relative to the rest, 0 to leave it as it is; average: decay of the averaged weights a
    step; save_minutes: between checkpoints.
    """

    hours: float = 1.0
    batch: int = 8
    rate: float = 1.5e-3
    person_rate: float = 0.2
    weight_decay: float = 0.02
    warmup: float = 0.04
    average: float = 0.99
    save_minutes: float = 3.0
    seed: int = 0


def learning_rate(config: SegmentationConfig, fraction: float) -> float:
    """The learning rate after a fraction of the planned time."""
    return warmed_up_cosine(config.rate, config.warmup, fraction, FIRST_RATE)


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


class SegmentationTrainer:
    """One run in a folder: `checkpoint.pt` (everything to go on from) and `log.csv`."""

    def __init__(
        self, folder: Path, config: SegmentationConfig, person: Path, start: Path | None = None
    ) -> None:
        """Begin or go on.

        Args:
            folder: of the run.
            config: hours, batch and so on.
            person: weights of the person network, whose encoder a new run begins with.
            start: weights of the whole network that a new run begins with instead.
        """
        self.folder, self.config = folder, config
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(config.seed)
        self.step, self.seconds = 0, 0.0
        self.network = SegmentationNetwork()
        state = None
        if self.checkpoint.is_file():
            state = torch.load(self.checkpoint, weights_only=True)
            self.network.load_state_dict(state["network"])
        elif start:
            self.network.load_state_dict(load_segmentation_network(start).state_dict())
        else:
            self.network.person.load_state_dict(load_person_network(person).encoder.state_dict())
        # torch declares no `memory_format` for modules.
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.averaged = torch.optim.swa_utils.AveragedModel(
            self.network,
            multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(config.average),
            use_buffers=True,
        )
        if not config.person_rate:
            self.network.person.requires_grad_(False)
        pretrained = {id(p) for p in self.network.person.parameters()}
        others = [p for p in self.network.parameters() if id(p) not in pretrained]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": others, "relative": 1.0},
                {"params": list(self.network.person.parameters()), "relative": config.person_rate},
            ],
            config.rate,
            weight_decay=config.weight_decay,
        )
        if state:
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

    def train_batch(self, pictures: np.ndarray, labels: np.ndarray, directions: np.ndarray) -> list[float]:
        """One step of the optimizer.

        Args:
            pictures: (B, 256, 256, 3) uint8.
            labels: (B, 256, 256) uint8.
            directions: (B, 3) float32.

        Returns:
            The loss and its two parts.
        """
        rate = learning_rate(self.config, self.seconds / (self.config.hours * SECONDS_PER_HOUR))
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["relative"]
        # (B, H, W, 3) permuted is what channels_last means.
        inputs = (torch.from_numpy(pictures).float() / 255).permute(0, 3, 1, 2)
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.network(inputs, torch.from_numpy(directions))
        loss, *parts = segmentation_loss(logits.float(), torch.from_numpy(labels.astype(np.int64)))
        training_step(loss, self.network, self.optimizer, self.averaged)
        self.step += 1
        return [float(loss.detach()), *(float(part.detach()) for part in parts)]

    def run(self, dataset: SegmentationDataset, show_progress: bool = True) -> None:
        """Train until the planned hours are over; nothing happens if they are already.

        Args:
            dataset: of labeled pictures.
            show_progress: whether to draw a progress bar on stderr.
        """
        planned = self.config.hours * SECONDS_PER_HOUR
        # Another seed after each stop, so that a resumed run does not see the same pictures first again.
        rng = np.random.default_rng([self.config.seed, self.step])
        self.network.train()
        with TrainingLog(self.folder / "log.csv", planned, self.seconds, show_progress, LOG_FIELDS) as log:
            last = saved = time.monotonic()
            while self.seconds < planned:
                values = self.train_batch(*dataset.batch(rng, self.config.batch))
                now = time.monotonic()
                self.seconds += now - last
                last = now
                log.add(self.step, self.seconds, self.optimizer.param_groups[0]["lr"], values)
                if self.step % REFRESH_STEPS == 0:
                    dataset.refresh()
                if self.seconds >= planned or now - saved > self.config.save_minutes * 60:
                    self.save()
                    saved = now


def export_segmentation_weights(checkpoint: Path, path: Path, others: Sequence[Path] = ()) -> None:
    """Write the averaged weights of a checkpoint as fp16 safetensors.

    Args:
        checkpoint: Of the run.
        path: The file.
        others: Checkpoints of runs that this one went on from, or that went on from the same one: the mean of
            all is written (M. Wortsman et al., "Model soups", 2022).
    """
    from safetensors.torch import save_file

    states = [torch.load(one, weights_only=True) for one in (checkpoint, *others)]
    prefix = "module."
    tensors = {
        name.removeprefix(prefix): torch.stack([state["averaged"][name].float() for state in states])
        .mean(0)
        .half()
        .contiguous()
        for name, value in states[0]["averaged"].items()
        if name.startswith(prefix) and value.is_floating_point()
    }
    facts = {"steps": str(states[0]["step"]), "hours": f"{states[0]['seconds'] / 3600:.2f}"}
    with written_atomically(path) as temporary:
        save_file(tensors, temporary, facts)
