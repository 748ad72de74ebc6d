"""From a face's surface to its animation-ready head, with texture and hair."""

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

from ..errors import PhotobustError
from ..geometry.frames import HeadPose
from ..hair.settings import HairSettings
from ..segmentation.segments import Segmentation
from ..template.template import HeadTemplate
from ..texture.settings import PaintOptions, TextureSettings
from ..wrapping.options import UV_MAPS, HeadOptions
from ..wrapping.settings import WrapSettings
from ..wrapping.skeleton import load_rig_model
from .further_photos import hair_photos, skin_photos, views_for_pins
from .progress import FaceProgress
from .results import FaceSurface, FaceTask

if TYPE_CHECKING:
    from ..hair.builder import HairBuilder
    from ..hair.groom import HairGroom
    from ..template.topology import HeadTopology
    from ..texture.painter import Albedo, AlbedoPainter
    from ..wrapping.adjuster import AdjustedHead, HeadAdjuster
    from ..wrapping.head import Head, HeadInProgress, HeadShape, HeadWrapper


@dataclass(frozen=True)
class WrappedHead:
    """A head before texture and hair.

    Attributes:
        in_progress: The head, wrapped onto the surface and corrected.
        pose: Of the head, as corrected if it was.
        adjusted: What was corrected of it, if anything was.
    """

    in_progress: "HeadInProgress"
    pose: HeadPose
    adjusted: "AdjustedHead | None"


@dataclass(frozen=True)
class FinishedHead:
    """A head with what it wears.

    Attributes:
        head: With the UV map and the bones that are asked for.
        albedo: Its texture, if it was asked for.
        hair: What stands on it, if that was asked for and the photo shows any.
    """

    head: "Head"
    albedo: "Albedo | None"
    hair: "HairGroom | None"


class HeadMaker:
    """Makes animation-ready heads. Keeps the models, each loaded when it is first needed."""

    def __init__(
        self,
        template: HeadTemplate,
        models_dir: Path,
        backend: str | None,
        wrap_settings: WrapSettings,
        texture_settings: TextureSettings,
        hair_settings: HairSettings,
    ) -> None:
        """Load nothing yet.

        Args:
            template: What is wrapped.
            models_dir: Folder of the models.
            backend: What runs the network of the hair, see `core.runtime.backend`.
            wrap_settings: What can be set of the wrap.
            texture_settings: What can be set of the texture.
            hair_settings: What can be set of the hair.
        """
        self.template = template
        self.models_dir = models_dir
        self.backend = backend
        self.wrap_settings = wrap_settings
        self.texture_settings = texture_settings
        self.hair_settings = hair_settings
        self._painter: AlbedoPainter | None = None
        self._preparing: Thread | None = None
        self._wrapper_prepared = Event()

    def prepare(self, options: HeadOptions) -> None:
        """Begin to load what heads are made with, beside what comes before: the first head is there earlier.

        Args:
            options: How the heads are to be.
        """
        if self._preparing is None:
            self._preparing = Thread(target=self._prepare, args=(options,), name="photobust-prepare")
            self._preparing.start()

    def _prepare(self, options: HeadOptions) -> None:
        # What cannot be loaded is tried again where it is needed, and the reason is given there.
        try:
            with suppress(PhotobustError):
                _ = self.wrapper
        finally:
            self._wrapper_prepared.set()
        with suppress(PhotobustError):
            if options.wants_hair:
                _ = self.hair_builder
            if options.texture:
                self.painter(options.texture, options.uv).prepare(options.maps)

    def wrap(self, task: FaceTask, made: FaceSurface, progress: FaceProgress) -> WrappedHead:
        """Wrap the template onto the surface of a face, and apply the corrections by hand.

        Args:
            task: The face.
            made: Its surface.
            progress: Of the face.

        Returns:
            The head, from which texture and hair can be made.
        """
        prior = made.prior
        with progress.step("head", f"Fitting the quad mesh to {task.name}"):
            if self._preparing is not None:
                # What texture and hair are made with may go on loading beside the wrap.
                self._wrapper_prepared.wait()
            begun = self.wrapper.begin(made.surface, prior.vertices, task.face, task.camera, prior.pose)
            if not task.adjustments:
                return WrappedHead(begun, prior.pose, None)
            head = begun.finish()
            further = views_for_pins(task.views, head, prior.vertices)
            adjusted = self.adjuster.apply(
                head, self.wrapper, task.camera, prior.pose, task.adjustments, further
            )
            return WrappedHead(adjusted.head.in_progress(), adjusted.pose, adjusted)

    def finish(
        self,
        task: FaceTask,
        options: HeadOptions,
        made: FaceSurface,
        wrapped: WrappedHead,
        progress: FaceProgress,
    ) -> FinishedHead:
        """Finish the head's blendshapes, and make its texture and hair beside that.

        Args:
            task: The face.
            options: How the head is to be.
            made: The face's surface.
            wrapped: The head.
            progress: Of the face.

        Returns:
            The head with texture and hair, as far as they are wanted and the photo shows hair.
        """
        albedo = hair = None
        if self._preparing is not None:
            self._preparing.join()
        # None needs another: the blendshapes are repaired and the hair is made beside the texture.
        with ThreadPoolExecutor(2, "photobust-head") as pool:
            finished = pool.submit(self._finished_head, options, wrapped)
            growing = None
            if made.segmentation is not None and options.wants_hair:
                growing = pool.submit(self._hair, task, options, made.segmentation, wrapped, finished)
            if options.texture:
                with progress.step("texture", f"Painting the texture of {task.name}"):
                    albedo = self._albedo(task, options, made, wrapped)
            if growing is not None:
                with progress.step("hair", f"Making the hair of {task.name}"):
                    hair = growing.result()
                    if hair is not None and albedo is not None:
                        from ..hair.facial_colors import in_texture_light
                        from ..hair.hairline import with_soft_hairline
                        from ..hair.white_light import in_white_light

                        hair = in_white_light(hair, albedo.light_color)
                        if options.beard:  # else the texture has bare skin below it
                            hair = in_texture_light(hair, albedo.image)
                        albedo, hair = with_soft_hairline(albedo, hair, finished.result().topology)
        return FinishedHead(finished.result(), albedo, hair)

    def _finished_head(self, options: HeadOptions, wrapped: WrappedHead) -> "Head":
        """The head with the UV map and the bones that are asked for."""
        head = wrapped.in_progress.finish()
        head = replace(head, topology=head.topology.painted_for(UV_MAPS[options.uv]))
        return head.rigged(load_rig_model(self.models_dir)) if options.rig else head

    def _albedo(
        self, task: FaceTask, options: HeadOptions, made: FaceSurface, wrapped: WrappedHead
    ) -> "Albedo":
        """The head's texture, painted from all photos that may show its skin."""
        # Cards and strands lie on their own color, or one would see bare skin between them.
        brows = options.beard or options.facial_hair == "none"
        shape = wrapped.in_progress.shape
        return self.painter(options.texture, options.uv).paint(
            task.photo.rgb,
            made.prior.frame,
            wrapped.pose,
            shape,
            task.face.points,
            made.segmentation,
            PaintOptions(
                options.delight,
                options.beard,
                options.maps,
                brows,
                outline=made.prior.follows(task.face.points),
            ),
            skin_photos(task.further, shape, made.prior.vertices),
        )

    def _hair(
        self,
        task: FaceTask,
        options: HeadOptions,
        segmentation: Segmentation,
        wrapped: WrappedHead,
        finished: "Future[Head]",
    ) -> "HairGroom | None":
        """What stands on the head, as far as the photo shows it."""
        from ..hair.builder import FacialHairRequest

        facial = None
        if options.facial_hair != "none":
            # Brows are looked for between lashes, which the finished head alone has in their places.
            facial = FacialHairRequest(options.facial_hair, finished.result().vertices)
        shape: HeadShape = wrapped.in_progress.shape
        return self.hair_builder.build(
            task.photo.rgb,
            segmentation,
            task.camera,
            wrapped.pose,
            shape.neutral,
            options.hair,
            hair_photos(task.further),
            facial,
        )

    @cached_property
    def topology(self) -> "HeadTopology":
        """What all wrapped heads share; read when the first one is asked for."""
        from ..template.topology import HeadTopology

        return HeadTopology.load(self.models_dir)

    @cached_property
    def wrapper(self) -> "HeadWrapper":
        """What wraps heads; made when the first one is asked for."""
        from ..wrapping.head import HeadWrapper

        return HeadWrapper(self.template, self.topology, self.wrap_settings)

    @cached_property
    def adjuster(self) -> "HeadAdjuster":
        """What corrects heads by hand; made when the first correction comes."""
        from ..template.sliders import load_sliders
        from ..wrapping.adjuster import HeadAdjuster

        return HeadAdjuster(self.topology, load_sliders(self.models_dir))

    @cached_property
    def hair_builder(self) -> "HairBuilder":
        """What makes hair; made when the first is asked for."""
        from ..hair.builder import HairBuilder
        from ..hair.volume_network import load_hair_network

        network = load_hair_network(self.models_dir, self.backend)
        return HairBuilder(self.topology, self.hair_settings, network)

    def painter(self, size: int, uv: str = HeadOptions.uv) -> "AlbedoPainter":
        """What paints textures; the last one is kept.

        Args:
            size: Side of the texture, pixels.
            uv: The UV map, one of UV_MAPS.
        """
        from ..texture.albedo_model import AlbedoModel
        from ..texture.painter import AlbedoPainter

        topology = self.topology.painted_for(UV_MAPS[uv])
        made = self._painter
        if made is None or made.size != size or made.topology.uv_names != topology.uv_names:
            model = AlbedoModel.load(self.models_dir)
            self._painter = made = AlbedoPainter(topology, size, self.texture_settings, model)
        return made
