"""Make training pictures: shards of 250 samples, resumable, the same whatever the number of processes.

A shard takes about 25 seconds of CPU time. Needs the caches that register_template.py and build_textures.py
write.
"""

import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from scripts.training.arguments import data_paths, run_main, training_parser

if TYPE_CHECKING:
    from core.training.data.generation import ShardJob
    from core.training.paths import DataPaths

#: Shards that a process makes before it reports: what they are made from is loaded once for all of them.
SHARDS_A_JOB = 4


def work(paths: "DataPaths", job: "ShardJob") -> Counter[str]:
    """Make some shards in a process of its own."""
    import cv2

    from core.training.data.generation import make_shards

    cv2.setNumThreads(1)
    return make_shards(paths, job)


def main() -> None:
    """Parse the command line and make shards."""
    parser = training_parser(__doc__)
    parser.add_argument("--out", type=Path, help="default: shards/ in the cache folder")
    parser.add_argument("--split", choices=("train", "eval"), default="train")
    parser.add_argument("--first", type=int, default=0, help="number of the first shard")
    parser.add_argument("--count", type=int, default=80, help="number of shards")
    parser.add_argument("--size", type=int, help="samples in a shard (default: 250)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--far",
        type=float,
        default=0,
        help="fraction of heads turned by 45 to 90 degrees, beside those that are by chance (default: none)",
    )
    parser.add_argument("--clay", type=float, default=0, help="fraction of heads without texture")
    options = parser.parse_args()

    from core.training.data.generation import SHARD_SIZE, ShardJob
    from core.training.synthesis.synthesizer import Mix

    paths = data_paths(options)
    paths.require("face_model", "panoramas", "registration", "textures", "views")
    out = options.out or paths.shards
    out.mkdir(parents=True, exist_ok=True)
    mix, size = Mix(options.far, options.clay), options.size or SHARD_SIZE
    indices = range(options.first, options.first + options.count)
    chunks = [indices[i : i + SHARDS_A_JOB] for i in range(0, len(indices), SHARDS_A_JOB)]
    jobs = [ShardJob(out, options.split, chunk, options.seed, mix, size) for chunk in chunks]
    started = time.monotonic()
    total: Counter[str] = Counter()
    with ProcessPoolExecutor(options.processes) as pool:
        for done, counts in enumerate(pool.map(partial(work, paths), jobs), 1):
            total += counts
            seconds = time.monotonic() - started
            print(f"{done}/{len(jobs)} chunks, {seconds:.0f} s, {dict(sorted(total.items()))}", flush=True)


if __name__ == "__main__":
    run_main(main)
