"""The whole way from a photo to colored heads."""

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..detection.detector import FaceDetector, FaceLandmarks
from ..errors import ReconstructionError, RequestError
from ..hair.settings import HairSettings
from ..image.photo import Photo
from ..lifting.lifter import HeadPrior, LandmarkLifter
from ..lifting.person import PersonSolver
from ..quality.report import QualityReport
from ..runtime.backend import SEGMENTATION_NAME, SEGMENTATION_ONNX_NAME, choose_backend
from ..runtime.timing import Progress, Stopwatch
from ..runtime.weights import models_folder, verify_models
from ..segmentation.segmenter import Segmenter
from ..surface.isosurface import Surface
from ..surface.settings import DEFAULT_SETTINGS, SurfaceSettings
from ..template.template import HeadTemplate
from ..texture.settings import TextureSettings
from ..volume import load_predictor
from ..volume.flip_averaging import FlipAveragedPredictor
from ..volume.predictor import VolumePredictor
from ..wrapping.options import HeadOptions
from ..wrapping.settings import WrapSettings
from .further_photos import corrected_task
from .head_maker import HeadMaker
from .inputs import as_photo, camera_of, check_faces, face_tasks, find_faces, omitted_message
from .person_photos import PersonReader
from .progress import DETECTION_FRACTION, PERSON_FRACTION, FaceProgress
from .results import FaceTask, Reconstruction
from .surface_maker import SurfaceMaker

if TYPE_CHECKING:
    from ..hair.builder import HairBuilder
    from ..template.topology import HeadTopology
    from ..texture.painter import AlbedoPainter
    from ..wrapping.adjuster import AdjustedHead
    from ..wrapping.adjustments import Adjustments
    from ..wrapping.head import HeadWrapper

logger = logging.getLogger(__name__)


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
        head_maker: HeadMaker | None = None,
    ) -> None:
        """Take the models; `from_pretrained` loads them.

        Args:
            detector: Finds faces.
            lifter: Lifts their landmarks.
            predictor: Runs the volume network.
            models_dir: Folder of the models, for topology, calibration, what heads are made with and the
                manifest of the results (default: the project's).
            backend: What runs the network of the hair, see `core.runtime.backend`; the manifest says that it
                ran the others, too.
            surface_settings: How prior and volume make the surface.
            wrap_settings: What can be set of the wrap.
            texture_settings: What can be set of the texture.
            segmenter: Finds out what the pixels around a head show; without it nobody knows.
            hair_settings: What can be set of the hair.
            head_maker: Makes animation-ready heads with these settings (default: one that has prepared
                nothing).
        """
        self.detector = detector
        self.lifter = lifter
        self.predictor = predictor
        self.segmenter = segmenter
        self.surface_settings = surface_settings
        self.models_dir = models_dir
        self.backend = backend
        self._models_dir = models_dir or models_folder()
        self._head_maker = head_maker or HeadMaker(
            lifter.template, self._models_dir, backend, wrap_settings, texture_settings, hair_settings
        )

    @classmethod
    def from_pretrained(  # noqa: PLR0913 (options with defaults, given by name)
        cls,
        models_dir: str | Path | None = None,
        backend: str | None = None,
        threads: int | None = None,
        mirror: bool = False,
        surface_settings: SurfaceSettings = DEFAULT_SETTINGS,
        wrap_settings: WrapSettings = WrapSettings(),  # noqa: B008 (frozen)
        texture_settings: TextureSettings = TextureSettings(),  # noqa: B008 (frozen)
        hair_settings: HairSettings = HairSettings(),  # noqa: B008 (frozen)
        head: HeadOptions | None = None,
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
            head: How the first animation-ready heads will be asked for: what they are made with is prepared
                beside all that comes before them.

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
            template = HeadTemplate.load(folder)
            settings = wrap_settings, texture_settings, hair_settings
            head_maker = HeadMaker(template, folder, backend, *settings)
            if head:
                head_maker.prepare(head)
            lifter = LandmarkLifter.from_pretrained(folder, template, backend)
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
            head_maker,
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
            on_prior: Called with the index of a face and the head that landmarks and picture suggest, before
                the network's: what can be seen of it first.
            adjustments: What a person has corrected of animation-ready heads, by the faces' indices.

        Returns:
            The heads, the largest face first.

        Raises:
            PhotoError: The photo cannot be read.
            NoFaceError: The photo shows no face.
            FaceTooSmallError: All faces are too small.
            ReconstructionError: No head came of any of the faces.
            RequestError: A chosen face is not there, or a corrected point is far outside of the photo.
            ModelError: A model that is loaded only now is missing or damaged.
            Cancelled: `cancelled` said so.
            ValueError: `focal_mm` or `max_faces` makes no sense.
        """
        given, photo = photo, as_photo(photo)
        camera = camera_of(photo, focal_mm)
        wrap = _head_options(head)
        if wrap:
            self._head_maker.prepare(wrap)
        watch = Stopwatch(progress, cancelled)
        with watch.step("detect", 0.0, "Finding the faces"):
            if detected is None:
                photo, detected = find_faces(self.detector, photo, given, max_faces)
        check_faces(detected, photo.name)
        omitted = getattr(detected, "omitted", 0)
        if omitted:
            logger.warning("%s: %s", photo.name, omitted_message(omitted))
        tasks = face_tasks(photo, camera, detected, chosen, wrap, keep_volume, adjustments or {})
        heads: list[Reconstruction] = []
        problem: ReconstructionError | None = None
        for number, task in enumerate(tasks):
            start = DETECTION_FRACTION + (1 - DETECTION_FRACTION) * number / len(tasks)
            length = (1 - DETECTION_FRACTION) / len(tasks)
            try:
                watch_face = Stopwatch(progress, cancelled, start, length, watch.seconds)
                heads.append(self._reconstruct_face(task, watch_face, on_surface, on_prior))
            except ReconstructionError as error:
                # One face in the background must not cost the others their heads.
                logger.warning("%s: no head for %s: %s", photo.name, task.name, error)
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
            photos: Of the person, their paths, or (H, W, 3) uint8 sRGB, which are called "photo 1" and so on;
                of each the largest face counts.
            focal_mm: 35 mm equivalent focal length, instead of what the photos' EXIF data give.
            progress: Called at the beginning of each step.
            cancelled: Whether to stop, asked between two steps.
            head: See `reconstruct`.
            on_surface: See `reconstruct`.
            force: Whether photos that seem to show somebody else are used, too; implies `confirmed`.
            confirmed: Whether somebody has said that the photos show one person.
            on_prior: See `reconstruct`; the head that the photos suggest together.
            adjustments: What a person has corrected of the animation-ready head, by the name of the photo
                that it was corrected over; of others than the main photo it is left out, with a warning, and
                so are pins over further photos of which several have the name.

        Returns:
            The head, its `views` in the order of the photos, and the photo that its surface is from.

        Raises:
            RequestError: There is no photo, or a corrected point is far outside of its photo.
            NoFaceError: No photo is of use; the message says why.
            ReconstructionError: No head came of the main photo's face.
            ModelError: A model that is loaded only now is missing or damaged.
            Cancelled: `cancelled` said so.
            ValueError: `focal_mm` makes no sense.
        """
        if not photos:
            raise RequestError("No photo of the person was given")
        watch = Stopwatch(progress, cancelled, 0.0, PERSON_FRACTION)
        reader = PersonReader(self.detector, self.lifter, self.segmenter, self.person_solver)
        person = reader.solve(photos, focal_mm, watch, force, confirmed)
        task = reader.task(person, _head_options(head), adjustments or {}, force)
        looking = {"detect": sum(watch.seconds.values())}
        watch_face = Stopwatch(progress, cancelled, PERSON_FRACTION, 1 - PERSON_FRACTION, looking)
        return self._reconstruct_face(task, watch_face, on_surface, on_prior), task.photo

    def _reconstruct_face(
        self,
        task: FaceTask,
        watch: Stopwatch,
        on_surface: Callable[[int, Surface], None] | None = None,
        on_prior: Callable[[int, HeadPrior], None] | None = None,
    ) -> Reconstruction:
        """One head; the watch's progress is that of this face."""
        progress = FaceProgress.toward(task.wrap, watch)
        surface_maker = SurfaceMaker(
            self.detector,
            self.lifter,
            self.predictor,
            self.segmenter,
            self._models_dir,
            self.surface_settings,
        )
        made = surface_maker.make(task, progress, on_surface, on_prior)
        wrapped = finished = adjusted = None
        options = task.wrap
        if options:
            # What networks and lifter keep for the next photo is a sixth of all; the texture needs it.
            self.lifter.release_memory()
            wrapped = self._head_maker.wrap(task, made, progress)
            adjusted = wrapped.adjusted
            task = corrected_task(task, adjusted) if adjusted else task
            finished = self._head_maker.finish(task, options, made, wrapped, progress)
        return Reconstruction(
            face_index=task.index,
            landmarks=task.face,
            frame=made.prior.frame,
            pose=wrapped.pose if wrapped else made.prior.pose,
            camera=task.camera,
            surface=made.surface,
            landmark_points=made.landmark_points,
            landmark68=made.landmark68,
            timings=watch.seconds,
            crop=made.crop,
            quality=_with_corrections(made.quality, task, adjusted),
            volume=made.volume,
            models_dir=self.models_dir,
            backend=self.backend,
            head=finished.head if finished else None,
            albedo=finished.albedo if finished else None,
            hair=finished.hair if finished else None,
            hair_product=options.hair if options and made.segmentation is not None else "none",
            faces_omitted=task.faces_omitted,
            segmentation=made.segmentation,
            adjusted=adjusted,
            views=task.views,
        )

    def close(self) -> None:
        """Free what MediaPipe holds: its threads and graphs."""
        self.detector.close()

    def __enter__(self) -> "Reconstructor":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def person_solver(self) -> PersonSolver:
        """What puts several photos of a person together; made when the first are."""
        return PersonSolver.load(self.lifter, self._models_dir)

    @property
    def topology(self) -> "HeadTopology":
        """What all wrapped heads share; read when the first one is asked for."""
        return self._head_maker.topology

    @property
    def head_wrapper(self) -> "HeadWrapper":
        """What wraps heads; made when the first one is asked for."""
        return self._head_maker.wrapper

    @property
    def hair_builder(self) -> "HairBuilder":
        """What makes hair; made when the first is asked for."""
        return self._head_maker.hair_builder

    def albedo_painter(self, size: int, uv: str = HeadOptions.uv) -> "AlbedoPainter":
        """What paints textures of a size for a UV map, one of UV_MAPS; the last one is kept."""
        return self._head_maker.painter(size, uv)


def load_segmenter(models_dir: Path, backend: str) -> Segmenter | None:
    """The segmenter of a folder of models, None if the folder has none."""
    name = SEGMENTATION_NAME if backend == "torch" else SEGMENTATION_ONNX_NAME
    return Segmenter.from_pretrained(models_dir, backend) if (models_dir / name).is_file() else None


def _head_options(head: bool | HeadOptions) -> HeadOptions | None:
    """How to make the animation-ready head; None if it is not asked for."""
    return HeadOptions() if head is True else head or None


def _with_corrections(
    quality: QualityReport, task: FaceTask, adjusted: "AdjustedHead | None"
) -> QualityReport:
    """A quality report with what is to be said of corrections by hand."""
    if adjusted:
        quality = quality.with_missed_pins(adjusted.errors_px, task.face.size)
    for sentence in task.unused_corrections:
        quality = quality.with_unused_corrections(sentence)
    return quality
