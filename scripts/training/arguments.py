"""Arguments and error handling that the command lines of training have in common."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.errors import PhotobustError
from core.training.paths import DataPaths, default_data_folder

RUN = ROOT / "runs" / "default"
MODELS = ROOT / "models"
INTERRUPTED = 130


def training_parser(description: str | None, models: Path = MODELS) -> argparse.ArgumentParser:
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
    parser.add_argument(
        "--models", type=Path, default=models, help=f"folder of models (default: {models.name})"
    )
    return parser


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
