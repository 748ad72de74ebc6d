"""Writes shards of synthetic pictures: resumable, and the same whatever the number of processes."""

from collections import Counter
from pathlib import Path

import numpy as np

from ..paths import DataPaths
from ..synthesis.sample import Sample
from ..synthesis.synthesizer import ImageSynthesizer, Mix
from ..synthesis.texture_library import Split
from .shards import write_shard

SHARD_SIZE = 250


def make_shards(
    paths: DataPaths, folder: Path, split: Split, indices: range, seed: int, mix: Mix | None = None
) -> Counter:
    """Write shards `split_00000.npz`... of the given indices, skipping those that exist.

    Each shard has its own random stream, so any number of processes makes the same ones. Returns how many
    pictures were made and found by yaw bin.
    """
    maker = None
    counts: Counter[str] = Counter()
    for index in indices:
        path = folder / f"{split}_{index:05d}.npz"
        if path.exists():
            continue
        maker = maker or ImageSynthesizer(paths, split, mix)
        rng = np.random.default_rng([seed, split == "eval", index])
        samples: list[Sample] = []
        while len(samples) < SHARD_SIZE:
            found, truth = maker.sample(rng)
            counts[f"made {truth.yaw_bin}"] += 1
            if found is not None:
                counts[f"found {truth.yaw_bin}"] += 1
                samples.append(found)
        write_shard(path, samples)
    return counts
