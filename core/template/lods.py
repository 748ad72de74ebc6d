"""The template with fewer triangles, whose vertices are some of the template's.

Made by `scripts/build/head_lods.py`. As all heads are the template, these are the levels of detail of every
head: blendshapes, skin weights and texture coordinates are those of the vertices and corners that stay.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..runtime.weights import model_arrays
from .topology import HeadTopology

FILE_NAME = "head_lods.npz"


@dataclass(frozen=True)
class DetailTopology:
    """A level of detail.

    Attributes:
        corners: (T, 3) int32: each corner of a triangle as a corner of the template's quads, 4 q + c.
        part: (T,) int8 into the topology's part_names.
    """

    corners: np.ndarray
    part: np.ndarray


@lru_cache(maxsize=2)
def load_levels(models_dir: Path) -> tuple[DetailTopology, ...]:
    """The levels of detail, the finest first; none if they are of another template.

    Args:
        models_dir: The folder of the models.

    Raises:
        ModelError: The file is missing or damaged.
    """
    topology = HeadTopology.load(models_dir)
    with model_arrays(Path(models_dir) / FILE_NAME) as file:
        if not np.array_equal(file["quads"], topology.quads):
            return ()
        count = sum(name.startswith("corners_") for name in file.files)
        return tuple(
            DetailTopology(file[f"corners_{level}"].astype(np.int32), file[f"part_{level}"])
            for level in range(1, count + 1)
        )
