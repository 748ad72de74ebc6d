"""Skin that hair or headwear lies on, though the volume is too narrow for it: ears, and the neck's lower end.

Ears stand out of scarves that hang beside the head. The neck grows wider into shoulders that the head does
not have, and comes out of what hangs behind it; and clothes hide there whether a scarf ends.
"""

from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter1d

from ..geometry.visibility import ramp
from ..image.sampling import sample_image
from ..template.regions import EAR_SURROUNDINGS, at_ears
from .lower_end import lower_end
from .masks import HairMaps, signed_outline
from .skin import Skin
from .volume import AXIS, Billboard, HairVolume, hidden_by

#: How thick the layer on ears is, meters, by the volume's distance from the skin, which is coarse there.
ON_EARS = 0.007
#: How far ears may reach beyond the photo's outline, meters: heads are not exact.
EARS_BEYOND = 0.003
#: It ends at this distance from bare skin in the photo, meters: that would be the ear itself.
BARE_EAR = 0.006
#: Parts that the way around the neck is divided into; how far to each side of its back hair lies, degrees.
PARTS = 72
BEHIND = (85.0, 105.0)
#: The neck counts as covered at a height where more than this of what is beside it, meters, is hair.
COVERED = 0.5
BESIDE = 0.006
#: How far below the lowest hair on it the layer goes on, meters, from full to none; a bob ends above it. The
#: same below headwear.
GOES_ON = (0.009, 0.019)
HEADWEAR_GOES_ON = (0.034, 0.054)
#: Heights over the neck's lower end, meters, between which the layer begins, and how far it goes below that.
BEGINS = (0.060, 0.045)
BELOW = 0.006
#: How thick it is, meters, and over how much to each side its edge is a slope: thinner, it would be in rags.
ON_NECK = 0.008
EDGE = 0.012
#: Standard deviations of its smoothing, parts around the neck and meters along it.
PARTS_SIGMA = 1.5
HEIGHT_SIGMA = 0.004
#: It keeps this distance from what the photo shows to be free of it, meters, unless the head hides it: then
#: that is far.
ON_FREE = 0.002
FAR = 0.1


def with_covered_skin(volume: HairVolume, maps: HairMaps, skin: Skin, headwear: bool = False) -> HairVolume:
    """Lay hair or headwear over the neck below what lies on it, and headwear over ears that it covers.

    Args:
        volume: What it fills.
        maps: What the photo shows.
        skin: Of the head.
        headwear: Whether it is that: clothes may hide it, and ears do not come through it.

    Returns:
        The volume.
    """
    field = volume.field.copy()
    flat = field.reshape(-1)
    layers = [_on_neck(volume, maps, skin, headwear)]
    if headwear:
        layers.append(_on_ears(volume, maps))
    for index, layer in layers:
        flat[index] = np.maximum(flat[index], layer)
    return replace(volume, field=field)


def _on_ears(volume: HairVolume, maps: HairMaps) -> tuple[np.ndarray, np.ndarray]:
    """The layer on ears where the photo shows that they are covered: of which points (N,), meters (N,)."""
    low, high = EAR_SURROUNDINGS
    index = _beside_skin(volume, np.array([-high[0], *low[1:]]), high, ON_EARS)
    points = volume.grid.points[index]
    at_ear = at_ears(points)
    index, points = index[at_ear], points[at_ear]
    pixels, _ = maps.pixels_of(points)
    layer = np.minimum(ON_EARS - volume.skin.ravel()[index], sample_image(maps.outline, pixels) + EARS_BEYOND)
    return index, np.minimum(layer, sample_image(maps.hairline, pixels) - BARE_EAR)


def _on_neck(volume: HairVolume, maps: HairMaps, skin: Skin, headwear: bool) -> tuple[np.ndarray, np.ndarray]:
    """The layer on the neck's back below what lies on it: of which points (N,), meters (N,)."""
    grid = volume.grid
    heights = grid.heights - np.float32(skin.lower_end)
    low, high = (np.array([side, side, skin.lower_end + end]) for side, end in ((-1, -BELOW), (1, BEGINS[0])))
    index = _beside_skin(volume, low, high, ON_NECK)
    distance, row = volume.skin.ravel()[index], index % len(heights)
    offset: np.ndarray = grid.points[index, :2] - AXIS.astype(np.float32)
    angle = np.arctan2(offset[:, 0], offset[:, 1]) / np.float32(2 * np.pi) + 0.5  # 0.5 behind
    place = np.minimum((angle * PARTS).astype(int), PARTS - 1) * len(heights) + row
    beside = (distance >= 0) & (distance < BESIDE)
    hair = beside & (volume.field.ravel()[index] > 0)
    size = PARTS * len(heights)
    points, covered = (np.bincount(place[chosen], minlength=size) for chosen in (beside, hair))
    below = HEADWEAR_GOES_ON if headwear else GOES_ON
    weight = _neck_weight(heights, covered > COVERED * np.maximum(points, 1), grid.cell, below)
    if not weight.any():
        return index[:0], distance[:0]
    end = lower_end(maps, Billboard.facing(maps)) - skin.lower_end
    weight *= 1 - ramp(end - heights, -below[0] / 2, 0.0)
    within = (2 * weight.ravel()[place] - 1) * EDGE
    layer = np.minimum(ON_NECK - distance, within).astype(np.float32)
    chosen = layer > -grid.cell
    index, layer = index[chosen], layer[chosen]
    points = grid.points[index]
    pixels, depth = maps.pixels_of(points)
    within = sample_image(_shown(maps) if headwear else maps.outline, pixels) - ON_FREE
    return index, np.minimum(layer, within + FAR * hidden_by(maps, pixels, depth))


def _shown(maps: HairMaps) -> np.ndarray:
    """(SIZE, SIZE) meters: how far pixels are from bare skin and from background beside the head."""
    free = maps.background & ~np.isfinite(maps.depth)
    return np.minimum(signed_outline(~free), maps.hairline)


def _beside_skin(volume: HairVolume, low: np.ndarray, high: np.ndarray, thickness: float) -> np.ndarray:
    """(N,) int: the grid's points in a box, corners (3,), not a cell beyond a thickness from the skin."""
    grid = volume.grid
    shape = np.array(grid.shape)
    first, last = (
        np.clip(np.ceil((corner - grid.origin) / grid.cell).astype(int), 0, shape) for corner in (low, high)
    )
    distance = volume.skin[tuple(slice(*ends) for ends in zip(first, last, strict=True))]
    near = np.nonzero((distance > -grid.cell) & (distance < thickness + grid.cell))
    return np.ravel_multi_index(tuple(at + start for at, start in zip(near, first, strict=True)), grid.shape)


def _neck_weight(
    heights: np.ndarray, covered: np.ndarray, cell: float, below: tuple[float, float]
) -> np.ndarray:
    """(PARTS, Z) 0..1: where the layer is, around the neck and by rising heights (Z,) over its lower end.

    `covered` (PARTS * Z,) is where hair lies on the neck, `cell` how far the heights are apart, `below`
    how far it goes on below that, meters.
    """
    lowest = np.where(covered.reshape(PARTS, -1), heights, np.inf)
    lowest = np.minimum.accumulate(lowest[:, ::-1], axis=1)[:, ::-1]  # of all hair above
    side = np.abs((np.arange(PARTS) + 0.5) / PARTS - 0.5) * 360
    weight = (1 - ramp(lowest - heights, *below)) * (1 - ramp(side, *BEHIND))[:, None]
    weight = gaussian_filter1d(weight, PARTS_SIGMA, axis=0, mode="wrap")
    weight = gaussian_filter1d(weight, HEIGHT_SIGMA / cell, axis=1, mode="nearest")
    return np.asarray(weight * ramp(heights, *BEGINS))
