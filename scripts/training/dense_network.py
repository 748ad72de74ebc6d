"""Train the network for dense landmarks, which correct what the lifter's stages give.

    python scripts/training/dense_network.py faces                # of all shards; resumable
    python scripts/training/dense_network.py train --hours 1.5    # resumable: run it again after a stop
    python scripts/training/dense_network.py export               # averaged weights, for both backends
    python scripts/training/dense_network.py lifter               # the regressions; what they gain

It needs a lifter (`train.py lifter`, `train.py cascade`) in the run's models, or the one that ships, and
pictures that this lifter was not trained on in `cache/dense` (`make_shards.py --out cache/dense --first 20000
--count 120 --far 0.2 --clay 0.1 --seed 7`). One shard of three is kept for the regressions, which have to be
fitted anew after each export; of its faces three crops are written, 80 MB a shard. `promote.py` puts network
and regressions in place with the rest of the run's models, if heads get better.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    from core.training.paths import DataPaths

from scripts.training.arguments import (
    data_paths,
    export_network,
    network_parser,
    require_checkpoints,
    run_main,
)

#: Of the training, in the folder of the run.
CHECKPOINT_FOLDER = "dense"
#: What the network's header calls the hash of the linear model of points.
POINTS_FACT = "points"
#: One shard of so many is kept for the regressions.
KEPT_APART = 3
#: Folder of the faces that the regressions are fitted to and tested on, in that of all faces.
KEPT_FOLDER = "kept"


def lifter_paths(args: argparse.Namespace) -> "DataPaths":
    """The data's paths, with the run's models, which get what they lack from those that ship."""
    from core.training.fitting.candidate import prepare_candidate

    prepare_candidate(args.models, args.run / "models")
    return replace(data_paths(args), models=args.run / "models")


def training_shards(args: argparse.Namespace) -> tuple[list[Path], list[Path]]:
    """Shards of pictures for the network, and those that are kept for the regressions."""
    from core.training.data.shards import require_shards

    shards = require_shards(data_paths(args).dense_shards, "train")
    kept = shards[KEPT_APART - 1 :: KEPT_APART]
    return [path for path in shards if path not in kept], kept


def faces_folder(run: Path, models: Path) -> Path:
    """Folder of the faces that the lifter of a folder of models has lifted: another one lifts them anew."""
    from core.lifting.lifter import FILE_NAME
    from core.runtime.weights import file_sha256

    return run / CHECKPOINT_FOLDER / f"faces_{file_sha256(models / FILE_NAME)[:12]}"


def held_out_shards(args: argparse.Namespace) -> list[Path]:
    """Shards of pictures that nothing is trained on."""
    from core.training.data.shards import require_shards

    return require_shards(data_paths(args).shards, "eval")


def faces(args: argparse.Namespace) -> None:
    """Lift the heads of the shards whose file is not there."""
    from core.lifting.lifter import CROPS
    from core.training.dense.observations import lifted_faces, write_lifted_faces

    paths = lifter_paths(args)
    folder = faces_folder(args.run, paths.models)
    shown, kept = training_shards(args)
    for target, shards, crops, training in (
        (folder, shown, CROPS[:1], True),
        (folder / KEPT_FOLDER, [*kept, *held_out_shards(args)], CROPS, False),
    ):
        for shard in shards:
            path = target / shard.name
            if not path.is_file():
                write_lifted_faces(path, lifted_faces(paths, shard, crops, training))
                print(path.name, flush=True)


def train(args: argparse.Namespace) -> None:
    """Train, or go on training."""
    import torch

    from core.lifting.lifter import LandmarkLifter
    from core.runtime.backend import FEATURES_NAME
    from core.training.dense.dataset import DenseDataset
    from core.training.dense.trainer import FINE_TUNING_RATE, DenseConfig, DenseTrainer

    torch.set_num_threads(args.threads)
    paths = lifter_paths(args)
    lifter = LandmarkLifter.from_pretrained(paths.models, shaded=False, dense=False)
    dataset = DenseDataset(sorted(faces_folder(args.run, paths.models).glob("train_*.npz")), lifter)
    config = DenseConfig(hours=args.hours)
    pretrained = None
    if args.fine_tune:
        config, pretrained = replace(config, rate=FINE_TUNING_RATE), args.models
    folder, encoder = args.run / CHECKPOINT_FOLDER, paths.models / FEATURES_NAME
    DenseTrainer(folder, config, encoder, dataset, pretrained).run()


def export(args: argparse.Namespace) -> None:
    """Write the averaged weights into the run's models, for both backends; `lifter` has to follow."""
    from core.lifting.dense_landmarks import DENSE_LIFTER_NAME
    from core.runtime.backend import DENSE_NAME
    from core.runtime.weights import file_sha256
    from core.training.dense.trainer import MODEL_NAME
    from core.training.fitting.onnx_export import export_dense_network
    from core.training.fitting.run import CHECKPOINT_NAME

    folder, program = args.run / CHECKPOINT_FOLDER, "dense_network.py train"
    require_checkpoints([folder / MODEL_NAME], program)
    facts = {POINTS_FACT: file_sha256(folder / MODEL_NAME)}
    export_network(args, [folder / CHECKPOINT_NAME], DENSE_NAME, export_dense_network, program, facts)
    (args.run / "models" / DENSE_LIFTER_NAME).unlink(missing_ok=True)


def lifter(args: argparse.Namespace) -> None:
    """Fit the regressions to the faces that were kept for them.

    Raises:
        PhotobustError: The run's network or the faces are not there, or it is another network than that of
            its points.
    """
    from core.errors import PhotobustError
    from core.lifting.dense_landmarks import DenseModel
    from core.runtime.backend import DENSE_NAME
    from core.runtime.weights import file_sha256, model_arrays, safetensors_metadata
    from core.training.dense.lifting import train_dense_lifter
    from core.training.dense.trainer import MODEL_NAME

    network, points = args.run / "models" / DENSE_NAME, args.run / CHECKPOINT_FOLDER / MODEL_NAME
    require_checkpoints([points], "dense_network.py train")
    require_checkpoints([network], "dense_network.py export")
    if safetensors_metadata(network).get(POINTS_FACT) != file_sha256(points):
        raise PhotobustError(f"{network} was not trained with {points}. Run `dense_network.py export` first.")
    with model_arrays(points) as arrays:
        model = DenseModel(arrays["mean"], arrays["basis"])
    paths = lifter_paths(args)
    folder = faces_folder(args.run, paths.models) / KEPT_FOLDER
    kept, held_out = (
        [folder / shard.name for shard in shards]
        for shards in (training_shards(args)[1], held_out_shards(args))
    )
    require_checkpoints([*kept, *held_out], "dense_network.py faces")
    for line in train_dense_lifter(paths, model, kept, held_out):
        print(line, flush=True)


STEPS = {"faces": faces, "train": train, "export": export, "lifter": lifter}


def main() -> None:
    """Parse the command line, and run the step."""
    parser = network_parser(__doc__, STEPS, CHECKPOINT_FOLDER)
    parser.add_argument(
        "--fine-tune",
        action="store_true",
        help="train: begin with the network of --models, whose first layers stay (after a stop, too)",
    )
    args = parser.parse_args()
    STEPS[args.what](args)


if __name__ == "__main__":
    run_main(main)
