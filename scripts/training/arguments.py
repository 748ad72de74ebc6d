"""Arguments and error handling that the command lines of training have in common."""

import argparse
import json
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.errors import PhotobustError
from core.training.files import written_atomically
from core.training.fitting.candidate import copy_file, prepare_candidate
from core.training.paths import DataPaths, default_data_folder
from scripts.build.pin_models import pin_models

RUN = ROOT / "runs" / "default"
MODELS = ROOT / "models"
INTERRUPTED = 130


def training_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser that knows --data, --cache and --models."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=default_data_folder(ROOT),
        help="folder with face_model/, portraits/, light/ and scans/ (default: $PHOTOBUST_DATA or ../shared)",
    )
    parser.add_argument(
        "--cache",
        type=Path,
        default=ROOT / "cache",
        help="folder of what is made from the data (default: cache)",
    )
    parser.add_argument("--models", type=Path, default=MODELS, help="folder of models (default: models)")
    return parser


def network_parser(
    description: str | None, steps: Collection[str], checkpoint_folder: str
) -> argparse.ArgumentParser:
    """A parser for the steps from data to a network that ships.

    Args:
        description: Of the program.
        steps: Names of its steps.
        checkpoint_folder: Folder in that of the run, as help says it.
    """
    parser = training_parser(description)
    parser.add_argument("what", choices=steps)
    parser.add_argument(
        "--run",
        type=Path,
        default=RUN,
        help=f"folder of the results, with the checkpoint in {checkpoint_folder}/ (default: runs/default)",
    )
    parser.add_argument(
        "--hours", type=float, default=1.0, help="train: what the learning rate is planned for"
    )
    parser.add_argument("--threads", type=int, default=2, help="train: threads of torch")
    parser.add_argument("--force", action="store_true", help="promote: whatever the comparison says")
    return parser


def require_checkpoints(paths: Sequence[Path], program: str) -> None:
    """Raise an error if a checkpoint is missing.

    Args:
        paths: Of the checkpoints.
        program: What makes them, as a user calls it.

    Raises:
        PhotobustError: One is not there.
    """
    for path in paths:
        if not path.is_file():
            raise PhotobustError(f"There is no {path}. Run `{program}` first.")


def export_network(
    args: argparse.Namespace,
    checkpoints: Sequence[Path],
    name: str,
    export_onnx: Callable[[Path], Path],
    program: str,
    facts: Mapping[str, str] | None = None,
) -> None:
    """Write a network's averaged weights into the run's models, for both backends.

    Args:
        args: Of `network_parser`.
        checkpoints: Of the run, and of others that are averaged with it.
        name: Of the weights' file.
        export_onnx: Writes the other backend's file beside it, in the folder that it is given.
        program: What makes the checkpoints, as a user calls it.
        facts: What the weights' header has beside steps and hours.

    Raises:
        PhotobustError: A checkpoint is not there.
    """
    from core.training.fitting.run import export_averaged_weights

    require_checkpoints(checkpoints, program)
    prepare_candidate(args.models, args.run / "models")
    export_averaged_weights(checkpoints, args.run / "models" / name, facts)
    path = export_onnx(args.run / "models")
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


def promote_network(
    args: argparse.Namespace, names: Sequence[str], candidate: float, current: float, least_gain: float
) -> int:
    """Put the run's network in place of the one that ships, if it is better.

    Args:
        args: Of `network_parser`.
        names: Of the network's files.
        candidate: Score of the run's network, more is better.
        current: Score that it has to exceed.
        least_gain: By how much.

    Returns:
        Exit status: 0 if it was promoted.
    """
    if candidate < current + least_gain and not args.force:
        print(f"{args.models} stays as it is: the candidate is not better. --force promotes it nevertheless.")
        return 1
    for name in names:
        copy_file(args.run / "models" / name, args.models / name)
    pin_models(args.models)
    return 0


def write_figures(path: Path, figures: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
    """Write what was measured.

    Args:
        path: Of the JSON file.
        figures: By name; of several measurements, each.
    """
    with written_atomically(path) as temporary:
        temporary.write_text(json.dumps(figures, indent=1), encoding="utf-8")


def data_paths(options: argparse.Namespace) -> DataPaths:
    """The paths that the options of `training_parser` name."""
    return DataPaths(options.data, options.cache, options.models)


def run_main(main: Callable[[], int | None]) -> NoReturn:
    """Run a command line; what a user can repair is reported in a sentence, the rest keeps its traceback."""
    try:
        sys.exit(main() or 0)
    except PhotobustError as error:
        sys.exit(f"Error: {error}")
    except KeyboardInterrupt:
        print("\nInterrupted. Run the same command again to go on.", file=sys.stderr)
        sys.exit(INTERRUPTED)
