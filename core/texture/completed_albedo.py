"""The head's texture with a segmentation: skin by the statistical model, the other parts painted."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import cv2
import numpy as np

from ..geometry.frames import CropFrame, HeadPose
from ..image.color import linear_to_bytes
from ..runtime.timing import Clock
from ..segmentation.segments import Segmentation
from ..template.regions import Regions
from ..template.topology import CLEAR, SKIN, HeadTopology
from .albedo import EMPTY, PAINTED, Albedo, kind_fractions, texel_kinds
from .albedo_model import AlbedoModel
from .atlas import Atlas, texel_coordinates
from .eyes import eye_colors
from .face_colors import face_colors
from .padding import nearest_texels
from .part_painter import PartPainter
from .settings import PaintOptions, TextureSettings
from .skin_compositor import SkinLayer
from .skin_painter import SkinPainter
from .skin_tone import plain_tone
from .skin_views import SkinPhoto
from .surface_maps import SurfaceMapper

if TYPE_CHECKING:
    from ..wrapping.head import HeadShape

#: Fractional bits of coordinates handed to OpenCV's drawing.
SHIFT = 6


class CompletedAlbedo:
    """Makes textures of one size; what depends on the topology alone is computed once."""

    def __init__(
        self, topology: HeadTopology, size: int, settings: TextureSettings, model: AlbedoModel
    ) -> None:
        """Prepare what does not depend on the photo.

        Args:
            topology: Of the heads.
            size: Side of the textures, texels.
            settings: What can be set.
            model: Of the albedo.
        """
        self.topology, self.size = topology, size
        self.regions = Regions.of(topology)
        self.skin = SkinPainter(topology, size, settings, model)
        names = [name for name in topology.part_names if name not in (SKIN, *CLEAR)]
        self.parts = Atlas.of(topology, size, names)
        self._painter = PartPainter(topology, self.parts)
        self._rim = self.parts.interpolation(self._painter.inner, len(topology.vertices))
        self.skin_cover = skin_coverage(topology, size)
        self._padding = self._pad(settings.padding)
        beside = np.maximum.reduce([self.regions.scalp, self.regions.ear, self.regions.neck])
        self._face = self.skin.sampler.at_texels(beside[:, None])[:, 0] < 0.5

    def paint(
        self,
        rgb: np.ndarray,
        frame: CropFrame,
        pose: HeadPose,
        head: "HeadShape",
        landmarks: np.ndarray,
        segmentation: Segmentation,
        options: PaintOptions,
        others: Sequence[SkinPhoto] = (),
    ) -> Albedo:
        """Make the texture of a head.

        Args:
            rgb: (H, W, 3) uint8, the photo.
            frame: The crop.
            pose: Of the head.
            head: The wrapped head.
            landmarks: (478, 2 or more) as detected, photo pixels.
            segmentation: What the photo's pixels show.
            options: What is chosen.
            others: Further photos of the person.

        Returns:
            The texture.
        """
        clock = Clock()
        face = face_colors(rgb, landmarks, segmentation)
        outline = landmarks if options.outline else None
        photo = SkinPhoto(rgb, frame, pose, head.vertices, segmentation, outline)
        skin = self.skin.paint(photo, options, face, others)
        clock.lap("skin")
        plain = plain_tone(skin.logs, self.regions)
        eyes = eye_colors(rgb, landmarks, skin.correction, np.exp(plain))
        linear = self._painter.paint(np.exp(self._rim @ skin.logs), eyes)
        image = cv2.cvtColor(skin.image, cv2.COLOR_RGB2RGBA)
        parts = np.column_stack([linear_to_bytes(linear), self._painter.alpha])
        flat = image.view(np.uint32).ravel()  # a texel is one number: several times as fast to move
        flat[self.parts.texel] = parts.view(np.uint32).ravel()
        around, source, empty = self._padding
        flat[around] = flat.take(source)
        flat[empty] = 0
        mask, fractions = self._mask(skin)
        detail, light = skin.detail, skin.correction.color
        del skin
        clock.lap("paint")
        surface = self._mapper.maps(detail) if options.maps else None
        if options.maps:
            clock.lap("maps")
        return Albedo(image, mask, fractions, eyes, clock.seconds, surface, light)

    def prepare(self, maps: bool) -> None:
        """Compute what is otherwise computed with the first texture.

        Args:
            maps: Whether the other maps are wanted, too.
        """
        if maps:
            _ = self._mapper

    @cached_property
    def _mapper(self) -> SurfaceMapper:
        """What makes the other maps; made when the first are asked for."""
        return SurfaceMapper(self.topology, self.size, self.parts, self.skin.sampler)

    def _pad(self, reach: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Texels around the parts but for the skin's, the parts' nearest ones, and texels far from all."""
        distance, nearest = nearest_texels(self.parts.texel, self.size)
        to_skin = cv2.distanceTransform(1 - self.skin_cover, cv2.DIST_L2, 5)
        around = np.flatnonzero(
            ((distance > 0) & (distance <= reach) & (to_skin > 0) & (to_skin >= distance)).ravel()
        )
        empty = np.flatnonzero(((distance > reach) & (to_skin > reach)).ravel())
        return around, self.parts.texel[nearest[around]], empty

    def _mask(self, skin: SkinLayer) -> tuple[np.ndarray, dict[str, float]]:
        """The mask, and the fractions of the skin's and the face's texels by how they were made."""
        kinds = texel_kinds(skin.observed, skin.mirrored, 1 - skin.observed - skin.mirrored)
        mask = cv2.resize(kinds, (self.size, self.size), interpolation=cv2.INTER_NEAREST)
        mask[self.skin_cover == 0] = EMPTY
        mask.ravel()[self.parts.texel] = PAINTED
        return mask, kind_fractions(kinds.ravel()[self.skin.sampler.texel], self._face)


def skin_coverage(topology: HeadTopology, size: int) -> np.ndarray:
    """(S, S) uint8: 1 where a texture shows the skin."""
    cover = np.zeros((size, size), np.uint8)
    points = texel_coordinates(topology.uv[topology.quad_uv[topology.faces_of(SKIN)]], size)
    for corners in np.round(points * 2**SHIFT).astype(np.int32):
        cv2.fillConvexPoly(cover, corners, (1,), cv2.LINE_8, SHIFT)
    return cover
