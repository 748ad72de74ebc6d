"""Landmark lifter: from detected landmarks to the head they most likely belong to.

A small regression, trained on pairs (detector run on a rendered head, true head), that undoes the detector's
systematic errors of depth and knows which shapes are likely. Its result is then corrected by what the picture
shows where that head would be, stage by stage (`core.lifting.cascade`). The stages know only faces turned to
the picture's right: others they see in a mirror, and those that look ahead both ways. The lifter gives the
pose, the crop and the template that the volume network corrects. numpy, but for the network whose
features the stages look up.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..detection.detector import FaceLandmarks
from ..errors import ModelError
from ..geometry.frames import FRONTAL, Camera, CropFrame, HeadPose, crop_frame_around
from ..geometry.pose import WeakPerspectivePose, fit_pose, mean_pose, rotation_matrix
from ..geometry.reflection import mirrored_camera, mirrored_picture, mirrored_weak_pose
from ..template.symmetry import Mirror
from ..template.template import HeadTemplate
from .cascade import Probes, Stage
from .face_features import FaceFeatures, FeatureNetwork, load_feature_network, look

FILE_NAME = "landmark_lifter.safetensors"
#: Corrections of the pose that the regression gives: rotation vector (3), offset of the centre (2), log of
#: the scale.
POSE_OUTPUTS = 6
#: Scale of the features, so that all are of the order of one: landmarks in cm, distances in 1/m.
LANDMARK_UNIT = 0.01
#: Degrees of yaw up to which the stages look at a face both ways.
AHEAD = 20.0


@dataclass(frozen=True)
class HeadPrior:
    """The likely head: vertices (V, 3) float32 of the template and landmarks (478, 3), head frame, metres."""

    frame: CropFrame
    pose: HeadPose
    vertices: np.ndarray
    landmarks: np.ndarray


def features(
    points: np.ndarray, seen: WeakPerspectivePose, canonical: np.ndarray, camera: Camera
) -> np.ndarray:
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
    """The trained regression. Weights: see `core.training.fitting.lifter` and
    `core.training.fitting.cascade`.
    """

    def __init__(
        self,
        weights: dict[str, np.ndarray],
        template: HeadTemplate,
        network: FeatureNetwork | None = None,
        mirror: Mirror | None = None,
    ) -> None:
        """network: what the stages look at pictures with, without it there are none; mirror: needed with
        it.
        """
        self.weights = {name: np.asarray(value, np.float32) for name, value in weights.items()}
        self.template = template
        self.canonical = self.weights["canonical"].astype(np.float64)
        #: (M, 3) int32, triangles of MediaPipe's face mesh: the guidance draws it.
        self.mesh = np.asarray(weights["mesh"], np.int32)
        self.layers = sum(name.startswith("layer") and name.endswith("weight") for name in self.weights)
        self.network, self.mirror = network, mirror
        count = sum(name.startswith("stage") and name.endswith("weight") for name in self.weights)
        self.stages = [Stage.read(self.weights, k + 1) for k in range(count)] if network else []
        if "probes" in weights:
            self.probes = probes_of(np.asarray(weights["probes"], np.int64), template)

    @classmethod
    def from_pretrained(
        cls, models_dir: Path, template: HeadTemplate | None = None, backend: str | None = None
    ) -> "LandmarkLifter":
        """Read the weights from the folder of the models. backend: as
        `core.inference.backend.choose_backend`'s.
        """
        from safetensors.numpy import load_file

        path = Path(models_dir) / FILE_NAME
        if not path.is_file():
            raise ModelError(f"{path} is missing: get the project's models folder again")
        weights = load_file(path)
        network = load_feature_network(models_dir, backend) if "probes" in weights else None
        mirror = Mirror.load(models_dir) if network else None
        return cls(weights, template or HeadTemplate.load(models_dir), network, mirror)

    def regress(self, x: np.ndarray) -> np.ndarray:
        """(N, F) features -> (N, 6 + K) pose corrections and shape coefficients, by the landmarks alone."""
        return self.outputs(self.from_landmarks(self.normalised(x)))

    def normalised(self, x: np.ndarray) -> np.ndarray:
        """(N, F) features, each of mean 0 and deviation 1 over the training's faces."""
        return np.asarray((x - self.weights["input_mean"]) / self.weights["input_scale"])

    def outputs(self, z: np.ndarray) -> np.ndarray:
        """(N, 6 + K) pose corrections and shape coefficients in their own units, from normalised ones."""
        return np.asarray(z * self.weights["output_scale"] + self.weights["output_mean"])

    def normalised_outputs(self, outputs: np.ndarray) -> np.ndarray:
        """The inverse of `outputs`."""
        return np.asarray((outputs - self.weights["output_mean"]) / self.weights["output_scale"], np.float32)

    def from_landmarks(self, x: np.ndarray) -> np.ndarray:
        """(N, F) or (F,) normalised features -> normalised outputs, before any picture has been looked at."""
        w = self.weights
        linear = np.asarray(x @ w["linear.weight"].T + w["linear.bias"])
        for i in range(self.layers):
            x = x @ w[f"layer{i}.weight"].T + w[f"layer{i}.bias"]
            if i < self.layers - 1:
                x = np.maximum(x, 0)
        return linear + x if self.layers else linear

    def shape(self, coefficients: np.ndarray) -> np.ndarray:
        """(K,) -> (V, 3) float32 vertices of the template, head frame, metres."""
        offset = np.tensordot(coefficients.astype(np.float32), self.weights["basis"], 1)
        return np.asarray(self.weights["mean"] + offset)

    def posed(self, seen: WeakPerspectivePose, z: np.ndarray) -> tuple[WeakPerspectivePose, np.ndarray]:
        """The pose and the vertices (V, 3) that normalised outputs (6 + K,) stand for; seen: the pose fitted
        to the landmarks.
        """
        output = self.outputs(z).astype(np.float64)
        seen = seen.corrected(rotation_matrix(output[:3]), output[3:5], float(output[5]))
        return seen, self.shape(output[POSE_OUTPUTS:])

    def stage_input(
        self, x: np.ndarray, z: np.ndarray, seen: WeakPerspectivePose, camera: Camera, looked: FaceFeatures
    ) -> np.ndarray:
        """(F,) float32 what a stage sees: the normalised features of the landmarks and outputs so far, the
        whole face, and the picture where the head is believed to be.
        """
        pose, vertices = self.posed(seen, z)
        probed = self.probes.look(looked, vertices, pose.in_camera(camera), camera)
        return np.concatenate([x, z, looked.whole, probed])

    def seen_from(
        self, points: np.ndarray, seen: WeakPerspectivePose, camera: Camera, rgb: np.ndarray | None
    ) -> tuple[WeakPerspectivePose, np.ndarray]:
        """The pose and the vertices (V, 3) of the likely head; points: (478, 3) landmarks; seen: the pose
        fitted to them; rgb: (H, W, 3) uint8 what the stages look at, None for the landmarks alone.
        """
        x = self.normalised(features(points, seen, self.canonical, camera))
        z = self.from_landmarks(x)
        if self.network and rgb is not None:
            looked = look(self.network, rgb, points, seen)
            for stage in self.stages:
                z = z + stage(self.stage_input(x, z, seen, camera, looked))
        return self.posed(seen, z)

    def lift(self, landmarks: FaceLandmarks, camera: Camera, rgb: np.ndarray) -> HeadPrior:
        """The likely head of one face; `camera` is the photo's, rgb (H, W, 3) uint8 the photo."""
        points = landmarks.points.astype(np.float64)
        seen = fit_pose(points, self.canonical)
        if self.mirror and self.stages:
            pose, vertices = self._seen_both_ways(points, seen, camera, rgb, self.mirror)
        else:
            pose, vertices = self.seen_from(points, seen, camera, None)
        posed = pose.in_camera(camera)
        return HeadPrior(crop_frame_around(camera, posed), posed, vertices, self.template.landmarks(vertices))

    def _seen_both_ways(
        self, points: np.ndarray, seen: WeakPerspectivePose, camera: Camera, rgb: np.ndarray, mirror: Mirror
    ) -> tuple[WeakPerspectivePose, np.ndarray]:
        """`seen_from` of the picture, of its mirror image, or their mean, as the yaw would have it."""
        share, width = unflipped_weight(seen), rgb.shape[1]
        found = []
        if share > 0:
            found.append((share, *self.seen_from(points, seen, camera, rgb)))
        if share < 1:
            turned = mirror.points(points, width)
            again = fit_pose(turned, self.canonical)
            pose, vertices = self.seen_from(
                turned, again, mirrored_camera(camera, width), mirrored_picture(rgb)
            )
            found.append((1 - share, mirrored_weak_pose(pose, width), mirror.head(vertices)))
        shares, poses, heads = zip(*found, strict=True)
        vertices = sum(np.float32(part) * head for part, head in zip(shares, heads, strict=True))
        return mean_pose(poses, shares), np.asarray(vertices)


def unflipped_weight(seen: WeakPerspectivePose) -> float:
    """How much a look at the picture as it is counts, beside one into a mirror: 1 for a face turned to the
    picture's right, 0 for one turned to the left.
    """
    yaw = HeadPose(seen.rotation, np.zeros(3)).angles[0]
    return float(np.clip(0.5 + yaw / (2 * AHEAD), 0, 1))


def probes_of(vertices: np.ndarray, template: HeadTemplate) -> Probes:
    """Probes at the vertices (N,) of the template."""
    triangles = template.solid_triangles
    return Probes.of(vertices, triangles[(triangles < len(template.vertices)).all(1)].astype(np.int64))
