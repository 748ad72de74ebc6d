"""Skin from several photos: tones matched, and each texel taken from the photos that show it best.

Where photos overlap, the logarithm of the ratio of their colors is carried over the skin as smoothly as can
be and taken out, so that no seam is left where one photo takes over from another: a membrane, as in
gradient-domain blending (P. Perez, M. Gangnet and A. Blake, "Poisson image editing", SIGGRAPH 2003).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..geometry.frames import CropFrame, HeadPose
from ..segmentation.segments import Segmentation
from .albedo_model import DARK
from .inpainting import SmoothCompletion
from .skin_sampler import SkinSampler, SkinView

#: Greatest ratio of two photos' colors that is matched, natural logarithm.
MAX_RATIO = 1.5
#: Fewer observed vertices in common than this say nothing of the ratio.
MIN_OVERLAP = 30
#: Weight of the smoothness of the ratio beside that of the colors.
RATIO_STIFFNESS = 2.0
#: Power of the quality by which photos share a texel: the best one has nearly all of it.
SHARE_POWER = 6
#: Power of the cosine between normal and ray in the quality.
FACING_POWER = 1.5
#: Photo pixels a texel from which on more resolution is no better.
ENOUGH_PX = 1.5
#: How much better than the next photo the first one counts: fewer seams.
FIRST_BONUS = 1.15


@dataclass(frozen=True)
class SkinPhoto:
    """A photo to be projected onto the skin.

    Attributes:
        rgb: (H, W, 3) uint8.
        frame: The crop.
        pose: Of the head.
        vertices: (V, 3) of the wrapped head with the expression of this photo, head frame, meters.
        segmentation: What the pixels show.
        landmarks: (478, 2 or more) as detected, photo pixels; without them, ears may lie on cheeks.
    """

    rgb: np.ndarray
    frame: CropFrame
    pose: HeadPose
    vertices: np.ndarray
    segmentation: Segmentation
    landmarks: np.ndarray | None = None


@dataclass(frozen=True)
class ShownSkin:
    """What a photo shows of the skin.

    Attributes:
        rgb: (H, W, 3) uint8, the photo.
        view: Of the skin's texels.
        shading: (V, 3) or (V, 1) float32: colors divided by it are albedo.
        weight: (n,) float32, 0..1, how far each texel is taken from this photo.
    """

    rgb: np.ndarray
    view: SkinView
    shading: np.ndarray
    weight: np.ndarray

    def albedo(self, sampler: SkinSampler) -> np.ndarray:
        """(n, 3) float32, linear, of the skin's texels."""
        return self.view.colors / sampler.at_texels(self.shading)

    def source(self) -> "SkinSource":
        """What of it the skin is put together from."""
        return SkinSource(self.rgb, self.view.pixels, self.view.facial_hair, self.shading, self.weight)


@dataclass(frozen=True)
class SkinSource:
    """A photo that the skin is put together from: of what it shows only that which this takes.

    Attributes:
        rgb: (H, W, 3) uint8, the photo.
        pixels: (n, 2) float32, where it shows the skin's texels.
        facial_hair: (n,) float32, 0..1, probability of a brow or a beard.
        shading: (V, 3) or (V, 1) float32: colors divided by it are albedo.
        weight: (n,) float32, 0..1, how far each texel is taken from this photo.
    """

    rgb: np.ndarray
    pixels: np.ndarray
    facial_hair: np.ndarray
    shading: np.ndarray
    weight: np.ndarray


def match_tone(
    layer: ShownSkin,
    before: Sequence[ShownSkin],
    sampler: SkinSampler,
    completion: SmoothCompletion,
    typical: np.ndarray,
) -> ShownSkin:
    """Bring a photo's colors to the tone of those before it.

    Args:
        layer: What the photo shows.
        before: What the photos before it show.
        sampler: Of the skin.
        completion: Makes smooth fields on the skin.
        typical: (3,) natural logarithm of the ratio of the tones, where nothing overlaps.

    Returns:
        The same with the ratio in its shading.
    """
    weight = np.asarray(sum(view.weight for view in before), np.float32)
    mixed = sum(view.albedo(sampler) * view.weight[:, None] for view in before)
    reference, observed = sampler.to_vertices(
        mixed / np.maximum(weight, DARK)[:, None], np.minimum(weight, 1)
    )
    means, own = sampler.to_vertices(layer.albedo(sampler), layer.weight)
    overlap = np.minimum(observed, own)
    ratio = np.log(np.maximum(reference, DARK)) - np.log(np.maximum(means, DARK))
    ratio = np.clip(ratio, -MAX_RATIO, MAX_RATIO)
    ratio[overlap <= 0] = 0
    anchor = np.asarray(typical, np.float64)
    total = float(overlap.sum())
    if total >= MIN_OVERLAP:
        anchor = (ratio * overlap[:, None]).sum(0) / total
    smooth = completion.smooth(ratio, overlap, RATIO_STIFFNESS, anchor=np.clip(anchor, -MAX_RATIO, MAX_RATIO))
    return replace(layer, shading=np.asarray(layer.shading * np.exp(-smooth), np.float32))


def view_shares(layers: Sequence[ShownSkin], sampler: SkinSampler) -> list[ShownSkin]:
    """Give each texel to the photos that show it best.

    Args:
        layers: What the photos show; at equal quality the first one is preferred.
        sampler: Of the skin.

    Returns:
        The same with weights that sum up to at most 1 at each texel.
    """
    qualities = []
    for number, layer in enumerate(layers):
        some = np.flatnonzero(layer.weight > 0)
        pixels = min(sampler.spacing(layer.view.pixels, some), ENOUGH_PX) / ENOUGH_PX
        quality = layer.weight * layer.view.facing**FACING_POWER * pixels
        # On the vertices, some millimeters apart, shares change gradually.
        at_vertices, _ = sampler.to_vertices(quality[:, None], np.ones_like(quality))
        qualities.append(at_vertices * (1.0 if number else FIRST_BONUS))
    powers = np.concatenate(qualities, 1) ** SHARE_POWER
    at_texels = sampler.at_texels(powers / np.maximum(powers.sum(1, keepdims=True), 1e-30))
    own = at_texels * (np.stack([layer.weight for layer in layers], 1) > 0)
    own /= np.maximum(own.sum(1, keepdims=True), 1e-6)
    return [replace(layer, weight=layer.weight * own[:, k]) for k, layer in enumerate(layers)]
