"""The files of models/: where they are, and which ones exactly. Imports nothing heavy."""

import hashlib
import os
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from zipfile import BadZipFile

from ..errors import ModelError
from .pinned_models import PINNED_MODELS

if TYPE_CHECKING:
    from torch import nn

Network = TypeVar("Network", bound="nn.Module")

#: The environment variable that names a folder of models of one's own; these are not checked.
ENVIRONMENT_VARIABLE = "PHOTOBUST_MODELS"
#: Backend -> suffix of its copy of a network that stands in two formats.
BACKEND_SUFFIXES = {"onnx": ".onnx", "torch": ".safetensors"}
#: Suffixes of the files that results depend on.
MODEL_SUFFIXES = (".json", ".npz", ".onnx", ".safetensors", ".task")
#: Hashing lets other threads run; more threads than this wait for the disk.
HASHING_THREADS = 4


def packaged_models() -> Path:
    """The project's models: in the installed package, else beside `core` (in a checkout, in the add-on)."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "models"
    return inside if inside.is_dir() else package.parent / "models"


def models_folder() -> Path:
    """The folder that $PHOTOBUST_MODELS names, else the project's models."""
    own = os.environ.get(ENVIRONMENT_VARIABLE)
    return Path(own) if own else packaged_models()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file; computed again only when its size or its date has changed."""
    status = path.stat()
    return _sha256(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _sha256(path: Path, size: int, modified: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def model_arrays(path: Path) -> Iterator[Any]:
    """An .npz file of models, open for reading: name -> array.

    Raises:
        ModelError: The file is missing, damaged, or lacks what is asked of it.
    """
    import numpy as np

    if not path.is_file():
        raise ModelError(f"{path} is missing: get the project's models folder again")
    try:
        with np.load(path) as arrays:
            yield arrays
    except (OSError, EOFError, KeyError, ValueError, BadZipFile, zlib.error) as error:
        raise ModelError(f"{path} is damaged ({error}): get the project's models folder again") from error


def safetensors_arrays(path: Path, torch: bool = False) -> dict[str, Any]:
    """The arrays of a .safetensors file of models, by name.

    Args:
        path: The file.
        torch: Whether as torch's tensors instead of numpy's arrays.

    Raises:
        ModelError: The file is missing or damaged.
    """
    with readable_safetensors(path):
        if torch:
            from safetensors.torch import load_file as load_tensors

            return dict(load_tensors(path))
        from safetensors.numpy import load_file

        return dict(load_file(path))


def safetensors_metadata(path: Path) -> dict[str, str]:
    """What the header of a .safetensors file of models says beside its arrays.

    Args:
        path: The file.

    Returns:
        Texts by name.

    Raises:
        ModelError: The file is missing or damaged.
    """
    from safetensors import safe_open

    with readable_safetensors(path), safe_open(path, "np") as file:
        return dict(file.metadata() or {})


@contextmanager
def readable_safetensors(path: Path) -> Iterator[None]:
    """Raises ModelError if a .safetensors file is missing, or if what is done in the block cannot read it."""
    from safetensors import SafetensorError

    if not path.is_file():
        raise ModelError(f"{path} is missing: get the project's models folder again")
    try:
        yield
    except (SafetensorError, OSError, KeyError, ValueError, RuntimeError) as error:
        raise ModelError(f"{path} is damaged ({error}): get the project's models folder again") from error


def unfit(path: Path) -> ModelError:
    """The error to raise of a file with the weights of another network."""
    return ModelError(
        f"{path} does not fit this version of the program: get the project's models folder again"
    )


def load_for_inference(network: Network, path: Path, channels_last: bool = False) -> Network:
    """Give a torch network the weights of a .safetensors file, in float32, and make it ready for inference.

    Args:
        network: A `torch.nn.Module`.
        path: The file; it may lack what batch normalization counts in training.
        channels_last: Whether its pictures lie in the memory pixel by pixel, which most convolutions like.

    Returns:
        The same network.

    Raises:
        ModelError: The file is missing, damaged, or belongs to another version.
    """
    state = {name: value.float() for name, value in safetensors_arrays(path, torch=True).items()}
    try:
        missing, unexpected = network.load_state_dict(state, strict=False)
    except RuntimeError:  # other shapes
        missing, unexpected = (), tuple(state)
    if unexpected or any(not name.endswith("num_batches_tracked") for name in missing):
        raise unfit(path)
    network.requires_grad_(False).eval()
    if channels_last:
        import torch

        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def model_files(folder: Path) -> list[Path]:
    """The files of a folder that results depend on, by name."""
    return sorted(path for path in folder.glob("*") if path.suffix in MODEL_SUFFIXES and path.is_file())


def fingerprints(folder: Path) -> dict[str, str]:
    """Name -> first twelve digits of the SHA-256 of each file that results depend on: its version."""
    paths = model_files(folder)
    with ThreadPoolExecutor(HASHING_THREADS) as pool:
        return {path.name: sha[:12] for path, sha in zip(paths, pool.map(file_sha256, paths), strict=True)}


def verify_models(folder: Path, backend: str) -> None:
    """Check the project's models against the list that comes with the program.

    Args:
        folder: The models that are about to be loaded; others than the project's own are not checked. A file
            that is missing is left to whatever needs it.
        backend: "onnx" or "torch"; the other one's copies of the networks are not checked.

    Raises:
        ModelError: A file is another than the one that belongs to this version.
    """
    if folder.resolve() != packaged_models().resolve():
        return
    names = [name for name in PINNED_MODELS if not _is_for_another_backend(name, backend)]
    paths = [path for name in names if (path := folder / name).is_file()]
    with ThreadPoolExecutor(HASHING_THREADS) as pool:
        try:
            found = list(pool.map(file_sha256, paths))
        except OSError as error:
            raise ModelError(f"The models in {folder} cannot be read ({error.strerror or error})") from error
    for path, sha256 in zip(paths, found, strict=True):
        if sha256 != PINNED_MODELS[path.name]:
            raise ModelError(
                f"{path} is damaged, or not the file of this version: get the project's models folder again"
                f" (or name a folder of your own in {ENVIRONMENT_VARIABLE})"
            )


def _is_for_another_backend(name: str, backend: str) -> bool:
    """Whether a file is a network's copy for a backend that does not run."""
    path = Path(name)
    twins = [path.with_suffix(suffix).name in PINNED_MODELS for suffix in BACKEND_SUFFIXES.values()]
    return all(twins) and path.suffix != BACKEND_SUFFIXES[backend]
