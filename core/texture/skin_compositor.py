"""The skin's picture at the full resolution: what photos show, its mirror image, and the completed albedo.

What photos show is kept as a ratio to the completed albedo, natural logarithms, and only in a box of the
texture: the rows and columns that hold all of it and its mirror image. Where photos have fewer pixels than
the texture has texels, it is worked on at half the resolution and enlarged once. At 2048 a picture of three
channels takes up to 50 MB: each step is a function of its own, so that none is kept for longer than needed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ..geometry.visibility import ramp
from ..image.color import LUMINANCE, linear_to_bytes
from ..image.sampling import LinearPhoto, points_in_photo
from ..template.regions import Regions, lip_weight
from .albedo_model import DARK
from .blocks import half_span, row_blocks
from .creases import crease_shade
from .detail import CHANNELS, DetailLayer
from .hue_noise import hue_noise
from .light_patches import at_working_size, patch_light
from .skin_sampler import SkinSampler
from .skin_tone import plain_tone
from .skin_views import SkinSource
from .sparse_texels import SparseTexels
from .tone_correction import ToneCorrection

#: Texels of half the resolution around what was observed.
MARGIN = 8
#: Height, meters, head frame, above which features are brows and lids, and below which the mouth is.
MOUTH_BELOW = -0.03
#: Weights of the mirror image from which on it is used, and used fully.
MIRROR_RANGE = (0.3, 0.9)
#: Photo pixels from texel to texel of half the resolution up to which these have all that the photo has.
HALF_SPACING = 0.8
#: Noise's lightness, of its natural logarithm.
NOISE_LIGHTNESS = np.float32(CHANNELS @ LUMINANCE)


@dataclass(frozen=True)
class Box:
    """A part of the texture, at a resolution.

    Attributes:
        rows: From an even one to an even one at the full resolution.
        columns: The same.
        scale: How many texels there are for one of half the resolution, across: 2 at the full one, or 1.
    """

    rows: slice
    columns: slice
    scale: int

    @property
    def enlarged(self) -> "Box":
        """The same part of a box at half the resolution at the full one."""
        rows, columns = (slice(2 * span.start, 2 * span.stop) for span in (self.rows, self.columns))
        return Box(rows, columns, 2)

    @property
    def part(self) -> tuple[slice, slice]:
        """Of a picture of the whole texture at this resolution."""
        return self.rows, self.columns

    def blocks(self) -> "Iterator[tuple[slice, Box]]":
        """Rows of a picture of the box, some at a time, and the part of the texture that they are."""
        for block in row_blocks(self.rows):
            rows = slice(block.start - self.rows.start, block.stop - self.rows.start)
            yield rows, Box(block, self.columns, self.scale)


@dataclass(frozen=True)
class SkinLayer:
    """The painted skin.

    Attributes:
        image: (S, S, 3) uint8 sRGB albedo, beyond the skin's island, too.
        logs: (V, 3) float32, natural logarithm of the completed albedo at the vertices.
        observed: (S/2, S/2) float32, 0..1, how far the photo shows each texel.
        mirrored: (S/2, S/2) float32, 0..1, how far it comes from the head's other side.
        correction: Exposure and white balance that were made.
        detail: (S, S) float32, natural logarithm of the fine structure of lightness.
    """

    image: np.ndarray
    logs: np.ndarray
    observed: np.ndarray
    mirrored: np.ndarray
    correction: ToneCorrection
    detail: np.ndarray


class SkinCompositor:
    """Puts the skin of heads of one topology together at one size."""

    def __init__(
        self,
        size: int,
        sampler: SkinSampler,
        regions: Regions,
        features: SparseTexels,
        beard: SparseTexels,
        brows: SparseTexels,
    ) -> None:
        """Prepare what does not depend on the photo.

        Args:
            size: Side of the textures, texels.
            sampler: Of the skin's n texels at half of it.
            regions: Of the topology.
            features: Of n texels, 0..1, how far they are on lips, brows and lids.
            beard: Of n, 0..1, how far beards grow on them.
            brows: Of n, 0..1, how far they are on brows.
        """
        self.size, self.sampler = size, sampler
        self._regions, self._features, self._beard = regions, features, beard
        above = sampler.at_texels(sampler.topology.vertices[:, 2:] > MOUTH_BELOW)[:, 0]
        on_features = features.dense()
        brows_and_lids = on_features * above
        lips = lip_weight(sampler.topology.vertices, sampler.topology).astype(np.float32)
        lips = sampler.at_texels(lips[:, None])[:, 0]
        self._lips = SparseTexels.of(lips)
        self._around_lips = SparseTexels.of(on_features * (1 - above) * (1 - lips))
        self._brows_and_lids = SparseTexels.of(brows_and_lids)
        self._lids = SparseTexels.of(brows_and_lids * (1 - brows.dense()))
        self._fill = sampler.nearest
        self._detail = DetailLayer(size)

    def compose(
        self,
        sources: Sequence[SkinSource],
        logs: np.ndarray,
        correction: ToneCorrection,
        delight: bool,
    ) -> SkinLayer:
        """Put what was observed, its mirror image and what was completed together.

        Args:
            sources: The photos that it is put together from.
            logs: (V, 3) natural logarithm of the completed albedo, exposed as photographed.
            correction: Exposure and white balance that are to be made.
            delight: Whether to take the light out of the fine structure, too.

        Returns:
            The skin.
        """
        weight = np.asarray(sum(source.weight for source in sources), np.float32)
        change = correction.of(logs)
        corrected = (logs + change).astype(np.float32)
        completed = np.exp(self.sampler.at_texels(corrected))
        spacings = [
            self.sampler.spacing(source.pixels, np.flatnonzero(source.weight > 0)) for source in sources
        ]
        box = self._box(weight, 1 if max(spacings) <= HALF_SPACING else 2)
        own = self._in_box(weight, box)
        ratio = self._observed(sources, spacings, own, completed, change, box)
        mirrored = self._add_mirror_image(ratio, own, box)
        evened, plain = completed, self._plain(sources)
        if delight:
            beside = logs - plain_tone(logs, self._regions)
            evened = completed / self._even_patches(ratio, plain, beside, box)
        noise = self._detail.synthesize(ratio, own, self._in_box(1 - self._features.dense(), box), box.scale)
        small = [self._half(mask, box) for mask in (own, mirrored)]
        lightness = cv2.transform(ratio, LUMINANCE[None])
        if delight:
            self._lighten_creases(ratio, plain, box)
        if box.scale == 1:
            ratio, lightness = (_twice(values, cv2.INTER_CUBIC) for values in (ratio, lightness))
            own, mirrored = (_twice(values, cv2.INTER_LINEAR) for values in (own, mirrored))
            box = box.enlarged
        self._add_noise(ratio, lightness, noise, own, mirrored, box)
        del own, mirrored  # 20 MB at 2048
        detail = self._detail.repeated(noise) * NOISE_LIGHTNESS
        detail[box.part] = lightness
        image = self._multiplied(completed, evened, ratio, noise, box)
        return SkinLayer(image, corrected, small[0], small[1], correction, detail)

    def _observed(
        self,
        sources: Sequence[SkinSource],
        spacings: Sequence[float],
        own: np.ndarray,
        completed: np.ndarray,
        change: np.ndarray,
        box: Box,
    ) -> np.ndarray:
        """(h, w, 3) float32, natural logarithm of the albedo that photos show, beside the completed one:
        so that a mirror image takes on the tone of the side it goes to. It is weighted by `own` (h, w).

        spacings: Of the texels in each photo, at half the resolution, photo pixels.
        """

        def ratio_of(source: SkinSource, spacing: float, part: np.ndarray) -> np.ndarray:
            light = self.sampler.at_texels(np.exp(change))
            light /= self.sampler.at_texels(source.shading)
            return self._source_ratio(source, spacing / box.scale, part, light, completed, box)

        if len(sources) == 1:
            return ratio_of(sources[0], spacings[0], own)
        ratio = np.zeros((*own.shape, 3), np.float32)
        for source, spacing in zip(sources, spacings, strict=True):
            ratio += ratio_of(source, spacing, self._in_box(source.weight, box))
        return ratio

    def _source_ratio(
        self,
        source: SkinSource,
        spacing: float,
        part: np.ndarray,
        light: np.ndarray,
        completed: np.ndarray,
        box: Box,
    ) -> np.ndarray:
        """(h, w, 3) float32: `_observed` of one photo, weighted by its part (h, w), whose pixels the
        texels are `spacing` apart in.

        Its colors times `light` (n, 3) are its albedo.
        """
        ratio = self._photo(source, spacing, part > 0, box)
        for rows, block in box.blocks():
            ratio[rows] *= self._in_box(light, block)
            np.maximum(ratio[rows], DARK, out=ratio[rows])
            ratio[rows] /= np.maximum(self._in_box(completed, block), DARK)
        cv2.log(ratio, ratio)
        ratio *= part[..., None]
        return ratio

    def _photo(self, source: SkinSource, spacing: float, wanted: np.ndarray, box: Box) -> np.ndarray:
        """(h, w, 3) float32 linear colors of a photo at the wanted (h, w) texels of a box, so many of its
        pixels apart; 0 elsewhere.
        """
        # Far texels are behind the head: nothing is looked up for them.
        ends = np.concatenate([[0], np.cumsum(wanted.sum(1))])
        points = np.empty((ends[-1], 2), np.float32)
        for rows, block in box.blocks():
            few = np.flatnonzero(wanted[rows])
            pixels = self._in_box(source.pixels, block).reshape(-1, 2)
            points[ends[rows.start] : ends[rows.stop]] = pixels.take(few, 0)
        inside = points_in_photo(source.rgb, points)
        if not inside.any():
            return np.zeros((*wanted.shape, 3), np.float32)
        photo = LinearPhoto.around(source.rgb, points[inside], spacing)
        colors = np.zeros((*wanted.shape, 3), np.float32)
        for rows, _ in box.blocks():
            colors[rows][wanted[rows]] = photo.at(points[ends[rows.start] : ends[rows.stop]])
        return colors

    def _add_mirror_image(self, ratio: np.ndarray, own: np.ndarray, box: Box) -> np.ndarray:
        """Fill in what the photos do not show from the head's other side, in place.

        Returns:
            (h, w) float32, 0..1, how far each texel comes from there.
        """
        mirror = self._mirror_maps(box)
        share = _sampled(own, mirror)
        mirrored = ramp(share, *MIRROR_RANGE).astype(np.float32)
        mirrored *= 1 - own
        share = np.divide(mirrored, np.maximum(share, 1e-3), out=share)
        for channel in range(3):
            twin = _sampled(np.ascontiguousarray(ratio[..., channel]), mirror)
            twin *= share
            ratio[..., channel] += twin
        return mirrored

    def _even_patches(self, ratio: np.ndarray, plain: np.ndarray, beside: np.ndarray, box: Box) -> np.ndarray:
        """Take patches of light out of fine structure (h, w, 3) in a box, in place, by which texels (n,) are
        plain; it is on an albedo that differs from the face's tone by `beside` (V, 3).

        What is completed goes on from the patches that were seen, beyond the box, too.

        Returns:
            (n, 3) float32, the light in patches, linear: what the completed albedo is to be divided by.
        """
        light = self._patch_light(ratio, plain, beside, box)
        for rows, block in box.blocks():
            ratio[rows] -= self._in_box(light, block)
        return np.exp(light)

    def _patch_light(self, ratio: np.ndarray, plain: np.ndarray, beside: np.ndarray, box: Box) -> np.ndarray:
        """(n, 3) float32, natural logarithm of the light in patches, and hues that no skin has; arguments as
        of `_even_patches`.
        """
        colors = self._half(ratio, box)
        colors += self._coarse(self.sampler.at_texels(beside))
        noise = hue_noise(colors, self._coarse(self._features.dense()))
        colors -= noise
        mouth = np.column_stack([self._lips.dense(), self._around_lips.dense()])
        parts = (plain, self._brows_and_lids.dense(), self._lids.dense(), mouth)
        light = patch_light(colors, *(at_working_size(self._coarse(part)) for part in parts))
        light += noise
        return light.reshape(-1, 3).take(self.sampler.texel, 0)

    def _add_noise(
        self,
        ratio: np.ndarray,
        lightness: np.ndarray,
        noise: np.ndarray,
        own: np.ndarray,
        mirrored: np.ndarray,
        box: Box,
    ) -> None:
        """Give noise to fine structure (h, w, 3) and its lightness (h, w) in a box, in place, as far as
        nothing is known of it.
        """
        for rows, block in box.blocks():
            unseen = np.sqrt(np.clip(1 - own[rows] - mirrored[rows], 0, 1))
            unseen *= self._detail.part(noise, block.part)
            lightness[rows] += unseen * NOISE_LIGHTNESS
            ratio[rows] += cv2.merge([unseen * channel for channel in CHANNELS])

    def _lighten_creases(self, ratio: np.ndarray, plain: np.ndarray, box: Box) -> None:
        """Take the shade of creases out of fine structure (h, w, 3) in a box, where texels (n,) are plain; in
        place.
        """
        half = ratio if box.scale == 1 else _halved(ratio)
        shade = crease_shade(half, self.size)
        for rows, block in box.blocks():
            own = shade[rows] if box.scale == 1 else _enlarged(shade, rows)
            ratio[rows] -= own * self._in_box(plain, block)[..., None]

    def _plain(self, sources: Sequence[SkinSource]) -> np.ndarray:
        """(n,) float32, 0..1: which of the skin's texels are plain, and no beard in any photo."""
        bearded = np.maximum.reduce([source.facial_hair for source in sources])
        return np.asarray((1 - self._features.dense()) * (1 - self._beard.dense() * bearded), np.float32)

    def _multiplied(
        self,
        completed: np.ndarray,
        evened: np.ndarray,
        ratio: np.ndarray,
        noise: np.ndarray,
        box: Box,
    ) -> np.ndarray:
        """(S, S, 3) uint8 sRGB: the completed albedo (n, 3) times fine structure (h, w, 3) of natural
        logarithms in a box, which has its own detail and no patches of light; elsewhere what is left of it
        without these, `evened` (n, 3), times noise.
        """
        image = np.empty((self.size, self.size, 3), np.uint8)
        factor = np.exp(noise[..., None] * CHANNELS)
        (top, bottom), columns = (box.rows.start, box.rows.stop), box.columns
        for rows in row_blocks(slice(0, self.size)):
            linear = self._in_box(evened, Box(rows, slice(0, self.size), 2))
            first, last = max(rows.start, top), min(rows.stop, bottom)
            inside = slice(first - rows.start, last - rows.start), columns
            self._detail.multiply(linear, factor, rows.start)
            if first < last:
                below = self._in_box(completed, Box(slice(first, last), columns, 2))
                linear[inside] = below * cv2.exp(ratio[first - top : last - top])
            image[rows] = linear_to_bytes(linear)
        return image

    def _coarse(self, values: np.ndarray) -> np.ndarray:
        """(S/2, S/2) or (S/2, S/2, C) float32: values (n,) or (n, C) of the skin's texels."""
        size = self.sampler.size
        values = np.asarray(values, np.float32)
        return values.take(self._fill, 0).reshape(size, size, *values.shape[1:])

    def _in_box(self, values: np.ndarray, box: Box) -> np.ndarray:
        """(h, w) or (h, w, C) float32: `_coarse` in a box, at its resolution."""
        size = self.sampler.size
        fill, values = self._fill.reshape(size, size), np.asarray(values, np.float32)
        # By `take`: brackets take several times as long.
        if box.scale == 1:
            return values.take(fill[box.part], 0)
        (rows, rows_of_full), (columns, columns_of_full) = (half_span(span, size) for span in box.part)
        return _twice(values.take(fill[rows, columns], 0), cv2.INTER_LINEAR)[rows_of_full, columns_of_full]

    def _half(self, values: np.ndarray, box: Box) -> np.ndarray:
        """(S/2, S/2) or (S/2, S/2, C) float32: values (h, w) or (h, w, C) in a box at half the resolution, 0
        elsewhere.
        """
        picture = np.zeros((self.sampler.size, self.sampler.size, *values.shape[2:]), np.float32)
        rows, columns = (slice(span.start // box.scale, span.stop // box.scale) for span in box.part)
        picture[rows, columns] = values if box.scale == 1 else _halved(values)
        return picture

    def _box(self, weight: np.ndarray, scale: int) -> Box:
        """What holds all that was observed, by its weight (n,), and its mirror image."""
        size = self.sampler.size
        picture = np.zeros((size, size), np.float32)
        picture.ravel()[self.sampler.texel] = weight
        x, y = (self._coarse(self.sampler.mirror[:, k]) for k in (0, 1))
        shown = (picture > 0) | (cv2.remap(picture, x, y, cv2.INTER_NEAREST) > 0)
        if not shown.any():
            return Box(slice(0, scale), slice(0, scale), scale)
        spans = []
        for axis in (1, 0):
            seen = np.flatnonzero(shown.any(axis))
            # Numbers of Python's own: numpy 2 makes float64 of float32 less one of numpy's.
            first, last = max(int(seen[0]) - MARGIN, 0), min(int(seen[-1]) + MARGIN, size)
            spans.append(slice(scale * first, scale * last))
        return Box(spans[0], spans[1], scale)

    def _mirror_maps(self, box: Box) -> tuple[np.ndarray, np.ndarray]:
        """(h, w) float32 each: x and y in a box of the texel on the head's other side, of its texels."""
        # Centers of texels of half the resolution lie between those of the full one.
        places = self.sampler.mirror * box.scale + np.float32((box.scale - 1) / 2)
        x, y = (
            self._in_box(np.ascontiguousarray(places[:, k]), box) - span.start
            for k, span in enumerate((box.columns, box.rows))
        )
        return x, y


def _enlarged(picture: np.ndarray, rows: slice) -> np.ndarray:
    """Rows, from an even one to an even one, of a picture (h, w, C) at twice its resolution."""
    small_rows, own_rows = half_span(rows, len(picture))
    return _twice(picture[small_rows], cv2.INTER_LINEAR)[own_rows]


def _sampled(picture: np.ndarray, at: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """A picture (h, w) or (h, w, C) float32 at x and y, (h, w) float32 each; 0 outside of it."""
    return cv2.remap(picture, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(0,))


def _twice(picture: np.ndarray, interpolation: int) -> np.ndarray:
    """A picture (h, w) or (h, w, C) at twice its resolution."""
    return cv2.resize(picture, None, fx=2, fy=2, interpolation=interpolation)


def _halved(picture: np.ndarray) -> np.ndarray:
    """A picture (h, w) or (h, w, C) at half its resolution, means of its texels."""
    return cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
