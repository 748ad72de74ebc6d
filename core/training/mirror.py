"""Samples as a mirror shows them: twice as many for the same pictures."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from core.geometry import Camera, HeadPose
from core.template import FILE_NAME
from core.training.scenes import Scene
from core.training.shards import Sample

SIGN = np.array([-1.0, 1.0, 1.0])
FLIP = np.diag(SIGN)


@dataclass(frozen=True)
class Mirror:
    """vertices: (V,) each template vertex's counterpart on the other side; landmarks: (478,) the same."""

    vertices: np.ndarray
    landmarks: np.ndarray

    @classmethod
    def load(cls, models_dir: Path) -> "Mirror":
        """Read the symmetry of the template and of MediaPipe's landmarks from the folder of the models."""
        with (
            np.load(models_dir / FILE_NAME) as template,
            np.load(models_dir / "landmark_symmetry.npz") as marks,
        ):
            return cls(template["mirror"], marks["mirror"].astype(np.int64))

    def head(self, vertices: np.ndarray) -> np.ndarray:
        """(V, 3) the template's vertices of the mirrored head, head frame."""
        return vertices[self.vertices] * SIGN.astype(vertices.dtype)

    def sample(self, sample: Sample) -> Sample:
        """The mirrored sample, but for its coefficients, which no face model has mirrored."""
        scene, width = sample.scene, sample.picture.shape[1]
        camera, pose = scene.camera, scene.pose
        landmarks = sample.landmarks[self.landmarks] * SIGN + [width - 1, 0, 0]
        return replace(
            sample,
            picture=np.ascontiguousarray(sample.picture[:, ::-1]),
            landmarks=landmarks.astype(np.float32),
            scene=Scene(
                Camera(camera.focal_px, width - 1 - camera.cx, camera.cy, camera.source),
                HeadPose(FLIP @ pose.rotation @ FLIP, pose.translation * SIGN),
                scene.assumed_focal_px,
            ),
        )
