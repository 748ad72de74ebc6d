"""The hair's color: from the photo where it shows hair, completed elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy.spatial import cKDTree

from ..geometry.closest_point import search_threads
from ..geometry.visibility import depth_map, front_facing, ramp, surrounding_pixels, unoccluded
from ..image.color import linear_to_srgb, srgb_to_linear
from ..image.sampling import sample_image
from .flow import facing
from .masks import LIGHT_FLOOR, SIZE, HairMaps, log_light
from .shell_mesh import ShellMesh

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
#: Distances from the outline, meters, between which the band along it ends.
EDGE_BAND = (0.008, 0.016)
#: `UNLIKE_HAIR` in that band.
EDGE_UNLIKE_HAIR = (0.2, 0.4)
#: `LIKE_AROUND` in that band.
EDGE_LIKE_AROUND = (0.7, 1.1)
#: Standard deviation of the smoothing of hue, pixels: single pixels are noise.
HUE_SIGMA = 1.5
#: Depth behind the seen surface, meters, that still counts as seen.
TOLERANCE = 0.006
#: Cosines between which a surface begins to be seen well.
COSINES = (0.2, 0.5)
#: Distances from what is behind the head, meters, between which hair's own color begins to be seen: at the
#: outline it is mixed with the background's, and stretched over the hair's side.
FROM_BACKGROUND = (0.001, 0.006)
#: The same, from which on the color of hair is certain, and others are completed from it.
DEEP_INSIDE = 0.009
#: Neighbors that a completed color is a mean of.
NEIGHBORS = 16
#: The distance at which their weight has halved, meters.
HALF_DISTANCE = 0.025
#: Weight of the typical color in a completed one, against those neighbors.
TYPICAL_WEIGHT = 0.35
#: Standard deviation of the smoothing of colors of vertices, pixels.
VERTEX_SIGMA = 2.5
#: Standard deviation, pixels, of the mean that the contrast of strands is measured against.
CONTRAST_SIGMA = 4.0
#: Added to typical colors of photos, of 255, before their ratio, which is this at most.
TONE_FLOOR = 8.0
MOST_TONED = 3.0
#: Power of the quality by which photos share a point, and how much better the first photo counts.
SHARE_POWER = 6
FIRST_BONUS = 1.15
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
class HairColors:
    """The hair's colors in the photo, and where they are seen.

    Attributes:
        maps: What the photo shows.
        photo: (SIZE, SIZE, 3) float32, sRGB 0..255, of hair alone: at its outline from further inside.
        smooth: (SIZE, SIZE, 3) float32, the same without strands.
        depth: (SIZE, SIZE) float32, meters from the camera to the hair or what is before it.
        typical: (3,) float32, sRGB 0..255.
        contrast: Of strands: standard deviation of the logarithm of their lightness.
        lock_contrast: The same of locks.
        known: Seen points of the surface, and their colors.
        known_colors: (K, 3) float32.
        further: The same of other photos of the person, in the tone of this one.
    """

    maps: HairMaps
    photo: np.ndarray
    smooth: np.ndarray
    depth: np.ndarray
    typical: np.ndarray
    contrast: float
    lock_contrast: float
    known: cKDTree
    known_colors: np.ndarray
    further: tuple["HairColors", ...] = ()

    @classmethod
    def of(
        cls, maps: HairMaps, mesh: ShellMesh, further: Sequence[HairMaps] = (), pigmented: bool = True
    ) -> "HairColors":
        """Read them off the photo.

        Args:
            maps: What the photo shows.
            mesh: Of the hair.
            further: What other photos of the person show.
            pigmented: Whether it is hair, which has its color of its pigments unless it is dyed; headwear has
                any.
        """
        own = cls._of_one(maps, mesh, pigmented)
        others = tuple(cls._of_one(photo, mesh, pigmented)._toned(own.typical) for photo in further)
        if not others:
            return own
        points = np.concatenate([np.asarray(colors.known.data) for colors in (own, *others)])
        known = cKDTree(points, balanced_tree=False, compact_nodes=False)
        known_colors = np.concatenate([colors.known_colors for colors in (own, *others)])
        return replace(own, known=known, known_colors=known_colors, further=others)

    def _toned(self, typical: np.ndarray) -> "HairColors":
        """The same colors in the tone of typical ones (3,), sRGB 0..255."""
        gain = np.clip((typical + TONE_FLOOR) / (self.typical + TONE_FLOOR), 1 / MOST_TONED, MOST_TONED)
        gain = gain.astype(np.float32)
        return replace(
            self,
            photo=np.clip(self.photo * gain, 0, 255),
            smooth=np.clip(self.smooth * gain, 0, 255),
            typical=typical,
            known_colors=np.clip(self.known_colors * gain, 0, 255),
        )

    @classmethod
    def _of_one(cls, maps: HairMaps, mesh: ShellMesh, pigmented: bool) -> "HairColors":
        """The colors of one photo."""
        photo, weight = hair_alone(maps)
        certain = weight > CERTAIN_COLOR if (weight > CERTAIN_COLOR).any() else maps.mask
        if pigmented:
            photo = without_tint(photo, np.median(photo[certain], axis=0))
        smooth = cv2.GaussianBlur(photo, (0, 0), VERTEX_SIGMA)
        typical = np.median(photo[certain], axis=0)
        lightness = np.log(photo.mean(-1) + 8)
        means = [cv2.GaussianBlur(lightness, (0, 0), sigma) for sigma in (CONTRAST_SIGMA, LOCK_SIGMA)]
        # Of hair that is nowhere wider than its own edge, all says how much it varies.
        own = weight > OWN_COLOR if (weight > OWN_COLOR).any() else maps.mask
        contrast = float(np.clip((lightness - means[0])[own].std(), *CONTRAST_LIMITS))
        lock_contrast = float(np.clip((means[0] - means[1])[own].std(), *LOCK_LIMITS))
        pixels, distance = maps.pixels_of(mesh.vertices)
        triangles = mesh.triangles[front_facing(pixels, mesh.triangles)]
        depth, _ = depth_map(pixels, distance.astype(np.float64), triangles, SIZE)
        depth = np.minimum(depth, maps.depth)
        # What is completed takes after hair that is far from the background.
        inside = sample_image(maps.hull, pixels) > DEEP_INSIDE
        visible = _visibility(maps, depth, mesh.vertices, mesh.normals) * ~mesh.inner > 0.5
        visible = visible & inside if (visible & inside).sum() > NEIGHBORS else visible
        if not visible.any():
            visible = ~mesh.inner
        return cls(
            maps,
            photo,
            smooth,
            depth,
            typical.astype(np.float32),
            contrast,
            lock_contrast,
            cKDTree(mesh.vertices[visible], balanced_tree=False, compact_nodes=False),
            sample_image(smooth, pixels[visible]),
        )

    def visibility(self, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        """How far the photos show points of the surface.

        Args:
            points: (N, 3), head frame, meters.
            normals: (N, 3) unit normals.

        Returns:
            (N, L) float64 0..1, for this photo and each further one the part of the color that is taken from
            it; the sum, at most 1, is how far any shows the point.
        """
        photos = (self, *self.further)
        shown = np.stack([_visibility(photo.maps, photo.depth, points, normals) for photo in photos], 1)
        if not self.further:
            return shown
        quality = np.stack([facing(photo.maps, points, normals) for photo in photos], 1)
        quality = np.maximum(quality, 0) * shown * np.where(np.arange(len(photos)) == 0, FIRST_BONUS, 1.0)
        part = quality**SHARE_POWER
        return np.asarray(shown.max(1, keepdims=True) * part / np.maximum(part.sum(1, keepdims=True), 1e-12))

    def distance_to_skin(self, points: np.ndarray) -> np.ndarray:
        """How far points are from bare skin in the photo.

        Args:
            points: (N, 3), head frame, meters.

        Returns:
            (N,) meters at the head's distance; inf for what the photo does not show.
        """
        pixels, distance = self.maps.pixels_of(points)
        around, _ = surrounding_pixels(pixels, self.depth.shape)
        visible = unoccluded(self.depth, around, distance, TOLERANCE) > 0
        return np.where(visible, sample_image(self.maps.hairline, pixels), np.inf)

    def photo_at(self, points: np.ndarray, visible: np.ndarray) -> np.ndarray:
        """Colors with strands, as far as the photos show any.

        Args:
            points: (N, 3), head frame, meters.
            visible: (N, L), see `visibility`.

        Returns:
            (N, 3) float32, sRGB 0..255; black where no photo shows the point.
        """
        return self._mixed([view.photo for view in (self, *self.further)], points, visible)

    def _mixed(self, pictures: Sequence[np.ndarray], points: np.ndarray, visible: np.ndarray) -> np.ndarray:
        """(N, 3) colors of pictures of all photos, by their parts (N, L)."""
        total = np.zeros((len(points), 3), np.float32)
        weight = visible / np.maximum(visible.sum(1, keepdims=True), 1e-9)
        for view, picture, part in zip((self, *self.further), pictures, weight.T, strict=True):
            pixels, _ = view.maps.pixels_of(points)
            total += sample_image(picture, pixels) * part[:, None].astype(np.float32)
        return total

    def completed(self, points: np.ndarray) -> np.ndarray:
        """The color of hair that the photo hides.

        Args:
            points: (N, 3), head frame, meters.

        Returns:
            (N, 3) float32, sRGB 0..255.
        """
        count = min(NEIGHBORS, len(self.known_colors))
        distance, index = self.known.query(points, k=count, workers=search_threads(len(points)))
        distance, index = distance.reshape(len(points), count), index.reshape(len(points), count)
        weight = 1 / (1 + (distance / HALF_DISTANCE) ** 2)
        total = weight.sum(1, keepdims=True) + TYPICAL_WEIGHT * count
        colors = np.einsum("nk,nkc->nc", weight, self.known_colors[index])
        return np.asarray((colors + TYPICAL_WEIGHT * count * self.typical) / total, np.float32)

    def at(self, points: np.ndarray, visible: np.ndarray) -> np.ndarray:
        """Colors without strands.

        Args:
            points: (N, 3), head frame, meters.
            visible: (N, L), see `visibility`.

        Returns:
            (N, 3) float32, sRGB 0..255.
        """
        known = self._mixed([view.smooth for view in (self, *self.further)], points, visible)
        share = visible.sum(1)[:, None]
        return self.completed(points) * (1 - share).astype(np.float32) + known * share.astype(np.float32)


def _visibility(maps: HairMaps, depth: np.ndarray, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
    pixels, distance = maps.pixels_of(points)
    around, _ = surrounding_pixels(pixels, depth.shape)
    visible = unoccluded(depth, around, distance, TOLERANCE)
    visible = visible * ramp(facing(maps, points, normals), *COSINES)
    inside = ((pixels > 0) & (pixels < SIZE - 1)).all(1)
    visible = visible * ramp(sample_image(maps.hull, pixels), *FROM_BACKGROUND)
    return np.asarray(visible * inside * ramp(sample_image(maps.outline, pixels), -0.002, 0.001))


def hair_alone(maps: HairMaps) -> tuple[np.ndarray, np.ndarray]:
    """The colors of hair alone.

    Args:
        maps: What the photo shows.

    Returns:
        (SIZE, SIZE, 3) float32, sRGB 0..255, at the outline and over what is no hair from hair near it; and
        (SIZE, SIZE) float32 0..1, how far a pixel's own color is kept.
    """
    weight = ramp(maps.outline, EDGE_FROM, EDGE_TO).astype(np.float32) * _own(maps)
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
    from_hair = np.abs(departure).mean(-1)
    around = (maps.outline < -AROUND_MARGIN).astype(np.float32)
    from_around = np.full(maps.mask.shape, np.inf, np.float32)
    for sigma in AROUND_SIGMAS:
        total = cv2.GaussianBlur(around, (0, 0), sigma)
        mean = cv2.GaussianBlur(light * around[..., None], (0, 0), sigma) / np.maximum(total, 1e-6)[..., None]
        difference = np.abs(light - mean).mean(-1)
        from_around = np.where(total > LEAST_AROUND, np.minimum(from_around, difference), from_around)
    foreign = ramp(from_hair, *UNLIKE_HAIR) * (
        1 - ramp(from_around / np.maximum(from_hair, 1e-3), *LIKE_AROUND)
    )
    # Darker is the shade between strands; over the head it is the parting.
    foreign[departure.mean(-1) < 0] = 0
    hue = cv2.GaussianBlur(departure - departure.mean(-1, keepdims=True), (0, 0), HUE_SIGMA)
    foreign = np.maximum(foreign, ramp(np.abs(hue).mean(-1), *FOREIGN_HUE))
    # Masks are too wide by some millimeters: along the outline the nearer color decides, however dark.
    along = ramp(from_hair, *EDGE_UNLIKE_HAIR) * (1 - ramp(maps.outline, *EDGE_BAND))
    nearer = 1 - ramp(from_around / np.maximum(from_hair, 1e-3), *EDGE_LIKE_AROUND)
    foreign = np.maximum(foreign, along * nearer)
    foreign[np.isfinite(maps.depth)] = 0
    return np.asarray(1 - foreign, np.float32)


def _filled(colors: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """A picture whose pixels of little weight are means of others near them."""
    filled = colors
    missing = 1 - weight
    result = colors * weight[..., None]
    for sigma in FILL_SIGMAS:
        total = cv2.GaussianBlur(weight, (0, 0), sigma)
        mean = cv2.GaussianBlur(colors * weight[..., None], (0, 0), sigma)
        strength = ramp(total, 0.02, 0.2).astype(np.float32) * missing
        result = result + strength[..., None] * mean / np.maximum(total, 1e-4)[..., None]
        missing = missing - strength
    typical = (filled * weight[..., None]).sum((0, 1)) / max(float(weight.sum()), 1.0)
    return np.asarray(result + missing[..., None] * typical, np.float32)
