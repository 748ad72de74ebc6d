"""Train the landmark lifter, the refiner or the volume network from shards made by make_shards.py.

python scripts/train.py lifter            # minutes; writes models/landmark_lifter.safetensors
python scripts/train.py refiner --hours 1 # resumable: run it again after a stop
python scripts/train.py network --hours 2 # needs the two before it; resumable as well
python scripts/train.py export            # averaged weights of refiner and network -> models/*.safetensors
"""

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("lifter", "refiner", "network", "export"))
    parser.add_argument("--data", type=Path, default=os.environ.get("PHOTOBUST_DATA", ROOT.parent / "shared"))
    parser.add_argument(
        "--cache", type=Path, default=ROOT / "cache", help="folder of textures.npz, registration.npz"
    )
    parser.add_argument("--shards", type=Path, default=ROOT / "cache" / "shards")
    parser.add_argument(
        "--run", type=Path, default=ROOT / "cache" / "run", help="folder of checkpoints and logs"
    )
    parser.add_argument("--models", type=Path, default=ROOT / "models")
    parser.add_argument("--hours", type=float, help="training time (default: the training's own)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--start", type=Path, help="weights (.safetensors) that a new run of the network starts from"
    )
    args = parser.parse_args()

    from core.training.generate import DataPaths

    paths = DataPaths.under(Path(args.data), args.cache, args.models)
    options = {"workers": args.workers} | ({"hours": args.hours} if args.hours else {})
    if args.what == "lifter":
        from core.training.lifter import train_lifter

        for line in train_lifter(paths, args.shards, args.models):
            print(line, flush=True)
    elif args.what == "refiner":
        from core.training.refiner import RefinerTraining, train_refiner

        train_refiner(paths, args.shards, args.run, RefinerTraining(**options))
    elif args.what == "network":
        from core.training.loop import TrainConfig, train_network

        train_network(paths, args.shards, args.run, TrainConfig(**options), args.start)
    else:
        export(args.run, args.models)


def export(run: Path, models: Path) -> None:
    """Write the weights of whatever the run's folder has checkpoints of."""
    from core.predictor import WEIGHTS_NAME
    from core.refiner import FILE_NAME
    from core.training.loop import export_weights

    found = False
    for checkpoint, name in (("refiner.pt", FILE_NAME), ("checkpoint.pt", WEIGHTS_NAME)):
        if (run / checkpoint).is_file():
            export_weights(run / checkpoint, models / name)
            print(f"wrote {models / name}")
            found = True
    if not found:
        raise SystemExit(f"no checkpoints in {run}: train first, or name the folder with --run")


if __name__ == "__main__":
    main()
