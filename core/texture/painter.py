"""The head's texture: with a segmentation and the albedo model, or by the photo's colors alone."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..geometry.frames import CropFrame, HeadPose
from ..segmentation.segments import Segmentation
from ..template.regions import Regions
from ..template.topology import HeadTopology
from ..wrapping.options import TEXTURE_SIZES
from .albedo import COMPLETED, EMPTY, MIRRORED, OBSERVED, PAINTED, Albedo
from .albedo_model import AlbedoModel
from .completed_albedo import CompletedAlbedo
from .photo_albedo import PhotoAlbedo
from .settings import PaintOptions, TextureSettings
from .skin_views import SkinPhoto

if TYPE_CHECKING:
    from ..wrapping.head import HeadShape

__all__ = ["COMPLETED", "EMPTY", "MIRRORED", "OBSERVED", "PAINTED", "Albedo", "AlbedoPainter"]


class AlbedoPainter:
    """Makes textures of one size; what depends on the topology alone is computed once, when it is needed."""

    def __init__(
        self,
        topology: HeadTopology,
        size: int = 2048,
        settings: TextureSettings = TextureSettings(),  # noqa: B008 (frozen)
        model: AlbedoModel | None = None,
    ) -> None:
        """Prepare what does not depend on the photo.

        Args:
            topology: Of the heads.
            size: Side of the textures, texels, one of TEXTURE_SIZES.
            settings: What can be set.
            model: Of the albedo; without it, segmentations are of no use.

        Raises:
            ValueError: If it is another size.
        """
        if size not in TEXTURE_SIZES:
            raise ValueError(f"a texture has {', '.join(map(str, TEXTURE_SIZES))} texels a side, not {size}")
        self.topology = topology
        self.size = size
        self.settings = settings
        self.model = model
        self.regions = Regions.of(topology)

    def prepare(self, maps: bool) -> None:
        """Compute what depends on the topology alone, for photos with a segmentation.

        Args:
            maps: Whether the other maps are wanted, too.
        """
        if self._completed is not None:
            self._completed.prepare(maps)

    @cached_property
    def _completed(self) -> CompletedAlbedo | None:
        """What paints with a segmentation; None without a model."""
        if self.model is None:
            return None
        return CompletedAlbedo(self.topology, self.size, self.settings, self.model)

    @cached_property
    def _plain(self) -> PhotoAlbedo:
        """What paints without a segmentation."""
        return PhotoAlbedo(self.topology, self.size, self.settings)

    def paint(
        self,
        rgb: np.ndarray,
        frame: CropFrame,
        pose: HeadPose,
        head: "HeadShape",
        landmarks: np.ndarray,
        segmentation: Segmentation | None = None,
        options: PaintOptions = PaintOptions(),  # noqa: B008 (frozen)
        others: Sequence[SkinPhoto] = (),
    ) -> Albedo:
        """Make the texture of a head.

        Args:
            rgb: (H, W, 3) uint8, the photo.
            frame: The crop.
            pose: Of the head.
            head: The wrapped head.
            landmarks: (478, 2 or more) as detected, photo pixels.
            segmentation: What the photo's pixels show; without it, colors alone tell skin from hair and
                background.
            options: What is chosen.
            others: Further photos of the person; only with segmentations.

        Returns:
            The texture.
        """
        if segmentation is None or self._completed is None:
            return self._plain.paint(rgb, frame, pose, head, landmarks, options.delight)
        return self._completed.paint(rgb, frame, pose, head, landmarks, segmentation, options, others)
