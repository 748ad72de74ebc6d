"""From a face in a photo to its colored surface, and how far that can be trusted."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..detection.detector import FaceDetector, FaceLandmarks
from ..geometry.frames import Camera
from ..image.crop import cut_crop
from ..lifting.lifter import HeadPrior, LandmarkLifter
from ..quality.coverage import measure_coverage
from ..quality.measures import QualityInputs, lift_detections, measure
from ..quality.report import QualityReport, quality_report
from ..segmentation.glasses import with_glasses
from ..segmentation.hair_color import with_hair_by_color
from ..segmentation.other_heads import without_other_heads
from ..segmentation.segmenter import Segmenter, camera_direction
from ..surface.isosurface import Isosurface, Surface, extract_isosurface
from ..surface.landmarks import landmarks_on_surface
from ..surface.prior_alignment import aligned_to_prior
from ..surface.prior_mesh import PriorMesh
from ..surface.settings import SurfaceSettings
from ..surface.vertex_colors import color_from_photo
from ..volume.guidance import Guidance, build_guidance
from ..volume.predictor import VolumePredictor
from ..wrapping.ignored import ignoring, unseen_where_ignored
from .progress import FaceProgress
from .results import FaceSurface, FaceTask, PhotoEvidence, Redetections


@dataclass(frozen=True)
class NetworkInput:
    """What the volume network is given, and what it is made from.

    Attributes:
        prior: The head that landmarks and picture suggest.
        crop: (192, 192, 3) uint8, the photo in the crop frame.
        guidance: The maps beside it.
    """

    prior: HeadPrior
    crop: np.ndarray
    guidance: Guidance


@dataclass(frozen=True)
class SurfaceMaker:
    """Makes the surfaces of faces.

    Attributes:
        detector: Finds the face again, to see how sure its landmarks are.
        lifter: Lifts landmarks.
        predictor: Runs the volume network.
        segmenter: Finds out what the pixels around a head show; without it nobody knows.
        models_dir: Folder of the models, for the calibration of the quality report.
        settings: How prior and volume make the surface.
    """

    detector: FaceDetector
    lifter: LandmarkLifter
    predictor: VolumePredictor
    segmenter: Segmenter | None
    models_dir: Path
    settings: SurfaceSettings

    def make(
        self,
        task: FaceTask,
        progress: FaceProgress,
        on_surface: Callable[[int, Surface], None] | None = None,
        on_prior: Callable[[int, HeadPrior], None] | None = None,
    ) -> FaceSurface:
        """Make the surface of a face.

        Args:
            task: The face.
            progress: Of the face.
            on_surface: Called with the face's index and its surface, as soon as it is colored.
            on_prior: Called with the face's index and its prior.

        Returns:
            The surface, with what was found out on the way.
        """
        with ThreadPoolExecutor(1, "photobust-evidence") as pool:
            # Lift and network use two threads themselves. What only photo and prior tell is found out beside
            # what uses one: the guidance, and the surface.
            with progress.step("guidance", f"Estimating the proportions of {task.name}"):
                prior = task.prior or self.lifter.lift(task.face, task.camera, task.photo.rgb)
                if on_prior:
                    on_prior(task.index, prior)
                redetecting = pool.submit(self.detector.redetect, task.photo.rgb, task.face)
                crop = cut_crop(task.photo.rgb, prior.frame)
                given = NetworkInput(prior, crop, build_guidance(task.face.points, prior, self.lifter))
            with progress.step("network", f"Working out the shape of {task.name}"):
                volume = self.predictor.predict(given.crop, given.guidance)
                if task.wrap and self.lifter.network:
                    # Heads keep 0.2 GB more: with what the networks keep, building the surface took the most.
                    self.lifter.network.release_memory()
            with progress.step("segmentation", f"Finding skin and hair around {task.name}"):
                looking = pool.submit(self._photo_evidence, task, prior, redetecting)
            with progress.step("surface", f"Building the surface of {task.name}"):
                isosurface, volume = self._isosurface(task, given.prior, volume)
            with progress.step("color", f"Coloring {task.name}"):
                surface = _colored(task, given.prior, isosurface)
                shown = surface
                if task.ignored is not None:
                    shown = unseen_where_ignored(surface, task.ignored, task.camera, given.prior.pose)
            if on_surface:
                on_surface(task.index, shown)
            with progress.step("landmarks", f"Placing the landmarks of {task.name}"):
                points, points68 = self._landmarks(isosurface, given.prior, task.camera)
            with progress.step("quality", f"Checking the result for {task.name}"):
                evidence = looking.result()
                quality = self._quality(task, given, isosurface, surface.confidence, points, evidence)
        return FaceSurface(
            prior=given.prior,
            crop=given.crop,
            volume=volume if task.keep_volume else None,
            surface=shown,
            landmark_points=points,
            landmark68=points68,
            segmentation=evidence.segmentation,
            quality=quality,
        )

    def _photo_evidence(
        self, task: FaceTask, prior: HeadPrior, redetecting: "Future[list[tuple[float, FaceLandmarks]]]"
    ) -> PhotoEvidence:
        """What the photo says beside what the surface is made of. Runs in a thread of its own."""
        photo, camera, face = task.photo, task.camera, task.face
        found = redetecting.result()
        redetected = Redetections(found, lift_detections(face, found, self.lifter, camera, photo.rgb))
        segmentation = None
        if self.segmenter:
            segmentation = self.segmenter.segment(photo.rgb, camera, prior.pose)
            segmentation = with_hair_by_color(segmentation, photo.rgb)
            others = [other.points for other in task.others]
            segmentation = without_other_heads(segmentation, face.points, others) if others else segmentation
            segmentation = with_glasses(segmentation, photo.rgb, face.points)
        if segmentation is not None and task.ignored is not None:
            segmentation = ignoring(segmentation, task.ignored)
        coverage = None
        if segmentation:
            direction = camera_direction(prior.pose)
            coverage = measure_coverage(
                photo.rgb, segmentation, face.points, self.lifter.canonical, direction
            )
        return PhotoEvidence(segmentation, redetected, coverage)

    def _isosurface(
        self, task: FaceTask, prior: HeadPrior, volume: np.ndarray
    ) -> tuple[Isosurface, np.ndarray]:
        """The surface of a volume (200, 192, 192), and the volume, aligned to a prior of several photos."""
        mesh = PriorMesh.of(prior, self.lifter.template)
        if task.solved_together:
            volume = aligned_to_prior(volume, mesh)
        return extract_isosurface(volume, prior.frame, prior.pose, mesh, self.settings), volume

    def _landmarks(
        self, isosurface: Isosurface, prior: HeadPrior, camera: Camera
    ) -> tuple[np.ndarray, np.ndarray]:
        """MediaPipe's (478, 3) and iBUG's (68, 3) landmarks on the surface, head frame, meters.

        Along the rays on which the prior has them: nearer to the truth than where the detector found them,
        most of all on turned heads (held-out heads, yaw over 60 degrees: 5.8 against 8.5 pixels of the crop).
        """
        ibug68 = self.lifter.template.landmarks68(prior.vertices.astype(np.float64))
        on_surface = []
        for expected in (prior.landmarks, ibug68):
            pixels = camera.project(prior.pose.head_to_camera(expected))
            on_surface.append(landmarks_on_surface(isosurface, pixels, expected, prior.frame, prior.pose))
        return on_surface[0], on_surface[1]

    def _quality(
        self,
        task: FaceTask,
        given: NetworkInput,
        isosurface: Isosurface,
        confidence: np.ndarray,
        landmark_points: np.ndarray,
        evidence: PhotoEvidence,
    ) -> QualityReport:
        """How far to trust the surface. Confidence, (N,), is its vertices' before any was ignored by hand."""
        inputs = QualityInputs(
            rgb=task.photo.rgb,
            camera=task.camera,
            face=task.face,
            redetections=evidence.redetected.found,
            lifter=self.lifter,
            prior=given.prior,
            guidance=given.guidance,
            crop=given.crop,
            isosurface=isosurface,
            confidence=confidence,
            landmark_points=landmark_points,
            lifted=evidence.redetected.lifted,
        )
        mean_confidence = float(confidence.mean())
        quality = quality_report(measure(inputs), mean_confidence, self.models_dir, evidence.coverage)
        return quality.to_check(task.identity_doubt) if task.identity_doubt else quality


def _colored(task: FaceTask, prior: HeadPrior, isosurface: Isosurface) -> Surface:
    """The surface with the photo's colors."""
    colors, confidence = color_from_photo(isosurface, task.photo.rgb, prior.frame)
    return Surface(isosurface.vertices, isosurface.faces, colors, confidence)
