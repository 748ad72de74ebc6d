"""Train the landmark lifter or the volume network from the shards that make_shards.py makes.

    python scripts/training/train.py lifter             # minutes
    python scripts/training/train.py cascade            # its stages on the picture; about half an hour
    python scripts/training/train.py shading            # its model of shading; a minute
    python scripts/training/train.py network --hours 2  # resumable: run it again after a stop
    python scripts/training/train.py export             # averaged weights, for both backends

All results go to the folder of the run (--run, default runs/default), which begins with a copy of the models
that ship. scripts/training/promote.py puts them in place of those if they are better.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from scripts.training.arguments import RUN, data_paths, require_checkpoints, run_main, training_parser


def train_lifter(args: argparse.Namespace) -> None:
    """Train the part of the lifter that uses landmarks alone."""
    from core.training.fitting.lifter import LifterConfig, train_lifter

    config = LifterConfig(args.basis_heads) if args.basis_heads else LifterConfig()
    for line in train_lifter(data_paths(args), args.shards, args.models, config):
        print(line, flush=True)


def train_cascade(args: argparse.Namespace) -> None:
    """Train the stages of the lifter that use the picture."""
    from core.training.fitting.cascade import CascadeConfig, train_cascade

    given = {"stages": args.stages, "sites": args.sites, "processes": max(args.workers, 1)}
    config = CascadeConfig(**{name: value for name, value in given.items() if value})
    for line in train_cascade(data_paths(args), args.shards, args.models, config):
        print(line, flush=True)


def train_shading(args: argparse.Namespace) -> None:
    """Fit the model by which lifted heads are refined by their shading."""
    from core.lifting.shading import FILE_NAME
    from core.training.fitting.shading import train_shading

    for line in train_shading(data_paths(args), args.shading_shards, args.models / FILE_NAME):
        print(line, flush=True)


def train_network(args: argparse.Namespace) -> None:
    """Train the volume network."""
    from core.training.fitting.trainer import FEWEST_STEPS, TrainConfig, train_network

    given = {"hours": args.hours, "batch": args.batch}
    config = TrainConfig(workers=args.workers, **{name: value for name, value in given.items() if value})
    steps = train_network(data_paths(args), args.shards, args.run / "network", config, args.start)
    print(f"{steps} steps")
    if steps < FEWEST_STEPS and not args.start:
        print(f"The network has learned nothing: it takes {FEWEST_STEPS} steps or more, so more --hours.")


def export(args: argparse.Namespace) -> None:
    """Write the network's averaged weights, for both backends."""
    from core.runtime.backend import WEIGHTS_NAME
    from core.training.fitting.onnx_export import export_volume_network
    from core.training.fitting.run import CHECKPOINT_NAME
    from core.training.fitting.trainer import export_weights

    checkpoint = args.run / "network" / CHECKPOINT_NAME
    require_checkpoints([checkpoint], "train.py network")
    export_weights(checkpoint, args.models / WEIGHTS_NAME)
    path = export_volume_network(args.models)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


STEPS = {
    "lifter": train_lifter,
    "cascade": train_cascade,
    "shading": train_shading,
    "network": train_network,
    "export": export,
}


def main() -> None:
    """Parse the command line and train."""
    parser = training_parser(__doc__)
    parser.add_argument("what", choices=STEPS)
    parser.add_argument("--shards", type=Path, help="default: shards/ in the cache folder")
    parser.add_argument("--run", type=Path, default=RUN, help="folder of the results (default: runs/default)")
    parser.add_argument("--workers", type=int, default=2, help="processes that prepare samples")
    lifter = parser.add_argument_group("lifter")
    lifter.add_argument("--basis-heads", type=int, help="random heads that the basis of shapes is made from")
    cascade = parser.add_argument_group("cascade")
    cascade.add_argument("--stages", type=int, help="number of regressions")
    cascade.add_argument("--sites", type=int, help="vertices at which the picture's features are sampled")
    shading = parser.add_argument_group("shading")
    shading.add_argument(
        "--shading-shards",
        type=Path,
        help="pictures that the lifter was not trained on (default: shading/ in the cache folder)",
    )
    network = parser.add_argument_group("network")
    network.add_argument("--hours", type=float, help="training time, for which the learning rate is planned")
    network.add_argument("--batch", type=int, help="heads in a step")
    network.add_argument("--start", type=Path, help="weights (.safetensors) that a new run starts from")
    args = parser.parse_args()
    from core.training.fitting.candidate import prepare_candidate

    prepare_candidate(args.models, args.run / "models")
    args.models = args.run / "models"
    args.shards = args.shards or data_paths(args).shards
    args.shading_shards = args.shading_shards or data_paths(args).shading_shards
    STEPS[args.what](args)


if __name__ == "__main__":
    run_main(main)
