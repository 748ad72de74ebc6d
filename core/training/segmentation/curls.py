"""Makes the hair of a labeled picture curly and voluminous, with soft, ragged edges, from straight to afro.

Few of the portraits have such hair, and rendered hair is a shell with hard edges: without it the network
takes curls for caps.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from ...segmentation.segments import SegmentClass
from .teacher import IGNORED

#: Least fraction of a picture that is hair worth curling.
LEAST_HAIR = 0.01
#: Range of the size of the curls, pixels (standard deviation of the noise that displaces the hair).
CURL_PX = (1.5, 6.0)
#: Range of how far a curl displaces the hair, in sizes of a curl.
DISPLACEMENT = (0.4, 1.6)
#: Range of how the curls shade, logarithm of the brightness between their crests and what lies between them.
CONTRAST = (0.05, 0.5)
#: Range of how much wider the hair becomes about the middle of the head, logarithm; how often it does.
VOLUME = (0.03, 0.3)
VOLUME_CHANCE = 0.6
#: Range of the softness of the outline, pixels, and of its raggedness, fraction of that.
SOFTNESS_PX = (1.0, 5.0)
RAGGEDNESS = (0.2, 1.2)
#: Opacity between which an outline is neither hair nor what lies behind it.
UNCERTAIN = (0.3, 0.55)
#: Classes that hair may grow over: never the face.
BEHIND = (SegmentClass.BACKGROUND, SegmentClass.CLOTHES)


@dataclass(frozen=True)
class Curls:
    """A kind of curls, see the constants of the same names."""

    size: float
    displacement: float
    contrast: float
    zoom: float
    softness: float
    raggedness: float

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Curls":
        """Random ones."""
        zoom = float(np.exp(rng.uniform(*VOLUME))) if rng.random() < VOLUME_CHANCE else 1.0
        size = float(np.exp(rng.uniform(*np.log(CURL_PX))))
        return cls(
            size,
            size * rng.uniform(*DISPLACEMENT),
            rng.uniform(*CONTRAST),
            zoom,
            rng.uniform(*SOFTNESS_PX),
            rng.uniform(*RAGGEDNESS),
        )


def curl_hair(rng: np.random.Generator, rgb: np.ndarray, labels: np.ndarray) -> None:
    """Curl the hair of a picture, in place.

    Args:
        rng: random numbers.
        rgb: (H, W, 3) uint8 sRGB.
        labels: (H, W) uint8, `SegmentClass` or `IGNORED`.
    """
    hair = labels == SegmentClass.HAIR
    if hair.mean() < LEAST_HAIR:
        return
    curls = Curls.sample(rng)
    shape = hair.shape
    noise = [_noise(rng, shape, curls.size) for _ in range(3)]
    x, y = _source(hair, curls, noise)
    layer = cv2.remap(_hair_alone(rgb, hair), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    moved = cv2.remap(hair.astype(np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    # Crests are light, what lies between them is dark; fine hair rides on them.
    fine = _noise(rng, shape, max(0.35 * curls.size, 0.7))
    relief = noise[2] - np.abs(noise[0]) + 0.5 * fine
    shaded = layer.astype(np.float32) * np.exp(curls.contrast * relief)[..., None]
    alpha = _opacity(moved, curls, noise[1] + 0.7 * fine)
    # Beside the face the border stays where it was: only its inside is curled there.
    open_to = np.isin(labels, BEHIND) | hair
    alpha = np.where(hair & ~_near(np.isin(labels, BEHIND), 9), 1.0, alpha) * open_to
    painted = rgb * (1 - alpha[..., None]) + np.clip(shaded, 0, 255) * alpha[..., None]
    grown = (alpha > UNCERTAIN[1]) & open_to
    # Where hair gave way nothing of it may be left: there the old picture still shows hair.
    labels[(alpha > UNCERTAIN[0]) & open_to & ~hair & ~grown] = IGNORED
    labels[grown] = SegmentClass.HAIR
    rgb[open_to] = painted[open_to].astype(np.uint8)


def _noise(rng: np.random.Generator, shape: tuple[int, ...], sigma: float) -> np.ndarray:
    """(H, W) float32, smooth noise of variance one."""
    field = cv2.GaussianBlur(rng.normal(size=shape).astype(np.float32), (0, 0), sigma)
    return np.asarray(field / max(float(field.std()), 1e-6), np.float32)


def _source(hair: np.ndarray, curls: Curls, noise: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """X and y, (H, W) float32 each: where the hair at each pixel comes from."""
    rows, columns = np.nonzero(hair)
    y, x = np.mgrid[0 : hair.shape[0], 0 : hair.shape[1]].astype(np.float32)
    # About the base of the hair, so that it grows upward and to the sides.
    middle = float(columns.mean()), float(np.percentile(rows, 80))
    x = middle[0] + (x - middle[0]) / curls.zoom + curls.displacement * noise[0]
    y = middle[1] + (y - middle[1]) / curls.zoom + curls.displacement * noise[1]
    return x.astype(np.float32), y.astype(np.float32)


def _hair_alone(rgb: np.ndarray, hair: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8: the picture, its hair's colors continued beyond the hair."""
    weight = cv2.erode(hair.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.float32)
    if not weight.any():
        weight = hair.astype(np.float32)
    result = rgb * weight[..., None]
    total = weight.copy()
    for sigma in (2.0, 6.0, 18.0):
        near = cv2.GaussianBlur(weight, (0, 0), sigma)
        colors = cv2.GaussianBlur(rgb * weight[..., None], (0, 0), sigma)
        share = (1 - total) * np.clip(near * 4, 0, 1)
        result += colors / np.maximum(near, 1e-4)[..., None] * share[..., None]
        total += share
    mean = rgb[hair].mean(0)
    return np.clip(result + mean * (1 - total)[..., None], 0, 255).astype(np.uint8)


def _opacity(moved: np.ndarray, curls: Curls, noise: np.ndarray) -> np.ndarray:
    """(H, W) float32, 0..1: how much the moved hair hides, with a soft and ragged outline."""
    soft = cv2.GaussianBlur(moved, (0, 0), curls.softness)
    ragged = soft + curls.raggedness * 0.35 * noise * (4 * soft * (1 - soft))
    return np.asarray(np.clip((ragged - 0.3) / 0.4, 0, 1), np.float32)


def _near(mask: np.ndarray, width: int) -> np.ndarray:
    """(H, W) bool: the mask, grown by half of `width` pixels."""
    return cv2.dilate(mask.astype(np.uint8), np.ones((width, width), np.uint8)) > 0
