"""What is compared: the network, the templates that it starts from, and what one would use without them."""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from ...detection.detector import FaceLandmarks
from ...geometry.frames import Camera, HeadPose
from ...geometry.pose import fit_pose
from ...image.crop import cut_crop
from ...lifting.lifter import HeadPrior, LandmarkLifter
from ...surface.isosurface import extract_isosurface
from ...surface.landmarks import landmarks_on_surface
from ...surface.prior_mesh import PriorMesh
from ...volume.guidance import TEMPLATE_LOGIT, Guidance
from ...volume.predictor import TEMPERATURE, VolumePredictor
from ..data.dataset import compiled_guidance_maps
from ..face_models.heads import ICT, HeadSource
from .metrics import STABLE, Estimate


class TemplatePredictor:
    """The lifted template itself, as a `VolumePredictor`: what the network starts from."""

    def predict(self, crop: np.ndarray, guidance: Guidance) -> np.ndarray:
        """See `VolumePredictor.predict`.

        Args:
            crop: (192, 192, 3) uint8 RGB, crop frame; not used.
            guidance: of the lifted head.

        Returns:
            (200, 192, 192) occupancy [z, y, x].
        """
        return 1 / (1 + np.exp(-guidance.template_logits / TEMPERATURE))


class WithheldInputs:
    """A predictor that is not shown some of its inputs: "picture", "mesh" (the detector's)."""

    def __init__(self, predictor: VolumePredictor, inputs: set[str]) -> None:
        self.predictor, self.inputs = predictor, inputs

    def predict(self, crop: np.ndarray, guidance: Guidance) -> np.ndarray:
        """See `VolumePredictor.predict`.

        Args:
            crop: (192, 192, 3) uint8 RGB, crop frame.
            guidance: of the lifted head.

        Returns:
            (200, 192, 192) occupancy [z, y, x].
        """
        if "picture" in self.inputs:
            crop = np.full(crop.shape, 127.5, np.float32)  # 0 for the network, as in training
        if "mesh" in self.inputs:
            maps = guidance.maps.copy()
            maps[:4] = 0
            guidance = Guidance(maps, guidance.template_logits)
        return self.predictor.predict(crop, guidance)


@dataclass(frozen=True)
class LiftedCase:
    """A head prior, and the inputs that the network gets from it. picture: (H, W, 3) uint8; points: (478, 3),
    the detector's landmarks.
    """

    picture: np.ndarray
    points: np.ndarray
    head: HeadPrior
    lifter: LandmarkLifter

    @cached_property
    def crop(self) -> np.ndarray:
        """(192, 192, 3) uint8 RGB, crop frame."""
        return cut_crop(self.picture, self.head.frame)

    @cached_property
    def guidance(self) -> Guidance:
        """Of the lifted head, crop frame."""
        return compiled_guidance(self.points, self.head, self.lifter)


@dataclass(frozen=True)
class Case:
    """One face as a user has it. picture: (H, W, 3) uint8; points: (478, 3), the detector's landmarks;
    camera: with the focal length that is known or assumed; attempt and profile_points: as in `FaceLandmarks`.
    """

    picture: np.ndarray
    points: np.ndarray
    camera: Camera
    lifter: LandmarkLifter
    attempt: str = "plain"
    profile_points: np.ndarray | None = None

    @cached_property
    def start(self) -> LiftedCase:
        """The head that the face is lifted to, which every method starts from."""
        points = self.points.astype(np.float32)
        face = FaceLandmarks(points, attempt=self.attempt, profile_points=self.profile_points)
        head = self.lifter.lift(face, self.camera, self.picture)
        return LiftedCase(self.picture, self.points, head, self.lifter)

    @cached_property
    def face_depth(self) -> float:
        """Mean distance, meters along the optical axis, of the lifted head's 68 landmarks from the camera."""
        head = self.start.head
        return float(head.pose.head_to_camera(self.lifter.template.landmarks68(head.vertices))[:, 2].mean())


def compiled_guidance(points: np.ndarray, prior: HeadPrior, lifter: LandmarkLifter) -> Guidance:
    """`core.volume.guidance.build_guidance`, compiled.

    Args:
        points: (478, 3) the detector's landmarks, photo frame, pixels.
        prior: the head prior.
        lifter: that made it.

    Returns:
        The guidance.
    """
    maps, template = compiled_guidance_maps(points.astype(np.float64), prior, lifter)
    logits = (template.transpose(2, 0, 1).astype(np.float32) / 255 * 2 - 1) * np.float32(TEMPLATE_LOGIT)
    return Guidance(maps, logits)


class Method(Protocol):
    """Something that makes a head of a face."""

    def estimate(self, case: Case) -> Estimate:
        """The head in the camera frame of `case.camera`; ReconstructionError if there is none."""
        ...


class VolumeMethod:
    """A volume predictor and all that the engine does around it."""

    def __init__(self, predictor: VolumePredictor) -> None:
        self.predictor = predictor

    def estimate(self, case: Case) -> Estimate:
        """See `Method.estimate`."""
        start = case.start
        return surface_estimate(self.predictor.predict(start.crop, start.guidance), start, case)


def surface_estimate(volume: np.ndarray, start: LiftedCase, case: Case) -> Estimate:
    """The surface of a volume with its landmarks, as `core.reconstructor` makes it.

    A landmark of the 68 that the surface lacks is taken from the head prior, since users need all of them.

    Args:
        volume: (200, 192, 192) occupancy [z, y, x].
        start: the head prior whose crop the volume lies in.
        case: the picture.

    Returns:
        The head in the camera frame of `case.camera`, meters.
    """
    prior = start.head
    frame, pose, template = prior.frame, prior.pose, case.lifter.template
    surface = extract_isosurface(volume, frame, pose, PriorMesh.of(prior, template))
    ibug = template.landmarks68(prior.vertices.astype(np.float64))
    wanted = np.concatenate([prior.landmarks[STABLE], ibug])
    found = landmarks_on_surface(
        surface, case.camera.project(pose.head_to_camera(wanted)), wanted, frame, pose
    ).astype(np.float64)
    landmarks = np.full(prior.landmarks.shape, np.nan)
    landmarks[STABLE] = found[: len(STABLE)]
    landmarks68 = np.where(np.isfinite(found[len(STABLE) :]), found[len(STABLE) :], ibug)
    return Estimate(
        pose.head_to_camera(surface.vertices.astype(np.float64)),
        surface.faces,
        pose.head_to_camera(landmarks),
        pose.head_to_camera(landmarks68),
        surface.faces,
    )


class AverageHead:
    """The face model's average head for everybody, posed by the landmarks."""

    def __init__(self, heads: HeadSource, outer: np.ndarray) -> None:
        """outer: (T,) bool, the triangles of its solid that are outer skin; others would lower its error."""
        vertices, triangles = heads.solid(ICT, heads.model.mean.astype(np.float64))
        template = heads.to_template(heads.model.mean).astype(np.float64)
        self._vertices, self._faces, self._solid = vertices, triangles[outer], triangles
        self._landmarks = heads.template.landmarks(template)
        self._landmarks68 = heads.template.landmarks68(template)

    def pose(self, case: Case) -> HeadPose:
        """The canonical face fitted to the landmarks, head frame -> camera frame."""
        return fit_pose(case.points, case.lifter.canonical).in_camera(case.camera)

    def estimate(self, case: Case) -> Estimate:
        """See `Method.estimate`."""
        move = self.pose(case).head_to_camera
        return Estimate(
            move(self._vertices), self._faces, move(self._landmarks), move(self._landmarks68), self._solid
        )


class DetectorMesh:
    """MediaPipe's own face mesh without perspective, at the distance and the size of the canonical face that
    is fitted to it.
    """

    def __init__(self, lifter: LandmarkLifter) -> None:
        """The 68 landmarks are the points of the mesh nearest to the template's, on the average face."""
        import igl

        average = lifter.weights["mean"].astype(np.float64)
        mesh = np.ascontiguousarray(lifter.template.landmarks(average))
        faces = np.ascontiguousarray(lifter.mesh, np.int64)
        landmarks68 = np.ascontiguousarray(lifter.template.landmarks68(average))
        _, face, closest = igl.point_mesh_squared_distance(landmarks68, mesh, faces)
        corners = mesh[faces[face]]
        self._corners = faces[face]
        self._barycentric = np.linalg.solve(corners.transpose(0, 2, 1), closest[..., None])[..., 0]
        self._faces = lifter.mesh

    def estimate(self, case: Case) -> Estimate:
        """See `Method.estimate`."""
        camera, pixels = case.camera, case.points.astype(np.float64)
        pose = fit_pose(pixels, case.lifter.canonical)
        depth = camera.focal_px / pose.scale + (pixels[:, 2] - pixels[:, 2].mean()) / pose.scale
        rays = (pixels[:, :2] - np.array([camera.cx, camera.cy])) / camera.focal_px
        points = np.column_stack([rays, np.ones(len(pixels))]) * depth[:, None]
        landmarks68 = np.einsum("nk,nkc->nc", self._barycentric, points[self._corners])
        return Estimate(points, self._faces, points, landmarks68, None)
