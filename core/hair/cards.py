"""Cards: ribbons along some of the strands, in three layers, with the strand atlas on them."""

from dataclasses import dataclass

import numpy as np

from ..geometry.mesh import unit_vectors
from ..geometry.visibility import ramp
from ..image.sampling import sample_image
from .coloring import HairColors
from .groom import HairCards, outside_of
from .masks import HairMaps
from .over_shell import Laid, over_shell
from .settings import HairSettings
from .shell_mesh import NEAR_SKIN, ShellMesh, out_of_skin
from .skin import Skin
from .strand_atlas import (
    CURLY_DENSE,
    CURLY_STRAY,
    CURLY_THIN,
    DENSE,
    MEAN_LIGHTNESS,
    STRAY,
    THIN,
    lock_columns,
)
from .strands import GrowingHair, Guides, grow
from .volume import HairVolume, hidden_by

#: Of each layer: how far out it runs, its fraction of the cards, how light it is.
LAYER_LEVEL = (0.5, 0.78, 1.0)
LAYER_FRACTION = (0.15, 0.3, 0.55)
LAYER_LIGHTNESS = (0.85, 0.93, 1.0)
#: Spread of the lightness of cards, of the contrast of the photo's locks: they stand out from each other.
LIGHTNESS_SPREAD = 0.4
#: Typical lengths of hair, meters, between which it begins to shade itself.
SHADED_LENGTHS = (0.02, 0.08)
#: Strands that are grown for each card that is chosen.
CANDIDATES = 3
#: Limits of a card's width, meters, and how many times the cards of the outer layer cover the surface.
WIDTHS = (0.008, 0.028)
COVERAGE = 2.5
#: Width of a card at its root and tip, of that in its middle.
ROOT_WIDTH = 0.4
TIP_WIDTH = 0.6
#: A card is at least so many times longer than wide: short, wide ones look like scales.
LENGTHS_PER_WIDTH = 3.5
WIDTH_PROFILE = (ROOT_WIDTH, 1.0, 1.0, TIP_WIDTH)
#: Limits of the random factor of a card's width.
WIDTH_FACTORS = (0.8, 1.2)
#: Between these fractions of its length a card is widest.
WIDEST = (0.3, 0.75)
#: Weight of the skin's normal at the root, against the volume's, in the direction that cards face.
ROOT_NORMAL_WEIGHT = 0.3
#: How far a card's edge may stick out of the volume, meters.
OVERHANG = 0.0015
#: How far outside the photo's hair an edge may be that is hidden, meters.
OUTLINE_MARGIN = 1.0
#: Cards float so far over the skin at least, meters.
CLEARANCE = 0.0006
#: Of the outer layer, every so many cards are thin ones with single strands.
THIN_EVERY = 4
#: Of the outer layer, every so many cards are upright ones, whose strands stray out of the hair: they break
#: its outline from wherever it is seen, and do not show where one looks straight at the hair.
UPRIGHT_EVERY = 3
#: How far strays go out of the hair, of its height over the skin, and meters at least and at most, straight
#: ones and curls.
STRAY_PER_HEIGHT = 0.3
LEAST_STRAY = 0.001
MOST_STRAY = 0.0055
MOST_CURLY_STRAY = 0.008
#: How far the normals of upright cards lean to their faces.
LEANING = 0.25
#: At its root an upright card stands out by this fraction, and from this fraction of its length on fully.
STRAY_AT_ROOT = 0.2
STRAY_FULL_FROM = 0.35
#: How deep in the hair an upright card begins, meters.
STRAY_DEPTH = 0.0015
#: Cards with roots this near to bare skin in the photo, meters, are thin ones, too.
HAIRLINE = 0.012
#: So are cards shorter than this, meters: dense ones would look like scales, or chips of bark.
DENSE_LENGTH = 0.09
#: So are cards of the outer layer that the photo shows further than this, 0..1: there the shell has strands.
SHOWN = 0.3
#: Lightness of cards at their roots, and the part of their length over which they get lighter.
HAIR_ROOT_LIGHTNESS = 0.95
ROOT_SHADE = 0.35
#: How far curly cards swing to the sides, meters, and the length of a wave along them, meters.
SWING = 0.0035
SWING_LENGTH = 0.045
#: Cards of less than so many times the swing swing less; they begin to over this fraction of their length.
LENGTHS_PER_SWING = 12
SWING_ONSET = 0.25
#: Levels of detail: cards of the last level are these fractions of all.
LOD_FRACTIONS = (1.0, 0.5, 0.25)
#: Where roots and tips of cards are in the strand atlas, v: a texel within it.
ROOT_V = 0.998
TIP_V = 0.002
#: Triangles of a quad of a card, of its vertices at the left and the right edge of a row and of the next one,
#: wound so that they face where the card's normals do: renderers paint the backs of others black.
QUAD_TRIANGLES = (0, 1, 2, 1, 3, 2)


@dataclass(frozen=True)
class CardLook:
    """What hair looks like that cards are made of.

    Attributes:
        colors: Of the hair.
        shell: Its surface.
        curly: Whether its locks are curls.
    """

    colors: HairColors
    shell: ShellMesh
    curly: bool


@dataclass(frozen=True)
class _CardGuides:
    """The strands that C cards of R rows run along the middle of.

    Attributes:
        guides: C strands of R points.
        layer: (C,) int, which layer each card is of, 0 the innermost.
        curly: Whether the locks are curls.
    """

    guides: Guides
    layer: np.ndarray
    curly: bool

    @property
    def along(self) -> np.ndarray:
        """(R,) 0 at the root to 1 at the tip."""
        return np.linspace(0, 1, self.guides.points.shape[1])

    @property
    def outermost(self) -> np.ndarray:
        """(C,) bool: cards of the outer layer."""
        return np.asarray(self.layer == self.layer.max())

    @property
    def upright(self) -> np.ndarray:
        """(C,) bool: those of them whose strands stray out of the hair."""
        return self.outermost & (np.arange(len(self.layer)) % UPRIGHT_EVERY == 0)


@dataclass(frozen=True)
class _Ribbons:
    """The shape of C cards of R rows, in the head frame, meters.

    Attributes:
        vertices: (C, R, 2, 3) left and right edge.
        normals: (C, R, 3).
        turned: (C,) bool, upright cards whose edge in the hair is the right one.
        roots: (C, 3) the middle of the first row.
    """

    vertices: np.ndarray
    normals: np.ndarray
    turned: np.ndarray
    roots: np.ndarray


def build_cards(hair: GrowingHair, look: CardLook, settings: HairSettings) -> HairCards | None:
    """Lay cards along strands.

    Args:
        hair: What the strands grow in.
        look: Of the hair.
        settings: How many cards, of how many rows.

    Returns:
        The cards; None where no hair has roots.
    """
    guides = grow(hair, settings.cards * CANDIDATES, settings.card_rows, settings.seed, LAYER_LEVEL)
    if len(guides.length) < 3:
        return None
    chosen = _chosen(guides, settings.cards, look.curly)
    return _hair_ribbons(chosen, hair, look, np.random.default_rng(settings.seed + 1))


def _chosen(guides: Guides, count: int, curly: bool) -> _CardGuides:
    """The strands that about `count` cards run along: of each layer those that are far from each other."""
    layer = np.searchsorted(LAYER_LEVEL, guides.level - 0.01)
    chosen = []
    for number, fraction in enumerate(LAYER_FRACTION):
        own = np.flatnonzero(layer == number)
        chosen.append(own[farthest_points(_features(guides, own), round(fraction * count))])
    index = np.concatenate(chosen)
    return _CardGuides(guides.chosen(index), layer[index], curly)


def farthest_points(features: np.ndarray, count: int) -> np.ndarray:
    """Choose points that are far from each other, the first ones the farthest.

    Args:
        features: (N, D).
        count: How many; all of them if there are fewer.

    Returns:
        (count,) int indices.
    """
    count = min(count, len(features))
    if count == 0:
        return np.zeros(0, int)
    chosen = np.zeros(count, int)
    distance = ((features - features.mean(0)) ** 2).sum(1)
    chosen[0] = int(distance.argmin())
    distance = ((features - features[chosen[0]]) ** 2).sum(1)
    for k in range(1, count):
        chosen[k] = int(distance.argmax())
        distance = np.minimum(distance, ((features - features[chosen[k]]) ** 2).sum(1))
    return chosen


def _features(guides: Guides, index: np.ndarray) -> np.ndarray:
    points = guides.points[index]
    middle = points.shape[1] // 2
    return np.concatenate([points[:, 0], points[:, middle], points[:, -1]], 1)


def _hair_ribbons(
    chosen: _CardGuides, hair: GrowingHair, look: CardLook, rng: np.random.Generator
) -> HairCards:
    """Cards along the chosen strands."""
    along = chosen.along
    count, rows = len(chosen.layer), len(along)
    ribbons = _shaped(chosen, hair, look, rng)
    flat = ribbons.vertices.reshape(-1, 3)
    normal = np.repeat(ribbons.normals, 2, axis=1).reshape(-1, 3)
    visibility = look.colors.visibility(flat, normal)
    left, right = _atlas_columns(chosen, ribbons, look.colors, visibility, rng)
    return HairCards(
        vertices=flat.astype(np.float32),
        triangles=ribbon_triangles(count, rows),
        normals=unit_vectors(normal).astype(np.float32),
        uv=ribbon_uv(left, right, along),
        colors=_colored(chosen, flat, visibility, look.colors, rng),
        card=np.arange(count).repeat(rows * 2).astype(np.int32),
        along=np.tile(along.repeat(2), count).astype(np.float32),
        layer=chosen.layer.astype(np.uint8),
        lod=_levels(chosen.layer),
    )


def _shaped(chosen: _CardGuides, hair: GrowingHair, look: CardLook, rng: np.random.Generator) -> _Ribbons:
    """The shape of cards: in the hair, over the skin, some of them upright."""
    volume, skin = hair.volume, hair.skin
    guides, upright, along = chosen.guides, chosen.upright, chosen.along
    points = guides.points.astype(np.float64)
    side, normals = _sides_and_normals(guides, points, volume, skin)
    if chosen.curly:
        points = _waved(points, side, guides.length, rng)
    shell = look.shell
    area = float(outside_of(shell.vertices, shell.triangles, shell.inner)[1].sum())
    flat = ~upright
    half = _widths(chosen, area, rng)[:, None] / 2 * np.interp(along, [0, *WIDEST, 1], WIDTH_PROFILE)
    vertices = _ribbon_vertices(points, side, half, volume, look.colors)
    laid = Laid(chosen.outermost[flat], guides.length[flat])
    vertices[flat] = over_shell(vertices[flat], laid, shell, look.colors.maps, rng)
    height = volume.grid.sample(volume.skin, points[upright].reshape(-1, 3)).reshape(-1, len(along))
    most = MOST_CURLY_STRAY if chosen.curly else MOST_STRAY
    turned = _raise_upright_cards(vertices, normals, side, upright, height, most)
    corners = vertices.reshape(-1, 3)
    near = np.flatnonzero(volume.grid.sample(volume.skin, corners) < NEAR_SKIN)
    corners[near] = _above_skin(corners[near], skin)
    return _Ribbons(vertices, normals, turned, points[:, 0])


def _widths(chosen: _CardGuides, area: float, rng: np.random.Generator) -> np.ndarray:
    """(C,) meters: so wide that the flat cards of the outer layer cover an area, square meters."""
    flat_length = float(chosen.guides.length[chosen.outermost & ~chosen.upright].sum())
    width = np.clip(COVERAGE * area / max(flat_length, 0.01), *WIDTHS)
    width = width * rng.uniform(*WIDTH_FACTORS, len(chosen.layer))
    return np.asarray(np.minimum(width, chosen.guides.length / LENGTHS_PER_WIDTH))


def _atlas_columns(
    chosen: _CardGuides,
    ribbons: _Ribbons,
    colors: HairColors,
    visibility: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """(C,) each, 0..1: u of the left and the right edge of cards in the strand atlas.

    `visibility` (C * R * 2, L) is how far the photos show their vertices.
    """
    count, upright = len(chosen.layer), chosen.upright
    thin = chosen.outermost & (np.arange(count) % THIN_EVERY == 1)
    thin |= chosen.guides.length < DENSE_LENGTH
    thin |= colors.distance_to_skin(ribbons.roots) < HAIRLINE
    thin |= chosen.outermost & (visibility.sum(1).reshape(count, -1).mean(1) > SHOWN)
    flip = np.where(upright, ribbons.turned, rng.random(count) < 0.5)
    left, right = lock_columns(_locks(thin, upright, chosen.curly, rng))
    return np.where(flip, right, left), np.where(flip, left, right)


def _colored(
    chosen: _CardGuides,
    vertices: np.ndarray,
    visibility: np.ndarray,
    colors: HairColors,
    rng: np.random.Generator,
) -> np.ndarray:
    """(C * R * 2, 3) uint8, sRGB: colors of the cards' vertices (C * R * 2, 3), whose texture is white.

    `visibility` (C * R * 2, L) is how far the photos show them.
    """
    spread = LIGHTNESS_SPREAD * colors.picture.lock_contrast * rng.uniform(-1, 1, len(chosen.layer))
    shade = _shade(chosen.layer, chosen.guides.length, chosen.along, spread)
    rgb = colors.at(vertices, visibility) * shade[:, None] / MEAN_LIGHTNESS
    return np.clip(np.round(rgb), 0, 255).astype(np.uint8)


def _ribbon_vertices(
    points: np.ndarray, side: np.ndarray, half: np.ndarray, volume: HairVolume, colors: HairColors
) -> np.ndarray:
    """(C, R, 2, 3) both edges of cards of half widths (C, R) around points (C, R, 3)."""
    return np.stack([_edge(points, side * sign, half, volume, colors.maps) for sign in (-1, 1)], 2)


def _sides_and_normals(
    guides: Guides, points: np.ndarray, volume: HairVolume, skin: Skin
) -> tuple[np.ndarray, np.ndarray]:
    """(C, R, 3) unit vectors across cards along points (C, R, 3) of guides, and their normals."""
    tangents = np.gradient(points, axis=1)
    tangents = unit_vectors(tangents)
    outward = -volume.grid.gradient(volume.field, points.reshape(-1, 3)).reshape(points.shape)
    # At the root the hair's surface may be far: there the skin says where outside is.
    at_roots = np.einsum("nk,nkc->nc", guides.root_barycentric, skin.normals[guides.root_vertices])
    outward += ROOT_NORMAL_WEIGHT * at_roots[:, None]
    for _ in range(2):
        outward[:, 1:-1] = (outward[:, :-2] + 2 * outward[:, 1:-1] + outward[:, 2:]) / 4
    side = np.cross(tangents, outward)
    side = unit_vectors(side)
    return side, np.cross(side, tangents)


def _shade(layer: np.ndarray, length: np.ndarray, along: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """(C * R * 2,) lightness of the vertices of cards.

    Args:
        layer: (C,) int.
        length: (C,) meters.
        along: (R,) 0..1 from root to tip.
        spread: (C,) how much lighter each card is, of its lightness.
    """
    corners = 2 * len(along)
    shade = np.array(LAYER_LIGHTNESS)[layer].repeat(corners)
    toward_root = np.interp(along, [0, ROOT_SHADE], [HAIR_ROOT_LIGHTNESS, 1.0])
    shade = shade * np.tile(toward_root.repeat(2), len(layer))
    # Cropped hair has no depth for shade: it would look like spots.
    shade = 1 - (1 - shade) * ramp(np.median(length, keepdims=True), *SHADED_LENGTHS)
    return np.asarray(shade * (1 + spread).repeat(corners))


def _waved(points: np.ndarray, side: np.ndarray, length: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Points (C, R, 3) of cards of some lengths (C,), meters, that swing to their sides."""
    along = np.linspace(0, 1, points.shape[1])
    phase = 2 * np.pi * (length[:, None] * along / SWING_LENGTH + rng.random((len(points), 1)))
    swing = np.minimum(SWING, length[:, None] / LENGTHS_PER_SWING) * np.minimum(along / SWING_ONSET, 1)
    return np.asarray(points + side * (swing * np.sin(phase))[..., None])


def _raise_upright_cards(
    vertices: np.ndarray,
    normals: np.ndarray,
    side: np.ndarray,
    upright: np.ndarray,
    height: np.ndarray,
    most: float,
) -> np.ndarray:
    """Raise cards upright on the hair along their middles, facing the front.

    Args:
        vertices: (C, R, 2, 3) of all cards; changed in place.
        normals: (C, R, 3) of all cards, which stay nearly those of the hair, so that they are lit like it;
            changed in place.
        side: (C, R, 3) unit vectors across the cards.
        upright: (C,) bool, which of them.
        height: (U, R) meters, how far these are from the skin.
        most: How far they may stand out of the hair, meters.

    Returns:
        (C,) bool, those whose edge in the hair is the right one.
    """
    rows = vertices.shape[1]
    middle = vertices[upright].mean(2)
    out = unit_vectors(normals[upright])
    rise = np.clip(STRAY_PER_HEIGHT * height, LEAST_STRAY, most)
    rise = rise * np.interp(np.linspace(0, 1, rows), [0, STRAY_FULL_FROM, 1], [STRAY_AT_ROOT, 1, 1])
    edges = np.stack([middle - STRAY_DEPTH * out, middle + out * rise[..., None]], 2)
    turned = side[upright][..., 1].mean(1) < 0
    edges[turned] = edges[turned][:, :, ::-1]
    vertices[upright] = edges
    normals[upright] = out + np.where(turned, LEANING, -LEANING)[:, None, None] * side[upright]
    found = np.zeros(len(upright), bool)
    found[upright] = turned
    return found


def _locks(thin: np.ndarray, upright: np.ndarray, curly: bool, rng: np.random.Generator) -> np.ndarray:
    """(C,) the atlas's lock of each card."""
    locks = (CURLY_DENSE, CURLY_THIN, CURLY_STRAY) if curly else (DENSE, THIN, STRAY)
    dense, few, stray = (rng.choice(lock, len(thin)) for lock in locks)
    return np.where(upright, stray, np.where(thin, few, dense))


def ribbon_triangles(count: int, rows: int) -> np.ndarray:
    """Triangles of cards whose vertices stand together, root first, left and right edge in turn.

    Args:
        count: How many cards.
        rows: Rows of vertices of each.

    Returns:
        (T, 3) int32 into the cards' vertices.
    """
    first = (np.arange(count) * rows * 2)[:, None, None]
    row = np.arange(rows - 1)[None, :, None] * 2
    return (first + row + np.array(QUAD_TRIANGLES)).reshape(-1, 3).astype(np.int32)


def ribbon_uv(left: np.ndarray, right: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Texture coordinates of cards in the strand atlas.

    Args:
        left: (C,) 0..1, u of the left edge of each card.
        right: (C,) the same of the right edge.
        along: (R,) 0..1 from root to tip, of their rows of vertices.

    Returns:
        (C * R * 2, 2) float32, v up.
    """
    uv = np.empty((len(left), len(along), 2, 2))
    uv[..., 0, 0], uv[..., 1, 0] = left[:, None], right[:, None]
    uv[..., 1] = (ROOT_V - (ROOT_V - TIP_V) * along)[None, :, None]
    return uv.reshape(-1, 2).astype(np.float32)


def _edge(
    points: np.ndarray, side: np.ndarray, half: np.ndarray, volume: HairVolume, maps: HairMaps
) -> np.ndarray:
    """(C, R, 3) points of one edge of the cards, not further than the volume or the photo's hair reaches."""
    best = points
    for fraction in (0.3, 0.6, 1.0):
        edge = points + side * (half * fraction)[..., None]
        flat = edge.reshape(-1, 3)
        field = volume.grid.sample(volume.field, flat)
        pixels, depth = maps.pixels_of(flat)
        within = sample_image(maps.outline, pixels) + hidden_by(maps, pixels, depth) * OUTLINE_MARGIN
        inside = (np.minimum(field + OVERHANG, within) > 0).reshape(edge.shape[:2])
        best = np.where(inside[..., None], edge, best)
    return best


def _above_skin(points: np.ndarray, skin: Skin) -> np.ndarray:
    points = out_of_skin(points, skin, 0.0)
    distance, nearest = skin.distance(points, 0.15)
    low = np.flatnonzero(distance < CLEARANCE)
    points[low] += (CLEARANCE - distance[low])[:, None] * skin.normals_at(nearest[low])
    return points


def _levels(layer: np.ndarray) -> np.ndarray:
    """(C,) uint8: the coarsest level of detail of each card; the first chosen of each layer stay longest."""
    lod = np.zeros(len(layer), np.uint8)
    for number in np.unique(layer):
        own = np.flatnonzero(layer == number)
        rank = np.arange(len(own)) / max(len(own), 1)
        for level, fraction in enumerate(LOD_FRACTIONS):
            lod[own[rank < fraction]] = level
    return lod
