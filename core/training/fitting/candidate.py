"""The models of a run, which are candidates for the models that ship."""

import shutil
from pathlib import Path

from ...lifting.lifter import FILE_NAME as LIFTER_NAME
from ...lifting.shading import FILE_NAME as SHADING_NAME
from ...quality.calibration import FILE_NAME as CALIBRATION_NAME
from ...runtime.backend import ONNX_NAME, WEIGHTS_NAME
from ..files import written_atomically

#: What training makes; everything else in a models folder is an input of it.
TRAINED_FILES = (LIFTER_NAME, SHADING_NAME, WEIGHTS_NAME, ONNX_NAME, CALIBRATION_NAME)


def prepare_candidate(models: Path, candidate: Path) -> None:
    """Copy the files of a models folder that a run's folder lacks, so that training can replace any of them.

    Args:
        models: the models that ship.
        candidate: the run's folder of models; made if need be.
    """
    candidate.mkdir(parents=True, exist_ok=True)
    for path in sorted(models.iterdir()):
        if path.is_file() and not (candidate / path.name).exists():
            copy_file(path, candidate / path.name)


def promote(candidate: Path, models: Path) -> list[str]:
    """Put a run's trained files into a folder of models; returns their names."""
    promoted = []
    for name in TRAINED_FILES:
        if (candidate / name).is_file():
            copy_file(candidate / name, models / name)
            promoted.append(name)
    return promoted


def copy_file(source: Path, target: Path) -> None:
    """Copy under a temporary name, then move into place."""
    with written_atomically(target) as temporary:
        shutil.copyfile(source, temporary)
