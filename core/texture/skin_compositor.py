"""The skin's picture at the full resolution: what photos show, its mirror image, and the completed albedo.

What photos show is kept as a ratio to the completed albedo, natural logarithms, and only in a box of the
texture: the rows and columns that hold all of it and its mirror image. At 2048 a picture of three channels
takes up to 50 MB: each step is a function of its own, so that none is kept for longer than it is needed.
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
from .padding import nearest_texels
from .skin_sampler import SkinSampler
from .skin_tone import plain_tone
from .skin_views import SkinSource
from .tone_correction import ToneCorrection

#: Texels of half the resolution around what was observed.
MARGIN = 8
#: Height, meters, head frame, above which features are brows and lids, and below which the mouth is.
MOUTH_BELOW = -0.03
#: Weights of the mirror image from which on it is used, and used fully.
MIRROR_RANGE = (0.3, 0.9)


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
        features: np.ndarray,
        beard: np.ndarray,
        brows: np.ndarray,
    ) -> None:
        """Prepare what does not depend on the photo.

        Args:
            size: Side of the textures, texels.
            sampler: Of the skin's n texels at half of it.
            regions: Of the topology.
            features: (n,) float32, 0..1, how far texels are on lips, brows and lids.
            beard: (n,) float32, 0..1, how far beards grow on them.
            brows: (n,) 0..1, how far they are on brows.
        """
        self.size, self.sampler = size, sampler
        self._regions, self._features, self._beard = regions, features, beard
        above = sampler.at_texels(sampler.topology.vertices[:, 2:] > MOUTH_BELOW)[:, 0]
        self._brows_and_lids = features * above
        lips = lip_weight(sampler.topology.vertices, sampler.topology).astype(np.float32)
        lips = sampler.at_texels(lips[:, None])[:, 0]
        self._mouth = np.column_stack([lips, features * (1 - above) * (1 - lips)])
        self._lids = self._brows_and_lids * (1 - brows)
        _, self._fill = nearest_texels(sampler.texel, sampler.size)
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
        box = self._box(weight)
        own = self._in_box(weight, box)
        ratio = self._observed(sources, own, completed, change, box)
        mirrored = self._add_mirror_image(ratio, own, box)
        evened, plain = completed, self._plain(sources)
        if delight:
            beside = logs - plain_tone(logs, self._regions)
            evened = completed / self._even_patches(ratio, plain, beside, box)
        noise = self._detail.synthesize(ratio, own, self._in_box(1 - self._features, box))
        detail = self._detail.repeated(noise) * np.float32(CHANNELS @ LUMINANCE)
        self._add_noise(ratio, noise, own, mirrored, box)
        small = [self._half(mask, box) for mask in (own, mirrored)]
        del own, mirrored  # 20 MB at 2048
        detail[box] = cv2.transform(ratio, LUMINANCE[None])
        if delight:
            self._lighten_creases(ratio, plain, box)
        image = self._multiplied(completed, evened, ratio, noise, box)
        return SkinLayer(image, corrected, small[0], small[1], correction, detail)

    def _observed(
        self,
        sources: Sequence[SkinSource],
        own: np.ndarray,
        completed: np.ndarray,
        change: np.ndarray,
        box: tuple[slice, slice],
    ) -> np.ndarray:
        """(h, w, 3) float32, natural logarithm of the albedo that photos show, beside the completed one:
        so that a mirror image takes on the tone of the side it goes to. It is weighted by `own` (h, w).
        """

        def ratio_of(source: SkinSource, part: np.ndarray) -> np.ndarray:
            light = self.sampler.at_texels(np.exp(change))
            light /= self.sampler.at_texels(source.shading)
            return self._source_ratio(source, part, light, completed, box)

        first, *others = sources
        if not others:
            return ratio_of(first, own)
        ratio = ratio_of(first, self._in_box(first.weight, box))
        for source in others:
            ratio += ratio_of(source, self._in_box(source.weight, box))
        return ratio

    def _source_ratio(
        self,
        source: SkinSource,
        part: np.ndarray,
        light: np.ndarray,
        completed: np.ndarray,
        box: tuple[slice, slice],
    ) -> np.ndarray:
        """(h, w, 3) float32: `_observed` of one photo, weighted by its part (h, w).

        Its colors times `light` (n, 3) are its albedo.
        """
        ratio = self._photo(source, part > 0, box)
        for rows, block in _blocks(box):
            ratio[rows] *= self._in_box(light, block)
            np.maximum(ratio[rows], DARK, out=ratio[rows])
            ratio[rows] /= np.maximum(self._in_box(completed, block), DARK)
        cv2.log(ratio, ratio)
        ratio *= part[..., None]
        return ratio

    def _photo(self, source: SkinSource, wanted: np.ndarray, box: tuple[slice, slice]) -> np.ndarray:
        """(h, w, 3) float32 linear colors of a photo at the wanted (h, w) texels of a box; 0 elsewhere."""
        some = np.flatnonzero(source.weight > 0)
        # Far texels are behind the head: nothing is looked up for them.
        ends = np.concatenate([[0], np.cumsum(wanted.sum(1))])
        points = np.empty((ends[-1], 2), np.float32)
        for rows, block in _blocks(box):
            few = np.flatnonzero(wanted[rows])
            pixels = self._in_box(source.pixels, block).reshape(-1, 2)
            points[ends[rows.start] : ends[rows.stop]] = pixels.take(few, 0)
        inside = points_in_photo(source.rgb, points)
        if not len(some) or not inside.any():
            return np.zeros((*wanted.shape, 3), np.float32)
        spacing = self.sampler.spacing(source.pixels, some) / 2
        photo = LinearPhoto.around(source.rgb, points[inside], spacing)
        colors = np.zeros((*wanted.shape, 3), np.float32)
        for rows, _ in _blocks(box):
            colors[rows][wanted[rows]] = photo.at(points[ends[rows.start] : ends[rows.stop]])
        return colors

    def _add_mirror_image(self, ratio: np.ndarray, own: np.ndarray, box: tuple[slice, slice]) -> np.ndarray:
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

    def _even_patches(
        self, ratio: np.ndarray, plain: np.ndarray, beside: np.ndarray, box: tuple[slice, slice]
    ) -> np.ndarray:
        """Take patches of light out of fine structure (h, w, 3) in a box, in place, by which texels (n,) are
        plain; it is on an albedo that differs from the face's tone by `beside` (V, 3).

        What is completed goes on from the patches that were seen, beyond the box, too.

        Returns:
            (n, 3) float32, the light in patches, linear: what the completed albedo is to be divided by.
        """
        light = self._patch_light(ratio, plain, beside, box)
        for rows, block in _blocks(box):
            ratio[rows] -= self._in_box(light, block)
        return np.exp(light)

    def _patch_light(
        self, ratio: np.ndarray, plain: np.ndarray, beside: np.ndarray, box: tuple[slice, slice]
    ) -> np.ndarray:
        """(n, 3) float32, natural logarithm of the light in patches, and hues that no skin has; arguments as
        of `_even_patches`.
        """
        colors = self._half(ratio, box)
        colors += self._coarse(self.sampler.at_texels(beside))
        noise = hue_noise(colors, self._coarse(self._features))
        colors -= noise
        parts = (plain, self._brows_and_lids, self._lids, self._mouth)
        light = patch_light(colors, *(at_working_size(self._coarse(part)) for part in parts))
        light += noise
        return light.reshape(-1, 3).take(self.sampler.texel, 0)

    def _add_noise(
        self,
        ratio: np.ndarray,
        noise: np.ndarray,
        own: np.ndarray,
        mirrored: np.ndarray,
        box: tuple[slice, slice],
    ) -> None:
        """Give noise to fine structure (h, w, 3) in a box as far as nothing is known of it, in place."""
        for rows, block in _blocks(box):
            unseen = np.sqrt(np.clip(1 - own[rows] - mirrored[rows], 0, 1))
            unseen *= self._detail.part(noise, block)
            ratio[rows] += cv2.merge([unseen * channel for channel in CHANNELS])

    def _lighten_creases(self, ratio: np.ndarray, plain: np.ndarray, box: tuple[slice, slice]) -> None:
        """Take the shade of creases out of fine structure (h, w, 3) in a box, where texels (n,) are plain; in
        place.
        """
        shade = crease_shade(ratio, self.size)
        for rows, block in _blocks(box):
            ratio[rows] -= _enlarged(shade, rows) * self._in_box(plain, block)[..., None]

    def _plain(self, sources: Sequence[SkinSource]) -> np.ndarray:
        """(n,) float32, 0..1: which of the skin's texels are plain, and no beard in any photo."""
        bearded = np.maximum.reduce([source.facial_hair for source in sources])
        return np.asarray((1 - self._features) * (1 - self._beard * bearded), np.float32)

    def _multiplied(
        self,
        completed: np.ndarray,
        evened: np.ndarray,
        ratio: np.ndarray,
        noise: np.ndarray,
        box: tuple[slice, slice],
    ) -> np.ndarray:
        """(S, S, 3) uint8 sRGB: the completed albedo (n, 3) times fine structure (h, w, 3) of natural
        logarithms in a box, which has its own detail and no patches of light; elsewhere what is left of it
        without these, `evened` (n, 3), times noise.
        """
        image = np.empty((self.size, self.size, 3), np.uint8)
        (top, bottom), columns = (box[0].start, box[0].stop), box[1]
        for rows in row_blocks(slice(0, self.size)):
            linear = self._in_box(evened, (rows, slice(0, self.size)))
            first, last = max(rows.start, top), min(rows.stop, bottom)
            inside = slice(first - rows.start, last - rows.start), columns
            self._detail.multiply(linear, noise, rows.start)
            if first < last:
                below = self._in_box(completed, (slice(first, last), columns))
                linear[inside] = below * cv2.exp(ratio[first - top : last - top])
            image[rows] = linear_to_bytes(linear)
        return image

    def _coarse(self, values: np.ndarray) -> np.ndarray:
        """(S/2, S/2) or (S/2, S/2, C) float32: values (n,) or (n, C) of the skin's texels."""
        size = self.sampler.size
        values = np.asarray(values, np.float32)
        return values.take(self._fill, 0).reshape(size, size, *values.shape[1:])

    def _full(self, values: np.ndarray) -> np.ndarray:
        """(S, S) or (S, S, C) float32: `_coarse` at the full resolution."""
        return cv2.resize(self._coarse(values), (self.size, self.size), interpolation=cv2.INTER_LINEAR)

    def _in_box(self, values: np.ndarray, box: tuple[slice, slice]) -> np.ndarray:
        """(h, w) or (h, w, C) float32: `_full` in a box alone."""
        size = self.sampler.size
        (rows, rows_of_full), (columns, columns_of_full) = (half_span(span, size) for span in box)
        # By `take`: brackets take several times as long.
        picture = np.asarray(values, np.float32).take(self._fill.reshape(size, size)[rows, columns], 0)
        full = cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
        return full[rows_of_full, columns_of_full]

    def _half(self, values: np.ndarray, box: tuple[slice, slice]) -> np.ndarray:
        """(S/2, S/2) or (S/2, S/2, C) float32: means of values (h, w) or (h, w, C) in a box, 0 elsewhere."""
        picture = np.zeros((self.sampler.size, self.sampler.size, *values.shape[2:]), np.float32)
        rows, columns = (slice(span.start // 2, span.stop // 2) for span in box)
        picture[rows, columns] = cv2.resize(values, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        return picture

    def _box(self, weight: np.ndarray) -> tuple[slice, slice]:
        """Rows and columns of the full resolution that hold all that was observed, and its mirror image."""
        size = self.sampler.size
        picture = np.zeros((size, size), np.float32)
        picture.ravel()[self.sampler.texel] = weight
        x, y = (np.ascontiguousarray(self._mirror_map(k)[::2, ::2]) for k in (0, 1))
        other = cv2.remap(picture, (x - 0.5) / 2, (y - 0.5) / 2, cv2.INTER_NEAREST)
        shown = (picture > 0) | (other > 0)
        if not shown.any():
            return slice(0, 2), slice(0, 2)
        rows, columns = (np.flatnonzero(shown.any(axis)) for axis in (1, 0))
        # Numbers of Python's own: numpy 2 makes float64 of float32 less one of numpy's.
        top, left = (max(2 * (int(seen[0]) - MARGIN), 0) for seen in (rows, columns))
        bottom, right = (min(2 * (int(seen[-1]) + MARGIN), 2 * size) for seen in (rows, columns))
        return slice(top, bottom), slice(left, right)

    def _mirror_map(self, axis: int) -> np.ndarray:
        """(S, S) float32: x (0) or y (1) of the texel on the head's other side, at the full resolution."""
        return self._full(2 * self.sampler.mirror[:, axis] + 0.5)

    def _mirror_maps(self, box: tuple[slice, slice]) -> tuple[np.ndarray, np.ndarray]:
        """(h, w) float32 each: x and y in a box of the texel on the head's other side, of its texels."""
        x, y = (np.ascontiguousarray(self._mirror_map(k)[box] - box[1 - k].start) for k in (0, 1))
        return x, y


def _blocks(box: tuple[slice, slice]) -> Iterator[tuple[slice, tuple[slice, slice]]]:
    """Rows of a picture of a box, some at a time, and the part of the box that they are."""
    rows, columns = box
    for block in row_blocks(rows):
        yield slice(block.start - rows.start, block.stop - rows.start), (block, columns)


def _enlarged(picture: np.ndarray, rows: slice) -> np.ndarray:
    """Rows, from an even one to an even one, of a picture (h, w, C) at twice its resolution."""
    small_rows, own_rows = half_span(rows, len(picture))
    return cv2.resize(picture[small_rows], None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)[own_rows]


def _sampled(picture: np.ndarray, at: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """A picture (h, w) or (h, w, C) float32 at x and y, (h, w) float32 each; 0 outside of it."""
    return cv2.remap(picture, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(0,))
