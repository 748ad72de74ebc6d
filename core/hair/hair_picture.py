"""The colors of hair alone in a photo: what is around it, and the light of sky and leaves, taken out."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from ..geometry.visibility import ramp
from ..image.color import channel_mean, linear_to_srgb, srgb_to_linear
from ..image.smoothing import smoothed
from .masks import LIGHT_FLOOR, HairMaps, log_light

#: Distances from the outline, meters, between which the photo's pixels begin to be hair alone.
EDGE_FROM = 0.001
EDGE_TO = 0.0045
#: How far a pixel's own color is kept, 0..1, from which on it says how much hair's colors vary.
OWN_COLOR = 0.5
#: The same, from which on it counts for the typical color.
CERTAIN_COLOR = 0.9
#: Standard deviations, pixels, of the means that replace pixels at the outline, from fine to coarse.
FILL_SIGMAS = (2.0, 5.0, 12.0)
#: Standard deviations, pixels, of the means of what is around the hair.
AROUND_SIGMAS = (6.0, 24.0)
#: How far around hair a photo is looked at, pixels: beyond it is a tenth of a percent of the widest mean.
REACH = 80
#: The part of it begins and ends at multiples of so many pixels: wide blurs are made on smaller pictures.
STEP = 8
#: The least weight of such a mean that counts.
LEAST_AROUND = 0.01
#: Distance outside the outline, meters, from which on a pixel shows no hair at all.
AROUND_MARGIN = 0.003
#: Mean differences from the typical hair, of logarithms of linear light, between which a pixel of the mask
#: may show what is around,
UNLIKE_HAIR = (0.5, 0.9)
#: and quotients of its differences from what is around and from hair between which it does.
LIKE_AROUND = (0.45, 0.8)
#: Differences of hue, the logarithms less their mean, beside the head: leaves and sky between curls.
FOREIGN_HUE = (0.22, 0.45)
#: How much nearer to the hair's hue than to that of what is around light pixels are, of the same measure, if
#: they are hair in the sun.
SUNLIT = (0.1, 0.25)
#: Distances from the outline, meters, between which the band along it ends.
EDGE_BAND = (0.008, 0.016)
#: `UNLIKE_HAIR` in that band.
EDGE_UNLIKE_HAIR = (0.2, 0.4)
#: `LIKE_AROUND` in that band.
EDGE_LIKE_AROUND = (0.7, 1.1)
#: How far a pixel shows what is around the hair, 0..1, from which on those beside it are taken to be mixed
#: with that, too,
CERTAINLY_FOREIGN = 0.5
#: and which those are.
MIXED = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
#: Hair between such pixels that is no wider than this is mixed, too.
ISLANDS = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))
#: Standard deviation of the smoothing of hue, pixels: single pixels are noise.
HUE_SIGMA = 1.5
#: Standard deviation of the smoothing of colors of vertices, pixels.
VERTEX_SIGMA = 2.5
#: Standard deviation, pixels, of the mean that the contrast of strands is measured against.
CONTRAST_SIGMA = 4.0
#: Added to typical colors of photos, of 255, before their ratio, which is this at most.
TONE_FLOOR = 8.0
MOST_TONED = 3.0
#: Standard deviation, pixels, of the mean that tells light of sky and leaves on hair.
TINT_SIGMA = 4.0
#: Logarithms of the typical color's ratio of green to red, or of blue to either, between which hair is dyed.
DYED = (0.5, 1.0)
#: Limits of that contrast, of logarithms of lightness.
CONTRAST_LIMITS = (0.06, 0.28)
#: The same of locks: the mean that they are measured against, and the limits.
LOCK_SIGMA = 14.0
LOCK_LIMITS = (0.05, 0.25)


@dataclass(frozen=True)
class HairPicture:
    """A photo as one of hair alone.

    Attributes:
        maps: What the photo shows.
        photo: (SIZE, SIZE, 3) float32, sRGB 0..255: at the hair's outline from further inside.
        smooth: (SIZE, SIZE, 3) float32, the same without strands.
        own: (SIZE, SIZE) float32 0..1, how far a pixel's own color is kept; others have that of hair near
            them, without strands.
        typical: (3,) float32, sRGB 0..255.
        contrast: Of strands: standard deviation of the logarithm of their lightness.
        lock_contrast: The same of locks.
    """

    maps: HairMaps
    photo: np.ndarray
    smooth: np.ndarray
    own: np.ndarray
    typical: np.ndarray
    contrast: float
    lock_contrast: float

    @classmethod
    def of(cls, maps: HairMaps, pigmented: bool = True) -> "HairPicture":
        """Read it off a photo.

        Args:
            maps: What the photo shows.
            pigmented: Whether it is hair, which has its color of its pigments unless it is dyed; headwear has
                any.
        """
        rows, columns = _around(maps.mask)
        whole, maps = maps, maps.part(rows, columns)
        photo, weight = hair_alone(maps)
        certain = weight > CERTAIN_COLOR if (weight > CERTAIN_COLOR).any() else maps.mask
        if pigmented:
            photo = without_tint(photo, np.median(photo[certain], axis=0))
        lightness = np.log(channel_mean(photo) + 8)
        means = [smoothed(lightness, sigma) for sigma in (CONTRAST_SIGMA, LOCK_SIGMA)]
        # Of hair that is nowhere wider than its own edge, all says how much it varies.
        own = weight > OWN_COLOR if (weight > OWN_COLOR).any() else maps.mask
        smooth = cv2.GaussianBlur(photo, (0, 0), VERTEX_SIGMA)
        # At the part's border all is as far from hair as beyond it.
        height, width = whole.mask.shape
        border = rows.start, height - rows.stop, columns.start, width - columns.stop
        return cls(
            maps=whole,
            photo=cv2.copyMakeBorder(photo, *border, cv2.BORDER_REPLICATE),
            smooth=cv2.copyMakeBorder(smooth, *border, cv2.BORDER_REPLICATE),
            own=cv2.copyMakeBorder(weight, *border, cv2.BORDER_CONSTANT, value=(0,)),
            typical=np.median(photo[certain], axis=0).astype(np.float32),
            contrast=float(np.clip((lightness - means[0])[own].std(), *CONTRAST_LIMITS)),
            lock_contrast=float(np.clip((means[0] - means[1])[own].std(), *LOCK_LIMITS)),
        )

    def toned(self, typical: np.ndarray) -> "HairPicture":
        """The same hair in another light.

        Args:
            typical: (3,) sRGB 0..255, its typical color there.

        Returns:
            The picture in that tone.
        """
        gain = np.clip((typical + TONE_FLOOR) / (self.typical + TONE_FLOOR), 1 / MOST_TONED, MOST_TONED)
        gain = gain.astype(np.float32)
        photo, smooth = (np.clip(picture * gain, 0, 255) for picture in (self.photo, self.smooth))
        return replace(self, photo=photo, smooth=smooth, typical=typical)


def _around(mask: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns that hold a mask (h, w) and what is looked at around it; all if it is empty."""
    spans = []
    for axis, side in enumerate(mask.shape):
        seen = np.flatnonzero(mask.any(1 - axis))
        if not len(seen):
            return slice(0, mask.shape[0]), slice(0, mask.shape[1])
        low, high = int(seen[0]) - REACH, int(seen[-1]) + 1 + REACH
        spans.append(slice(max(low // STEP * STEP, 0), min(-(-high // STEP) * STEP, side)))
    return spans[0], spans[1]


def hair_alone(maps: HairMaps) -> tuple[np.ndarray, np.ndarray]:
    """The colors of hair alone.

    Args:
        maps: What the photo shows.

    Returns:
        (SIZE, SIZE, 3) float32, sRGB 0..255, at the outline and over what is no hair from hair near it; and
        (SIZE, SIZE) float32 0..1, how far a pixel's own color is kept.
    """
    weight = ramp(maps.outline, EDGE_FROM, EDGE_TO).astype(np.float32) * _own(maps) * ~maps.hidden
    if weight.sum() < 50:
        weight = maps.mask.astype(np.float32)
    return _filled(maps.colors, weight), weight


def without_tint(photo: np.ndarray, typical: np.ndarray) -> np.ndarray:
    """Hair without the light of sky and leaves that shines on it.

    Melanins absorb the more, the shorter the wavelength (C. Donner and H. W. Jensen, "A spectral BSSRDF for
    shading human skin", EGSR 2006): hair is never bluer than it is green, nor greener than it is red.

    Args:
        photo: (H, W, 3) float32, sRGB 0..255.
        typical: (3,) its typical color; clearly blue or green hair is dyed, and stays so.

    Returns:
        (H, W, 3) float32, sRGB 0..255.
    """
    red, green, blue = log_light(typical)
    strength = 1 - ramp(np.array(max(green - red, blue - min(red, green))), *DYED)
    if strength == 0:
        return photo
    light = srgb_to_linear(np.clip(photo, 0, 255) / 255).astype(np.float32) + np.float32(LIGHT_FLOOR)
    mean = cv2.GaussianBlur(light, (0, 0), TINT_SIGMA)
    gains = np.minimum.accumulate(mean, axis=-1) / mean
    light = np.maximum(light * gains ** np.float32(strength) - np.float32(LIGHT_FLOOR), 0)
    return np.asarray(linear_to_srgb(light) * 255, np.float32)


def _own(maps: HairMaps) -> np.ndarray:
    """(SIZE, SIZE) float32 0..1: 0 where a pixel of the mask has the color of what is around the hair.

    Between strands, and where the mask reaches too far, the photo shows sky, skin or clothes.
    """
    light = log_light(maps.colors).astype(np.float32)
    departure = light - maps.typical_light.astype(np.float32)
    from_hair = channel_mean(np.abs(departure))
    around = (maps.outline < -AROUND_MARGIN).astype(np.float32)
    # Darker is the shade between strands; over the head it is the parting.
    lighter = channel_mean(departure)
    hue = cv2.GaussianBlur(departure - lighter[..., None], (0, 0), HUE_SIGMA)
    hue_from_hair = channel_mean(np.abs(hue))
    from_around = np.full(maps.mask.shape, np.inf, np.float32)
    hue_from_around = from_around
    for sigma in AROUND_SIGMAS:
        total = smoothed(around, sigma)
        mean = smoothed(light * around[..., None], sigma) / np.maximum(total, 1e-6)[..., None]
        difference = channel_mean(np.abs(light - mean))
        from_around = np.where(total > LEAST_AROUND, np.minimum(from_around, difference), from_around)
        beyond = mean - maps.typical_light.astype(np.float32)
        difference = channel_mean(np.abs(hue - beyond + channel_mean(beyond)[..., None]))
        hue_from_around = np.where(
            total > LEAST_AROUND, np.minimum(hue_from_around, difference), hue_from_around
        )
    # Hair in the sun is as light as a wall, but has its own hue where the wall has another.
    sunlit = ramp(hue_from_around - hue_from_hair, *SUNLIT)
    foreign = ramp(from_hair, *UNLIKE_HAIR) * (
        1 - ramp(from_around / np.maximum(from_hair, 1e-3), *LIKE_AROUND)
    )
    foreign[lighter < 0] = 0
    foreign = foreign * (1 - sunlit)
    foreign = np.maximum(foreign, ramp(hue_from_hair, *FOREIGN_HUE))
    # Masks are too wide by some millimeters: along the outline the nearer color decides, however dark.
    along = ramp(from_hair, *EDGE_UNLIKE_HAIR) * (1 - ramp(maps.outline, *EDGE_BAND))
    nearer = 1 - ramp(from_around / np.maximum(from_hair, 1e-3), *EDGE_LIKE_AROUND)
    foreign = np.maximum(foreign, along * nearer * (1 - sunlit))
    foreign[np.isfinite(maps.depth)] = 0
    # Beside what shows through, strands are mixed with it: they must not lend it to the hair around.
    mixed = cv2.dilate(np.where(foreign > CERTAINLY_FOREIGN, foreign, 0), MIXED)
    foreign = np.maximum(foreign, cv2.morphologyEx(mixed, cv2.MORPH_CLOSE, ISLANDS))
    return np.asarray(1 - foreign, np.float32)


def _filled(colors: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """A picture whose pixels of little weight are means of others near them."""
    filled = colors
    missing = 1 - weight
    result = colors * weight[..., None]
    for sigma in FILL_SIGMAS:
        total = smoothed(weight, sigma)
        mean = smoothed(colors * weight[..., None], sigma)
        strength = ramp(total, 0.02, 0.2).astype(np.float32) * missing
        result = result + strength[..., None] * mean / np.maximum(total, 1e-4)[..., None]
        missing = missing - strength
    typical = (filled * weight[..., None]).sum((0, 1)) / max(float(weight.sum()), 1.0)
    return np.asarray(result + missing[..., None] * typical, np.float32)
