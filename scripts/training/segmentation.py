"""Train the segmentation network: label portraits, make labeled pictures, train, measure, promote.

    python scripts/build/person_network.py --out cache            # once: the encoder it begins with
    python scripts/training/segmentation.py prepare               # labels of the portraits; two minutes
    python scripts/training/segmentation.py shards --count 12     # a minute for 400 pictures
    python scripts/training/segmentation.py train --hours 1       # resumable: run it again after a stop
    python scripts/training/segmentation.py export                # averaged weights, for both backends
    python scripts/training/segmentation.py evaluate              # held-out renders and portraits
    python scripts/training/segmentation.py promote               # into models/, if it is better

Results go to the folder of the run (--run, default runs/default), whose models/ begins with a copy of the
models that ship.
"""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from scripts.training.arguments import (
    data_paths,
    export_network,
    network_parser,
    promote_network,
    run_main,
    write_figures,
)

#: Of the training, in the folder of the run.
CHECKPOINT_FOLDER = "segmentation"


def prepare(args: argparse.Namespace) -> None:
    """Label the portraits."""
    from core.training.segmentation.portraits import prepare_portraits

    paths = data_paths(args)
    paths.require("portraits", "hair_teacher", "person_network")
    for line in prepare_portraits(paths, args.portraits):
        print(line, flush=True)


def shards(args: argparse.Namespace) -> None:
    """Make the shards that are not there, and one of held-out renders."""
    from core.training.segmentation.dataset import make_shards

    paths = data_paths(args)
    paths.require("face_model", "panoramas", "registration", "textures", "segmentation_portraits")
    for line in make_shards(paths, "eval", 0, 1, args.size):
        print(line, flush=True)
    for line in make_shards(paths, "train", 0, args.count, args.size):
        print(line, flush=True)


def train(args: argparse.Namespace) -> None:
    """Train, or go on training."""
    import torch

    from core.training.segmentation.dataset import SegmentationDataset
    from core.training.segmentation.trainer import SegmentationConfig, SegmentationTrainer

    paths = data_paths(args)
    paths.require("person_network")
    torch.set_num_threads(args.threads)
    config = SegmentationConfig(hours=args.hours)
    trainer = SegmentationTrainer(args.run / CHECKPOINT_FOLDER, config, paths.person_network, args.start)
    trainer.run(SegmentationDataset(paths))


def export(args: argparse.Namespace) -> None:
    """Write the averaged weights into the run's models, for both backends."""
    from core.runtime.backend import SEGMENTATION_NAME
    from core.training.fitting.onnx_export import export_segmentation_network
    from core.training.fitting.run import CHECKPOINT_NAME

    checkpoints = [run / CHECKPOINT_FOLDER / CHECKPOINT_NAME for run in (args.run, *args.mean_with)]
    export_network(args, checkpoints, SEGMENTATION_NAME, export_segmentation_network, "segmentation.py train")


def evaluate(args: argparse.Namespace) -> None:
    """Measure the run's network, or with --models-only that of --models."""
    from core.runtime.backend import SEGMENTATION_ONNX_NAME
    from core.segmentation.segmenter import OnnxSegmentNetwork
    from core.training.segmentation.evaluation import measure_segmentation

    folder = args.models if args.models_only else args.run / "models"
    network = OnnxSegmentNetwork(folder / SEGMENTATION_ONNX_NAME)
    figures = measure_segmentation(
        network, data_paths(args), lambda line: print(f"Measuring {line}", flush=True)
    )
    print("\n".join(figures.lines()))
    if not args.models_only:
        write_figures(args.run / "segmentation.json", asdict(figures))


def promote(args: argparse.Namespace) -> int:
    """Put the run's network in place of the one that ships, if it is better."""
    from core.runtime.backend import SEGMENTATION_NAME, SEGMENTATION_ONNX_NAME
    from core.segmentation.segmenter import OnnxSegmentNetwork
    from core.training.segmentation.evaluation import LEAST_GAIN, measure_segmentation

    scores = []
    for folder in (args.models, args.run / "models"):
        path = folder / SEGMENTATION_ONNX_NAME
        scores.append(
            measure_segmentation(OnnxSegmentNetwork(path), data_paths(args)).score if path.is_file() else 0.0
        )
    print(f"mean IoU, current: {scores[0]:.3f}, candidate: {scores[1]:.3f}")
    names = (SEGMENTATION_NAME, SEGMENTATION_ONNX_NAME)
    return promote_network(args, names, scores[1], scores[0], LEAST_GAIN)


STEPS = {
    "prepare": prepare,
    "shards": shards,
    "train": train,
    "export": export,
    "evaluate": evaluate,
    "promote": promote,
}


def main() -> int | None:
    """Parse the command line, and run the step."""
    parser = network_parser(__doc__, STEPS, CHECKPOINT_FOLDER)
    parser.add_argument("--portraits", type=int, help="prepare: only so many portraits (default: all)")
    parser.add_argument("--count", type=int, default=12, help="shards: how many for training")
    parser.add_argument("--size", type=int, default=200, help="shards: pictures of each")
    parser.add_argument("--start", type=Path, help="train: weights (.safetensors) that a new run starts from")
    parser.add_argument(
        "--mean-with",
        type=Path,
        nargs="+",
        default=[],
        help="export: folders of other runs, whose weights are averaged with this one's",
    )
    parser.add_argument("--models-only", action="store_true", help="evaluate: the network in --models")
    args = parser.parse_args()
    return STEPS[args.what](args)


if __name__ == "__main__":
    run_main(main)
