"""The volume that the hair fills, built from its outline in the photo and its thickness on the scalp.

Three fields, each a signed distance in meters, positive in the hair: the cap, what lies on the scalp; the
curtain, what hangs or stands beside, below and behind it; and the outline of the photo, which both must stay
within wherever the photo could show them. What no photo from one side can say, how deep the hair is behind
its outline, is filled like an ellipse that has the outline's width and the head's depth. Other photos of the
person add what they show behind the head, and take away where they show none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.ndimage import binary_fill_holes, gaussian_filter, gaussian_filter1d, maximum_filter

from ..geometry.visibility import ramp
from ..image.sampling import sample_image
from .coverage import covering
from .grid import Grid
from .masks import HairMaps
from .rise import LINE_HEIGHT, rise
from .scalp import THICKNESS_LIMITS, Scalp
from .settings import HairSettings
from .skin import Skin

#: Vertical axis of the head, head frame, meters: x and y; what hangs beside the head hangs beside this.
AXIS = np.array([0.0, 0.075])
#: Half depth of hair beside the head, meters, seen from the front and from the side.
FRONT_RADIUS = 0.045
SIDE_RADIUS = 0.07
#: Thickness, meters, that hair on the scalp keeps even where the head reaches beyond the photo's outline.
LEAST_CAP = 0.0045
#: The same where the photo shows that it does, and over how much, meters.
BEYOND_OUTLINE = 0.0012
BEYOND_WIDTH = 0.001
#: Distances from the hairline, meters, between which it begins to.
CAP_FROM = (0.0, 0.003)
#: Limits of roots, and cells of the skin's grid that they spread over, where hair rises from a hairline.
LINE_ROOTS = (0.1, 0.4)
LINE_SPREAD = 3
#: Presence of roots from which on hair certainly covers the skin.
ROOTED = 0.4
#: How far the hair's inner side lies below the skin, meters, at least: with the thinnest layer on it a cell,
#: so that no cropped hair slips through between the grid's points. The shell is moved out of the skin later.
BELOW_SKIN = 0.001
#: Depths behind the seen skin between which a point counts as hidden by it, meters.
HIDDEN_FROM = 0.003
HIDDEN_TO = 0.014
#: Height of the occiput, meters, below which hair hangs free behind.
OCCIPUT_Z = 0.045
#: How much further forward than the occiput the hair's back is, meters, per meter of height below it.
BACK_SLOPE = 0.12
#: Thickness of hanging hair on the back of the neck, meters, at least.
ON_NECK = 0.012
#: How thick, meters, hair lies where the neck reaches beyond what hangs behind it.
OVER_NECK = 0.012
#: How far the neck may reach beyond it, meters.
NECK_BEYOND = 0.03
#: Height, meters, head frame, below which it may.
NECK_Z = -0.02
#: Least width and depth of what hangs, meters.
LEAST_EXTENT = 0.004
#: Distance, meters, by which what does not hang is taken out of the volume: none of it is so thick.
NOT_HANGING = 0.05
#: A correction is sampled on a grid this much coarser.
CORRECTION_FACTOR = 2.0
#: Hair that only a correction has is thicker than this, meters, up to this distance from the skin.
NO_RAGS = 0.003
RAGS_REACH = 0.012
#: Field values are cut off here, in cells.
BAND = 4.0
#: Standard deviation of the final smoothing, cells.
SMOOTHING = 0.8
#: Standard deviation of the smoothing of hair beside skin that the photo shows at a slant, meters; and the
#: distances from the skin, meters, between which it ends.
SLANT_SIGMA = 0.010
SLANT_REACH = (0.014, 0.028)
#: Skin counts as seen at a slant by 1 - visibility to this power: only what is seen straight does not.
SLANT_POWER = 3
#: Distances inside the photo's outline, meters, from which to which hair is too certain for that.
SLANT_INSIDE = (0.004, 0.009)
#: The distance from the skin is computed on a grid this much coarser.
SKIN_GRID_FACTOR = 2.5
#: Meters from the skin up to which its closest point is searched: beyond, no cap reaches.
SKIN_REACH = 0.14
#: Standard deviation of the smoothing of what is read off the nearest vertex, meters.
CAP_SIGMA = 0.007
#: The same of where hair has roots, cells of the skin's grid.
FLAT_SIGMA = 0.6
#: Heights over which the extents of hanging hair are smoothed, meters.
EXTENT_SIGMA = 0.015
#: Hair beside the neck within this distance of it, meters, goes around behind.
BESIDE = 0.015
#: How far hair may reach beyond the outline of a further photo, meters: its pose is not exact, strands move.
FURTHER_TOLERANCE = 0.005
#: Further than anything, meters.
FURTHER_FAR = 0.1
#: Added to the box of the hair on each side, meters.
MARGIN = 0.012


@dataclass(frozen=True)
class HairVolume:
    """The hair's volume on a grid.

    Attributes:
        grid: In the head frame.
        field: (X, Y, Z) float32, meters, positive in the hair.
        skin: (X, Y, Z) float32, meters from the skin, negative inside the head.
    """

    grid: Grid
    field: np.ndarray
    skin: np.ndarray


@dataclass(frozen=True)
class Billboard:
    """An upright plane through the head's axis that faces the camera.

    Attributes:
        side: (2,) horizontal unit vector in the plane, x and y in the head frame.
        depth_axis: (2,) horizontal unit vector away from the camera.
    """

    side: np.ndarray
    depth_axis: np.ndarray

    @classmethod
    def facing(cls, maps: HairMaps) -> "Billboard":
        """The one of a photo."""
        camera = maps.pose.camera_to_head(np.zeros(3))
        axis = AXIS - camera[:2]
        axis = axis / max(np.linalg.norm(axis), 1e-9)
        return cls(np.array([-axis[1], axis[0]]), axis)

    @property
    def frontal(self) -> float:
        """1 where the camera looks at face or back of the head, 0 where at its side."""
        return float(self.depth_axis[1] ** 2)

    def split(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points in the coordinates of the plane.

        Args:
            points: (N, 3), head frame, meters.

        Returns:
            (N,) meters along the plane, and (N,) meters away from the camera.
        """
        # By columns: over rows of two numbers numpy takes several times as long.
        x, y = (points[:, k] - center for k, center in enumerate(AXIS.astype(points.dtype)))
        along, away = (
            x * axis[0] + y * axis[1]
            for axis in (self.side.astype(points.dtype), self.depth_axis.astype(points.dtype))
        )
        return along, away

    def points(self, along: np.ndarray, heights: np.ndarray) -> np.ndarray:
        """A lattice of points in the plane.

        Args:
            along: (A,) meters along the plane.
            heights: (H,) z, head frame, meters.

        Returns:
            (H, A, 3), head frame, meters.
        """
        xy = AXIS + along[:, None] * self.side
        out = np.empty((len(heights), len(along), 3))
        out[..., :2] = xy
        out[..., 2] = heights[:, None]
        return out


@dataclass(frozen=True)
class Extents:
    """How far the hair reaches to each side of the axis, by height: the negative side, then the positive.

    Attributes:
        heights: (H,) meters.
        reach: (2, H) meters from the axis to the outline.
        hangs: (2, H) 0..1, whether hair is seen there beside the head.
    """

    heights: np.ndarray
    reach: np.ndarray
    hangs: np.ndarray


class Correction(Protocol):
    """What is known of the volume beside its construction, such as what the hair network says."""

    def correction_at(self, points: np.ndarray) -> np.ndarray:
        """What to add to the field.

        Args:
            points: (N, 3), head frame, meters.

        Returns:
            (N,) float32, meters.
        """
        ...

    def box(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Low and high corner (3,) of the corrected hair, head frame, meters; None for none."""
        ...


def build_volume(
    maps: HairMaps,
    skin: Skin,
    scalp: Scalp,
    settings: HairSettings,
    correction: Correction | None = None,
    further: Sequence[HairMaps] = (),
    rising: bool = True,
) -> HairVolume:
    """Fill the volume.

    Args:
        maps: What the photo shows; its mask must not be empty.
        skin: Of the head.
        scalp: The hair on it.
        settings: Size of the grid.
        correction: Of the volume; by default there is none.
        further: What other photos of the person show: of what the first one hides, where there is hair; and
            where there is none.
        rising: Whether hair rises from its line in the photo; cut off by the outline alone, it ends in a lip,
            and in rags on cheeks that the photo shows at a slant.

    Returns:
        The volume.
    """
    sides = [_side(photo) for photo in (maps, *further)]
    grid = _grid_around(skin, scalp, sides, settings, correction.box() if correction else None)
    on_skin = _skin_fields(grid, skin, scalp)
    points = grid.points
    pixels, depth = maps.pixels_of(points)
    in_photo = _InPhoto(maps, pixels, hidden_by(maps, pixels, depth))
    billboard, extents = sides[0]
    back = _back_profile(skin, scalp, extents)
    curtain = _curtain(grid, points, in_photo, on_skin.distance.ravel(), billboard, extents, back)
    field = np.maximum(on_skin.cap.ravel(), curtain)
    outline = _limit(maps, pixels, in_photo.hidden)
    if further:
        distance, hidden = on_skin.distance.ravel(), in_photo.hidden
        beyond_sight = _field_of_others(grid, points, distance, hidden, further, sides[1:], skin, scalp)
        field = np.maximum(field, beyond_sight.hair)
        outline = np.minimum(outline, beyond_sight.limit)
    np.minimum(field, outline, out=field)
    least = _least_field(on_skin, in_photo, outline)
    field = np.maximum(field, least).reshape(grid.shape)
    limit = BAND * grid.cell
    np.clip(field, -limit, limit, out=field)
    if correction:
        corrected = np.minimum(_corrected(field, correction, grid, on_skin.distance, in_photo), outline)
        field = np.clip(np.maximum(corrected, least), -limit, limit).reshape(grid.shape)
    if rising:
        field = np.minimum(field, np.maximum(_rising(on_skin, in_photo), least).reshape(grid.shape))
    field = gaussian_filter(field, SMOOTHING)
    if rising:
        field = _smooth_on_slanted_skin(field, on_skin, grid, in_photo, outline)
    np.maximum(field, least.reshape(grid.shape), out=field)
    np.minimum(field, on_skin.distance + max(BELOW_SKIN, grid.cell - BEYOND_OUTLINE), out=field)
    return HairVolume(grid, field, on_skin.distance)


@dataclass(frozen=True)
class _SkinFields:
    """What the nearest skin says of the grid's points.

    distance: (X, Y, Z) float32 meters from the skin, negative inside; cap: the same below the hair's
    thickness, positive in the hair; flat: the same of hair that has roots there and lies flat; visible: (N,)
    0..1, how far the photo shows the skin there; rooted: (N,) 0..1, whether hair grows there or nearby.
    """

    distance: np.ndarray
    cap: np.ndarray
    flat: np.ndarray
    visible: np.ndarray
    rooted: np.ndarray


@dataclass(frozen=True)
class _InPhoto:
    """The grid's points in a photo.

    maps: what the photo shows; pixels: (N, 2) where they are; hidden: (N,) 0..1, how far the skin hides them.
    """

    maps: HairMaps
    pixels: np.ndarray
    hidden: np.ndarray


def _side(maps: HairMaps) -> tuple[Billboard, Extents]:
    """The plane that faces a photo's camera, and how far the hair reaches in it."""
    billboard = Billboard.facing(maps)
    return billboard, _extents(maps, billboard)


def _least_field(on_skin: _SkinFields, in_photo: _InPhoto, outline: np.ndarray) -> np.ndarray:
    """The least hair on the scalp, (N,) meters, positive in it, whatever the photo's outline (N,) says.

    The head may reach beyond the outline: there hair lies flat on it rather than in it.
    """
    distance, flat, hidden = on_skin.distance, on_skin.flat, in_photo.hidden
    hairline = sample_image(in_photo.maps.hairline, in_photo.pixels)
    from_line = np.maximum(ramp(hairline, *CAP_FROM), np.maximum(hidden, 1 - on_skin.visible))
    least = np.where(distance > -LEAST_CAP, flat, -LEAST_CAP).ravel() - (1 - from_line) * LEAST_CAP
    beyond = (1 - ramp(outline, -BEYOND_WIDTH, 0.0)) * (1 - hidden)
    least -= beyond * np.maximum(flat + distance - BEYOND_OUTLINE, 0).ravel()
    return least


def _rising(on_skin: _SkinFields, in_photo: _InPhoto) -> np.ndarray:
    """(N,) meters: how far points are below where hair may rise to from its line in the photo."""
    hairline = sample_image(in_photo.maps.hairline, in_photo.pixels)
    sure = on_skin.visible * on_skin.rooted * (1 - in_photo.hidden)
    allowed = LINE_HEIGHT + rise(hairline) + FURTHER_FAR * (1 - sure) ** 2
    return np.asarray(allowed - on_skin.distance.ravel())


def _smooth_on_slanted_skin(
    field: np.ndarray, on_skin: _SkinFields, grid: Grid, in_photo: _InPhoto, outline: np.ndarray
) -> np.ndarray:
    """A field (X, Y, Z), smooth where hair meets skin that it does not grow on and that is seen at a slant.

    There the noise of the photo's outline (N,), drawn out along the rays, would be rags on cheeks and jaw.
    """
    slanted = (1 - on_skin.visible**SLANT_POWER) * (1 - on_skin.rooted)
    certain = (1 - in_photo.hidden) * ramp(outline, *SLANT_INSIDE)
    weight = (slanted * (1 - certain)).reshape(grid.shape).astype(np.float32)
    weight *= ramp(-on_skin.distance, -SLANT_REACH[1], -SLANT_REACH[0]).astype(np.float32)
    weight = gaussian_filter(weight, SLANT_SIGMA / grid.cell / 2)
    return np.asarray(field + weight * (gaussian_filter(field, SLANT_SIGMA / grid.cell) - field))


def _corrected(
    field: np.ndarray, correction: Correction, grid: Grid, distance: np.ndarray, in_photo: _InPhoto
) -> np.ndarray:
    """A field (X, Y, Z) with its correction, (N,); `distance`: (X, Y, Z) meters from the skin."""
    coarse = grid.coarser(CORRECTION_FACTOR)
    added = correction.correction_at(coarse.points).reshape(coarse.shape)
    corrected = (field + coarse.resampled(added, grid)).ravel()
    # A thin layer on skin that the construction leaves bare would be in rags.
    thin = ramp(field.ravel(), 0.0, -NO_RAGS) * ramp(distance.ravel(), RAGS_REACH, RAGS_REACH / 2)
    corrected -= NO_RAGS * thin.astype(np.float32)
    return covering(corrected, field.ravel(), in_photo.hidden, in_photo.maps, in_photo.pixels)


@dataclass(frozen=True)
class _Others:
    """What other photos say of points.

    hair: (N,) float32, meters, positive in the hair that they show where the first photo sees nothing; limit:
    (N,) float32, meters, negative where they show that there is none.
    """

    hair: np.ndarray
    limit: np.ndarray


def _field_of_others(
    grid: Grid,
    points: np.ndarray,
    distance: np.ndarray,
    hidden: np.ndarray,
    further: Sequence[HairMaps],
    sides: Sequence[tuple[Billboard, Extents]],
    skin: Skin,
    scalp: Scalp,
) -> _Others:
    """The fields of other photos at points (N, 3), which are `hidden` (N,) in the first one."""
    hair = np.full(len(points), -FURTHER_FAR, np.float32)
    limit = np.full(len(points), FURTHER_FAR, np.float32)
    for maps, (billboard, extents) in zip(further, sides, strict=True):
        pixels, depth = maps.pixels_of(points)
        own = hidden_by(maps, pixels, depth)
        profile = _back_profile(skin, scalp, extents)
        in_photo = _InPhoto(maps, pixels, own)
        curtain = _curtain(grid, points, in_photo, distance, billboard, extents, profile)
        # What only continues behind what this photo shows is no evidence.
        hair = np.maximum(hair, curtain - FURTHER_FAR * (1 - hidden * (1 - own)))
        limit = np.minimum(limit, _limit(maps, pixels, own) + FURTHER_TOLERANCE)
    return _Others(hair, limit)


def _limit(maps: HairMaps, pixels: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """(N,) float32 meters: how far points are inside of what a photo may show of hair."""
    outline, hull = sample_image(maps.outline, pixels), sample_image(maps.hull, pixels)
    return np.asarray(outline + (np.maximum(hull, outline) - outline) * hidden)


def _extents(maps: HairMaps, billboard: Billboard) -> Extents:
    step = 0.003
    heights = np.arange(-0.40, 0.30, step)
    along = np.arange(-0.30, 0.30 + step / 2, step)
    points = billboard.points(along, heights)
    pixels, _ = maps.pixels_of(points.reshape(-1, 3))
    mask = (sample_image(maps.outline, pixels) > 0).reshape(len(heights), len(along))
    head = sample_image(np.isfinite(maps.depth).astype(np.float32), pixels).reshape(mask.shape) > 0.5
    reach, hangs = np.zeros((2, len(heights))), np.zeros((2, len(heights)))
    for side, chosen in enumerate((along < 0, along >= 0)):
        distance = np.abs(along[chosen])
        own = mask[:, chosen]
        reach[side] = np.where(own, distance, 0).max(1)
        edge = np.where(head[:, chosen], distance, 0).max(1)
        near = np.where(own, distance, np.inf).min(1)
        hangs[side] = (reach[side] > edge + 0.004) & (near < edge + BESIDE) & (edge > 0)
        below = edge == 0  # below the neck or above the head: whatever is seen goes on
        hangs[side] = np.where(below, reach[side] > 0, hangs[side])
    sigma = EXTENT_SIGMA / step
    return Extents(heights, gaussian_filter1d(reach, sigma, axis=1), gaussian_filter1d(hangs, sigma, axis=1))


def _grid_around(
    skin: Skin,
    scalp: Scalp,
    sides: Sequence[tuple[Billboard, Extents]],
    settings: HairSettings,
    corrected: tuple[np.ndarray, np.ndarray] | None,
) -> Grid:
    covered = scalp.thickness > 0
    shells = skin.vertices + np.maximum(scalp.thickness, 0)[:, None] * skin.normals
    corners = [shells[covered]] if covered.any() else [skin.vertices[:1]]
    if corrected:
        corners.append(np.stack(corrected))
    for billboard, extents in sides:
        used = extents.reach.max(0) > 0.001
        heights = extents.heights[used]
        radius = FRONT_RADIUS * billboard.frontal + SIDE_RADIUS * (1 - billboard.frontal)
        for sign, reach in zip((-1, 1), extents.reach, strict=True):
            for depth in (-radius, radius):
                xy = AXIS + sign * reach[used, None] * billboard.side + depth * billboard.depth_axis
                corners.append(np.column_stack([xy, heights]))
    box = np.concatenate(corners)
    return Grid.around(box.min(0) - MARGIN, box.max(0) + MARGIN, settings.cell_m, settings.most_cells)


def _skin_fields(grid: Grid, skin: Skin, scalp: Scalp) -> _SkinFields:
    """What the nearest skin says of the grid's points."""
    coarse = grid.coarser(SKIN_GRID_FACTOR)
    distance, nearest = skin.distance(coarse.points, SKIN_REACH)
    distance = distance.astype(np.float32).reshape(coarse.shape)
    inside = binary_fill_holes(distance <= 0)  # pockets behind the eyes and the lips are no way out
    distance = np.where(inside, -np.abs(distance), distance)
    thickness = skin.at_samples(scalp.thickness)[nearest].reshape(coarse.shape).astype(np.float32)
    thickness = gaussian_filter(thickness, CAP_SIGMA / coarse.cell)
    roots = skin.at_samples(scalp.roots)[nearest].reshape(coarse.shape).astype(np.float32)
    flat = np.where(roots > ROOTED, np.clip(thickness, THICKNESS_LIMITS[0], LEAST_CAP), -LEAST_CAP).astype(
        np.float32
    )
    flat = gaussian_filter(flat, FLAT_SIGMA)
    visible = skin.at_samples(scalp.visibility)[nearest].reshape(coarse.shape).astype(np.float32)
    fine = coarse.resampled(distance, grid)
    near_roots = maximum_filter(ramp(roots, *LINE_ROOTS).astype(np.float32), LINE_SPREAD)
    fields = [coarse.resampled(field, grid) for field in (thickness, flat, visible, near_roots)]
    return _SkinFields(fine, fields[0] - fine, fields[1] - fine, fields[2].ravel(), fields[3].ravel())


def _back_profile(skin: Skin, scalp: Scalp, extents: Extents) -> np.ndarray:
    """(H,) meters: how far behind the axis the hair's back is, by height."""
    behind = skin.vertices[(np.abs(skin.vertices[:, 0]) < 0.03) & (skin.vertices[:, 1] > AXIS[1])]
    thickness = np.maximum(scalp.thickness, 0)
    middle = (np.abs(skin.vertices[:, 0]) < 0.03) & (skin.vertices[:, 1] > AXIS[1] + 0.03)
    thick = (
        float(np.median(thickness[middle & (thickness > 0)])) if (middle & (thickness > 0)).any() else 0.01
    )
    order = np.argsort(behind[:, 2])
    heights, back = behind[order, 2], behind[order, 1] - AXIS[1]
    profile = np.interp(extents.heights, heights, np.maximum.accumulate(back[::-1])[::-1], right=0.0)
    deepest = float(back.max())
    hanging = deepest - BACK_SLOPE * np.maximum(OCCIPUT_Z - extents.heights, 0)
    neck = np.interp(extents.heights, heights, back)  # hair lies on it where it comes back out
    hanging = np.maximum(hanging, gaussian_filter1d(neck, 2.0) + ON_NECK - thick)
    profile = np.where(extents.heights < OCCIPUT_Z, np.maximum(hanging, 0.04), profile)
    profile = np.where(extents.heights > heights[-1], 0.0, profile + thick)
    return gaussian_filter1d(profile, 3.0)


def _curtain(
    grid: Grid,
    points: np.ndarray,
    in_photo: _InPhoto,
    distance: np.ndarray,
    billboard: Billboard,
    extents: Extents,
    profile: np.ndarray,
) -> np.ndarray:
    """(N,) float32 meters, positive in what hangs or stands beside, below and behind the head.

    Args:
        grid: Of the volume.
        points: (N, 3), the grid's.
        in_photo: The same in the photo.
        distance: (N,) meters, from the skin.
        billboard: The plane that faces the camera.
        extents: How far the hair reaches in it.
        profile: (H,) meters, how far behind the axis its back is, at the heights of `extents`.
    """
    hidden = in_photo.hidden
    along, depth = billboard.split(points)
    frontal = np.float32(billboard.frontal)
    radius = FRONT_RADIUS * frontal + SIDE_RADIUS * (1 - frontal)
    inside = np.minimum(sample_image(in_photo.maps.hull, in_photo.pixels), radius)
    half = np.where(inside > 0, np.sqrt(np.maximum(inside * (2 * radius - inside), 0)), inside)
    positive = along >= 0

    # Points of one height are alike in all this, and those of a column lie one after the other.
    heights = grid.heights

    def at(values: np.ndarray) -> np.ndarray:
        return np.interp(heights, extents.heights, values).astype(np.float32)

    def on_side(values: np.ndarray) -> np.ndarray:
        right, left = at(values[1]), at(values[0])
        return np.where(positive.reshape(-1, len(heights)), right, left).ravel()

    reach, hangs = on_side(extents.reach), on_side(extents.hangs)
    back = np.maximum(at(profile), half.reshape(-1, len(heights))).ravel() * frontal + half * (1 - frontal)
    width, back = (np.maximum(extent, np.float32(LEAST_EXTENT)) for extent in (reach, back))
    round_ = np.sqrt((along / width) ** 2 + (np.maximum(depth, 0) / back) ** 2)
    behind = (1 - round_) * np.minimum(width, back)
    # Where the neck grows wider than the ellipse, what hangs lies on it.
    lying = np.minimum(np.minimum(OVER_NECK - distance, behind + NECK_BEYOND), width - np.abs(along))
    below = np.tile(heights < NECK_Z, len(points) // len(heights))
    behind = np.where(below, np.maximum(behind, lying - NOT_HANGING * (1 - hangs)), behind)
    ellipse = np.where(depth > 0, behind, half + depth)
    # What is hidden hangs only if there is hair to be seen beside it.
    half = half - NOT_HANGING * (1 - hangs) * hidden
    ellipse = ellipse - NOT_HANGING * (1 - hangs) * np.where(depth > half, 1.0, hidden)
    return np.where(depth > 0, np.maximum(ellipse, half - depth), ellipse).astype(np.float32)


def hidden_by(maps: HairMaps, pixels: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """How far the head or something before it hides points from the camera.

    Args:
        maps: What the photo shows.
        pixels: (N, 2) of `maps`, where the points are.
        depth: (N,) meters from the camera.

    Returns:
        (N,) float32 0..1.
    """
    far = np.where(np.isfinite(maps.depth), maps.depth, np.float32(1e3))
    behind = (depth - sample_image(far, pixels) - HIDDEN_FROM) / (HIDDEN_TO - HIDDEN_FROM)
    return np.asarray(np.maximum(np.clip(behind, 0, 1), sample_image(maps.hidden.astype(np.float32), pixels)))
