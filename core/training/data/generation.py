"""Writes shards of synthetic pictures: resumable, and the same whatever the number of processes."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..paths import DataPaths
from ..synthesis.sample import Sample
from ..synthesis.synthesizer import ImageSynthesizer, Mix
from ..synthesis.texture_library import Split
from .shards import write_shard

#: Samples in a shard.
SHARD_SIZE = 250


@dataclass(frozen=True)
class ShardJob:
    """Shards that one process makes.

    folder: where they are written, as `split_00000.npz` and so on; indices: their numbers; seed: of the
    random numbers; mix: what they have more of; size: samples in each.
    """

    folder: Path
    split: Split
    indices: range
    seed: int
    mix: Mix = field(default_factory=Mix)
    size: int = SHARD_SIZE


def make_shards(paths: DataPaths, job: ShardJob) -> Counter[str]:
    """Write shards, skipping those that exist.

    Each shard has its own random stream, so any number of processes makes the same ones.

    Args:
        paths: where the inputs of synthesis are.
        job: which shards.

    Returns:
        How many pictures were made, and in how many the detector found the face, by yaw bin.
    """
    synthesizer = None
    counts: Counter[str] = Counter()
    for index in job.indices:
        path = job.folder / f"{job.split}_{index:05d}.npz"
        if path.exists():
            continue
        synthesizer = synthesizer or ImageSynthesizer(paths, job.split, job.mix)
        rng = np.random.default_rng([job.seed, job.split == "eval", index])
        samples: list[Sample] = []
        while len(samples) < job.size:
            detected, truth = synthesizer.sample(rng)
            counts[f"made {truth.yaw_bin}"] += 1
            if detected is not None:
                counts[f"found {truth.yaw_bin}"] += 1
                samples.append(detected)
        write_shard(path, samples)
    return counts
