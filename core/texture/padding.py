"""Grain on completed texels, and colors that go on beyond the islands."""

import cv2
import numpy as np

from .settings import TextureSettings

#: Standard deviation of the grain's blur, texels of a texture of 2048.
GRAIN_BLUR = 1.3
#: Grain, natural logarithm, where too little was observed to measure it.
DEFAULT_GRAIN = 0.03
#: Greatest grain, natural logarithm.
MAX_SKIN_GRAIN = 0.06
MAX_HAIR_GRAIN = 0.25
#: Side, texels, of the pattern that is repeated.
GRAIN_TILE = 512
#: Every so many-th texel is measured.
STRIDE = 7
#: Weight from which on a texel counts as observed, and how many make a sample.
OBSERVED_WEIGHT = 0.95
MIN_TEXELS = 200
#: Linear light below which logarithms say nothing.
DARK = 2e-3


def grain_level(
    colors: np.ndarray,
    known: np.ndarray,
    smooth: np.ndarray,
    scalp: np.ndarray,
    fraction: float = TextureSettings.grain_fraction,
) -> np.ndarray:
    """How strong the grain of completed texels is, from the fine structure of observed skin and scalp.

    Args:
        colors: (n, 3) linear.
        known: (n,) 0..1, how well each is known.
        smooth: (n, 3) the same without fine structure.
        scalp: (n,) 0..1, where hair grows.
        fraction: Strength, of what was observed.

    Returns:
        (n,) float32, natural logarithm.
    """
    some = slice(None, None, STRIDE)
    detail = np.log(np.maximum(colors[some].mean(1), DARK) / np.maximum(smooth[some].mean(1), DARK))
    amplitude = [
        float(np.median(np.abs(detail[chosen]))) if chosen.sum() > MIN_TEXELS else DEFAULT_GRAIN
        for chosen in (
            (known[some] > OBSERVED_WEIGHT) & kind for kind in (scalp[some] < 0.5, scalp[some] >= 0.5)
        )
    ]
    limits = (MAX_SKIN_GRAIN, MAX_HAIR_GRAIN)
    skin, hair = (fraction * min(pair) for pair in zip(amplitude, limits, strict=True))
    return skin + (hair - skin) * scalp


def nearest_texels(texel: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """For each texel of a texture, the nearest of the covered ones.

    Args:
        texel: (N,) int, y * size + x, the covered ones.
        size: Side of the texture, texels.

    Returns:
        (size, size) float32, how far it is, texels; and (size * size,) int32, its index into `texel`.
    """
    free = np.ones((size, size), np.uint8)
    free.ravel()[texel] = 0
    distance, label = cv2.distanceTransformWithLabels(free, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    index = np.zeros(int(label.max()) + 1, np.int32)
    index[label.ravel()[texel]] = np.arange(len(texel), dtype=np.int32)
    return distance, index[label.ravel()]


def padding_texels(
    texel: np.ndarray, size: int, reach: int = TextureSettings.padding
) -> tuple[np.ndarray, np.ndarray]:
    """The free texels around islands, and whose color each takes.

    Args:
        texel: (N,) int, y * size + x, the covered ones.
        size: Side of the texture, texels.
        reach: How far around the islands, texels.

    Returns:
        (M,) int, the free ones; and (M,) int, the nearest covered one of each.
    """
    distance, nearest = nearest_texels(texel, size)
    around = np.flatnonzero((distance.ravel() > 0) & (distance.ravel() <= reach))
    return around, texel[nearest[around]]


def dilate_texels(image: np.ndarray, texel: np.ndarray, reach: int = TextureSettings.padding) -> np.ndarray:
    """Let covered texels go on around the islands: each free one takes the nearest covered one's color.

    Args:
        image: (S, S, C), changed in place.
        texel: (N,) int, the covered ones.
        reach: How far, texels.

    Returns:
        The image.
    """
    return padded(image, *padding_texels(texel, len(image), reach))


def padded(image: np.ndarray, around: np.ndarray, nearest: np.ndarray) -> np.ndarray:
    """`dilate_texels` of what `padding_texels` has found.

    Args:
        image: (S, S, C), changed in place.
        around: (M,) int, the free texels.
        nearest: (M,) int, the covered one whose color each takes.

    Returns:
        The image.
    """
    flat = image.reshape(-1, image.shape[2])
    flat[around] = flat[nearest]
    return image


def grain(size: int) -> np.ndarray:
    """(size * size,) float32: smooth noise of variance 1 for the texels of a texture."""
    noise = np.random.default_rng(0).standard_normal((GRAIN_TILE, GRAIN_TILE)).astype(np.float32)
    tile = cv2.GaussianBlur(noise, (0, 0), GRAIN_BLUR * size / 2048, borderType=cv2.BORDER_REFLECT)
    repeated = np.tile(tile / tile.std(), (size // GRAIN_TILE, size // GRAIN_TILE))
    return repeated.ravel()
