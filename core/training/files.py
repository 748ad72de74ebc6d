"""Files that training writes: each appears under its name only when it is complete."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer


@contextlib.contextmanager
def written_atomically(path: Path) -> Iterator[Path]:
    """Let a file be written under a temporary name, then move it to its own.

    Args:
        path: The file; its folder is made if need be.

    Yields:
        The temporary name, in the same folder and with the same ending. What is there when the block ends
        takes the file's place; if the block fails, the file stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.tmp{path.suffix}")
    try:
        temporary.touch()
        mode = temporary.stat().st_mode
        temporary.unlink()
        yield temporary
        temporary.chmod(mode)  # safetensors' files can be read by their owner alone
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], compressed: bool = True) -> None:
    """Write an .npz file; its folder is made if need be.

    Args:
        path: The file.
        arrays: By name, of any shape.
        compressed: Whether to compress what is not compressed in itself.
    """
    with written_atomically(path) as temporary:
        (np.savez_compressed if compressed else np.savez)(temporary, **arrays)


def write_checkpoint(
    path: Path, network: "nn.Module", averaged: "nn.Module", optimizer: "Optimizer", **progress: Any
) -> None:
    """Write what a network's training goes on from.

    Args:
        path: The file.
        network: The network.
        averaged: Its averaged copy.
        optimizer: Of its weights.
        progress: What else is kept, by name.
    """
    import torch

    parts: dict[str, Any] = {"network": network, "averaged": averaged, "optimizer": optimizer}
    with written_atomically(path) as temporary:
        torch.save({**{name: part.state_dict() for name, part in parts.items()}, **progress}, temporary)
