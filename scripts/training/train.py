"""Train the landmark lifter or the volume network from shards made by make_shards.py.

python scripts/training/train.py lifter            # minutes; writes models/landmark_lifter.safetensors
python scripts/training/train.py cascade           # its stages that look at the picture; about half an hour
python scripts/training/train.py network --hours 2 # resumable: run it again after a stop
python scripts/training/train.py export            # averaged weights -> models/volume_network.safetensors
"""

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("lifter", "cascade", "network", "export"))
    parser.add_argument("--data", type=Path, default=os.environ.get("PHOTOBUST_DATA", ROOT.parent / "shared"))
    parser.add_argument(
        "--cache", type=Path, default=ROOT / "cache", help="folder of textures.npz, registration.npz"
    )
    parser.add_argument("--shards", type=Path, default=ROOT / "cache" / "shards")
    parser.add_argument(
        "--run", type=Path, default=ROOT / "cache" / "run", help="folder of checkpoint and log"
    )
    parser.add_argument("--models", type=Path, default=ROOT / "models")
    parser.add_argument("--hours", type=float, help="training time (default: the training's own)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--start", type=Path, help="weights (.safetensors) that a new run of the network starts from"
    )
    args = parser.parse_args()

    from core.training.paths import DataPaths

    paths = DataPaths(Path(args.data), args.cache, args.models)
    options = {"workers": args.workers} | ({"hours": args.hours} if args.hours else {})
    if args.what == "lifter":
        from core.training.fitting.lifter import train_lifter

        for line in train_lifter(paths, args.shards, args.models):
            print(line, flush=True)
    elif args.what == "cascade":
        from core.training.fitting.cascade import train_cascade

        for line in train_cascade(paths, args.shards, args.models, processes=max(args.workers, 1)):
            print(line, flush=True)
    elif args.what == "network":
        from core.training.fitting.trainer import TrainConfig, train_network

        train_network(paths, args.shards, args.run, TrainConfig(**options), args.start)
    else:
        from core.inference.backend import WEIGHTS_NAME
        from core.training.fitting.trainer import export_weights

        export_weights(args.run / "checkpoint.pt", args.models / WEIGHTS_NAME)


if __name__ == "__main__":
    main()
