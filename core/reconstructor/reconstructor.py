"""The whole way from a photo to colored heads."""

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..detection.detector import FaceDetector, FaceLandmarks
from ..errors import FaceTooSmallError, NoFaceError, PhotoError, ReconstructionError, RequestError
from ..geometry.frames import Camera, HeadPose
from ..hair.settings import HairSettings
from ..image.crop import cut_crop
from ..image.photo import Photo, search_frames
from ..lifting.hair_contrast import hair_contrast
from ..lifting.lifter import HeadPrior, LandmarkLifter
from ..lifting.person import UNLIKE, UNUSABLE, USED, PersonPhoto, PersonSolver, PhotoView
from ..quality.coverage import measure_coverage
from ..quality.measures import QualityInputs, lift_redetections, measure
from ..quality.report import quality_report
from ..runtime.backend import SEGMENTATION_NAME, SEGMENTATION_ONNX_NAME, choose_backend
from ..runtime.timing import Progress, Stopwatch
from ..runtime.weights import models_folder, verify_models
from ..segmentation.glasses import with_glasses
from ..segmentation.hair_color import with_hair_by_color
from ..segmentation.segmenter import Segmenter, camera_direction
from ..segmentation.segments import Segmentation
from ..surface.isosurface import Isosurface, Surface, extract_isosurface
from ..surface.landmarks import landmarks_on_surface
from ..surface.prior_alignment import aligned_to_prior
from ..surface.prior_mesh import PriorMesh
from ..surface.settings import DEFAULT_SETTINGS, SurfaceSettings
from ..surface.vertex_colors import color_from_photo
from ..texture.settings import PaintOptions, TextureSettings
from ..volume import load_predictor
from ..volume.flip_averaging import FlipAveragedPredictor
from ..volume.guidance import build_guidance
from ..volume.predictor import VolumePredictor
from ..wrapping.ignored import ignoring, unseen_where_ignored
from ..wrapping.options import UV_MAPS, HeadOptions
from ..wrapping.settings import WrapSettings
from ..wrapping.skeleton import load_rig_model
from .further_photos import (
    corrected_task,
    corrections_of_person,
    doubt_about,
    hair_photos,
    skin_photos,
    views_for_pins,
)
from .inputs import as_photo, camera_of, check_faces, omitted_message, unused_corrections, usable_faces
from .progress import DETECTION_FRACTION, PERSON_FRACTION, step_starts
from .results import FaceTask, FurtherPhoto, PhotoEvidence, Reconstruction, Redetections

if TYPE_CHECKING:
    from ..hair.builder import HairBuilder
    from ..hair.groom import HairGroom
    from ..template.topology import HeadTopology
    from ..texture.painter import Albedo, AlbedoPainter
    from ..wrapping.adjuster import AdjustedHead, HeadAdjuster
    from ..wrapping.adjustments import Adjustments
    from ..wrapping.head import Head, HeadInProgress, HeadShape, HeadWrapper


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
            FaceDetector.from_pretrained(folder, backend),
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
        views, lifted = self._lift_photos(photos, focal_mm, watch)
        used = self._of_one_person(views, lifted, force)
        with watch.step("person", 1.0, "Putting the photos together"):
            shape = self.person_solver.solve([lifted[index][1] for index in used])
        main = max(used, key=lambda index: lifted[index][1].fitness)
        for index, solved in zip(used, shape.views, strict=True):
            views[index] = replace(
                views[index],
                prior=solved.prior,
                expression=solved.expression,
                weight=solved.weight,
                main=index == main,
                identity_confirmed=index == main or confirmed or force,
            )
        photo, main_photo = lifted[main]
        others = [(views[index].name, lifted[index][0]) for index in used if index != main]
        corrections, unused = corrections_of_person(photo, others, adjustments or {})
        further = tuple(
            self._further(views[index], lifted[index][0], corrections)
            for index in used
            if index != main and views[index].identity_confirmed
        )
        task = FaceTask(
            photo,
            main_photo.camera,
            main_photo.face,
            0,
            "the face",
            wrap,
            adjustments=corrections,
            prior=views[main].prior,
            further=further,
            views=tuple(views),
            identity_doubt="" if force or len(used) == 1 else doubt_about(views),
            unused_corrections=(unused,) if unused and wrap else (),
        )
        own = Stopwatch(
            progress, cancelled, PERSON_FRACTION, 1 - PERSON_FRACTION, {"detect": sum(watch.seconds.values())}
        )
        return self._reconstruct_face(task, own, on_surface, on_prior), photo

    def _lift_photos(
        self, photos: Sequence[Photo | str | Path | np.ndarray], focal_mm: float | None, watch: Stopwatch
    ) -> tuple[list[PhotoView], dict[int, tuple[Photo, PersonPhoto]]]:
        """What is known of each photo of a person; and by index those of use, with the face lifted.

        Raises:
            NoFaceError: None can be used.
        """
        views: list[PhotoView] = []
        usable: dict[int, tuple[Photo, PersonPhoto]] = {}
        for number, given in enumerate(photos):
            name = Path(given).name if isinstance(given, (str, Path)) else f"photo {number + 1}"
            with watch.step(f"photo {number + 1}", number / len(photos), f"Looking at {name}"):
                photo, view, lifted = self._lift_photo(given, name, focal_mm)
            views.append(view)
            if photo and lifted:
                usable[number] = photo, lifted
        if not usable:
            raise NoFaceError("None of the photos can be used. " + " ".join(view.reason for view in views))
        return views, usable

    def _of_one_person(
        self, views: list[PhotoView], lifted: Mapping[int, tuple[Photo, PersonPhoto]], force: bool
    ) -> list[int]:
        """The indices of the photos that may show one person; of others `views` says that they do not."""
        indices = list(lifted)
        unlike = [] if force else self.person_solver.unlike([lifted[index][1] for index in indices])
        for k in unlike:
            view = views[indices[k]]
            reason = f"{view.name} seems to show somebody else"
            logging.getLogger(__name__).warning("%s: it is left out", reason)
            views[indices[k]] = replace(view, verdict=UNLIKE, reason=reason, weight=0.0)
        return [index for k, index in enumerate(indices) if k not in unlike]

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
        with ThreadPoolExecutor(1, "photobust-evidence") as pool:
            redetected = pool.submit(self._redetect, task)
            with watch.step("guidance", starts["guidance"], f"Estimating the proportions of {name}"):
                prior = task.prior or self.lifter.lift(face, camera, photo.rgb)
                if on_prior:
                    on_prior(task.index, prior)
                crop = cut_crop(photo.rgb, prior.frame)
                guidance = build_guidance(face.points, prior, self.lifter)
            # What only the photo and the prior tell is found out beside the surface.
            with watch.step("segmentation", starts["segmentation"], f"Finding skin and hair around {name}"):
                job = pool.submit(self._photo_evidence, task, prior, redetected)
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
                    evidence.redetected.found,
                    self.lifter,
                    prior,
                    guidance,
                    crop,
                    isosurface,
                    confidence,
                    points,
                    evidence.redetected.priors,
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

    def _redetect(self, task: FaceTask) -> Redetections:
        """The face detected again, and lifted. Runs in a thread of its own."""
        photo, camera, face = task.photo, task.camera, task.face
        redetections = self.detector.redetect(photo.rgb, face)
        return Redetections(redetections, lift_redetections(redetections, self.lifter, camera, photo.rgb))

    def _photo_evidence(
        self, task: FaceTask, prior: HeadPrior, redetected: "Future[Redetections]"
    ) -> PhotoEvidence:
        """What the photo says beside what the surface is made of. Runs in a thread of its own."""
        photo, camera, face = task.photo, task.camera, task.face
        segmentation = None
        if self.segmenter:
            segmentation = self.segmenter.segment(photo.rgb, camera, prior.pose)
            segmentation = with_hair_by_color(segmentation, photo.rgb)
            segmentation = with_glasses(segmentation, photo.rgb, face.points)
        if segmentation is not None and task.ignored is not None:
            segmentation = ignoring(segmentation, task.ignored)
        coverage = None
        if segmentation:
            direction = camera_direction(prior.pose)
            coverage = measure_coverage(
                photo.rgb, segmentation, face.points, self.lifter.canonical, direction
            )
        return PhotoEvidence(segmentation, redetected.result(), coverage)

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
                begun = adjusted.head.in_progress()
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
        from ..hair.builder import FacialHairRequest

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
        from ..wrapping.head import HeadWrapper

        return HeadWrapper(self.lifter.template, self.topology, self.wrap_settings)

    @cached_property
    def head_adjuster(self) -> "HeadAdjuster":
        """What corrects heads by hand; made when the first correction comes."""
        from ..template.sliders import load_sliders
        from ..wrapping.adjuster import HeadAdjuster

        return HeadAdjuster(self.topology, load_sliders(self.models_dir or models_folder()))

    @cached_property
    def person_solver(self) -> PersonSolver:
        """What puts several photos of a person together; made when the first are."""
        return PersonSolver.load(self.lifter, self.models_dir or models_folder())

    @cached_property
    def hair_builder(self) -> "HairBuilder":
        """What makes hair; made when the first is asked for."""
        from ..hair.builder import HairBuilder
        from ..hair.volume_network import load_hair_network

        network = load_hair_network(self.models_dir or models_folder(), self.backend)
        return HairBuilder(self.topology, self.hair_settings, network)

    @cached_property
    def topology(self) -> "HeadTopology":
        """What all wrapped heads share; read when the first one is asked for."""
        from ..template.topology import HeadTopology

        return HeadTopology.load(self.models_dir or models_folder())

    def albedo_painter(self, size: int, uv: str = HeadOptions.uv) -> "AlbedoPainter":
        """What paints textures of a size for a UV map, one of UV_MAPS; the last one is kept."""
        from ..texture.albedo_model import AlbedoModel
        from ..texture.painter import AlbedoPainter

        topology = self.topology.painted_for(UV_MAPS[uv])
        made = self._painter
        if made is None or made.size != size or made.topology.uv_names != topology.uv_names:
            model = AlbedoModel.load(self.models_dir or models_folder())
            self._painter = made = AlbedoPainter(topology, size, self.texture_settings, model)
        return made


def load_segmenter(models_dir: Path, backend: str) -> Segmenter | None:
    """The segmenter of a folder of models, None if the folder has none."""
    name = SEGMENTATION_NAME if backend == "torch" else SEGMENTATION_ONNX_NAME
    return Segmenter.from_pretrained(models_dir, backend) if (models_dir / name).is_file() else None
