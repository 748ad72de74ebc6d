"""Trains variants of the volume network for the same CPU time on the same samples, and measures them.

Everything happens at half size (`core.training.ablation.samples`) with one thread, so that a comparison
takes minutes. `scripts/training/compare_networks.py` runs it; docs/networks.md says what came of it.
"""

import copy
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ...geometry.frames import CROP_SIZE
from ...volume.network import INPUT_CHANNELS
from ...volume.torch_predictor import fold_normalization
from ..data.shards import shard_paths
from ..files import written_atomically
from ..fitting.loss import LossWeights, volume_loss
from ..fitting.run import averaged_copy, training_step
from ..fitting.trainer import TrainConfig
from .measures import HeadMeasure, measure
from .networks import build_network, with_twice_the_slices
from .samples import HALF_SIZE, HALF_SLICES, SmallSample, SmallShard
from .variants import CONSTANT, Variant

BATCH = 8
#: Decay of the averaged weights a step: 50 of the 500 steps that a variant makes, as 0.996 is of a long run.
AVERAGE = 0.98
#: Heads that a variant is measured on.
EVALUATION_HEADS = 400


def samples_in_order(folder: Path, variant: Variant) -> Iterator[SmallSample]:
    """Endless stream of training samples, in the same order for all variants of one seed."""
    rng = np.random.default_rng(variant.seed)
    drawn = np.random.default_rng([variant.seed, 1])
    paths = shard_paths(folder, "train")
    if not paths:
        raise FileNotFoundError(f"no prepared samples in {folder}: run `compare_networks.py prepare` first")
    while True:
        for k in rng.permutation(len(paths)):
            shard = SmallShard(paths[k], variant.template)
            for i in rng.permutation(len(shard)):
                sample = shard[int(i)]
                yield sample.without((*variant.without, *variant.drop.sample(drawn)))


def evaluation_samples(
    folder: Path, variant: Variant, count: int = EVALUATION_HEADS
) -> Iterator[SmallSample]:
    """The held-out samples, shown what the variant is shown."""
    for path in shard_paths(folder, "eval"):
        shard = SmallShard(path, variant.template)
        for i in range(min(len(shard), count)):
            yield shard[i].without(variant.without)
        count -= min(len(shard), count)


@dataclass(frozen=True)
class SampleBatch:
    """Tensors of some samples; see `volume_loss`."""

    inputs: torch.Tensor
    template: torch.Tensor
    target: torch.Tensor
    rays: torch.Tensor

    @classmethod
    def of(cls, samples: list[SmallSample]) -> "SampleBatch":
        """Stack samples, the pictures in the memory order that convolutions are quickest with."""
        names = ("inputs", "template", "target", "rays")
        inputs, *rest = (torch.from_numpy(np.stack([getattr(s, n) for s in samples])) for n in names)
        return cls(inputs.to(memory_format=torch.channels_last), *rest)


class ShortRun:
    """One variant being trained; `fraction` is the fraction of its time that has passed."""

    def __init__(self, variant: Variant) -> None:
        self.variant = variant
        torch.manual_seed(variant.seed)
        self.coarse = variant.coarse > 0
        self.steps = self.samples = 0
        self._begin(build_network(variant.architecture, HALF_SLICES // 2 if self.coarse else HALF_SLICES))

    def _begin(self, network: nn.Module) -> None:
        self.network = network.train()
        self.averaged = averaged_copy(network, AVERAGE)
        decay = TrainConfig.weight_decay
        self.optimizer = torch.optim.AdamW(network.parameters(), self.variant.rate, weight_decay=decay)

    def _refine(self) -> None:
        """Go on at twice the size, with the averaged weights."""
        finer = build_network(self.variant.architecture, HALF_SLICES)
        finer.load_state_dict(with_twice_the_slices(self.averaged.module.state_dict()))
        self.coarse = False
        self._begin(finer)

    def rate(self, fraction: float) -> float:
        """The learning rate after this fraction of the time."""
        config = TrainConfig(rate=self.variant.rate)
        if self.variant.schedule == CONSTANT:
            fraction = min(fraction, config.warmup)
        return config.learning_rate(fraction)

    def step(self, samples: list[SmallSample], fraction: float) -> float:
        """One step of the optimizer; the loss."""
        if self.coarse and fraction >= self.variant.coarse:
            self._refine()
        batch = SampleBatch.of([s.halved() for s in samples] if self.coarse else samples)
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate(fraction)
        with torch.autocast("cpu", torch.bfloat16):
            delta = self.network(batch.inputs)
        weights = in_large_voxels(self.variant.loss, batch.inputs.shape[-1])
        loss, _ = volume_loss(delta, batch.template, batch.target, batch.rays, weights)
        training_step(loss, self.network, self.optimizer, self.averaged)
        self.steps += 1
        self.samples += len(samples)
        return float(loss.detach())

    def train(self, folder: Path, seconds: float) -> None:
        """Train for so many seconds of CPU time, reading of samples included."""
        stream = samples_in_order(folder, self.variant)
        started = time.process_time()
        while (passed := time.process_time() - started) < seconds:
            self.step([next(stream) for _ in range(BATCH)], passed / seconds)


def in_large_voxels(weights: LossWeights, size: int) -> LossWeights:
    """The weights that say the same in voxels of a volume of this size; only depth is a length."""
    return replace(weights, depth=weights.depth * CROP_SIZE / size)


def evaluate(network: nn.Module | None, samples: Iterator[SmallSample]) -> list[tuple[int, HeadMeasure]]:
    """(yaw bin, measure) of each sample; without a network the template is measured."""
    results = []
    while chunk := [s for _, s in zip(range(BATCH), samples, strict=False)]:
        if network is None:
            deltas = np.zeros((len(chunk), *chunk[0].target.shape), np.float32)
        else:
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
                deltas = network.eval()(SampleBatch.of(chunk).inputs).float().permute(0, 2, 3, 1).numpy()
        for sample, delta in zip(chunk, deltas, strict=True):
            results.append((sample.yaw_bin, measure(delta, sample.template, sample.target, sample.rays)))
    return results


def cost_of(network: nn.Module) -> dict[str, float]:
    """Parameters (millions), floating-point operations (1e9) and milliseconds of CPU of a forward pass at
    half size, fp32, normalization folded.
    """
    network = fold_normalization(copy.deepcopy(network).eval())
    inputs = torch.zeros(1, INPUT_CHANNELS, HALF_SIZE, HALF_SIZE).to(memory_format=torch.channels_last)
    seconds = []
    with torch.inference_mode():
        with FlopCounterMode(display=False) as counter:
            network(inputs)
        for _ in range(15):
            started = time.process_time()
            network(inputs)
            seconds.append(time.process_time() - started)
    return {
        "parameters": sum(p.numel() for p in network.parameters()) / 1e6,
        "gflop": counter.get_total_flops() / 1e9,
        "milliseconds": float(np.median(seconds)) * 1000,
    }


def compile_kernels() -> None:
    """Have numba's kernels ready before the clock runs."""
    byte = torch.zeros(1, 8, 8, 8, dtype=torch.uint8)
    volume_loss(torch.zeros(1, 8, 8, 8), byte, byte, torch.ones(1, 8, 8), LossWeights())
    rng = np.random.default_rng(0)
    ball = rng.integers(0, 256, (8, 8, 8), dtype=np.uint8)
    small = SmallSample(np.zeros((INPUT_CHANNELS, 8, 8), np.float32), ball, ball, np.ones((8, 8)), 0)
    small.halved()


def run_variant(variant: Variant, folder: Path, results: Path, seconds: float) -> str:
    """Train and evaluate one variant.

    Args:
        variant: What is shown to which network.
        folder: Of the prepared shards.
        results: Where NAME.json goes; if it is there already, nothing is done.
        seconds: Of training.

    Returns:
        A line of report.
    """
    path = results / f"{variant.name}.json"
    if path.exists():
        return f"{variant.name}: done before"
    torch.set_num_threads(1)
    compile_kernels()
    out: dict = {"variant": asdict(variant), "seconds": 0.0 if variant.untrained else seconds}
    run = ShortRun(variant)
    if variant.untrained:
        out["averaged"] = rows(evaluate(None, evaluation_samples(folder, variant)))
    else:
        run.train(folder, seconds)
        out |= {"samples": run.samples, "steps": run.steps, **cost_of(run.network)}
        for kind, network in (("averaged", run.averaged.module), ("raw", run.network)):
            out[kind] = rows(evaluate(network, evaluation_samples(folder, variant)))
    with written_atomically(path) as temporary:
        temporary.write_text(json.dumps(out))
    return f"{variant.name}: {run.samples} samples"


def rows(measured: list[tuple[int, HeadMeasure]]) -> list[dict[str, float]]:
    """What is kept of each head."""
    return [{"yaw_bin": yaw, **errors.to_dict()} for yaw, errors in measured]
