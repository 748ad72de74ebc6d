"""Where hair grows on one head, and how thick it lies there."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..geometry.visibility import ramp, ray_cosines, surrounding_pixels, unoccluded
from ..image.sampling import sample_image
from ..template.regions import Regions
from ..texture.inpainting import SmoothCompletion
from .masks import HairMaps
from .skin import Skin

#: Cosine between normal and ray up to which a vertex is on the outline, where the hair's thickness shows.
OUTLINE_COSINE = 0.45
#: Steps along the normals on which the outline is searched, meters.
THICKNESS_STEPS = np.arange(0.002, 0.125, 0.003)
#: Limits of the thickness on the scalp, meters: cropped hair to an afro.
THICKNESS_LIMITS = (0.0018, 0.12)
#: Thickness of hair that lies on the skin outside of the scalp, such as a fringe, meters, at most.
MOST_ON_SKIN = 0.013
#: Thickness at the hairline, meters.
HAIRLINE_THICKNESS = 0.002
#: How much thinner hair is behind than on top and at the sides (MakeHuman's styles), and between which y in
#: the head frame, meters, it becomes so.
BACK_THINNER = 0.38
BACK_Y = (0.09, 0.15)
#: Typical thickness, meters, where the photo says nothing.
TYPICAL_THICKNESS = 0.012
#: Thickness below the skin where no hair is, meters: the volume ends well before it.
NO_HAIR = -0.008
#: Presence at which hair begins and at which it is full.
PRESENCE = (0.3, 0.6)
#: Distance outside of the outline, meters, to which presence reaches.
OUTLINE_REACH = 0.008
#: Stiffness of presence and thickness (see `SmoothCompletion`).
PRESENCE_STIFFNESS = 0.15
THICKNESS_STIFFNESS = 0.6
#: Weight of the average scalp where the photo shows nothing; of skin that is no scalp.
SCALP_WEIGHT = 0.02
SKIN_WEIGHT = 0.3
#: Weight of other photos' outlines on the back of the head from which on nothing is assumed of it.
ENOUGH_OUTLINE = 4.0
#: Depth, meters, behind the seen surface that still counts as seen.
VISIBLE_TOLERANCE = 0.006


@dataclass(frozen=True)
class Scalp:
    """Hair on the vertices of the head.

    Attributes:
        presence: (V,) float32, 0 (bare skin) to 1 (hair).
        thickness: (V,) float32, meters, how far hair stands off the skin; negative where none is.
        visibility: (V,) float32, 0..1, how far the photo shows the vertex or what lies on it.
        roots: (V,) float32, 0..1, presence where hair can grow; elsewhere it only lies on the skin.
    """

    presence: np.ndarray
    thickness: np.ndarray
    visibility: np.ndarray
    roots: np.ndarray


@dataclass(frozen=True)
class _Sight:
    """What a photo shows of the vertices.

    maps: Of the photo; pixels: (V, 2) where they are; cosine: (V,) between normals and rays; visible: (V,)
    0..1, how far it shows each.
    """

    maps: HairMaps
    pixels: np.ndarray
    cosine: np.ndarray
    visible: np.ndarray

    @classmethod
    def of(cls, maps: HairMaps, skin: Skin) -> "_Sight":
        vertices, normals = skin.vertices, skin.normals
        pixels, depth = maps.pixels_of(vertices)
        cosine = ray_cosines(maps.pose.head_to_camera(vertices), normals @ maps.pose.rotation.T)
        around, _ = surrounding_pixels(pixels, maps.mask.shape)
        visible = unoccluded(maps.depth, around, depth, VISIBLE_TOLERANCE) * ramp(cosine, 0.2, 0.5)
        visible = visible * (sample_image(maps.hidden.astype(np.float32), pixels) < 0.5)
        return cls(maps, pixels, cosine, visible)


def measure_scalp(
    maps: HairMaps,
    skin: Skin,
    regions: Regions,
    completion: SmoothCompletion,
    covered: bool = False,
    further: Sequence[HairMaps] = (),
) -> Scalp:
    """Read the hair on the head off the photo, and complete what it does not show.

    Args:
        maps: What the photo shows.
        skin: Of the head.
        regions: Of the template.
        completion: Of the template.
        covered: Whether headwear hides the top of the head.
        further: What other photos of the person show.

    Returns:
        The hair on each vertex.
    """
    sight = _Sight.of(maps, skin)
    pixels, cosine, visible = sight.pixels, sight.cosine, sight.visible
    sights = [sight, *(_Sight.of(photo, skin) for photo in further)]
    presence = _presence(sights, regions, completion, covered)
    thickness = _thickness(sights, skin, regions, completion)
    # In front the hair gets thinner toward its hairline.
    inside = np.maximum(sample_image(maps.hairline, pixels), 0)
    rounded = np.sqrt(np.clip(inside / (1.2 * thickness + 0.006), 0, 1))
    tapered = HAIRLINE_THICKNESS + (thickness - HAIRLINE_THICKNESS) * rounded
    facing = ramp(cosine, 0.0, OUTLINE_COSINE) * (visible > 0)
    thickness = thickness + (np.minimum(tapered, thickness) - thickness) * facing
    on_skin = np.minimum(thickness, MOST_ON_SKIN)
    thickness = on_skin + (thickness - on_skin) * ramp(regions.scalp, 0.1, 0.6)
    full = ramp(presence, *PRESENCE)
    full = full * full * (3 - 2 * full)
    thickness = NO_HAIR + (thickness - NO_HAIR) * full
    roots = presence * ramp(regions.scalp, 0.05, 0.4)
    return Scalp(*(values.astype(np.float32) for values in (presence, thickness, visible, roots)))


def _presence(
    sights: Sequence[_Sight], regions: Regions, completion: SmoothCompletion, covered: bool
) -> np.ndarray:
    """(V,) 0..1: whether hair is on each vertex. What one photo shows, later ones do not decide."""
    total = np.zeros(len(regions.scalp))
    values = np.zeros_like(total)
    for sight in sights:
        # Beyond the outline, too: vertices are far apart, and the outline itself ends the hair.
        inside = ramp(sample_image(sight.maps.outline, sight.pixels), -OUTLINE_REACH, 0.001)
        own = sight.visible * (1 - np.minimum(total, 1))
        values, total = values + inside * own, total + own
    prior = regions.scalp * (0.0 if covered else 1.0)
    weight = np.where(regions.scalp > 0.5, SCALP_WEIGHT, SKIN_WEIGHT) * (1 - total)
    values, total = values + prior * weight, total + weight
    return completion.smooth((values / np.maximum(total, 1e-6))[:, None], total, PRESENCE_STIFFNESS)[:, 0]


def _thickness(
    sights: Sequence[_Sight], skin: Skin, regions: Regions, completion: SmoothCompletion
) -> np.ndarray:
    """(V,) meters: how far hair stands off the skin, wherever there is any."""
    sums, weight = np.zeros(len(skin.vertices)), np.zeros(len(skin.vertices))
    for sight in sights:
        chosen, values, own = _outline_thickness(sight, skin, regions)
        sums[chosen] += values * own
        weight[chosen] += own
    values = np.where(weight > 0, sums / np.maximum(weight, 1e-9), TYPICAL_THICKNESS)
    anchor = np.array([np.average(values, weights=weight) if weight.sum() > 0.5 else TYPICAL_THICKNESS])
    smooth = completion.smooth(values[:, None], weight, THICKNESS_STIFFNESS, anchor)[:, 0]
    # Seen from the front, the back is completed from sides and top, where styled hair is thicker than behind.
    back = ramp(skin.vertices[:, 1], *BACK_Y)
    behind = back * ramp(-sights[0].cosine, 0.0, OUTLINE_COSINE)
    if len(sights) > 1:
        behind = behind * (1 - min(float((weight * back).sum()) / ENOUGH_OUTLINE, 1.0))
    return np.clip(smooth * (1 - BACK_THINNER * behind), *THICKNESS_LIMITS)


def _outline_thickness(
    sight: _Sight, skin: Skin, regions: Regions
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices (N,) on a photo's outline, how far hair stands off there, meters, and how far each counts."""
    maps, cosine = sight.maps, sight.cosine
    chosen = np.flatnonzero((np.abs(cosine) < OUTLINE_COSINE) & (regions.scalp > 0.3))
    steps = THICKNESS_STEPS
    points = skin.vertices[chosen, None] + steps[None, :, None] * skin.normals[chosen, None]
    pixels, _ = maps.pixels_of(points.reshape(-1, 3))
    hull = sample_image(maps.hull, pixels).reshape(len(chosen), len(steps))
    mask = sample_image(maps.outline, pixels).reshape(hull.shape)
    beside = ~np.isfinite(
        sample_image(np.where(np.isfinite(maps.depth), 0, np.inf).astype(np.float32), pixels)
    )
    beside = beside.reshape(hull.shape)
    ended = (hull < 0) | (beside & (mask < 0))
    first = np.where(ended.any(1), ended.argmax(1), len(steps) - 1)
    values = np.clip(steps[first] - 0.0015, *THICKNESS_LIMITS)
    # Rays that never leave the head say nothing about the hair on it.
    says = beside.any(1) & ended.any(1)
    return chosen, values, says * (1 - np.abs(cosine[chosen]) / OUTLINE_COSINE) * regions.scalp[chosen]
