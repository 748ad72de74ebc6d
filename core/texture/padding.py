"""The last touches of a texture: grain on what was guessed, and colours that go on beyond the islands."""

import cv2
import numpy as np

#: Texels around each island that its colours go on for, so that filtering does not bring in the background.
BLEED = 16
#: Grain of filled places, as a share of what seen ones have; its size, texels of a texture of 2048.
GRAIN_SHARE, GRAIN_SIZE = 0.5, 1.3
#: Natural logarithm: the grain where none was seen, and the most, of skin and of hair; side of the pattern
#: that is repeated.
PLAIN_GRAIN, MOST_GRAIN, GRAIN_TILE = 0.03, (0.06, 0.25), 512


def grain_level(colors: np.ndarray, known: np.ndarray, smooth: np.ndarray, scalp: np.ndarray) -> np.ndarray:
    """(n,) float32: how strong the grain has to be for as much fine structure as seen skin and scalp have.

    colors: (n, 3) linear; known: (n,) how well each is known; smooth: (n, 3) the same without fine structure;
    scalp: (n,) share of hair.
    """
    few = slice(None, None, 7)
    detail = np.log(np.maximum(colors[few].mean(1), 2e-3) / np.maximum(smooth[few].mean(1), 2e-3))
    amplitude = [
        float(np.median(np.abs(detail[chosen]))) if chosen.sum() > 200 else PLAIN_GRAIN
        for chosen in ((known[few] > 0.95) & kind for kind in (scalp[few] < 0.5, scalp[few] >= 0.5))
    ]
    skin, hair = (GRAIN_SHARE * min(pair) for pair in zip(amplitude, MOST_GRAIN, strict=True))
    return skin + (hair - skin) * scalp


def bleed(image: np.ndarray, texel: np.ndarray, reach: int = BLEED) -> np.ndarray:
    """(S, S, C) picture whose covered texels (N,) go on for some texels around, in place.

    Each free texel takes the nearest covered one's colour.
    """
    free = np.ones(image.shape[:2], np.uint8)
    free.ravel()[texel] = 0
    distance, label = cv2.distanceTransformWithLabels(free, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    around = np.flatnonzero((distance.ravel() > 0) & (distance.ravel() <= reach))
    source = np.zeros(int(label.max()) + 1, np.int64)
    source[label.ravel()[texel]] = texel
    flat = image.reshape(-1, image.shape[2])
    flat[around] = flat[source[label.ravel()[around]]]
    return image


def grain(size: int) -> np.ndarray:
    """(size * size,) float32: smooth noise of variance 1 for the texels of a picture."""
    noise = np.random.default_rng(0).standard_normal((GRAIN_TILE, GRAIN_TILE)).astype(np.float32)
    tile = cv2.GaussianBlur(noise, (0, 0), GRAIN_SIZE * size / 2048, borderType=cv2.BORDER_REFLECT)
    repeated = np.tile(tile / tile.std(), (size // GRAIN_TILE, size // GRAIN_TILE))
    return repeated.ravel()
