"""Landmark lifter: from detected landmarks to the head they most likely belong to.

A small regression, trained on pairs (detector run on a rendered head, true head), that undoes the detector's
systematic errors of depth and knows which shapes are likely. It gives the pose, the crop and the template
that the volume network corrects. numpy only.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.detection import FaceLandmarks
from core.errors import ModelError
from core.geometry import FRONTAL, Camera, CropFrame, HeadPose, crop_frame_around
from core.pose import SeenPose, fit_pose, rotation_matrix
from core.template import HeadTemplate

FILE_NAME = "landmark_lifter.safetensors"
#: Corrections of the pose that the regression gives: rotation vector (3), offset of the centre (2), log of
#: the scale.
POSE_OUTPUTS = 6
#: Scale of the features, so that all are of the order of one: landmarks in cm, distances in 1/m.
LANDMARK_UNIT = 0.01


@dataclass(frozen=True)
class LiftedHead:
    """The likely head: vertices (V, 3) float32 of the template and landmarks (478, 3), head frame, metres."""

    frame: CropFrame
    pose: HeadPose
    vertices: np.ndarray
    landmarks: np.ndarray


def features(points: np.ndarray, seen: SeenPose, canonical: np.ndarray, camera: Camera) -> np.ndarray:
    """What the regression sees of one face: (1446,) float32.

    The landmarks in the head frame relative to the canonical ones, cm; the rotation; the perspective
    (1/distance, 1/m); the direction of the head in the photo.
    """
    centre = points.mean(0)
    aligned = (points - centre) / seen.scale @ seen.rotation
    aligned += canonical.mean(0)
    away = (seen.centre - np.array([camera.cx, camera.cy])) / camera.focal_px
    return np.concatenate(
        [
            ((aligned - canonical) / LANDMARK_UNIT).ravel(),
            (seen.rotation @ FRONTAL.T).ravel(),
            [seen.scale / camera.focal_px],
            away,
        ]
    ).astype(np.float32)


class LandmarkLifter:
    """The trained regression. Weights: see `core.training.lifter`."""

    def __init__(self, weights: dict[str, np.ndarray], template: HeadTemplate) -> None:
        self.weights = {name: np.asarray(value, np.float32) for name, value in weights.items()}
        self.template = template
        self.canonical = self.weights["canonical"].astype(np.float64)
        #: (M, 3) int32, triangles of MediaPipe's face mesh: the guidance draws it.
        self.mesh = np.asarray(weights["mesh"], np.int32)
        self.layers = sum(name.startswith("layer") and name.endswith("weight") for name in self.weights)

    @classmethod
    def from_pretrained(cls, models_dir: Path, template: HeadTemplate | None = None) -> "LandmarkLifter":
        """Read the weights from the folder of the models."""
        from safetensors.numpy import load_file

        path = Path(models_dir) / FILE_NAME
        if not path.is_file():
            raise ModelError(f"{path} is missing: get the project's models folder again")
        return cls(load_file(path), template or HeadTemplate.load(models_dir))

    def regress(self, x: np.ndarray) -> np.ndarray:
        """(N, F) features -> (N, 6 + K) pose corrections and shape coefficients."""
        w = self.weights
        x = (x - w["input_mean"]) / w["input_scale"]
        linear = x @ w["linear.weight"].T + w["linear.bias"]
        for i in range(self.layers):
            x = x @ w[f"layer{i}.weight"].T + w[f"layer{i}.bias"]
            if i < self.layers - 1:
                x = np.maximum(x, 0)
        return (linear + x if self.layers else linear) * w["output_scale"] + w["output_mean"]

    def shape(self, coefficients: np.ndarray) -> np.ndarray:
        """(K,) -> (V, 3) float32 vertices of the template, head frame, metres."""
        offset = np.tensordot(coefficients.astype(np.float32), self.weights["basis"], 1)
        return self.weights["mean"] + offset

    def lift(self, landmarks: FaceLandmarks, camera: Camera) -> LiftedHead:
        """The likely head of one face; `camera` is the photo's."""
        points = landmarks.points.astype(np.float64)
        seen = fit_pose(points, self.canonical)
        output = self.regress(features(points, seen, self.canonical, camera)[None])[0].astype(np.float64)
        seen = seen.corrected(rotation_matrix(output[:3]), output[3:5], float(output[5]))
        pose = seen.in_camera(camera)
        vertices = self.shape(output[POSE_OUTPUTS:])
        return LiftedHead(crop_frame_around(camera, pose), pose, vertices, self.template.landmarks(vertices))
