"""The training loop of the profile network: resumable, with averaged weights and a log."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...detection.face_encoder import load_face_network
from ...detection.profile_frame import PX_PER_RADIUS
from ...detection.profile_network import COMPONENTS, ProfileNetwork
from ..files import write_checkpoint, written_atomically
from ..fitting.trainer import SECONDS_PER_HOUR, TrainingLog, training_step, warmed_up_cosine
from .dataset import Batch, ProfileDataset

CHECKPOINT_NAME = "checkpoint.pt"
LOG_FIELDS = ("step", "hours", "rate", "loss", "points", "face")
#: Errors of landmarks, radii, up to which they count squared, and beyond as they are (P. Huber, 1964).
HUBER_RADII = 0.05
#: How much an error in depth counts beside one in the picture.
DEPTH_WEIGHT = 0.7
#: Weight of whether there is a face beside the landmarks.
FACE_WEIGHT = 0.05
#: What the learning rate begins with, of its maximum.
FIRST_RATE = 0.05
#: Steps between two looks for shards that were made since.
REFRESH_STEPS = 500


@dataclass(frozen=True)
class ProfileConfig:
    """How to train.

    hours: training time that the learning rate is planned for; rate: its maximum; encoder_rate: that of the
    pretrained encoder, relative to the rest; average: decay of the averaged weights a step; save_minutes:
    between checkpoints.
    """

    hours: float = 0.7
    batch: int = 32
    rate: float = 1.2e-3
    encoder_rate: float = 0.5
    weight_decay: float = 0.02
    warmup: float = 0.04
    average: float = 0.995
    save_minutes: float = 2.0
    seed: int = 0


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
    there = functional.binary_cross_entropy_with_logits(logit, face)
    return landmarks + FACE_WEIGHT * there, landmarks, there


class ProfileTrainer:
    """One run in a folder: `checkpoint.pt` (everything to go on from) and `log.csv`."""

    def __init__(self, folder: Path, config: ProfileConfig, encoder: Path, dataset: ProfileDataset) -> None:
        """Begin or go on.

        Args:
            folder: of the run.
            config: hours, batch and so on.
            encoder: weights of MediaPipe's face network, which a new run begins with.
            dataset: of the windows; gives the linear model of landmarks, too.
        """
        self.folder, self.config, self.dataset = folder, config, dataset
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(config.seed)
        self.step, self.seconds = 0, 0.0
        self.network = ProfileNetwork()
        state = torch.load(self.checkpoint, weights_only=True) if self.checkpoint.is_file() else None
        if state:
            self.network.load_state_dict(state["network"])
        else:
            self.network.encoder.load_state_dict(load_face_network(encoder).state_dict())
            mean, basis = dataset.mean_and_basis(COMPONENTS)
            self.network.mean.copy_(torch.from_numpy(mean))
            self.network.basis.copy_(torch.from_numpy(basis))
        # torch declares no `memory_format` for modules.
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.averaged = torch.optim.swa_utils.AveragedModel(
            self.network,
            multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(config.average),
            use_buffers=True,
        )
        pretrained = {id(p) for p in self.network.encoder.parameters()}
        others = [p for p in self.network.parameters() if id(p) not in pretrained]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": others, "relative": 1.0},
                {"params": list(self.network.encoder.parameters()), "relative": config.encoder_rate},
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

    def train_batch(self, batch: Batch) -> list[float]:
        """One step of the optimizer; the loss and its two parts."""
        rate = warmed_up_cosine(
            self.config.rate,
            self.config.warmup,
            self.seconds / (self.config.hours * SECONDS_PER_HOUR),
            FIRST_RATE,
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["relative"]
        # (B, H, W, 3) permuted is what channels_last means. Depthwise convolutions are no faster in bfloat16.
        points, logit = self.network((torch.from_numpy(batch.pictures).float() / 255).permute(0, 3, 1, 2))
        loss, *parts = profile_loss(points, logit, batch)
        training_step(loss, self.network, self.optimizer, self.averaged)
        self.step += 1
        return [float(loss.detach()), *(float(part.detach()) for part in parts)]

    def run(self, show_progress: bool = True) -> None:
        """Train until the planned hours are over; nothing happens if they are already.

        Args:
            show_progress: whether to draw a progress bar on stderr.
        """
        planned = self.config.hours * SECONDS_PER_HOUR
        # Another seed after each stop, so that a resumed run does not see the same pictures first again.
        rng = np.random.default_rng([self.config.seed, self.step])
        self.network.train()
        with TrainingLog(self.folder / "log.csv", planned, self.seconds, show_progress, LOG_FIELDS) as log:
            last = saved = time.monotonic()
            while self.seconds < planned:
                values = self.train_batch(self.dataset.batch(rng, self.config.batch))
                now = time.monotonic()
                self.seconds += now - last
                last = now
                log.add(self.step, self.seconds, self.optimizer.param_groups[0]["lr"], values)
                if self.step % REFRESH_STEPS == 0:
                    self.dataset.refresh()
                if self.seconds >= planned or now - saved > self.config.save_minutes * 60:
                    self.save()
                    saved = now


def export_profile_weights(checkpoint: Path, path: Path) -> None:
    """Write the averaged weights of a checkpoint as fp16 safetensors."""
    from safetensors.torch import save_file

    state = torch.load(checkpoint, weights_only=True)
    prefix = "module."
    tensors = {
        name.removeprefix(prefix): value.half().contiguous()
        for name, value in state["averaged"].items()
        if name.startswith(prefix) and value.is_floating_point()
    }
    facts = {"steps": str(state["step"]), "hours": f"{state['seconds'] / 3600:.2f}"}
    with written_atomically(path) as temporary:
        save_file(tensors, temporary, facts)
