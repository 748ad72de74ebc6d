"""The models of a run, which are candidates for the models that ship."""

import filecmp
import shutil
from pathlib import Path

import numpy as np

from ...errors import PhotobustError
from ...lifting.dense_landmarks import DENSE_LIFTER_NAME
from ...lifting.lifter import FILE_NAME as LIFTER_NAME
from ...lifting.lifter import PROFILE_FILE_NAME
from ...lifting.shading import FILE_NAME as SHADING_NAME
from ...lifting.shading import FITTED_TO, lifter_fingerprint
from ...quality.calibration import FILE_NAME as CALIBRATION_NAME
from ...runtime.backend import DENSE_NAME, DENSE_ONNX_NAME, ONNX_NAME, PROFILE_NAME, WEIGHTS_NAME
from ...runtime.weights import safetensors_arrays
from ..files import written_atomically

#: What training makes; everything else in a models folder is an input of it.
TRAINED_FILES = (
    *(LIFTER_NAME, PROFILE_FILE_NAME, SHADING_NAME, DENSE_NAME, DENSE_ONNX_NAME, DENSE_LIFTER_NAME),
    *(WEIGHTS_NAME, ONNX_NAME, CALIBRATION_NAME),
)
#: What is fitted to one lifter, and refuses another.
REGRESSIONS = (PROFILE_FILE_NAME, DENSE_LIFTER_NAME)


def prepare_candidate(models: Path, candidate: Path) -> None:
    """Copy the files of a models folder that a run's folder lacks, so that training can replace any of them.

    What was fitted to the lifter that ships, or to its network for dense landmarks, is left out where the run
    has one of its own.

    Args:
        models: the models that ship.
        candidate: the run's folder of models; made if need be.
    """
    candidate.mkdir(parents=True, exist_ok=True)
    for path in sorted(models.iterdir()):
        if not path.is_file() or (candidate / path.name).exists():
            continue
        fitted_to = [LIFTER_NAME] if path.name in REGRESSIONS else []
        fitted_to += [DENSE_NAME] if path.name == DENSE_LIFTER_NAME else []
        if not any(_has_other(candidate, models, name) for name in fitted_to):
            copy_file(path, candidate / path.name)


def promote(candidate: Path, models: Path) -> list[str]:
    """Put a run's trained files into a folder of models; returns their names.

    The regressions for faces from the side are fitted to one lifter and to the landmarks of one profile
    network. They are left out if the run has another profile network than the folder, with which they are
    promoted (`scripts/training/profile_network.py promote`). The folder loses its own regressions if it gets
    another lifter and none for it.
    """
    names = [name for name in TRAINED_FILES if (candidate / name).is_file()]
    if waits_for_profile_network(candidate, models):
        names.remove(PROFILE_FILE_NAME)
    if DENSE_LIFTER_NAME not in names:  # it belongs to one network
        names = [name for name in names if name not in (DENSE_NAME, DENSE_ONNX_NAME)]
    if _has_other(candidate, models, LIFTER_NAME):
        for name in set(REGRESSIONS) - set(names):
            (models / name).unlink(missing_ok=True)
    for name in names:
        copy_file(candidate / name, models / name)
    return names


def waits_for_profile_network(candidate: Path, models: Path) -> bool:
    """Whether a run's regressions for faces from the side need a profile network that is not promoted yet.

    Args:
        candidate: the run's folder of models.
        models: the folder they are meant for.
    """
    return (candidate / PROFILE_FILE_NAME).is_file() and _has_other(candidate, models, PROFILE_NAME)


def require_regressions(candidate: Path, models: Path) -> None:
    """Raise an error if a run's regressions for faces from the side can not be used in a folder of models.

    Args:
        candidate: the run's folder of models.
        models: the folder they are meant for.

    Raises:
        PhotobustError: there are none, or they were fitted to another lifter than the one in that folder.
    """
    fitted_to = safetensors_arrays(candidate / PROFILE_FILE_NAME).get(FITTED_TO, ())
    if not np.array_equal(fitted_to, lifter_fingerprint(safetensors_arrays(models / LIFTER_NAME))):
        raise PhotobustError(
            f"{candidate / PROFILE_FILE_NAME} was fitted to another lifter than {models / LIFTER_NAME}: "
            "promote the run's lifter first (scripts/training/promote.py)."
        )


def _has_other(candidate: Path, models: Path, name: str) -> bool:
    """Whether a run has a file of this name, and not the one of a models folder."""
    own, shipped = candidate / name, models / name
    return own.is_file() and not (shipped.is_file() and filecmp.cmp(own, shipped, shallow=False))


def copy_file(source: Path, target: Path) -> None:
    """Copy under a temporary name, then move into place."""
    with written_atomically(target) as temporary:
        shutil.copyfile(source, temporary)
