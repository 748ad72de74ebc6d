"""What a sculptor changes of a head: MakeHuman's targets on the template, each a number from -1 to 1.

`models/head_sliders.npz` is built by `scripts/build/head_sliders.py`, which documents its arrays.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..errors import ModelError
from ..runtime.weights import model_arrays
from .topology import HeadTopology

FILE_NAME = "head_sliders.npz"


@dataclass(frozen=True)
class HeadSliders:
    """The sliders of one template.

    Attributes:
        names: Of the sliders, such as "nose_width".
        groups: Of each, such as "nose".
        starts: (2 S + 1,) int32, where the rows of each direction begin: more (2 s) and less (2 s + 1).
        vertices: (N,) the template's.
        offsets: (N, 3) float32, head frame, meters, at 1 and at -1.
        count: Vertices of the template.
    """

    names: tuple[str, ...]
    groups: tuple[str, ...]
    starts: np.ndarray
    vertices: np.ndarray
    offsets: np.ndarray
    count: int

    def offset(self, values: Mapping[str, float]) -> np.ndarray:
        """What sliders do to a head.

        Args:
            values: By their names, -1 to 1; others are at 0. Names that there are none of do nothing.

        Returns:
            (V, 3) float64, head frame, meters.
        """
        total = np.zeros((self.count, 3))
        for number, name in enumerate(self.names):
            value = values.get(name, 0.0)
            if value:
                direction = 2 * number + (value < 0)
                rows = slice(self.starts[direction], self.starts[direction + 1])
                total[self.vertices[rows]] += abs(value) * self.offsets[rows].astype(np.float64)
        return total


@lru_cache(maxsize=2)
def load_sliders(models_dir: Path) -> HeadSliders:
    """The sliders of a folder of models.

    Args:
        models_dir: The folder.

    Raises:
        ModelError: The file is missing, damaged or of another template.
    """
    count = len(HeadTopology.load(models_dir).vertices)
    path = Path(models_dir) / FILE_NAME
    with model_arrays(path) as file:
        sliders = HeadSliders(
            tuple(str(name) for name in file["names"]),
            tuple(str(name) for name in file["groups"]),
            file["starts"].astype(np.int64),
            file["vertices"].astype(np.int64),
            file["offsets"].astype(np.float32),
            count,
        )
    if len(sliders.vertices) and sliders.vertices.max() >= count:
        raise ModelError(f"{path} is of another template: run scripts/build/head_sliders.py")
    return sliders
