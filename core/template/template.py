"""The head template: MakeHuman's head (CC0), the one topology that everything is expressed in.

`models/head_template.npz` is built by `scripts/build/head_template.py`, which documents all its arrays.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import ModelError

FILE_NAME = "head_template.npz"


@dataclass(frozen=True)
class HeadTemplate:
    """The part of the template that the reconstruction needs.

    vertices: (V, 3) float32, head frame, metres. solid_triangles: (S, 3) int32 into the vertices followed by
    len(solid_extra) extra ones, closed, outward. solid_extra: (E, n) int32, vertices whose mean an extra
    vertex is, -1 where there are fewer. landmark_triangles: (478, 3) int32 and landmark_bary: (478, 3)
    float32: MediaPipe's landmarks on the template. ibug68: (68,) int32 vertices.
    """

    vertices: np.ndarray
    solid_triangles: np.ndarray
    solid_extra: np.ndarray
    landmark_triangles: np.ndarray
    landmark_bary: np.ndarray
    ibug68: np.ndarray

    @classmethod
    def load(cls, models_dir: Path) -> "HeadTemplate":
        """Read `head_template.npz` from the folder of the models."""
        path = Path(models_dir) / FILE_NAME
        if not path.is_file():
            raise ModelError(f"{path} is missing: get the project's models folder again")
        with np.load(path) as data:
            triangles = data["solid_triangles"]
            return cls(
                data["vertices"],
                triangles,
                data["solid_extra"],
                triangles[data["landmark_faces"]],
                data["landmark_bary"].astype(np.float32),
                data["ibug68"],
            )

    def solid(self, vertices: np.ndarray) -> np.ndarray:
        """(V, 3) vertices of a shaped template -> (V + E, 3), those that `solid_triangles` refers to."""
        used = self.solid_extra >= 0
        sums = (vertices[np.where(used, self.solid_extra, 0)] * used[..., None]).sum(1)
        return np.concatenate([vertices, (sums / used.sum(1, keepdims=True)).astype(vertices.dtype)])

    def landmarks(self, vertices: np.ndarray) -> np.ndarray:
        """(478, 3) MediaPipe's landmarks on a shaped template (V, 3), in the same frame."""
        return np.einsum("nk,nkc->nc", self.landmark_bary, self.solid(vertices)[self.landmark_triangles])
