"""Files that training writes: each appears under its name only when it is complete."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a compressed .npz file; its folder is made if need be.

    Args:
        path: The file.
        arrays: By name, of any shape.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".tmp.npz")
    np.savez_compressed(unfinished, **arrays)
    unfinished.replace(path)


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
    temporary = path.with_suffix(".tmp")
    torch.save({**{name: part.state_dict() for name, part in parts.items()}, **progress}, temporary)
    temporary.replace(path)
