"""The template's symmetry: which vertex is which on the other side of the head."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..geometry.reflection import SIGN, load_landmark_symmetry
from .template import read_template


@dataclass(frozen=True)
class Mirror:
    """Who is whose counterpart on the other side.

    Attributes:
        vertices: (V,) int, of each of the template's vertices.
        landmarks: (478,) int, of each landmark.
    """

    vertices: np.ndarray
    landmarks: np.ndarray

    @classmethod
    def load(cls, models_dir: Path) -> "Mirror":
        """Read the symmetry of the template and of MediaPipe's landmarks from the folder of the models."""
        return cls(read_template(models_dir)["mirror"], load_landmark_symmetry(models_dir))

    def head(self, vertices: np.ndarray) -> np.ndarray:
        """Mirror a shaped template.

        Args:
            vertices: (V, 3) head frame, meters.

        Returns:
            (V, 3), the template's vertices of the mirrored head, in the same precision.
        """
        return vertices[self.vertices] * SIGN.astype(vertices.dtype)

    def points(self, points: np.ndarray, width: float) -> np.ndarray:
        """Mirror landmarks together with their photo.

        Args:
            points: (478, 3) photo frame, px.
            width: Of the photo, pixels.

        Returns:
            (478, 3), landmarks of the mirrored photo.
        """
        return points[self.landmarks] * SIGN + [width - 1, 0, 0]
