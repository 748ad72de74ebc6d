"""Train the profile network, which finds faces from the side: make pictures, train, measure, promote.

    python scripts/training/profile_network.py shards --count 90    # 200 pictures each; five seconds a shard
    python scripts/training/profile_network.py train --hours 0.7    # resumable: run it again after a stop
    python scripts/training/profile_network.py export               # averaged weights, for both backends
    python scripts/training/profile_network.py lifter --count 40    # the lifter's regressions
    python scripts/training/profile_network.py evaluate             # found, and found falsely
    python scripts/training/profile_network.py promote              # into models/, if it finds better

The lifter's regressions need a lifter (`train.py lifter`, `train.py cascade`) in the run's models, or the one
that ships, and pictures that the network has not seen, which `lifter` makes.
"""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    from core.training.profile.evaluation import ProfileFigures
    from core.training.synthesis.texture_library import Split

from scripts.training.arguments import (
    data_paths,
    export_network,
    network_parser,
    promote_network,
    require_checkpoints,
    run_main,
    write_figures,
)

#: Of the training, in the folder of the run.
CHECKPOINT_FOLDER = "profile"
#: First number of the random streams of the network's pictures, and of those of the lifter's regressions.
NETWORK_SEED, LIFTER_SEED = 3, 4
#: How much greater the fraction of faces found, less those of wrong and of false finds, has to be.
LEAST_GAIN = 0.01
#: Held-out shards of the lifter's regressions.
HELD_OUT = 2


def shards(args: argparse.Namespace) -> None:
    """Make the shards that are not there."""
    from core.training.profile.pictures import ProfilePictures, make_shard

    paths = data_paths(args)
    pictures = ProfilePictures(paths)
    for index in range(args.count):
        path = paths.profile_shards / f"train_{index:05d}.npz"
        if not path.is_file():
            make_shard(pictures, path, [NETWORK_SEED, 0, index], args.size)
            print(path.name, flush=True)


def train(args: argparse.Namespace) -> None:
    """Train, or go on training."""
    import torch

    from core.runtime.backend import FEATURES_NAME
    from core.training.profile.dataset import ProfileDataset
    from core.training.profile.trainer import ProfileConfig, ProfileTrainer

    torch.set_num_threads(args.threads)
    paths = data_paths(args)
    config = ProfileConfig(hours=args.hours)
    dataset = ProfileDataset.from_paths(paths)
    ProfileTrainer(args.run / CHECKPOINT_FOLDER, config, paths.models / FEATURES_NAME, dataset).run()


def export(args: argparse.Namespace) -> None:
    """Write the averaged weights into the run's models, for both backends."""
    from core.runtime.backend import PROFILE_NAME
    from core.training.fitting.onnx_export import export_profile_network
    from core.training.fitting.run import CHECKPOINT_NAME

    checkpoint = args.run / CHECKPOINT_FOLDER / CHECKPOINT_NAME
    export_network(args, [checkpoint], PROFILE_NAME, export_profile_network, "profile_network.py train")


def lifter(args: argparse.Namespace) -> None:
    """Make pictures with the network's landmarks, and fit the lifter's regressions to them."""
    from core.detection.profile_finder import ProfileFinder
    from core.runtime.backend import PROFILE_NAME
    from core.runtime.weights import file_sha256
    from core.training.profile.lifting import make_lifting_shard, train_profile_lifter
    from core.training.profile.pictures import ProfilePictures

    paths, models = data_paths(args), args.run / "models"
    require_checkpoints([models / PROFILE_NAME], "profile_network.py export")
    finder = ProfileFinder.from_pretrained(models)
    # The shards keep this network's landmarks: another one makes its own.
    folder = args.run / CHECKPOINT_FOLDER / f"lifter_{file_sha256(models / PROFILE_NAME)[:12]}"
    counts: dict[Split, int] = {"train": args.count, "eval": HELD_OUT}
    for split, count in counts.items():
        pictures = ProfilePictures(paths, split)
        for index in range(count):
            path = folder / f"{split}_{index:05d}.npz"
            if not path.is_file():
                seed = [LIFTER_SEED, split == "eval", index]
                made = make_lifting_shard(pictures, finder, path, seed, args.size)
                print(f"{path.name}: {made} pictures", flush=True)
    for line in train_profile_lifter(paths, folder, models):
        print(line, flush=True)


def evaluate(args: argparse.Namespace) -> None:
    """Measure the run's network beside MediaPipe alone."""
    figures = _measured(args, {"network": args.run / "models"})
    for method, figure in figures.items():
        print(f"{method:14}", "  ".join(f"{name} {value:.3f}" for name, value in asdict(figure).items()))
    write_figures(args.run / "profile.json", {name: asdict(figure) for name, figure in figures.items()})


def promote(args: argparse.Namespace) -> int:
    """Put the run's network and regressions into models/, if more is found, less what is found wrongly.

    Raises:
        PhotobustError: there are no regressions, or they belong to another lifter than that of models/.
    """
    from core.lifting.lifter import PROFILE_FILE_NAME
    from core.runtime.backend import PROFILE_NAME, PROFILE_ONNX_NAME
    from core.training.fitting.candidate import require_regressions

    require_checkpoints([args.run / "models" / PROFILE_FILE_NAME], "profile_network.py lifter")
    require_regressions(args.run / "models", args.models)
    figures = _measured(args, {"candidate": args.run / "models", "current": args.models})
    for name, figure in figures.items():
        print(f"{name}: found {figure.found:.3f}, false finds {figure.false_finds:.3f}")
    scores = {name: figure.found - figure.wrong - figure.false_finds for name, figure in figures.items()}
    names = (PROFILE_NAME, PROFILE_ONNX_NAME, PROFILE_FILE_NAME)
    return promote_network(args, names, scores["candidate"], scores["current"], LEAST_GAIN)


def _measured(args: argparse.Namespace, folders: dict[str, Path]) -> "dict[str, ProfileFigures]":
    """Figures on held-out pictures by method: MediaPipe alone, and the networks of folders."""
    from core.detection.detector import FaceDetector
    from core.training.profile.evaluation import held_out_pictures, measure_detector

    detectors = {"MediaPipe": FaceDetector(args.models, profile=False)}
    detectors |= {name: FaceDetector(folder) for name, folder in folders.items()}
    pictures = held_out_pictures(data_paths(args), args.pictures)
    return {name: measure_detector(detector, pictures) for name, detector in detectors.items()}


STEPS = {
    "shards": shards,
    "train": train,
    "export": export,
    "lifter": lifter,
    "evaluate": evaluate,
    "promote": promote,
}


def main() -> int | None:
    """Parse the command line, and run the step."""
    parser = network_parser(__doc__, STEPS, CHECKPOINT_FOLDER)
    parser.add_argument("--count", type=int, default=90, help="shards, lifter: how many shards")
    parser.add_argument("--size", type=int, default=200, help="shards, lifter: samples in a shard")
    parser.add_argument("--pictures", type=int, default=100, help="evaluate, promote: pictures of each kind")
    args = parser.parse_args()
    return STEPS[args.what](args)


if __name__ == "__main__":
    run_main(main)
