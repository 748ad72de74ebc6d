"""The head template: MakeHuman's head (CC0), the one topology that everything is expressed in.

`models/head_template.npz` is built by `scripts/build/head_template.py`, which documents all its arrays.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from types import MappingProxyType

import numpy as np

from ..geometry.mesh import MeshTopology
from ..runtime.weights import model_arrays

FILE_NAME = "head_template.npz"


@lru_cache(maxsize=2)
def read_template(models_dir: Path) -> Mapping[str, np.ndarray]:
    """All arrays of a folder's `head_template.npz`, read once. They must not be changed.

    Raises:
        ModelError: The file is missing or damaged.
    """
    with model_arrays(Path(models_dir) / FILE_NAME) as file:
        arrays = dict(file)
    for array in arrays.values():
        array.flags.writeable = False
    return MappingProxyType(arrays)


@dataclass(frozen=True)
class HeadTemplate:
    """The part of the template that the reconstruction needs.

    Attributes:
        vertices: (V, 3) float32, head frame, meters.
        solid_triangles: (S, 3) int32 into the vertices followed by len(solid_extra) extra ones, closed,
            outward.
        solid_extra: (E, n) int32, vertices whose mean an extra vertex is, -1 where there are fewer.
        landmark_triangles: (478, 3) int32, the triangles that MediaPipe's landmarks are on.
        landmark_bary: (478, 3) float32, where on them.
        ibug68: (68,) int32, the vertices nearest to iBUG's landmarks.
        ibug68_triangles: (68, 3) int32, the triangles of those landmarks themselves, where ICT-FaceKit has
            them.
        ibug68_bary: (68, 3) float32, where on them.
    """

    vertices: np.ndarray
    solid_triangles: np.ndarray
    solid_extra: np.ndarray
    landmark_triangles: np.ndarray
    landmark_bary: np.ndarray
    ibug68: np.ndarray
    ibug68_triangles: np.ndarray
    ibug68_bary: np.ndarray

    @classmethod
    def load(cls, models_dir: Path) -> "HeadTemplate":
        """Read `head_template.npz` from the folder of the models."""
        data = read_template(models_dir)
        triangles = data["solid_triangles"]
        return cls(
            data["vertices"],
            triangles,
            data["solid_extra"],
            triangles[data["landmark_faces"]],
            data["landmark_bary"].astype(np.float32),
            data["ibug68"],
            triangles[data["ibug68_faces"]],
            data["ibug68_bary"].astype(np.float32),
        )

    @cached_property
    def solid_vertices(self) -> np.ndarray:
        """(n,) int, which of the vertices that `solid` gives belong to the solid."""
        return np.unique(self.solid_triangles)

    @cached_property
    def solid_topology(self) -> MeshTopology:
        """Of the solid, whose vertices are `solid_vertices`."""
        used = self.solid_vertices
        return MeshTopology(np.searchsorted(used, self.solid_triangles).astype(np.int32), len(used))

    def solid(self, vertices: np.ndarray) -> np.ndarray:
        """Add the extra vertices that close a shaped template.

        Args:
            vertices: (V, 3), any frame and unit.

        Returns:
            (V + E, 3), those that `solid_triangles` refers to, in the same frame and precision.
        """
        used = self.solid_extra >= 0
        sums = (vertices[np.where(used, self.solid_extra, 0)] * used[..., None]).sum(1)
        return np.concatenate([vertices, (sums / used.sum(1, keepdims=True)).astype(vertices.dtype)])

    def landmarks(self, vertices: np.ndarray) -> np.ndarray:
        """MediaPipe's landmarks on a shaped template.

        Args:
            vertices: (V, 3), any frame and unit.

        Returns:
            (478, 3), in the same frame.
        """
        return np.einsum("nk,nkc->nc", self.landmark_bary, self.solid(vertices)[self.landmark_triangles])

    def landmarks68(self, vertices: np.ndarray) -> np.ndarray:
        """IBUG's landmarks on a shaped template.

        Args:
            vertices: (V, 3), any frame and unit.

        Returns:
            (68, 3), in the same frame.
        """
        return np.einsum("nk,nkc->nc", self.ibug68_bary, self.solid(vertices)[self.ibug68_triangles])
