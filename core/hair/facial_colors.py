"""Colors of brows and beards: of hair, not of the skin between it, and in the light of the texture."""

from dataclasses import replace

import cv2
import numpy as np
from scipy.spatial import cKDTree

from ..image.color import LUMINANCE, linear_to_srgb, srgb_to_linear
from ..image.sampling import sample_image
from .groom import FacialHair, Ground, HairGroom

#: Roots and points of bare skin around a root whose colors are those of hair and skin there.
NEAR_HAIR = 24
NEAR_SKIN = 100
#: With fewer points of bare skin all of it is hidden.
LEAST_BARE = 40
#: How much of what the photo shows where hair is dense is hair; the rest is skin between it.
HAIR_FRACTION = {"brows": 0.75, "beard": 0.7}
#: Limits of the light of hair, of what the photo shows where it grows.
OF_MEAN = (0.45, 1.6)
#: How much lighter or darker than those around it a hair may be, logarithm of linear light.
MOST_VARIATION = 0.5
#: Least linear light of hair.
LEAST_LIGHT = 0.004
#: Light that is added before logarithms and ratios.
LIGHT_FLOOR = 0.005
#: Side of the texture that light is compared with, and standard deviation of its smoothing, texels.
GROUND_SIDE = 256
GROUND_SIGMA = 1.5
#: Limits of the texture's light, of the photo's.
GAINS = (0.5, 2.0)


def hair_colors(
    name: str,
    points: np.ndarray,
    colors: np.ndarray,
    kept: np.ndarray,
    bare: np.ndarray,
    density: np.ndarray,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Colors of hair where the photo shows hair and the skin between it.

    Args:
        name: Of the hair, "brows" or "beard".
        points: (N, 3) of the skin, head frame, meters.
        colors: (N, 3) what the photo shows there, sRGB 0..255.
        kept: (R,) int, points with hair.
        bare: (N,) bool, points without.
        density: (R,) 0..1, of the hair at those with hair: where it is thin, it goes over into the skin.
        seed: Of random numbers.

    Returns:
        (R, 3) float32 sRGB 0..255, each as much lighter or darker than its neighbors as one of them; and
        (R, 3), the same of hair and skin together.
    """
    light = srgb_to_linear(colors / 255)
    hair = light[kept]
    near = _nearest(points[kept], points[kept], NEAR_HAIR)
    mean = hair[near].mean(1)
    own = mean
    if bare.sum() >= LEAST_BARE:
        skin = light[bare][_nearest(points[bare], points[kept], NEAR_SKIN)].mean(1)
        fraction = 1 - (1 - HAIR_FRACTION[name]) * density[:, None]
        own = np.clip(skin + (mean - skin) / fraction, OF_MEAN[0] * mean, OF_MEAN[1] * mean)
    one = np.random.default_rng(seed).integers(0, near.shape[1], len(kept))
    one = hair[near[np.arange(len(kept)), one]]
    variation = np.log((one @ LUMINANCE + LIGHT_FLOOR) / (mean @ LUMINANCE + LIGHT_FLOOR))
    own = own * np.exp(np.clip(variation, -MOST_VARIATION, MOST_VARIATION))[:, None]
    # No pigment of hair is bluer than green, or greener than red.
    own = np.minimum.accumulate(np.clip(own, LEAST_LIGHT, 1), axis=1)
    return _srgb255(own), _srgb255(mean)


def in_texture_light(groom: HairGroom, image: np.ndarray) -> HairGroom:
    """Brows and beards in the light of the texture that they lie on and that shows them, too.

    Args:
        groom: The hair.
        image: (S, S, 4) uint8 sRGB, the head's texture.

    Returns:
        The hair, with the colors of its brows and beard.
    """
    if not groom.facial:
        return groom
    small = cv2.resize(image[..., :3], (GROUND_SIDE, GROUND_SIDE), interpolation=cv2.INTER_AREA)
    light = cv2.GaussianBlur(srgb_to_linear(small / 255).astype(np.float32), (0, 0), GROUND_SIGMA)
    return replace(groom, facial=tuple(_in_light(part, light) for part in groom.facial))


def _in_light(part: FacialHair, light: np.ndarray) -> FacialHair:
    """A part in the light (S, S, 3) of a texture."""
    if part.card_ground is None or part.strand_ground is None:
        return part
    cards, strands = part.cards, part.strands
    of_cards, of_strands = (_gains(one, light) for one in (part.card_ground, part.strand_ground))
    cards = replace(cards, colors=_times(cards.colors, of_cards[cards.card]))
    strands = replace(strands, colors=_times(strands.colors, of_strands[:, None]))
    return replace(part, cards=cards, strands=strands, card_ground=None, strand_ground=None)


def _gains(ground: Ground, light: np.ndarray) -> np.ndarray:
    """(N, 3) the texture's light (S, S, 3), of the photo's, where hairs have their roots."""
    side = len(light)
    at = np.stack([ground.uv[:, 0] * side - 0.5, (1 - ground.uv[:, 1]) * side - 0.5], 1)
    there = sample_image(light, np.clip(at, 0, side - 1).astype(np.float32))
    before = srgb_to_linear(ground.colors.astype(np.float64) / 255)
    return np.clip((there + LIGHT_FLOOR) / (before + LIGHT_FLOOR), *GAINS)


def _times(colors: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """Colors (..., 3) uint8 sRGB in so much more linear light."""
    light = srgb_to_linear(colors.astype(np.float64) / 255) * gains
    return np.round(linear_to_srgb(np.clip(light, 0, 1)) * 255).astype(np.uint8)


def _nearest(points: np.ndarray, at: np.ndarray, count: int) -> np.ndarray:
    """(R, count) the points that are nearest to each of (R, 3); fewer where there are no more."""
    return np.asarray(cKDTree(points).query(at, k=np.arange(1, min(count, len(points)) + 1))[1])


def _srgb255(light: np.ndarray) -> np.ndarray:
    """(N, 3) float32 sRGB 0..255 of linear light."""
    return np.asarray(linear_to_srgb(light) * 255, np.float32)
