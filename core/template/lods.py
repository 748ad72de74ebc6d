"""The template with fewer triangles.

Made by `scripts/build/head_lods.py`. As all heads are the template, these are the levels of detail of every
head: skin weights and texture coordinates are those of the vertices and corners that stay. Positions, in
every blendshape, are fixed combinations of the head's vertices around them (stencils), chosen to keep
outlines.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..runtime.weights import model_arrays
from .template import read_template
from .topology import CORNEAS, TEARS, HeadTopology

FILE_NAME = "head_lods.npz"
#: The eyes' clear parts that the levels have, the finest level first; further ones are as the last.
CLEAR_PARTS: tuple[tuple[str, ...], ...] = ((*CORNEAS, *TEARS), ())


@dataclass(frozen=True)
class DetailTopology:
    """A level of detail.

    Attributes:
        corners: (T, 3) int32: each corner of a triangle as a corner of the template's quads, 4 q + c.
        part: (T,) int8 into the topology's part_names.
        stencil: (K, N) int32: for each of the K vertices that the corners name, in ascending order, vertices
            around it.
        stencil_weights: (K, N) float32 weights w of these: a vertex k of the level is at
            x_k + sum of w_j (x_j - x_k).
    """

    corners: np.ndarray
    part: np.ndarray
    stencil: np.ndarray
    stencil_weights: np.ndarray

    def mesh(self, vertices: np.ndarray, quads: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The level of a head.

        Args:
            vertices: (V, 3) the head's, in any shape.
            quads: (F, 4) the template's.

        Returns:
            (K, 3) its vertices and (T, 3) int its triangles.
        """
        kept, triangles = np.unique(quads.ravel()[self.corners], return_inverse=True)
        offsets = vertices[self.stencil] - vertices[kept, None]
        moves = np.einsum("kn,knc->kc", self.stencil_weights, offsets)
        return vertices[kept] + moves, triangles.reshape(-1, 3)


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
        if not np.array_equal(file["quads"], read_template(Path(models_dir))["quads"]):
            return ()
        count = sum(name.startswith("corners_") for name in file.files)
        levels = [
            DetailTopology(
                topology.template_corners[file[f"corners_{level}"]],
                file[f"part_{level}"],
                file[f"stencil_{level}"].astype(np.int32),
                file[f"stencil_weights_{level}"].astype(np.float32),
            )
            for level in range(1, count + 1)
        ]
    return tuple(
        _with_parts(level, topology, *CLEAR_PARTS[min(number, len(CLEAR_PARTS) - 1)])
        for number, level in enumerate(levels)
    )


def _with_parts(level: DetailTopology, topology: HeadTopology, *parts: str) -> DetailTopology:
    """A level with all triangles of parts that it has none of."""
    faces = topology.faces_of(*parts)
    corners = (4 * faces[:, None] + [0, 1, 2, 0, 2, 3]).reshape(-1, 3)
    # Their vertices come after the template's, and stay where they are.
    vertices = np.unique(topology.quads[faces])
    stencil = np.repeat(vertices[:, None], level.stencil.shape[1], 1)
    return DetailTopology(
        np.concatenate([level.corners, corners]).astype(np.int32),
        np.concatenate([level.part, np.repeat(topology.face_part[faces], 2)]),
        np.concatenate([level.stencil, stencil]).astype(np.int32),
        np.concatenate([level.stencil_weights, np.zeros(stencil.shape, np.float32)]),
    )
