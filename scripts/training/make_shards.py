"""Make training pictures: shards of 250 samples each, resumable, the same whatever the number of
processes.
"""

import argparse
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))


def work(job: tuple) -> Counter:
    """Make some shards in a process of its own."""
    import cv2

    from core.training.data.generation import make_shards

    cv2.setNumThreads(1)
    return make_shards(*job)


def main() -> None:
    """Parse the command line and make shards."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("PHOTOBUST_DATA", ROOT.parent / "shared"))
    parser.add_argument(
        "--cache", type=Path, default=ROOT / "cache", help="folder of textures.npz, registration.npz"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "cache" / "shards")
    parser.add_argument("--models", type=Path, default=ROOT / "models")
    parser.add_argument("--split", choices=("train", "eval"), default="train")
    parser.add_argument("--first", type=int, default=0, help="number of the first shard")
    parser.add_argument("--count", type=int, default=80, help="number of shards")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--far",
        type=float,
        default=0,
        help="share of pictures turned by 45 to 90 degrees, beside those that are by chance (default: none)",
    )
    parser.add_argument("--clay", type=float, default=0, help="share of pictures of heads without texture")
    args = parser.parse_args()

    from core.training.paths import DataPaths
    from core.training.synthesis.synthesizer import Mix

    args.out.mkdir(parents=True, exist_ok=True)
    paths = DataPaths(Path(args.data), args.cache, args.models)
    indices = range(args.first, args.first + args.count)
    chunks = [indices[i : i + 4] for i in range(0, len(indices), 4)]
    started = time.monotonic()
    total: Counter[str] = Counter()
    jobs = [(paths, args.out, args.split, chunk, args.seed, Mix(args.far, args.clay)) for chunk in chunks]
    with ProcessPoolExecutor(args.processes) as pool:
        for done, counts in enumerate(pool.map(work, jobs), 1):
            total += counts
            seconds = time.monotonic() - started
            print(f"{done}/{len(jobs)} chunks, {seconds:.0f} s, {dict(sorted(total.items()))}", flush=True)


if __name__ == "__main__":
    main()
