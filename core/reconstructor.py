"""The whole way from a photo to colored heads."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .detection.detector import FaceDetector, FaceLandmarks
from .errors import FaceTooSmallError, NoFaceError, PhotoError, ReconstructionError, RequestError
from .geometry.frames import DEFAULT_FOCAL_MM, Camera, CropFrame, HeadPose
from .hair.settings import HairSettings
from .image.crop import cut_crop
from .image.photo import Photo, load_photo, search_frames
from .lifting.hair_contrast import hair_contrast
from .lifting.lifter import HeadPrior, LandmarkLifter
from .lifting.person import UNLIKE, UNUSABLE, USED, PersonPhoto, PersonSolver, PhotoView, without_texture
from .quality.coverage import Coverage, measure_coverage
from .quality.measures import QualityInputs, lift_redetections, measure
from .quality.report import SEVERAL_PHOTOS, TEXTURE_OF_ONE, QualityReport, quality_report
from .runtime.backend import SEGMENTATION_NAME, SEGMENTATION_ONNX_NAME, choose_backend
from .runtime.timing import Progress, Stopwatch
from .runtime.weights import models_folder, verify_models
from .segmentation.glasses import with_glasses
from .segmentation.hair_color import with_hair_by_color
from .segmentation.segmenter import Segmenter, camera_direction
from .segmentation.segments import Segmentation
from .surface.isosurface import Isosurface, Surface, extract_isosurface
from .surface.landmarks import landmarks_on_surface
from .surface.prior_alignment import aligned_to_prior
from .surface.prior_mesh import PriorMesh
from .surface.settings import DEFAULT_SETTINGS, SurfaceSettings
from .surface.vertex_colors import color_from_photo
from .texture.settings import PaintOptions, TextureSettings
from .texture.skin_views import SkinPhoto
from .volume import load_predictor
from .volume.flip_averaging import FlipAveragedPredictor
from .volume.guidance import build_guidance
from .volume.predictor import VolumePredictor
from .wrapping.ignored import ignoring, unseen_where_ignored
from .wrapping.options import UV_MAPS, HeadOptions
from .wrapping.settings import WrapSettings
from .wrapping.skeleton import load_rig_model

if TYPE_CHECKING:
    from .hair.builder import HairBuilder
    from .hair.further_photos import HairPhoto
    from .hair.groom import HairGroom
    from .template.topology import HeadTopology
    from .texture.painter import Albedo, AlbedoPainter
    from .wrapping.adjuster import AdjustedHead, HeadAdjuster
    from .wrapping.adjustments import Adjustments
    from .wrapping.head import Head, HeadInProgress, HeadShape, HeadWrapper
    from .wrapping.pin_solver import PinView

#: Faces smaller than this, pixels from forehead to chin, are not tried.
SMALLEST_FACE = 40
#: Faces that a sentence about corrections names at most.
MAX_NAMED_FACES = 5
#: Fraction of the progress that detection is.
DETECTION_FRACTION = 0.1
#: Fraction of the progress that looking at several photos of a person is.
PERSON_FRACTION = 0.15
#: Seconds that the steps take for a face in a 1024-pixel photo on two cores: they share out the progress.
#: What is done beside another step counts nothing.
STEP_SECONDS = {
    "guidance": 0.05,
    "segmentation": 0.0,
    "network": 0.06,
    "surface": 0.15,
    "color": 0.04,
    "landmarks": 0.01,
    "quality": 0.02,
    "head": 1.2,
    "texture": 0.9,
    "hair": 0.3,
}


@dataclass(frozen=True)
class Reconstruction:
    """One face's head.

    Attributes:
        face_index: The face's place among those of the photo, the largest first, from 0 on.
        landmarks: What the detector found, photo frame.
        frame: The crop.
        pose: Of the head.
        camera: Of the photo.
        surface: The colored surface, head frame, meters.
        landmark_points: (478, 3) float32, MediaPipe's landmarks on the surface, head frame, meters, NaN where
            the surface has none.
        landmark68: (68, 3) float32, the same for iBUG's.
        timings: Seconds by step; "detect" is the time for all faces of the photo.
        crop: (192, 192, 3) uint8, what the network saw.
        quality: How far to trust the head.
        volume: (200, 192, 192) float32 [z, y, x], the occupancy, if it was asked for.
        models_dir: Folder of the weights.
        backend: What ran them.
        head: The template wrapped onto the surface, if it was asked for.
        albedo: Its texture, if it was asked for.
        hair: What stands on it, if that was asked for and the photo shows any.
        faces_omitted: How many further faces the photo shows that were more than asked for.
        segmentation: What the pixels around the head show; None if the models cannot tell.
        adjusted: What was corrected of the head, if anything was.
        views: What became of each photo, if several were given of one person.
    """

    face_index: int
    landmarks: FaceLandmarks
    frame: CropFrame
    pose: HeadPose
    camera: Camera
    surface: Surface
    landmark_points: np.ndarray
    landmark68: np.ndarray
    timings: dict[str, float]
    crop: np.ndarray
    quality: QualityReport
    volume: np.ndarray | None = None
    models_dir: Path | None = None
    backend: str | None = None
    head: "Head | None" = None
    albedo: "Albedo | None" = None
    hair: "HairGroom | None" = None
    faces_omitted: int = 0
    segmentation: Segmentation | None = None
    adjusted: "AdjustedHead | None" = None
    views: tuple[PhotoView, ...] = ()


@dataclass(frozen=True)
class FurtherPhoto:
    """A further photo of the person.

    Attributes:
        name: The view's.
        photo: The photo.
        prior: The person with the expression and the pose of this photo.
        segmentation: What its pixels show.
        corrected: The wrapped head in this photo, as a person's pins have it; None without corrections.
    """

    name: str
    photo: Photo
    prior: HeadPrior
    segmentation: Segmentation | None
    corrected: "PinView | None" = None

    @property
    def pose(self) -> HeadPose:
        """Of the head in this photo, as corrected if it was."""
        return self.corrected.pose if self.corrected is not None else self.prior.pose


@dataclass(frozen=True)
class FaceTask:
    """One face of a photo that is to become a head.

    Attributes:
        photo: The photo.
        camera: Of the photo.
        face: What the detector found, photo frame.
        index: The face's place among those of the photo, the largest first, from 0 on.
        name: What to call it in messages.
        wrap: How to wrap the template onto the surface, None if not at all.
        keep_volume: Whether the reconstruction keeps the volume.
        faces_omitted: How many further faces of the photo were left out.
        adjustments: What is corrected of the head.
        prior: The head, if several photos have been solved together; else it is lifted from this one.
        further: The person's other photos.
        views: What became of each of them.
        identity_doubt: What to say, a sentence or two, if it is not certain that they show one person.
        unused_corrections: What to say, a sentence each, of corrections of faces or over photos that are not
            there.
    """

    photo: Photo
    camera: Camera
    face: FaceLandmarks
    index: int
    name: str
    wrap: HeadOptions | None = None
    keep_volume: bool = False
    faces_omitted: int = 0
    adjustments: "Adjustments | None" = None
    prior: HeadPrior | None = None
    further: tuple[FurtherPhoto, ...] = ()
    views: tuple[PhotoView, ...] = ()
    identity_doubt: str = ""
    unused_corrections: tuple[str, ...] = ()

    @property
    def solved_together(self) -> bool:
        """Whether the prior is that of several photos."""
        return sum(view.verdict == USED for view in self.views) > 1

    @property
    def ignored(self) -> np.ndarray | None:
        """(H, W) bool, photo frame: what of the photo is left out; None if nothing is."""
        return self.adjustments.ignored_at(self.photo.height, self.photo.width) if self.adjustments else None


@dataclass(frozen=True)
class PhotoEvidence:
    """What a photo says of a face beside its surface.

    Attributes:
        segmentation: What the pixels around the head show; None if the models cannot tell.
        redetections: (distance in sizes of the face, landmarks) of each further detection of the face.
        redetected_priors: The heads lifted from those that found it.
        coverage: What covers the face; None without a segmentation.
    """

    segmentation: Segmentation | None
    redetections: Sequence[tuple[float, FaceLandmarks]]
    redetected_priors: Sequence[HeadPrior]
    coverage: Coverage | None


class Reconstructor:
    """Keeps the models and turns photos into heads. Not thread-safe.

    A context manager: `close` frees what MediaPipe holds.
    """

    def __init__(  # noqa: PLR0913 (options with defaults, given by name)
        self,
        detector: FaceDetector,
        lifter: LandmarkLifter,
        predictor: VolumePredictor,
        models_dir: Path | None = None,
        backend: str | None = None,
        surface_settings: SurfaceSettings = DEFAULT_SETTINGS,
        wrap_settings: WrapSettings = WrapSettings(),  # noqa: B008 (frozen)
        texture_settings: TextureSettings = TextureSettings(),  # noqa: B008 (frozen)
        segmenter: Segmenter | None = None,
        hair_settings: HairSettings = HairSettings(),  # noqa: B008 (frozen)
    ) -> None:
        """Take the models; `from_pretrained` loads them.

        Args:
            detector: Finds faces.
            lifter: Lifts their landmarks.
            predictor: Runs the volume network.
            models_dir: Folder of the models, for topology, calibration and the manifest of the results.
            backend: Only noted, for the manifest.
            surface_settings: How prior and volume make the surface.
            wrap_settings: What can be set of the wrap.
            texture_settings: What can be set of the texture.
            segmenter: Finds out what the pixels around a head show; without it nobody knows.
            hair_settings: What can be set of the hair.
        """
        self.segmenter = segmenter
        self.surface_settings = surface_settings
        self.wrap_settings = wrap_settings
        self.texture_settings = texture_settings
        self.hair_settings = hair_settings
        self.models_dir = models_dir
        self.backend = backend
        self.detector = detector
        self.lifter = lifter
        self.predictor = predictor
        self._painter: AlbedoPainter | None = None

    @classmethod
    def from_pretrained(
        cls,
        models_dir: str | Path | None = None,
        backend: str | None = None,
        threads: int | None = None,
        mirror: bool = False,
        surface_settings: SurfaceSettings = DEFAULT_SETTINGS,
        wrap_settings: WrapSettings = WrapSettings(),  # noqa: B008 (frozen)
        texture_settings: TextureSettings = TextureSettings(),  # noqa: B008 (frozen)
        hair_settings: HairSettings = HairSettings(),  # noqa: B008 (frozen)
    ) -> "Reconstructor":
        """Load the models of a folder.

        Args:
            models_dir: The folder (default: the project's).
            backend: "onnx", "torch", or "auto": ONNX Runtime if it is installed, else torch. Default:
                $PHOTOBUST_BACKEND, else "auto".
            threads: Of ONNX Runtime (default: the available cores).
            mirror: Average the volume with that of the mirrored photo, for a little less error (see
                `core.volume.flip_averaging`).
            surface_settings: How prior and volume make the surface.
            wrap_settings: What can be set of the wrap.
            texture_settings: What can be set of the texture.
            hair_settings: What can be set of the hair.

        Returns:
            The reconstructor.

        Raises:
            ModelError: If a model is missing or damaged.
        """
        folder = Path(models_dir) if models_dir else models_folder()
        backend = choose_backend(folder, backend)
        verify_models(folder, backend)
        with ThreadPoolExecutor(1, "photobust-load") as pool:
            loading = pool.submit(load_predictor, folder, backend, threads)
            lifter = LandmarkLifter.from_pretrained(folder, backend=backend)
            predictor = loading.result()
        return cls(
            FaceDetector.from_pretrained(folder),
            lifter,
            FlipAveragedPredictor(predictor) if mirror else predictor,
            folder,
            backend,
            surface_settings,
            wrap_settings,
            texture_settings,
            load_segmenter(folder, backend),
            hair_settings,
        )

    def reconstruct(  # noqa: PLR0913 (options with defaults, given by name)
        self,
        photo: Photo | str | Path | np.ndarray,
        focal_mm: float | None = None,
        max_faces: int = 10,
        progress: Progress | None = None,
        cancelled: Callable[[], bool] | None = None,
        keep_volume: bool = False,
        chosen: Sequence[int] | None = None,
        detected: Sequence[FaceLandmarks] | None = None,
        head: bool | HeadOptions = False,
        on_surface: Callable[[int, Surface], None] | None = None,
        on_prior: Callable[[int, HeadPrior], None] | None = None,
        adjustments: "Mapping[int, Adjustments] | None" = None,
    ) -> list[Reconstruction]:
        """Reconstruct the heads of the faces in a photo.

        Args:
            photo: The photo, its path, or (H, W, 3) uint8 sRGB.
            focal_mm: 35 mm equivalent focal length, instead of the one that the photo's EXIF data give.
            max_faces: The most faces to reconstruct, the largest first.
            progress: Called at the beginning of each step.
            cancelled: Whether to stop, asked between two steps.
            keep_volume: Whether the results keep the volume, 30 MB each.
            chosen: Indices of the faces to reconstruct, by size from 0 on (default: all).
            detected: What `detector.detect` has found in this photo, if it was run already.
            head: Also wrap the animation-ready head onto each surface and paint its texture, in the usual way
                or as the options say.
            on_surface: Called with the index of a face and its colored surface as soon as there is one, to be
                looked at while the head is made.
            adjustments: What a person has corrected of animation-ready heads, by the faces' indices.
            on_prior: Called with the index of a face and the head that landmarks and picture suggest, before
                the network's: what can be seen of it first.

        Returns:
            The heads, the largest face first.

        Raises:
            NoFaceError: The photo shows no face.
            FaceTooSmallError: All faces are too small.
            RequestError: A chosen face is not there.
            Cancelled: `cancelled` said so.
        """
        given, photo = photo, as_photo(photo)
        camera = camera_of(photo, focal_mm)
        wrap = HeadOptions() if head is True else head or None
        watch = Stopwatch(progress, cancelled)
        with watch.step("detect", 0.0, "Finding the faces"):
            if detected is None:
                photo, detected = self._detect(photo, given, max_faces)
        check_faces(detected, photo.name)
        omitted = getattr(detected, "omitted", 0)
        if omitted:
            logging.getLogger(__name__).warning("%s: %s", photo.name, omitted_message(omitted))
        faces = usable_faces(detected, chosen, photo.name)
        adjustments = {index: one.named_for(photo.name, ()) for index, one in (adjustments or {}).items()}
        for one in adjustments.values():
            one.check_inside(photo.width, photo.height, photo.name)
        unused = ""
        if wrap and chosen is None:
            unused = unused_corrections(adjustments, [index for index, _ in faces])
        heads: list[Reconstruction] = []
        problem: ReconstructionError | None = None
        for number, (index, face) in enumerate(faces):
            name = "the face" if len(faces) == 1 else f"face {number + 1} of {len(faces)}"
            corrections = adjustments.get(index)
            task = FaceTask(photo, camera, face, index, name, wrap, keep_volume, omitted, corrections)
            of_other_photos = corrections.unused(()) if wrap and corrections else ""
            task = replace(task, unused_corrections=tuple(one for one in (unused, of_other_photos) if one))
            start = DETECTION_FRACTION + (1 - DETECTION_FRACTION) * number / len(faces)
            length = (1 - DETECTION_FRACTION) / len(faces)
            try:
                watch_face = Stopwatch(progress, cancelled, start, length, watch.seconds)
                heads.append(self._reconstruct_face(task, watch_face, on_surface, on_prior))
            except ReconstructionError as error:
                # One face in the background must not cost the others their heads.
                logging.getLogger(__name__).warning("%s: no head for %s: %s", photo.name, name, error)
                problem = problem or error
        if problem and not heads:
            raise problem
        return heads

    def reconstruct_person(  # noqa: PLR0913 (options with defaults, given by name)
        self,
        photos: Sequence[Photo | str | Path | np.ndarray],
        focal_mm: float | None = None,
        progress: Progress | None = None,
        cancelled: Callable[[], bool] | None = None,
        head: bool | HeadOptions = False,
        on_surface: Callable[[int, Surface], None] | None = None,
        force: bool = False,
        confirmed: bool = False,
        on_prior: Callable[[int, HeadPrior], None] | None = None,
        adjustments: "Mapping[str, Adjustments] | None" = None,
    ) -> tuple[Reconstruction, Photo]:
        """Reconstruct one head from several photos of a person.

        Identity is solved from all photos together; surface and eyes are from the photo that shows the face
        best, and so is the hair, but for what others show behind and beside it; each texel of the texture is
        from the photo that shows it best. Skin and hair are only taken of photos that are confirmed to show
        one person. Except with `force` a head of several photos is at best to check.

        Args:
            photos: Of the person, or their paths; of each the largest face counts.
            focal_mm: 35 mm equivalent focal length, instead of what the photos' EXIF data give.
            progress: Called at the beginning of each step.
            cancelled: Whether to stop, asked between two steps.
            head: See `reconstruct`.
            on_surface: See `reconstruct`.
            force: Whether photos that seem to show somebody else are used, too; implies `confirmed`.
            confirmed: Whether somebody has said that the photos show one person.
            on_prior: See `reconstruct`; the head that the photos suggest together.
            adjustments: What a person has corrected of the animation-ready head, by the name of the photo
                that it was corrected over; of others than the main photo it is left out, with a warning.

        Returns:
            The head, its `views` in the order of the photos, and the photo that its surface is from.

        Raises:
            RequestError: There is no photo.
            NoFaceError: No photo is of use; the message says why.
            Cancelled: `cancelled` said so.
        """
        if not photos:
            raise RequestError("No photo of the person was given")
        wrap = HeadOptions() if head is True else head or None
        watch = Stopwatch(progress, cancelled, 0.0, PERSON_FRACTION)
        views: list[PhotoView] = []
        found: dict[int, tuple[Photo, PersonPhoto]] = {}
        for number, given in enumerate(photos):
            name = Path(given).name if isinstance(given, (str, Path)) else f"photo {number + 1}"
            with watch.step(f"photo {number + 1}", number / len(photos), f"Looking at {name}"):
                photo, view, lifted = self._lift_photo(given, name, focal_mm)
            views.append(view)
            if photo and lifted:
                found[number] = photo, lifted
        if not found:
            raise NoFaceError("None of the photos can be used. " + " ".join(view.reason for view in views))
        indices = list(found)
        unlike = [] if force else self.person_solver.unlike([found[k][1] for k in indices])
        for k in unlike:
            index = indices[k]
            reason = f"{views[index].name} seems to show somebody else"
            logging.getLogger(__name__).warning("%s: it is left out", reason)
            views[index] = replace(views[index], verdict=UNLIKE, reason=reason, weight=0.0)
        used = [index for k, index in enumerate(indices) if k not in unlike]
        with watch.step("person", 1.0, "Putting the photos together"):
            shape = self.person_solver.solve([found[index][1] for index in used])
        for index, solved in zip(used, shape.views, strict=True):
            views[index] = replace(
                views[index], prior=solved.prior, expression=solved.expression, weight=solved.weight
            )
        main = max(used, key=lambda index: found[index][1].fitness)
        photo, lifted = found[main]
        own_adjustments = adjustments_over(photo.name, adjustments or {})
        unused = ""
        if own_adjustments:
            others = {views[index].name for index in used if index != main}
            own_adjustments = own_adjustments.named_for(photo.name, others)
            unused = own_adjustments.unused(others) if wrap else ""
            own_adjustments.check_inside(photo.width, photo.height, photo.name)
            for index in (index for index in used if index != main):
                other, name = found[index][0], views[index].name
                own_adjustments.check_inside(other.width, other.height, name, name)
        for index in used:
            is_main = index == main
            certain = is_main or confirmed or force
            views[index] = replace(views[index], main=is_main, identity_confirmed=certain)
        further = tuple(
            self._further(views[index], found[index][0], own_adjustments)
            for index in used
            if index != main and views[index].identity_confirmed
        )
        task = FaceTask(
            photo,
            lifted.camera,
            lifted.face,
            0,
            "the face",
            wrap,
            adjustments=own_adjustments,
            prior=views[main].prior,
            further=further,
            views=tuple(views),
            identity_doubt="" if force or len(used) == 1 else doubt_about(views),
            unused_corrections=(unused,) if unused else (),
        )
        own = Stopwatch(
            progress, cancelled, PERSON_FRACTION, 1 - PERSON_FRACTION, {"detect": sum(watch.seconds.values())}
        )
        return self._reconstruct_face(task, own, on_surface, on_prior), photo

    def _lift_photo(
        self, given: Photo | str | Path | np.ndarray, name: str, focal_mm: float | None
    ) -> tuple[Photo | None, PhotoView, PersonPhoto | None]:
        """A photo of a person, with its largest face lifted; or why it is of no use."""
        try:
            photo = as_photo(given)
        except PhotoError as error:
            return None, PhotoView(name, "", (0, 0), UNUSABLE, str(error)), None
        name = photo.name or name
        size = photo.width, photo.height
        view = PhotoView(name, photo.sha256 or "", size, USED, orientation=photo.orientation)
        try:
            camera = camera_of(photo, focal_mm)
            photo, detected = self._detect(photo, given, 1)
            check_faces(detected, name)
            face = detected[0]
            prior = self.lifter.lift(face, camera, photo.rgb)
        except (NoFaceError, FaceTooSmallError, ReconstructionError) as error:
            return None, replace(view, verdict=UNUSABLE, reason=str(error)), None
        contrast = pattern = segmentation = None
        if self.segmenter:
            segmentation = self.segmenter.segment(photo.rgb, camera, prior.pose)
            contrast = hair_contrast(photo.rgb, segmentation)
            segmentation = with_glasses(segmentation, photo.rgb, face.points)
            pattern = self.person_solver.pattern(photo.rgb, camera, prior, segmentation)
        lifted = PersonPhoto(name, face, camera, prior, contrast, pattern, photo.rgb, segmentation)
        return photo, replace(view, camera=camera, prior=prior), lifted

    def _further(self, view: PhotoView, photo: Photo, adjustments: "Adjustments | None") -> FurtherPhoto:
        """A further photo, segmented, and without what is ignored of it."""
        if view.prior is None or view.camera is None:
            raise ValueError("the photo has not been solved")
        segmentation = None
        if self.segmenter:
            segmentation = self.segmenter.segment(photo.rgb, view.camera, view.prior.pose)
            segmentation = with_hair_by_color(segmentation, photo.rgb)
            size = photo.height, photo.width
            ignored = adjustments.ignored_at(*size, view.name) if adjustments else None
            segmentation = segmentation if ignored is None else ignoring(segmentation, ignored)
        return FurtherPhoto(view.name, photo, view.prior, segmentation)

    def _reconstruct_face(
        self,
        task: FaceTask,
        watch: Stopwatch,
        on_surface: Callable[[int, Surface], None] | None = None,
        on_prior: Callable[[int, HeadPrior], None] | None = None,
    ) -> Reconstruction:
        """One head; the watch's progress is that of this face."""
        photo, camera, face, name, wrap = task.photo, task.camera, task.face, task.name, task.wrap
        starts = step_starts(bool(wrap), bool(wrap and wrap.texture), bool(wrap and wrap.wants_hair))
        with watch.step("guidance", starts["guidance"], f"Estimating the proportions of {name}"):
            prior = task.prior or self.lifter.lift(face, camera, photo.rgb)
            if on_prior:
                on_prior(task.index, prior)
            crop = cut_crop(photo.rgb, prior.frame)
            guidance = build_guidance(face.points, prior, self.lifter)
        with ThreadPoolExecutor(1, "photobust-evidence") as pool:
            # What only the photo and the prior tell is found out beside the surface.
            with watch.step("segmentation", starts["segmentation"], f"Finding skin and hair around {name}"):
                job = pool.submit(self._photo_evidence, task, prior)
            with watch.step("network", starts["network"], f"Working out the shape of {name}"):
                volume = self.predictor.predict(crop, guidance)
            with watch.step("surface", starts["surface"], f"Building the surface of {name}"):
                mesh = PriorMesh.of(prior, self.lifter.template)
                if task.solved_together:
                    volume = aligned_to_prior(volume, mesh)
                isosurface = extract_isosurface(volume, prior.frame, prior.pose, mesh, self.surface_settings)
            with watch.step("color", starts["color"], f"Coloring {name}"):
                colors, confidence = color_from_photo(isosurface, photo.rgb, prior.frame)
                surface = Surface(isosurface.vertices, isosurface.faces, colors, confidence)
                if task.ignored is not None:
                    surface = unseen_where_ignored(surface, task.ignored, camera, prior.pose)
            if on_surface:
                on_surface(task.index, surface)
            with watch.step("landmarks", starts["landmarks"], f"Placing the landmarks of {name}"):
                points, points68 = self._landmarks(isosurface, prior, camera)
            with watch.step("quality", starts["quality"], f"Checking the result for {name}"):
                evidence = job.result()
                segmentation = evidence.segmentation
                inputs = QualityInputs(
                    photo.rgb,
                    camera,
                    face,
                    evidence.redetections,
                    self.lifter,
                    prior,
                    guidance,
                    crop,
                    isosurface,
                    confidence,
                    points,
                    evidence.redetected_priors,
                )
                folder = self.models_dir or models_folder()
                mean_confidence = float(confidence.mean())
                quality = quality_report(measure(inputs), mean_confidence, folder, evidence.coverage)
                quality = quality.to_check(task.identity_doubt) if task.identity_doubt else quality
        begun, adjusted = self._wrap(task, prior, surface, watch, starts)
        pose = adjusted.pose if adjusted else prior.pose
        if adjusted:
            quality = quality.with_missed_pins(adjusted.errors_px, face.size)
            task = corrected_task(task, adjusted)
        for sentence in task.unused_corrections:
            quality = quality.with_unused_corrections(sentence)
        head, albedo, hair = self._with_texture_and_hair(
            task, prior, pose, segmentation, begun, watch, starts
        )
        return Reconstruction(
            face_index=task.index,
            landmarks=face,
            frame=prior.frame,
            pose=pose,
            camera=camera,
            surface=surface,
            landmark_points=points,
            landmark68=points68,
            timings=watch.seconds,
            crop=crop,
            quality=quality,
            volume=volume if task.keep_volume else None,
            models_dir=self.models_dir,
            backend=self.backend,
            head=head,
            albedo=albedo,
            hair=hair,
            faces_omitted=task.faces_omitted,
            segmentation=segmentation,
            adjusted=adjusted,
            views=task.views,
        )

    def _photo_evidence(self, task: FaceTask, prior: HeadPrior) -> PhotoEvidence:
        """What the photo says beside what the surface is made of. Runs in a thread of its own."""
        photo, camera, face = task.photo, task.camera, task.face
        segmentation = None
        if self.segmenter:
            segmentation = self.segmenter.segment(photo.rgb, camera, prior.pose)
            segmentation = with_hair_by_color(segmentation, photo.rgb)
            segmentation = with_glasses(segmentation, photo.rgb, face.points)
        if segmentation is not None and task.ignored is not None:
            segmentation = ignoring(segmentation, task.ignored)
        redetections = self.detector.redetect(photo.rgb, face)
        priors = lift_redetections(redetections, self.lifter, camera, photo.rgb)
        coverage = None
        if segmentation:
            direction = camera_direction(prior.pose)
            coverage = measure_coverage(
                photo.rgb, segmentation, face.points, self.lifter.canonical, direction
            )
        return PhotoEvidence(segmentation, redetections, priors, coverage)

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

    def _wrap(
        self,
        task: FaceTask,
        prior: HeadPrior,
        surface: Surface,
        watch: Stopwatch,
        starts: Mapping[str, float],
    ) -> "tuple[HeadInProgress | None, AdjustedHead | None]":
        """The template wrapped onto the surface, if it is asked for, and what was corrected."""
        wrap, face = task.wrap, task.face
        if not wrap:
            return None, None
        with watch.step("head", starts["head"], f"Fitting the quad mesh to {task.name}"):
            begun = self.head_wrapper.begin(surface, prior.vertices, face, task.camera, prior.pose)
            adjusted = None
            if task.adjustments:
                head = begun.finish()
                further = views_for_pins(task.views, head, prior.vertices)
                adjusted = self.head_adjuster.apply(
                    head, self.head_wrapper, task.camera, prior.pose, task.adjustments, further
                )
                begun = adjusted.head.as_begun()
        return begun, adjusted

    def _with_texture_and_hair(
        self,
        task: FaceTask,
        prior: HeadPrior,
        pose: HeadPose,
        segmentation: Segmentation | None,
        begun: "HeadInProgress | None",
        watch: Stopwatch,
        starts: Mapping[str, float],
    ) -> "tuple[Head | None, Albedo | None, HairGroom | None]":
        """The head, its texture and what stands on it, as far as they are wanted and the photo shows hair."""
        wrap = task.wrap
        if not wrap or begun is None:
            return None, None, None
        albedo = hair = None
        # None needs another: the blendshapes are repaired and the hair is made beside the texture.
        with ThreadPoolExecutor(2, "photobust-head") as pool:
            finished = pool.submit(self._finished_head, wrap, begun)
            job = None
            if segmentation is not None and wrap.wants_hair:
                job = pool.submit(self._hair, task, pose, segmentation, begun.shape, finished)
            if wrap.texture:
                with watch.step("texture", starts["texture"], f"Painting the texture of {task.name}"):
                    bare = wrap.facial_hair != "none"
                    options = PaintOptions(wrap.delight, wrap.beard and not bare, wrap.maps, not bare)
                    painter = self.albedo_painter(wrap.texture, wrap.uv)
                    others = skin_photos(task.further, begun.shape, prior.vertices)
                    albedo = painter.paint(
                        task.photo.rgb,
                        prior.frame,
                        pose,
                        begun.shape,
                        task.face.points,
                        segmentation,
                        options,
                        others,
                    )
            if job is not None:
                with watch.step("hair", starts["hair"], f"Making the hair of {task.name}"):
                    hair = job.result()
        return finished.result(), albedo, hair

    def _finished_head(self, wrap: HeadOptions, begun: "HeadInProgress") -> "Head":
        """The head with the UV map and the bones that are asked for."""
        head = begun.finish()
        head = replace(head, topology=head.topology.painted_for(UV_MAPS[wrap.uv]))
        return head.rigged(load_rig_model(self.models_dir or models_folder())) if wrap.rig else head

    def _hair(
        self,
        task: FaceTask,
        pose: HeadPose,
        segmentation: Segmentation,
        head: "HeadShape",
        finished: "Future[Head]",
    ) -> "HairGroom | None":
        """What stands on the head, as far as the photo shows it."""
        from .hair.builder import FacialHairRequest

        wrap = task.wrap or HeadOptions(hair="none")
        facial = None
        if wrap.facial_hair != "none":
            # Brows are looked for between lashes, which the finished head alone has in their places.
            facial = FacialHairRequest(wrap.facial_hair, finished.result().vertices)
        further = hair_photos(task.further)
        return self.hair_builder.build(
            task.photo.rgb, segmentation, task.camera, pose, head.neutral, wrap.hair, further, facial
        )

    def _detect(
        self, photo: Photo, given: Photo | str | Path | np.ndarray, max_faces: int
    ) -> tuple[Photo, Sequence[FaceLandmarks]]:
        """The faces of a photo; of an animation that was given as a file, the first frame with faces."""

        def find(frame: Photo) -> Sequence[FaceLandmarks]:
            return self.detector.detect(frame.rgb, max_faces=max_faces)

        if isinstance(given, (str, Path)):
            return search_frames(photo, given, find)
        return photo, find(photo)

    def close(self) -> None:
        """Free what MediaPipe holds: its threads and graphs."""
        self.detector.close()

    def __enter__(self) -> "Reconstructor":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def head_wrapper(self) -> "HeadWrapper":
        """What wraps heads; made when the first one is asked for."""
        from .wrapping.head import HeadWrapper

        return HeadWrapper(self.lifter.template, self.topology, self.wrap_settings)

    @cached_property
    def head_adjuster(self) -> "HeadAdjuster":
        """What corrects heads by hand; made when the first correction comes."""
        from .template.sliders import load_sliders
        from .wrapping.adjuster import HeadAdjuster

        return HeadAdjuster(self.topology, load_sliders(self.models_dir or models_folder()))

    @cached_property
    def person_solver(self) -> PersonSolver:
        """What puts several photos of a person together; made when the first are."""
        return PersonSolver.load(self.lifter, self.models_dir or models_folder())

    @cached_property
    def hair_builder(self) -> "HairBuilder":
        """What makes hair; made when the first is asked for."""
        from .hair.builder import HairBuilder
        from .hair.volume_network import load_hair_network

        network = load_hair_network(self.models_dir or models_folder(), self.backend)
        return HairBuilder(self.topology, self.hair_settings, network)

    @cached_property
    def topology(self) -> "HeadTopology":
        """What all wrapped heads share; read when the first one is asked for."""
        from .template.topology import HeadTopology

        return HeadTopology.load(self.models_dir or models_folder())

    def albedo_painter(self, size: int, uv: str = HeadOptions.uv) -> "AlbedoPainter":
        """What paints textures of a size for a UV map, one of UV_MAPS; the last one is kept."""
        from .texture.albedo_model import AlbedoModel
        from .texture.painter import AlbedoPainter

        topology = self.topology.painted_for(UV_MAPS[uv])
        made = self._painter
        if made is None or made.size != size or made.topology.uv_names != topology.uv_names:
            model = AlbedoModel.load(self.models_dir or models_folder())
            self._painter = made = AlbedoPainter(topology, size, self.texture_settings, model)
        return made


def doubt_about(views: Sequence[PhotoView]) -> str:
    """What to say of a head of several photos that nothing proves to be of one person."""
    names = without_texture(views)
    return f"{SEVERAL_PHOTOS} {TEXTURE_OF_ONE.format(', '.join(names))}" if names else SEVERAL_PHOTOS


def adjustments_over(name: str | None, adjustments: "Mapping[str, Adjustments]") -> "Adjustments | None":
    """What was corrected over the main photo of a person, of this name; warns of what was over another."""
    for other in adjustments:
        if other != name:
            logging.getLogger(__name__).warning(
                "%s is not the photo that the head is seen in, %s is: its corrections are left out",
                *(other, name),
            )
    return adjustments.get(name or "")


def unused_corrections(faces: Iterable[int], there: Sequence[int]) -> str:
    """What to say of corrections of faces, by their indices, that are not there; empty if all are."""
    missing = sorted(set(faces) - set(there))
    if not missing:
        return ""
    more = ", ..." if len(missing) > MAX_NAMED_FACES else ""
    count = f"{len(there)} face{'s' * (len(there) != 1)}"
    return (
        f"The corrections of face {', '.join(map(str, missing[:MAX_NAMED_FACES]))}{more} are not used:"
        f" the photo has {count} that can be used, counted from 0 on."
    )


def skin_photos(further: Sequence[FurtherPhoto], head: "HeadShape", prior: np.ndarray) -> list[SkinPhoto]:
    """Further photos, as the texture takes them.

    Args:
        further: The photos; without segmentations they are left out.
        head: The wrapped head, with the main photo's expression.
        prior: (T, 3) the solved one, likewise: what others differ from it by is their expression.
    """
    found = []
    for one in further:
        if one.segmentation is None:
            continue
        vertices = head.vertices + (one.prior.vertices - prior)[head.topology.origin]
        if one.corrected is not None:
            vertices = one.corrected.photo.astype(vertices.dtype)
        found.append(SkinPhoto(one.photo.rgb, one.prior.frame, one.pose, vertices, one.segmentation))
    return found


def corrected_task(task: FaceTask, adjusted: "AdjustedHead") -> FaceTask:
    """A task whose further photos have the head as pins have it, for the texture and for face.json."""
    poses = {name: view.pose for name, view in adjusted.further.items()}
    views = tuple(
        replace(view, prior=replace(view.prior, pose=poses[view.name]))
        if view.name in poses and view.prior is not None
        else view
        for view in task.views
    )
    further = tuple(replace(one, corrected=adjusted.further.get(one.name)) for one in task.further)
    return replace(task, views=views, further=further)


def hair_photos(further: Sequence[FurtherPhoto]) -> "list[HairPhoto]":
    """Further photos, as the hair takes them; without segmentations they are left out."""
    from .hair.further_photos import HairPhoto

    return [
        HairPhoto(one.photo.rgb, one.segmentation, one.prior.frame.camera, one.pose)
        for one in further
        if one.segmentation is not None
    ]


def views_for_pins(views: Sequence[PhotoView], head: "Head", prior: np.ndarray) -> "dict[str, PinView]":
    """Further photos of a person, as pins take them: by their names.

    Args:
        views: What became of all photos.
        head: The wrapped head with the main photo's expression.
        prior: (U, 3) float64, meters, the template's vertices, solved with it: what others differ by is
            their expression.
    """
    from .wrapping.pin_solver import PinView

    return {
        view.name: PinView(
            head.vertices + (view.prior.vertices - prior)[head.topology.origin].astype(np.float64),
            view.camera,
            view.prior.pose,
        )
        for view in views
        if view.verdict == USED and not view.main and view.prior is not None and view.camera is not None
    }


def load_segmenter(models_dir: Path, backend: str) -> Segmenter | None:
    """The segmenter of a folder of models, None if the folder has none."""
    name = SEGMENTATION_NAME if backend == "torch" else SEGMENTATION_ONNX_NAME
    return Segmenter.from_pretrained(models_dir, backend) if (models_dir / name).is_file() else None


def step_starts(head: bool, texture: bool, hair: bool) -> dict[str, float]:
    """The progress at which each step of a face begins, in proportion to the time that the steps take.

    Args:
        head: Whether the animation-ready head is made too.
        texture: Whether its texture is painted too.
        hair: Whether its hair is made too.

    Returns:
        Progress in 0..1 by the step's name, for the steps that are taken.
    """
    left_out = {"head": not head, "texture": not texture, "hair": not hair}
    steps = [(name, seconds) for name, seconds in STEP_SECONDS.items() if not left_out.get(name)]
    total = sum(seconds for _, seconds in steps)
    starts, passed = {}, 0.0
    for name, seconds in steps:
        starts[name] = passed / total
        passed += seconds
    return starts


def as_photo(photo: Photo | str | Path | np.ndarray) -> Photo:
    """A photo from whatever was given.

    Args:
        photo: A photo, the path of one, or (H, W, 3) uint8, sRGB.

    Raises:
        PhotoError: It cannot be read, or is no picture.
    """
    if isinstance(photo, Photo):
        return photo
    return Photo.from_array(photo) if isinstance(photo, np.ndarray) else load_photo(photo)


def camera_of(photo: Photo, focal_mm: float | None) -> Camera:
    """The photo's camera: focal length as given, else from EXIF, else that of a normal lens."""
    if focal_mm is not None:
        if not 1 <= focal_mm <= 10_000:
            raise ValueError(f"a 35 mm equivalent focal length of {focal_mm} mm makes no sense")
        return Camera.from_focal_mm(focal_mm, photo.width, photo.height, "option")
    if photo.focal_mm35 is not None:
        return Camera.from_focal_mm(photo.focal_mm35, photo.width, photo.height, "exif")
    return Camera.from_focal_mm(DEFAULT_FOCAL_MM, photo.width, photo.height, "default")


def usable_faces(
    detected: Sequence[FaceLandmarks], chosen: Sequence[int] | None, name: str
) -> list[tuple[int, FaceLandmarks]]:
    """The faces to reconstruct, each with its index: those that are large enough, or of them the chosen."""
    usable = [(i, face) for i, face in enumerate(detected) if face.size >= SMALLEST_FACE]
    if chosen is None:
        return usable
    unknown = sorted(set(chosen) - {i for i, _ in usable})
    if unknown or not chosen:
        asked = f"face {unknown[0] + 1}" if unknown else "no face"
        raise RequestError(
            f"{name} has {len(usable)} faces that can be used, and {asked} was chosen: choose again"
        )
    return [(i, face) for i, face in usable if i in chosen]


def omitted_message(count: int) -> str:
    """What to tell about faces that were more than asked for."""
    faces = "1 further, smaller face is" if count == 1 else f"{count} further, smaller faces are"
    return f"{faces} left out: allow more with --max-faces"


def check_faces(faces: Sequence[FaceLandmarks], name: str) -> None:
    """Raise an error that says what to do if there is no face that can be reconstructed."""
    if not faces:
        raise NoFaceError(
            f"No face found in {name}: try a photo in which the face is larger, sharper, less covered or less"
            " turned away"
        )
    largest = max(face.size for face in faces)
    if largest < SMALLEST_FACE:
        raise FaceTooSmallError(
            f"The largest face in {name} is only {largest:.0f} pixels high, {SMALLEST_FACE} are needed:"
            " give a larger picture of it, or cut it out of the original photo"
        )
