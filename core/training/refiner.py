"""Training of the refiner: from the lifted head, shaken, to the true one, by what the picture shows."""

import csv
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from core.crop import cut_crop
from core.detection import FaceLandmarks
from core.geometry import CROP_SIZE
from core.guidance import depth_channel
from core.lifter import POSE_OUTPUTS, LandmarkLifter, LiftedHead
from core.pose import SeenPose
from core.predictor import picture_channels
from core.refiner import MAPS, offsets, refiner_state
from core.refiner_network import RefinerConfig, RefinerNetwork
from core.training.dataset import landmarks_as_found, shuffled_samples
from core.training.generate import DataPaths
from core.training.heads import MAKEHUMAN, HeadSource
from core.training.lifter import MAKEHUMAN_WEIGHT, ShapeBasis, face_weights, pose_correction
from core.training.loop import averaged_copy, learning_rate
from core.training.mirror import Mirror
from core.training.rasterize import front_and_back
from core.training.shards import Sample

#: How much the shape of a turned portrait counts: it was only fitted to landmarks.
TURNED_WEIGHT = 0.1
#: Standard deviations of the shaking of the start: rotation vector (radians), offset (m), log of the scale,
#: shape relative to that of the heads; and how often it is shaken.
SHAKE_ROTATION, SHAKE_OFFSET, SHAKE_SCALE, SHAKE_SHAPE, SHAKE_SHARE = 0.05, 0.002, 0.02, 0.25, 0.6


def compiled_maps(points: np.ndarray, lifted: LiftedHead, lifter: LandmarkLifter) -> np.ndarray:
    """`core.refiner.refiner_maps` compiled."""
    drawn, values = offsets(points, lifted, lifter)
    index, bary, depth, _ = front_and_back(drawn.astype(np.float32), lifter.mesh, CROP_SIZE)
    filled = index >= 0
    seen = np.einsum("nk,nkc->cn", bary[filled], values.astype(np.float32)[lifter.mesh[index[filled]]])
    maps = np.zeros((MAPS, CROP_SIZE, CROP_SIZE), np.float32)
    maps[:3, filled], maps[4:, filled] = seen[:3], seen[3:]
    maps[3] = depth_channel(depth, filled)
    return maps


class RefinerSamples:
    """Turns samples into what the refiner sees and what it should answer."""

    def __init__(self, heads: HeadSource, lifter: LandmarkLifter, mirror: Mirror) -> None:
        self.heads, self.lifter, self.mirror = heads, lifter, mirror
        mean = lifter.weights["mean"]
        self.basis = ShapeBasis(mean, lifter.weights["basis"], face_weights(mean).astype(np.float32))
        self.scale = lifter.weights["output_scale"].astype(np.float64)

    def truth(self, sample: Sample, flip: bool) -> np.ndarray:
        """(K,) true shape coefficients, of the mirrored head if `flip`."""
        vertices = self.heads.template_of(sample.source, sample.identity, sample.expression)
        if flip:
            vertices = self.mirror.head(vertices)
        return self.basis.coefficients(vertices[None])[0].astype(np.float64)

    def make(self, sample: Sample, rng: np.random.Generator, shaken: bool = True) -> dict[str, np.ndarray]:
        """Float32 images (10, 192, 192), state (K + 12,), target (6 + K,), weight (2,) of pose and shape."""
        flip = shaken and bool(rng.random() < 0.5)
        shape = self.truth(sample, flip)
        if flip:
            sample = self.mirror.sample(sample)
        scene = sample.scene
        points = landmarks_as_found(sample, rng, 0.06 if shaken else 0)
        lifted = self.lifter.lift(FaceLandmarks(points.astype(np.float32)), scene.assumed_camera)
        if shaken and rng.random() < SHAKE_SHARE:
            lifted = self.lifter.corrected(lifted, self._shake(rng))
        correction = pose_correction(
            SeenPose.of(lifted.pose, scene.assumed_camera), SeenPose.of(scene.pose, scene.camera)
        )
        target = np.concatenate([correction, shape - lifted.coefficients]) / self.scale
        picture = picture_channels(cut_crop(sample.picture, lifted.frame))
        weight = MAKEHUMAN_WEIGHT if sample.source == MAKEHUMAN else TURNED_WEIGHT if sample.turned else 1.0
        return {
            "images": np.concatenate([picture, compiled_maps(points, lifted, self.lifter)]),
            "state": refiner_state(lifted, self.scale[POSE_OUTPUTS]),
            "target": target.astype(np.float32),
            "weight": np.array([1.0, weight], np.float32),
        }

    def _shake(self, rng: np.random.Generator) -> np.ndarray:
        strength = rng.random()
        shape = rng.normal(size=len(self.scale) - POSE_OUTPUTS) * self.spread * SHAKE_SHAPE
        pose = [
            *rng.normal(0, SHAKE_ROTATION, 3),
            *rng.normal(0, SHAKE_OFFSET, 2),
            rng.normal(0, SHAKE_SCALE),
        ]
        return np.concatenate([pose, shape]) * strength

    @property
    def spread(self) -> np.ndarray:
        """(K,) standard deviations of the shape coefficients of random heads."""
        return self.lifter.weights["spread"]


class RefinerDataset(IterableDataset):
    """Endless stream of training samples in random order, each worker with shards of its own."""

    def __init__(self, folder: Path, maker: RefinerSamples, seed: int) -> None:
        super().__init__()
        self.folder, self.maker, self.seed = Path(folder), maker, seed

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        torch.set_num_threads(1)
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        rng = np.random.default_rng([self.seed, worker])
        for sample in shuffled_samples(self.folder, "train", rng, worker, workers):
            yield self.maker.make(sample, rng)


@dataclass(frozen=True)
class RefinerTraining:
    """hours: training time that the learning rate is planned for; average: decay of the averaged weights."""

    hours: float = 0.6
    batch: int = 32
    rate: float = 1e-3
    weight_decay: float = 0.05
    warmup: float = 0.03
    average: float = 0.998
    workers: int = 2
    save_minutes: float = 3.0
    seed: int = 0
    network: RefinerConfig = field(default_factory=RefinerConfig)


def refiner_loss(output: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Root of the summed squares, of pose and of shape each: a few hopeless faces do not outweigh the rest.

    In the lifter's normalised outputs, which stand for metres of the face's surface.
    """
    error = output.float() - target
    pose = (error[:, :POSE_OUTPUTS].square().sum(1) + 1e-4).sqrt()
    shape = (error[:, POSE_OUTPUTS:].square().sum(1) + 1e-4).sqrt()
    return (pose * weight[:, 0]).mean() + (shape * weight[:, 1]).mean()


class RefinerTrainer:
    """One run in a folder: `refiner.pt` (everything to go on from) and `refiner.csv`."""

    def __init__(self, folder: Path, config: RefinerTraining) -> None:
        self.folder, self.config = Path(folder), config
        self.folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(config.seed)
        self.network = RefinerNetwork(config.network).to(memory_format=torch.channels_last)
        self.averaged = averaged_copy(self.network, config.average)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), config.rate, weight_decay=config.weight_decay
        )
        self.step, self.seconds = 0, 0.0
        if self.checkpoint.exists():
            state = torch.load(self.checkpoint, weights_only=True)
            for part in ("network", "averaged", "optimizer"):
                getattr(self, part).load_state_dict(state[part])
            self.step, self.seconds = state["step"], state["seconds"]

    @property
    def checkpoint(self) -> Path:
        return self.folder / "refiner.pt"

    def save(self) -> None:
        """Write the checkpoint under a temporary name and move it into place."""
        parts = {part: getattr(self, part).state_dict() for part in ("network", "averaged", "optimizer")}
        temporary = self.checkpoint.with_suffix(".tmp")
        torch.save(
            {
                **parts,
                "step": self.step,
                "seconds": self.seconds,
                "network_config": self.config.network.to_dict(),
            },
            temporary,
        )
        temporary.replace(self.checkpoint)

    def train_batch(self, batch: dict[str, torch.Tensor]) -> float:
        """One step of the optimiser; the loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.config, self.seconds / (self.config.hours * 3600))
        images = batch["images"].to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            output = self.network(images, batch["state"])
        loss = refiner_loss(output, batch["target"], batch["weight"])
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.averaged.update_parameters(self.network)
        self.step += 1
        return float(loss.detach())

    def run(self, dataset: RefinerDataset) -> None:
        """Train until the planned hours are over."""
        config = self.config
        loader = DataLoader(dataset, config.batch, num_workers=config.workers, prefetch_factor=3)
        log = self.folder / "refiner.csv"
        fresh = not log.exists()
        with log.open("a", newline="") as stream:
            writer = csv.writer(stream)
            if fresh:
                writer.writerow(("step", "hours", "loss"))
            self.network.train()
            last = saved = time.monotonic()
            window: list[float] = []
            for batch in loader:
                window.append(self.train_batch(batch))
                now = time.monotonic()
                self.seconds += now - last
                last = now
                over = self.seconds >= config.hours * 3600
                if self.step % 25 == 0:
                    writer.writerow(
                        (self.step, f"{self.seconds / 3600:.4f}", f"{sum(window) / len(window):.4f}")
                    )
                    stream.flush()
                    window.clear()
                if over or now - saved > config.save_minutes * 60:
                    self.save()
                    saved = now
                if over:
                    return


def train_refiner(paths: DataPaths, shards: Path, folder: Path, config: RefinerTraining) -> None:
    """Train, or go on training, the refiner from shards; needs the lifter in the models folder."""
    heads = paths.heads()
    lifter = LandmarkLifter.from_pretrained(paths.models, heads.template)
    trainer = RefinerTrainer(folder, config)
    maker = RefinerSamples(heads, lifter, Mirror.load(paths.models))
    trainer.run(RefinerDataset(shards, maker, config.seed + trainer.step))
