"""Compare what the volume network could be, at half size and at equal CPU time (docs/networks.md).

python scripts/training/compare_networks.py prepare --data DATA    # samples at half size; resumable
python scripts/training/compare_networks.py run --seconds 180      # every variant, two at once; resumable
python scripts/training/compare_networks.py table                  # the results as markdown
"""

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from scripts.training.arguments import data_paths, run_main, training_parser


def prepare(args: argparse.Namespace) -> None:
    """Make the samples."""
    from core.lifting.lifter import LandmarkLifter
    from core.training.ablation.samples import prepare
    from core.training.data.shards import shard_paths
    from core.training.face_models.heads import HeadSource

    paths = data_paths(args)
    heads = HeadSource.from_paths(paths)
    lifter = LandmarkLifter.from_pretrained(args.models, heads.template)
    # Turned portraits have no true shape to be measured against.
    for split, count, turned in (("eval", args.eval_shards, False), ("train", args.train_shards, True)):
        for line in prepare(shard_paths(args.shards, split)[:count], args.samples, heads, lifter, turned):
            print(line, flush=True)


def run(args: argparse.Namespace) -> None:
    """Train and evaluate variants, each in a process of its own with one thread."""
    from core.training.ablation.variants import VARIANTS

    environment = os.environ | {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    names = args.only or [v.name for v in VARIANTS]

    def start(name: str) -> int:
        command = [sys.executable, __file__, "one", "--only", name, "--seconds", str(args.seconds)]
        command += ["--samples", str(args.samples), "--results", str(args.results)]
        return subprocess.run(command, env=environment, check=False).returncode

    with ThreadPoolExecutor(args.jobs) as pool:
        failed = [name for name, code in zip(names, pool.map(start, names), strict=True) if code]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def one(args: argparse.Namespace) -> None:
    """Train and evaluate one variant here."""
    from core.training.ablation.runs import run_variant
    from core.training.ablation.variants import variant

    for name in args.only:
        print(run_variant(variant(name), args.samples, args.results, args.seconds), flush=True)


def table(args: argparse.Namespace) -> None:
    """Print the tables of all results."""
    from core.training.ablation.table import markdown

    print(markdown(args.results))


def main() -> None:
    """Parse the command line and do what it says."""
    parser = training_parser(__doc__)
    parser.add_argument(
        "what", choices=("prepare", "run", "one", "table"), help="one: run without a new process"
    )
    parser.add_argument("--shards", type=Path, help="default: shards/ in the cache folder")
    parser.add_argument("--samples", type=Path, default=ROOT / "cache" / "comparison")
    parser.add_argument("--results", type=Path, default=ROOT / "cache" / "comparison" / "results")
    parser.add_argument("--train-shards", type=int, default=18, help="of 250 samples")
    parser.add_argument("--eval-shards", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=180.0, help="CPU time of each variant's training")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", nargs="+", help="names of variants (default: all)")
    args = parser.parse_args()
    args.shards = args.shards or data_paths(args).shards
    {"prepare": prepare, "run": run, "one": one, "table": table}[args.what](args)


if __name__ == "__main__":
    run_main(main)
