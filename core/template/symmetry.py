"""The template's symmetry: which vertex is which on the other side of the head."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..geometry.reflection import SIGN, load_landmark_symmetry
from .template import read_template


@dataclass(frozen=True)
class Mirror:
    """vertices: (V,) each template vertex's counterpart on the other side; landmarks: (478,) the same."""

    vertices: np.ndarray
    landmarks: np.ndarray

    @classmethod
    def load(cls, models_dir: Path) -> "Mirror":
        """Read the symmetry of the template and of MediaPipe's landmarks from the folder of the models."""
        return cls(read_template(models_dir)["mirror"], load_landmark_symmetry(models_dir))

    def head(self, vertices: np.ndarray) -> np.ndarray:
        """(V, 3) the template's vertices of the mirrored head, head frame."""
        return vertices[self.vertices] * SIGN.astype(vertices.dtype)

    def points(self, points: np.ndarray, width: float) -> np.ndarray:
        """(478, 3) landmarks of a photo `width` pixels wide -> those of the mirrored photo."""
        return points[self.landmarks] * SIGN + [width - 1, 0, 0]
