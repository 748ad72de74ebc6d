"""Fine detail of skin that was not seen: noise with the strength, by scale, of the person's own skin."""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

#: Standard deviations of the blurs between which bands of detail lie, texels of a texture of 2048: about
#: 0.15, 0.3, 0.6, 1.2 mm.
BAND_SIGMAS = (0.8, 1.6, 3.2, 6.4)
#: Strength of each band where too little was seen to measure it, natural logarithm.
DEFAULT_LEVELS = (0.010, 0.014, 0.016, 0.018)
#: Least and greatest strength of a band.
LEVEL_LIMITS = (0.004, 0.045)
#: Every so many-th texel is measured, in each direction; and at half the resolution.
STRIDE = 3
HALF_STRIDE = 2
#: Texels around one that have to be seen, too.
REACH = 4
#: Bands that half the resolution is too coarse for.
FINE_BANDS = 2
#: Weight from which on a texel counts as seen.
SEEN = 0.97
#: Fewer texels are no sample.
MIN_TEXELS = 2000
#: Median absolute deviation to standard deviation, of normal noise.
MAD_TO_SIGMA = 1.4826
#: Side, texels, of the noise that is repeated.
TILE = 512
#: Texels beside it that blurs reach: four standard deviations of the widest, of a texture of 4096.
MARGIN = 64
#: How much stronger detail is in red, green and blue than in lightness: pores and spots are reddish.
CHANNELS = np.array([0.75, 1.05, 1.2], np.float32)


class DetailLayer:
    """Bands of noise for the texels of one size of texture."""

    def __init__(self, size: int, seed: int = 0) -> None:
        """Make the noise.

        Args:
            size: Side of the texture, texels.
            seed: Of the noise.
        """
        self._size = size
        self._sigmas = [sigma * size / 2048 for sigma in BAND_SIGMAS]
        noise = np.random.default_rng(seed).standard_normal((TILE, TILE)).astype(np.float32)
        # It repeats itself: a margin of the tiles beside it is as far as blurs of it reach.
        around = np.pad(noise, MARGIN, mode="wrap")
        inner = slice(MARGIN, MARGIN + TILE)
        bands = [np.ascontiguousarray(band[inner, inner]) for band in _split(around, self._sigmas)]
        self._bands = [band / band.std() for band in bands]

    def levels(self, lightness: np.ndarray, seen: np.ndarray, scale: int = 2) -> list[float]:
        """How strong each band is.

        Args:
            lightness: (H, W) float32, natural logarithm of the fine structure.
            seen: (H, W) bool, where it was observed on plain skin.
            scale: 2 for pictures at the texture's resolution, 1 for half of that.

        Returns:
            A standard deviation for each band.
        """
        if scale == 2:
            return _strengths(_split(lightness, self._sigmas), seen, STRIDE, REACH) or list(DEFAULT_LEVELS)
        # What is finer than the texels has to be enlarged, what is coarser has not.
        enlarged = cv2.resize(lightness, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
        twice = cv2.resize(seen.astype(np.uint8), None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
        fine = _strengths(_split(enlarged, self._sigmas[:FINE_BANDS]), twice, STRIDE, REACH)
        wide = _split(lightness, [sigma / 2 for sigma in self._sigmas[FINE_BANDS - 1 :]])
        next(wide)  # it has the fine bands in it
        coarse = _strengths(wide, seen, HALF_STRIDE, REACH // 2)
        return [*fine, *coarse] if fine and coarse else list(DEFAULT_LEVELS)

    def synthesize(
        self, ratio: np.ndarray, known: np.ndarray, plain: np.ndarray, scale: int = 2
    ) -> np.ndarray:
        """Detail as strong as a person's own, a tile of it that repeats itself over the texture.

        Where half is known, the other half needs more than half of it: variances add up, not deviations.

        Args:
            ratio: (h, w, 3) float32, natural logarithm of the fine structure of what was seen.
            known: (h, w) float32, 0..1, what was seen.
            plain: (h, w) float32, 0..1, plain skin.
            scale: See `levels`.

        Returns:
            (TILE, TILE) float32, natural logarithm, to be multiplied by CHANNELS.
        """
        seen = (known > SEEN) & (plain > SEEN)
        levels = self.levels(cv2.transform(ratio, np.full((1, 3), 1 / 3, np.float32)), seen, scale)
        tile = np.zeros((TILE, TILE), np.float32)
        for level, band in zip(levels, self._bands, strict=True):
            tile += np.float32(level) * band
        return tile

    def repeated(self, tile: np.ndarray) -> np.ndarray:
        """A tile all over the texture, whose side is a multiple of its own.

        Args:
            tile: (TILE, TILE) float32.

        Returns:
            (S, S) float32.
        """
        repeats = self._size // TILE
        return np.tile(tile, (repeats, repeats))

    def part(self, tile: np.ndarray, box: tuple[slice, slice]) -> np.ndarray:
        """A part of `repeated`.

        Args:
            tile: (TILE, TILE) float32.
            box: Rows and columns of the texture; where from and where to are known.

        Returns:
            (h, w) float32.
        """
        rows, columns = (np.arange(span.start, span.stop) % TILE for span in box)
        return tile.take(rows, 0).take(columns, 1)

    def multiply(self, linear: np.ndarray, factor: np.ndarray, first_row: int) -> None:
        """Put detail into rows of a texture.

        Args:
            linear: (h, S, 3) float32 linear colors, changed in place.
            factor: (TILE, TILE, 3) float32, what a tile of `synthesize` multiplies them by.
            first_row: Row of the texture that they begin at.
        """
        rows = np.arange(first_row, first_row + len(linear)) % TILE
        linear.reshape(len(linear), -1, TILE * 3)[:] *= factor.reshape(TILE, -1).take(rows, 0)[:, None]


def _split(field: np.ndarray, sigmas: Sequence[float]) -> Iterator[np.ndarray]:
    """The bands of a field between blurs of these standard deviations, the finest first."""
    finer = field
    for sigma in sigmas:
        coarser = cv2.GaussianBlur(field, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
        yield finer - coarser
        finer = coarser


def _strengths(bands: Iterator[np.ndarray], seen: np.ndarray, stride: int, reach: int) -> list[float]:
    """Standard deviations of bands, of every so many-th texel no nearer to the border of what was seen than
    the reach, texels; none where too few were.
    """
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    inside = cv2.erode(seen.astype(np.uint8), kernel)[::stride, ::stride] > 0
    # As many as there would be at the full resolution, whose reach is REACH.
    if inside.sum() * (stride * REACH / (reach * STRIDE)) ** 2 < MIN_TEXELS:
        return []
    found = []
    for band in bands:
        values = band[::stride, ::stride][inside]
        spread = MAD_TO_SIGMA * float(np.median(np.abs(values - np.median(values))))
        found.append(float(np.clip(spread, *LEVEL_LIMITS)))
    return found
