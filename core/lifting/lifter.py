"""Landmark lifter: from detected landmarks to the head that they most probably belong to.

A small regression, trained on pairs (detector run on a rendered head, true head), undoes the detector's
systematic errors of depth and knows how probable shapes are. Its result is then corrected by features of the
picture sampled where that head would be, stage by stage (`core.lifting.cascade`). The stages know only faces
turned to the picture's right: others are lifted in the mirror image, and frontal ones both ways. The head is
then refined: its features are averaged over several crops, and its shading is read (`core.lifting.shading`).
The lifter gives the pose, the crop and the template that the volume network corrects. numpy, but for the
network whose features the stages sample.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from ..detection.landmarks import FaceLandmarks
from ..detection.profile_finder import PROFILE_ATTEMPT, landmark_yaw
from ..errors import ModelError
from ..geometry.frames import (
    FRONTAL,
    AffineFrame,
    Camera,
    CropFrame,
    HeadPose,
    apply_affine,
    compose_affine,
    crop_frame_around,
    invert_affine,
    upright_map,
)
from ..geometry.pose import WeakPerspectivePose, angle_between, fit_pose, mean_pose, rotation_matrix
from ..geometry.reflection import mirrored_weak_pose
from ..image.crop import UNVARIED, CropVariation, face_frame
from ..runtime.stored_weights import StoredWeights
from ..template.symmetry import Mirror
from ..template.template import HeadTemplate
from .cascade import FeatureSites, Stage, mean_of
from .dense_landmarks import DenseLandmarks, LiftedPoints, PointModel, load_dense_landmarks
from .face_features import FaceFeatures, FeatureNetwork, extract_features, load_feature_network
from .shading import FITTED_TO, FacePicture, ShadingModel, lifter_fingerprint

FILE_NAME = "landmark_lifter.safetensors"
#: The regressions for the profile network's landmarks, and the first letters of the arrays in that file,
#: which stand for the lifter's own.
PROFILE_FILE_NAME = "profile_lifter.safetensors"
PROFILE_PARTS = ("input_", "output_mean", "linear", "stage")
#: Corrections of the pose that the regression gives: rotation vector (3), offset of the center (2), log of
#: the scale.
POSE_OUTPUTS = 6
#: Unit of the landmarks' coordinates in the features, meters, so that they are of the order of one.
LANDMARK_UNIT = 0.01
#: Yaw, degrees, up to which a face counts as frontal and is lifted both ways.
FRONTAL_YAW_DEG = 20.0
#: Yaw, degrees, from which on the profile network's landmarks count beside MediaPipe's, ...
FIRST_SIDE_YAW = 50.0
#: ... and from which on they count alone.
FULL_SIDE_YAW = 95.0
#: Turn between the heads lifted from both, degrees, up to which they agree, ...
AGREEING_TURN_DEG = 8.0
#: ... and from which on one of them is wrong: MediaPipe's landmarks, which fail first as faces turn away, ...
CONTRADICTING_TURN_DEG = 16.0
#: ... but not up to this yaw of the profile network's, degrees, ...
FIRST_DOUBT_YAW = 55.0
#: ... and surely from this one on. All six were chosen on 3,800 pictures (docs/diary.md).
FULL_DOUBT_YAW = 70.0
#: Median distance of a head's landmarks from the detected ones, of the face's size, up to which it follows
#: them: of 20 portraits 0.007 to 0.015.
FOLLOWING_DISTANCE = 0.04


#: Crops of a face: as the landmarks place it, and two others (turns in radians, shifts in crop pixels).
#: Features are averaged over them, so that what pixels a face happens to fall on counts less (docs/diary.md).
CROPS = (
    UNVARIED,
    CropVariation(scale=0.93, turn=0.07, right=2.0, down=1.0),
    CropVariation(scale=1.07, turn=-0.07, right=-2.0, down=-1.0),
)
#: A head's pose, and (V, 3) float32 vertices of the template, head frame, meters.
PosedHead = tuple[WeakPerspectivePose, np.ndarray]


@dataclass(frozen=True)
class HeadPrior:
    """The head that the landmarks and the picture suggest: what the volume network starts from.

    Attributes:
        frame: Of the crop and the volume.
        pose: Of the head.
        vertices: (V, 3) float32, the template's, head frame, meters.
        landmarks: (478, 3), MediaPipe's on it, head frame, meters.
    """

    frame: CropFrame
    pose: HeadPose
    vertices: np.ndarray
    landmarks: np.ndarray

    def follows(self, points: np.ndarray) -> bool:
        """Whether the head lies where landmarks were detected: of faces that are turned far it may not.

        Args:
            points: (478, 2 or more), photo frame, px.
        """
        own = self.frame.camera.project(self.pose.head_to_camera(self.landmarks.astype(np.float64)))
        away = np.median(np.linalg.norm(own - points[:, :2], axis=1))
        return bool(away < FOLLOWING_DISTANCE * np.ptp(own, axis=0).max())


def landmark_features(
    points: np.ndarray, pose: WeakPerspectivePose, canonical: np.ndarray, camera: Camera
) -> np.ndarray:
    """The input of the regression.

    Args:
        points: (478, 3) landmarks, photo frame, px.
        pose: Fitted to them.
        canonical: (478, 3) landmarks of the average face, head frame, meters.
        camera: Of the photo.

    Returns:
        (1446,) float32: the landmarks in the head frame relative to the canonical ones, cm; the rotation
        (9); the perspective, 1 / distance, 1/m; the direction of the head from the camera (2).
    """
    center = points.mean(0)
    aligned = (points - center) / pose.scale @ pose.rotation
    aligned += canonical.mean(0)
    direction = (pose.center - np.array([camera.cx, camera.cy])) / camera.focal_px
    return np.concatenate(
        [
            ((aligned - canonical) / LANDMARK_UNIT).ravel(),
            (pose.rotation @ FRONTAL.T).ravel(),
            [pose.scale / camera.focal_px],
            direction,
        ]
    ).astype(np.float32)


class LandmarkLifter:
    """The trained regression and its stages.

    Its weights are made by `core.training.fitting.lifter` and `core.training.fitting.cascade`.
    """

    def __init__(
        self,
        weights: Mapping[str, np.ndarray],
        template: HeadTemplate,
        network: FeatureNetwork | None = None,
        mirror: Mirror | None = None,
        shading: ShadingModel | None = None,
        profile_weights: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """Take the weights.

        Args:
            weights: The arrays of the weights file.
            template: What the shapes are shapes of.
            network: Gives the features that the stages need; without it there are no stages.
            mirror: The template's symmetry, needed with `network`.
            shading: Refines heads by their shading; used with `network` and `mirror` only.
            profile_weights: What differs for faces seen from the side; used with `network` and `mirror` only.
        """
        self.weights = StoredWeights(weights)
        self.template = template
        self.canonical = self.weights["canonical"].astype(np.float64)
        #: (M, 3) int32, triangles of MediaPipe's face mesh: the guidance draws it.
        self.mesh = np.asarray(weights["mesh"], np.int32)
        self.layers = sum(name.startswith("layer") and name.endswith("weight") for name in self.weights)
        self.network, self.mirror, self.shading = network, mirror, shading
        count = sum(name.startswith("stage") and name.endswith("weight") for name in self.weights)
        self._stage_count = count if network else 0
        #: Corrects what the stages give; `from_pretrained` reads it.
        self.dense: DenseLandmarks | None = None
        if "probes" in weights:
            self.sites = feature_sites(np.asarray(weights["probes"], np.int64), template)
        #: Lifts faces that the profile network found; None if this one does.
        self.profile = (
            LandmarkLifter(with_profile_weights(weights, profile_weights), template, network, mirror, shading)
            if network and mirror and profile_weights
            else None
        )

    @classmethod
    def from_pretrained(
        cls,
        models_dir: Path,
        template: HeadTemplate | None = None,
        backend: str | None = None,
        shaded: bool = True,
        dense: bool = True,
    ) -> "LandmarkLifter":
        """The lifter of a folder of models.

        Args:
            models_dir: The folder.
            template: Its template, if it was read already.
            backend: See `core.runtime.backend.choose_backend`.
            shaded: Whether heads are refined by their shading, if the folder has a model of it.
            dense: Whether dense landmarks correct what the stages give, if the folder has them.

        Raises:
            ModelError: A file is missing or damaged, or was fitted to another lifter.
        """
        weights = StoredWeights.of_file(Path(models_dir) / FILE_NAME)
        network = load_feature_network(models_dir, backend) if "probes" in weights else None
        mirror = Mirror.load(models_dir) if network else None
        template = template or HeadTemplate.load(models_dir)
        shading = ShadingModel.load(models_dir, weights, template) if network and shaded else None
        profile = load_profile_weights(models_dir, weights) if network else None
        lifter = cls(weights, template, network, mirror, shading, profile)
        if network and dense:
            lifter.dense = load_dense_landmarks(models_dir, lifter_fingerprint(weights), backend)
        return lifter

    @property
    def stages(self) -> list[Stage]:
        """What corrects the regression, in turn; none without the network of features."""
        return [Stage.read(self.weights, k + 1) for k in range(self._stage_count)]

    def release_memory(self) -> None:
        """Give back what is kept for the next face: weights are read again, in some 5 ms."""
        if self.network:
            self.network.release_memory()
        self.weights.release()
        if self.profile:
            self.profile.weights.release()

    def regress(self, x: np.ndarray) -> np.ndarray:
        """Find pose and shape by the landmarks alone.

        Args:
            x: (N, F) features of the landmarks.

        Returns:
            (N, 6 + K) pose corrections and shape coefficients.
        """
        return self.outputs(self.from_landmarks(self.normalized(x)))

    def normalized(self, x: np.ndarray) -> np.ndarray:
        """Normalize features by the training's faces.

        Args:
            x: (N, F) or (F,).

        Returns:
            Of the same shape, each feature of mean 0 and standard deviation 1 over the training's faces.
        """
        return np.asarray((x - self.weights["input_mean"]) / self.weights["input_scale"])

    def outputs(self, z: np.ndarray) -> np.ndarray:
        """Give normalized outputs their own units.

        Args:
            z: (N, 6 + K) or (6 + K,) normalized.

        Returns:
            Of the same shape, pose corrections and shape coefficients.
        """
        return np.asarray(z * self.weights["output_scale"] + self.weights["output_mean"])

    def normalized_outputs(self, outputs: np.ndarray) -> np.ndarray:
        """The inverse of `outputs`.

        Args:
            outputs: (N, 6 + K) or (6 + K,) pose corrections and shape coefficients.

        Returns:
            Of the same shape, float32, normalized.
        """
        return np.asarray((outputs - self.weights["output_mean"]) / self.weights["output_scale"], np.float32)

    def from_landmarks(self, x: np.ndarray) -> np.ndarray:
        """Run the regression before any stage.

        Args:
            x: (N, F) or (F,) normalized features.

        Returns:
            (N, 6 + K) or (6 + K,) normalized outputs.
        """
        w = self.weights
        linear = np.asarray(x @ w["linear.weight"].T + w["linear.bias"])
        for i in range(self.layers):
            x = x @ w[f"layer{i}.weight"].T + w[f"layer{i}.bias"]
            if i < self.layers - 1:
                x = np.maximum(x, 0)
        return linear + x if self.layers else linear

    def shape(self, coefficients: np.ndarray) -> np.ndarray:
        """Shape the template.

        Args:
            coefficients: (K,) of the shape's basis.

        Returns:
            (V, 3) float32, head frame, meters.
        """
        offset = np.tensordot(coefficients.astype(np.float32), self.weights["basis"], 1)
        return np.asarray(self.weights["mean"] + offset)

    def posed(self, pose: WeakPerspectivePose, z: np.ndarray) -> tuple[WeakPerspectivePose, np.ndarray]:
        """The pose and the vertices (V, 3) float32 that outputs stand for.

        Args:
            pose: Fitted to the landmarks.
            z: (6 + K,) normalized outputs.
        """
        corrected, coefficients = self._corrected(pose, z)
        return corrected, self.shape(coefficients)

    def _corrected(self, pose: WeakPerspectivePose, z: np.ndarray) -> tuple[WeakPerspectivePose, np.ndarray]:
        """The pose and the shape's coefficients (K,) that normalized outputs stand for."""
        output = self.outputs(z).astype(np.float64)
        corrected = pose.corrected(rotation_matrix(output[:3]), output[3:5], float(output[5]))
        return corrected, output[POSE_OUTPUTS:]

    @cached_property
    def _basis_around_sites(self) -> np.ndarray:
        """(K, U, 3) float32, meters: the shape's basis at the vertices around the sites."""
        return np.ascontiguousarray(self.weights["basis"][:, self.sites.used])

    @cached_property
    def point_model(self) -> PointModel:
        """The points of heads that dense landmarks are of."""
        mean, basis = self.weights["mean"], self.weights["basis"]
        return PointModel.of(mean, basis, self.template, self.sites.vertices)

    def stage_input(
        self,
        x: np.ndarray,
        z: np.ndarray,
        pose: WeakPerspectivePose,
        camera: Camera,
        crops: Sequence[FaceFeatures],
    ) -> np.ndarray:
        """The input of a stage.

        Args:
            x: (1446,) normalized features of the landmarks.
            z: (6 + K,) normalized outputs so far.
            pose: Fitted to the landmarks.
            camera: Of the photo.
            crops: Features of crops of the picture, over which the mean is taken.

        Returns:
            (F,) float32: x, z, the global features, those sampled where the head is estimated to be.
        """
        estimate, coefficients = self._corrected(pose, z)
        # All other vertices would take ten times as long.
        offset = np.tensordot(coefficients.astype(np.float32), self._basis_around_sites, 1)
        used = self.weights["mean"][self.sites.used] + offset
        head_pose = estimate.in_camera(camera)
        sampled = self.sites.sample_around(crops, used, head_pose, camera)
        return np.concatenate([x, z, mean_of([crop.global_features for crop in crops]), sampled])

    def estimate(
        self,
        points: np.ndarray,
        camera: Camera,
        rgb: np.ndarray | None = None,
        view: np.ndarray | None = None,
        crops: Sequence[CropVariation] = CROPS[:1],
    ) -> PosedHead:
        """Estimate pose and shape from one view of a face.

        Args:
            points: (478, 3) float64 landmarks, px, in the photo frame or the view.
            camera: Of the photo or the view.
            rgb: (H, W, 3) uint8, the photo; None to use the landmarks alone.
            view: (2, 3) similarity, photo -> view: the photo turned or mirrored.
            crops: Whose features are averaged.

        Returns:
            The pose, and (V, 3) float32 vertices of the template, head frame, meters.
        """
        pose = fit_pose(points, self.canonical)
        x = self.normalized(landmark_features(points, pose, self.canonical, camera))
        z = self.from_landmarks(x)
        if self.network and rgb is not None:
            features = self.features(rgb, points, pose, view, crops)
            z = self.staged(x, z, pose, camera, features)
            if self.dense:
                z = self.dense.corrected(z, partial(self.lifted_points, pose), camera, features)
        return self.posed(pose, z)

    def features(
        self,
        rgb: np.ndarray,
        points: np.ndarray,
        pose: WeakPerspectivePose,
        view: np.ndarray | None,
        crops: Sequence[CropVariation],
    ) -> list[FaceFeatures]:
        """The features that the stages need.

        Args:
            rgb: (H, W, 3) uint8, the photo.
            points: (478, 3) landmarks, px, in the photo frame or the view.
            pose: Fitted to the landmarks.
            view: (2, 3) similarity, photo -> view, None for the photo itself.
            crops: Of the face, one result each.

        Raises:
            ModelError: There is no network.
        """
        if self.network is None:
            raise ModelError("the lifter's stages need the network of features")
        return [extract_features(self.network, rgb, points, pose, view, crop) for crop in crops]

    def staged(
        self,
        x: np.ndarray,
        z: np.ndarray,
        pose: WeakPerspectivePose,
        camera: Camera,
        crops: Sequence[FaceFeatures],
    ) -> np.ndarray:
        """Correct outputs by all stages.

        Args:
            x: (1446,) normalized features of the landmarks.
            z: (6 + K,) normalized outputs of the landmarks alone.
            pose: Fitted to the landmarks.
            camera: Of the photo.
            crops: See `stage_input`.

        Returns:
            (6 + K,) float32, normalized.
        """
        for stage in self.stages:
            z = z + stage(self.stage_input(x, z, pose, camera, crops))
        return z

    def lifted_points(self, pose: WeakPerspectivePose, z: np.ndarray) -> LiftedPoints:
        """Where the points of dense landmarks are on the head that outputs stand for.

        Args:
            pose: Fitted to the landmarks.
            z: (6 + K,) normalized outputs.
        """
        corrected, coefficients = self._corrected(pose, z)
        return LiftedPoints(z, corrected, self.point_model(coefficients))

    def lift(
        self, landmarks: FaceLandmarks, camera: Camera, rgb: np.ndarray, refined: bool = True
    ) -> HeadPrior:
        """The most probable head of one face.

        The face is lifted upright, as those were that the lifter was trained on: the photo is turned about
        its principal point, which turns the camera about its axis, and the pose is turned back.

        Args:
            landmarks: Of the face, photo frame.
            camera: Of the photo.
            rgb: (H, W, 3) uint8, the photo.
            refined: Whether to average over several crops and, of frontal faces, both ways, and to refine it
                by its shading, if there is a model of that.
        """
        if self.profile and landmarks.attempt == PROFILE_ATTEMPT:
            return self.profile.lift(landmarks, camera, rgb, refined)
        view, upright = self.upright(landmarks, camera)
        if not (self.mirror and self._stage_count):
            return self._prior(*self.estimate(upright, camera), camera, view)
        head = self._estimate_both_ways(upright, camera, rgb, view, self.mirror, refined)
        if self.profile and landmarks.profile_points is not None:
            head = self._averaged_with_profile(head, landmarks.profile_points, camera, rgb, view, refined)
        if self.shading and refined:
            side = self.side_view(upright, camera, view, self.mirror)
            head = side.seen(*self.shading.refine(side.picture(rgb), *side.seen(*head)))
        return self._prior(*head, camera, view)

    def _averaged_with_profile(
        self,
        head: PosedHead,
        profile_points: np.ndarray,
        camera: Camera,
        rgb: np.ndarray,
        view: np.ndarray,
        refined: bool,
    ) -> PosedHead:
        """The mean of a head and of what the profile network's landmarks of the same face are lifted to, as
        the yaw and the turn between the two demand.
        """
        if not (self.profile and self.mirror):
            return head
        points = profile_points.astype(np.float64)
        upright = np.column_stack([apply_affine(view, points[:, :2]), points[:, 2]])
        side = self.profile._estimate_both_ways(upright, camera, rgb, view, self.mirror, refined)
        weight = profile_weight(profile_points, head[0].rotation, side[0].rotation)
        return mean_head([head, side], [1 - weight, weight]) if weight else head

    def _prior(
        self, weak_pose: WeakPerspectivePose, vertices: np.ndarray, camera: Camera, view: np.ndarray
    ) -> HeadPrior:
        """A head of the upright view in the photo."""
        pose = weak_pose.mapped(invert_affine(view)).in_camera(camera)
        return HeadPrior(crop_frame_around(camera, pose), pose, vertices, self.template.landmarks(vertices))

    def upright(self, landmarks: FaceLandmarks, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
        """The view in which a face is lifted.

        Args:
            landmarks: Of the face, photo frame.
            camera: Of the photo.

        Returns:
            (2, 3) similarity, photo -> view, and (478, 3) the landmarks in the view.
        """
        points = landmarks.points.astype(np.float64)
        view = upright_view(fit_pose(points, self.canonical), camera)
        return view, np.column_stack([apply_affine(view, points[:, :2]), points[:, 2]])

    def side_view(self, points: np.ndarray, camera: Camera, view: np.ndarray, mirror: Mirror) -> "SideView":
        """The view or its mirror image, whichever shows the face turned to the picture's right.

        Args:
            points: (478, 3) landmarks in the view.
            camera: Of the view.
            view: (2, 3) similarity, photo -> view.
            mirror: The template's symmetry.
        """
        pose = fit_pose(points, self.canonical)
        if unflipped_weight(pose) >= 0.5:
            return SideView(face_frame(points, pose), view, camera)
        flip, width = mirroring(camera)
        points = mirror.points(points, width)
        frame = face_frame(points, fit_pose(points, self.canonical))
        return SideView(frame, compose_affine(flip, view), camera, mirror)

    def _estimate_both_ways(
        self,
        points: np.ndarray,
        camera: Camera,
        rgb: np.ndarray,
        view: np.ndarray,
        mirror: Mirror,
        refined: bool,
    ) -> PosedHead:
        """`estimate` from a view, from its mirror image, or, where it is refined, their mean, as the yaw
        demands.
        """
        crops = CROPS if refined else CROPS[:1]

        def mirrored() -> PosedHead:
            flip, width = mirroring(camera)
            mirrored_points, mirrored_view = mirror.points(points, width), compose_affine(flip, view)
            pose, vertices = self.estimate(mirrored_points, camera, rgb, mirrored_view, crops)
            return mirrored_weak_pose(pose, width), mirror.head(vertices)

        weight = unflipped_weight(fit_pose(points, self.canonical))
        if not refined and weight > 0:
            weight = 1.0
        if weight == 0:
            return mirrored()
        if weight == 1:
            return self.estimate(points, camera, rgb, view, crops)
        with ThreadPoolExecutor(1, "photobust-lifting") as pool:
            other = pool.submit(mirrored)
            heads = [self.estimate(points, camera, rgb, view, crops), other.result()]
        return mean_head(heads, [weight, 1 - weight])


def mean_head(heads: Sequence[PosedHead], weights: Sequence[float]) -> PosedHead:
    """The weighted mean of heads in one photo.

    Args:
        heads: Poses, and vertices (V, 3), head frame, meters.
        weights: One a head; they sum up to 1.
    """
    poses, shapes = zip(*heads, strict=True)
    vertices = sum(np.float32(part) * shape for part, shape in zip(weights, shapes, strict=True))
    return mean_pose(poses, weights), np.asarray(vertices, np.float32)


def load_profile_weights(models_dir: Path, weights: Mapping[str, np.ndarray]) -> StoredWeights | None:
    """What differs for faces seen from the side.

    Args:
        models_dir: The folder of models.
        weights: The lifter's.

    Returns:
        The arrays by name; None if the folder has none.

    Raises:
        ModelError: The file is damaged, or belongs to another lifter.
    """
    path = Path(models_dir) / PROFILE_FILE_NAME
    if not path.is_file():
        return None
    profile = StoredWeights.of_file(path)
    fitted_to = profile.get(FITTED_TO, np.zeros(0))
    if not np.array_equal(fitted_to, lifter_fingerprint(weights)):
        raise ModelError(
            f"{path} belongs to another version of the lifter: get the project's models folder again"
        )
    return profile.only(lambda name: name != FITTED_TO)


def with_profile_weights(
    weights: Mapping[str, np.ndarray], profile: Mapping[str, np.ndarray]
) -> StoredWeights:
    """A lifter's weights with those for faces from the side in their place."""
    kept = StoredWeights(weights).only(lambda name: not name.startswith((*PROFILE_PARTS, "layer")))
    return kept.joined(StoredWeights(profile))


@dataclass(frozen=True)
class SideView:
    """A view of a face that is turned to the picture's right.

    Attributes:
        frame: Of the face, in the view.
        view: (2, 3) similarity, photo -> view.
        camera: Of the view.
        mirror: The template's symmetry, if the upright view was mirrored.
    """

    frame: AffineFrame
    view: np.ndarray
    camera: Camera
    mirror: Mirror | None = None

    def picture(self, rgb: np.ndarray) -> FacePicture:
        """The face cut out of a photo.

        Args:
            rgb: (H, W, 3) uint8, the photo.
        """
        crop = AffineFrame(compose_affine(self.frame.matrix, self.view))
        return FacePicture.cut(rgb, crop, self.frame, self.camera)

    def seen(self, pose: WeakPerspectivePose, vertices: np.ndarray) -> tuple[WeakPerspectivePose, np.ndarray]:
        """A head from the upright view to this one, or back: mirrored or not.

        Args:
            pose: The head's.
            vertices: (V, 3), head frame, meters.

        Returns:
            Its pose and vertices (V, 3) in the other view.
        """
        if self.mirror is None:
            return pose, vertices
        return mirrored_weak_pose(pose, mirroring(self.camera)[1]), self.mirror.head(vertices)


def mirroring(camera: Camera) -> tuple[np.ndarray, float]:
    """How a view is mirrored: at the principal point, so that the camera stays as it is.

    Returns:
        (2, 3) the affine map, and the width, pixels, of a picture that has the principal point in its middle.
    """
    width = 2 * camera.cx + 1
    return np.array([[-1.0, 0.0, width - 1], [0.0, 1.0, 0.0]]), width


def upright_view(pose: WeakPerspectivePose, camera: Camera) -> np.ndarray:
    """The rotation of a photo about its principal point in which a head is upright.

    Args:
        pose: The head's.
        camera: The photo's.

    Returns:
        (2, 3) float64, photo -> view.
    """
    linear = upright_map(pose.up, 1.0)
    principal = np.array([camera.cx, camera.cy])
    return np.column_stack([linear, principal - linear @ principal])


def unflipped_weight(pose: WeakPerspectivePose) -> float:
    """How much the estimate from the picture counts, beside that from its mirror image.

    Returns:
        1 for a face turned to the picture's right, 0 for one turned to the left, between for frontal ones.
    """
    yaw = HeadPose(pose.rotation, np.zeros(3)).angles[0]
    return float(np.clip(0.5 + yaw / (2 * FRONTAL_YAW_DEG), 0, 1))


def profile_weight(points: np.ndarray, rotation: np.ndarray, side_rotation: np.ndarray) -> float:
    """How much the head lifted from the profile network's landmarks counts beside that from MediaPipe's.

    Args:
        points: (478, 3) the profile network's landmarks, photo frame, px.
        rotation: (3, 3) of the head lifted from MediaPipe's.
        side_rotation: (3, 3) of the head lifted from the profile network's.

    Returns:
        0 to 1, by the yaw, and by how much the two contradict each other where MediaPipe's may be wrong.
    """
    yaw, turn = abs(landmark_yaw(points)), angle_between(rotation, side_rotation)
    side = np.interp(yaw, [FIRST_SIDE_YAW, FULL_SIDE_YAW], [0, 1])
    contradiction = np.interp(turn, [AGREEING_TURN_DEG, CONTRADICTING_TURN_DEG], [0, 1])
    doubt = np.interp(yaw, [FIRST_DOUBT_YAW, FULL_DOUBT_YAW], [0, 1])
    return float(max(side, contradiction * doubt))


def feature_sites(vertices: np.ndarray, template: HeadTemplate) -> FeatureSites:
    """Sites at vertices of the template.

    Args:
        vertices: (N,) int.
        template: The template.
    """
    triangles = template.solid_triangles
    return FeatureSites.of(vertices, triangles[(triangles < len(template.vertices)).all(1)].astype(np.int64))
