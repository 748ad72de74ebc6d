"""Brows, beard and mustache as short cards and strands that are bound to the skin."""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial import cKDTree

from ..detection.mediapipe_topology import BROW_OUTLINES
from ..geometry.frames import Camera, HeadPose
from ..geometry.mesh import even_barycentric, perpendicular_part, unit_vectors
from ..geometry.visibility import ramp, ray_cosines
from ..image.color import LUMINANCE, linear_of_bytes_float32, linear_to_srgb
from ..image.sampling import sample_image
from ..segmentation.segments import Segmentation, SegmentClass
from ..template.regions import Regions, brow_weight
from ..template.topology import HeadTopology
from .cards import ribbon_triangles, ribbon_uv
from .facial_colors import hair_colors
from .groom import FacialHair, Ground, HairCards, HairStrands
from .settings import HairSettings
from .skin import Skin
from .strand_atlas import MEAN_LIGHTNESS, SINGLE, lock_columns

#: How far brows reach beyond the landmarks' outline, meters.
BROW_REACH = 0.002
#: Standard deviations of what is taken for a hair and for the skin around it, meters.
HAIR_SIGMA = 0.0006
SKIN_SIGMA = 0.012
#: How much darker than the skin around it hair of the brows is, logarithm of linear light: none and full.
DARKNESS = (0.15, 0.5)
#: Density of brows within their outline where the photo does not show them, and everywhere if none of them
#: are darker than the skin: white and blond ones.
LEAST_BROW = 0.3
#: Probabilities of facial hair between which a beard begins and is full.
BEARD_PROBABILITY = (0.35, 0.85)
#: A beard of less than this, square centimeters, is none.
LEAST_BEARD_CM2 = 6.0
#: How far back brows and beards are, y in the head frame, meters.
MOST_BACK = 0.065
#: Cosine of skin to the camera from which on the photo shows its hair.
SEEN_COSINE = 0.25
#: How far a point is seen, 0..1, from which on its color is that of bare skin where no hair is.
SEEN = 0.5
#: Roots that are tried.
CANDIDATES = {"brows": 9000, "beard": 16000}
#: Length of brow hair in the middle of a brow and at its ends, meters.
BROW_LENGTH = 0.0095
BROW_END_LENGTH = 0.006
#: Shortest and longest beard, meters, and how long it is per meter that is seen below the chin.
BEARD_LENGTHS = (0.0065, 0.09)
BEARD_PER_OVERHANG = 1.2
#: Longest hair of cheeks, mustache and neck, meters.
CHEEK_LENGTH = 0.012
#: How far strands stand off the skin, of their length, and how far the end of a card does: brows, beard.
LIFT = {"brows": 0.22, "beard": 0.35}
CARD_LIFT = {"brows": 0.12, "beard": 0.2}
#: Power by which cards rise: they lie on the skin first.
CARD_RISE_POWER = 1.6
#: A card begins so far behind its root, of its length: its hairs begin all along its first half.
BEHIND_ROOT = 0.35
#: How deep in the skin cards begin, meters.
ROOT_DEPTH = 0.0004
#: Lengths of cards, meters, between which they follow the skin no more, but hang.
HANGING_LENGTH = (0.014, 0.022)
#: Width of cards, meters, and which part of a lock of single hairs they show.
WIDTH = {"brows": 0.0028, "beard": 0.0055}
LOCK_FRACTION = {"brows": 0.4, "beard": 0.7}
#: Most cards and strands on a square centimeter: two or three layers of cards, between whose hairs the color
#: of the texture shows.
CARDS_PER_CM2 = {"brows": 14.0, "beard": 4.0}
STRANDS_PER_CM2 = {"brows": 110.0, "beard": 60.0}
#: Points that keep apart at random are so dense, of the inverse of the square of their distance.
PACKING = 0.7
#: Roots are strays if their eighth neighbor is further than this, meters: in beards it is 2 mm away.
NEIGHBORS = 8
STRAY_DISTANCE = 0.008
#: Least density of hair, by which cards are further apart.
LEAST_DENSITY = 0.2
#: Width and length of cards where hair is thin, of those where it is dense: it gets thin at its border.
THIN_WIDTH = 0.45
THIN_LENGTH = 0.7
#: Lightness of cards at root and tip, of their color.
FACIAL_ROOT_LIGHTNESS = 0.9
TIP_LIGHTNESS = 1.12
#: Spread of lengths, of the whole, and of directions.
LENGTH_SPREAD = 0.2
DIRECTION_SPREAD = 0.12
#: Angle of brow hair over the line to the temple, degrees, along a brow from its inner to its outer end.
BROW_ALONG = (0.0, 0.2, 0.5, 1.0)
BROW_ANGLES = (70.0, 35.0, 12.0, -12.0)
#: How much hair at the upper edge of a brow points down, and at the lower edge up, degrees.
BROW_CONVERGENCE = 18.0
#: Points of hair float so far over the skin, meters.
CLEARANCE = 0.0004
#: What is farther from the skin than this, meters, goes with its root.
BOUND_HEIGHT = 0.005
#: Height of the mouth's middle, head frame, meters, and how far to the side a mustache reaches.
MOUTH_Z = -0.062
MUSTACHE_X = 0.032
#: Rows of vertices of a card, and points of a strand.
CARD_ROWS = 3
STRAND_POINTS = 6
#: Quantile of darkness in a region that says how much darker hair is than skin; below the least, it is light.
CONTRAST_QUANTILE = 0.8
LEAST_CONTRAST = 0.2
#: Below this density points are bare skin.
BARE = 0.05
#: Light that is added before logarithms.
LIGHT_FLOOR = 0.005


@dataclass(frozen=True)
class FacePhoto:
    """A photo of a face and the head in it.

    Attributes:
        rgb: (H, W, 3) uint8 sRGB.
        segmentation: What its pixels show.
        camera: Of the photo.
        pose: Of the head.
        vertices: (V, 3) of the head as photographed, head frame, meters.
    """

    rgb: np.ndarray
    segmentation: Segmentation
    camera: Camera
    pose: HeadPose
    vertices: np.ndarray


@dataclass(frozen=True)
class Roots:
    """Points of the skin that hair grows on.

    Attributes:
        corners: (N, 3) int, vertices of the head around each.
        weights: (N, 3) float64, barycentric coordinates.
        uv: (N, 2) float64, in the head's texture coordinates.
        points: (N, 3), head frame, meters.
        normals: (N, 3) unit normals.
        colors: (N, 3) float32, sRGB 0..255.
        around: (N, 3) float32, the same of the hair and the skin around, together.
        density: (N,) 0..1, of hair around each.
        area_cm2: Of the skin that is covered with hair, thin hair as far as it is dense, square centimeters.
    """

    corners: np.ndarray
    weights: np.ndarray
    uv: np.ndarray
    points: np.ndarray
    normals: np.ndarray
    colors: np.ndarray
    around: np.ndarray
    density: np.ndarray
    area_cm2: float

    def chosen(self, index: np.ndarray) -> "Roots":
        """Some of the roots.

        Args:
            index: (K,) int, or (N,) bool, which.
        """
        return Roots(
            self.corners[index],
            self.weights[index],
            self.uv[index],
            self.points[index],
            self.normals[index],
            self.colors[index],
            self.around[index],
            self.density[index],
            self.area_cm2,
        )

    @property
    def ground(self) -> Ground:
        """What the photo shows around them."""
        return Ground(self.uv.astype(np.float32), self.around)


def build_facial_hair(
    photo: FacePhoto, skin: Skin, topology: HeadTopology, regions: Regions, settings: HairSettings
) -> tuple[FacialHair, ...]:
    """Make brows and, where the photo shows one, beard and mustache.

    Args:
        photo: With the head as photographed.
        skin: Of the neutral head, which the hair grows on.
        topology: Of the heads.
        regions: Of the template.
        settings: Numbers of cards and strands, seed.

    Returns:
        "brows", and "beard" if there is one.
    """
    made = []
    front = topology.vertices[:, 1] < MOST_BACK
    mouth = regions.features * (topology.vertices[:, 2] < -0.03)
    brows = brow_weight(topology.vertices, topology, BROW_REACH) * front
    for name, weight in (("brows", brows), ("beard", regions.beard * (1 - mouth) * front)):
        roots = _roots(name, weight, photo, skin, topology, settings)
        if roots is None:
            continue
        if name == "brows":
            directions, lengths = _brow_hair(roots, skin, topology)
        else:
            directions, lengths = _beard_hair(roots, _beard_length(photo, topology))
        made.append(_grown(name, roots, directions, lengths, skin, settings))
    return tuple(made)


def _roots(
    name: str,
    weight: np.ndarray,
    photo: FacePhoto,
    skin: Skin,
    topology: HeadTopology,
    settings: HairSettings,
) -> Roots | None:
    """Random roots, as dense as the photo shows hair; None if there is none."""
    rng = np.random.default_rng(settings.seed + len(name))
    corners = skin.vertices[skin.triangles]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    area = area * (weight[skin.triangles].max(1) > 0)
    total = float(area.sum())
    if total <= 0:
        return None
    count = CANDIDATES[name]
    at = (np.arange(count) + rng.random(count)) / count
    triangle = np.searchsorted(np.cumsum(area) / total, at).clip(0, len(area) - 1)
    barycentric = even_barycentric(*rng.random((2, count)))
    vertices = skin.triangles[triangle]
    region = (weight[vertices] * barycentric).sum(1)
    if name == "brows":  # vertices are too far apart for their outline
        region = brow_weight(_blend(topology.vertices[vertices], barycentric), topology, BROW_REACH)
    density, colors, bare = _observed(name, region, vertices, barycentric, photo, topology)
    area_cm2 = float(density.sum()) / count * total * 1e4
    if name == "beard" and area_cm2 < LEAST_BEARD_CM2:
        return None
    points = _blend(skin.vertices[vertices], barycentric)
    kept = np.flatnonzero(rng.random(count) < density)
    kept = kept[among_others(points[kept])]
    if len(kept) < 3:
        return None
    kept = rng.permutation(kept)
    colors, around = hair_colors(name, points, colors, kept, bare, density[kept], settings.seed)
    vertices, barycentric = vertices[kept], barycentric[kept]
    normals = unit_vectors(_blend(skin.normals[vertices], barycentric))
    return Roots(
        vertices,
        barycentric,
        _blend(skin.triangle_uv[triangle[kept]], barycentric),
        points[kept],
        normals,
        colors,
        around,
        density[kept],
        area_cm2,
    )


def among_others(points: np.ndarray) -> np.ndarray:
    """Which roots are no strays: alone on bare skin, hair would be a speck.

    Args:
        points: (N, 3), head frame, meters.

    Returns:
        (N,) bool.
    """
    if len(points) <= NEIGHBORS:
        return np.zeros(len(points), bool)
    distance, _ = cKDTree(points).query(points, k=NEIGHBORS + 1)  # the nearest is the point itself
    return np.asarray(distance[:, -1] < STRAY_DISTANCE)


def _observed(
    name: str,
    region: np.ndarray,
    vertices: np.ndarray,
    barycentric: np.ndarray,
    photo: FacePhoto,
    topology: HeadTopology,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(N,) 0..1 how dense hair is at points of the skin, (N, 3) the photo's colors, sRGB 0..255, and (N,)
    bool, where it shows bare skin.

    What the photo does not show has the density of the other side.
    """
    values = [_at_points(photo, corners, barycentric) for corners in (vertices, topology.mirror[vertices])]
    seen = np.stack([sample[0] for sample in values])
    best = np.where(seen[0] >= np.minimum(seen[1], 0.5), 0, 1)
    column = np.arange(len(region))
    visible, darkness, probability = (
        np.stack([sample[k] for sample in values])[best, column] for k in range(3)
    )
    colors = np.stack([sample[3] for sample in values])[best, column]
    if name == "beard":
        bearded = ramp(probability, *BEARD_PROBABILITY) * visible
        return region * bearded, colors, (bearded < BARE) & (visible > SEEN)
    shown = ramp(darkness, *DARKNESS)
    bare = (shown < BARE) & (visible > SEEN)
    inside = region * visible > 0.5
    contrast = float(np.quantile(darkness[inside], CONTRAST_QUANTILE)) if inside.any() else 1.0
    if contrast < LEAST_CONTRAST:  # light hair shows nowhere by its darkness
        shown = np.maximum(shown, LEAST_BROW)
    return region * (LEAST_BROW + (shown - LEAST_BROW) * visible), colors, bare


def _at_points(
    photo: FacePhoto, vertices: np.ndarray, barycentric: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of points of the skin: whether they are seen, how much darker they are than skin around, the
    probability of facial hair, and their colors.
    """
    points = photo.pose.head_to_camera(_blend(photo.vertices[vertices].astype(np.float64), barycentric))
    a, b, c = (photo.vertices[vertices[:, k]].astype(np.float64) for k in range(3))
    normals = unit_vectors(np.cross(b - a, c - a)) @ photo.pose.rotation.T
    visible = ramp(ray_cosines(points, normals), SEEN_COSINE, SEEN_COSINE + 0.2)
    pixels = photo.camera.project(points).astype(np.float32)
    height, width = photo.rgb.shape[:2]
    visible = visible * ((pixels >= 0) & (pixels <= [width - 1, height - 1])).all(1)
    per_meter = photo.camera.focal_px / float(np.median(points[:, 2]))
    low = np.floor(pixels.min(0) - 3 * SKIN_SIGMA * per_meter).astype(int).clip(0, [width - 2, height - 2])
    high = np.ceil(pixels.max(0) + 3 * SKIN_SIGMA * per_meter).astype(int).clip(low + 2, [width, height])
    picture = linear_of_bytes_float32()[photo.rgb[low[1] : high[1], low[0] : high[0]]]
    fine = cv2.GaussianBlur(picture, (0, 0), max(HAIR_SIGMA * per_meter, 0.3))
    light = np.log(fine @ LUMINANCE.astype(np.float32) + LIGHT_FLOOR)
    around = cv2.GaussianBlur(light, (0, 0), max(SKIN_SIGMA * per_meter, 1.0))
    local = pixels - low.astype(np.float32)
    probabilities = photo.segmentation.probabilities
    covering = [SegmentClass.HAIR, SegmentClass.HEADWEAR, SegmentClass.OCCLUDER]
    maps = np.stack([probabilities[SegmentClass.FACIAL_HAIR], probabilities[covering].sum(0)], -1)
    at = photo.segmentation.frame.photo_to_crop(pixels.astype(np.float64)).astype(np.float32)
    facial, covered = sample_image(np.ascontiguousarray(maps), at).T
    visible = visible * (covered < 0.5)
    colors = np.asarray(linear_to_srgb(sample_image(fine, local)) * 255, np.float32)
    return visible, sample_image(around - light, local), facial, colors


def _brow_hair(roots: Roots, skin: Skin, topology: HeadTopology) -> tuple[np.ndarray, np.ndarray]:
    """Directions (N, 3) and lengths (N,), meters, of brow hair: up beside the nose, then to the temples."""
    side = np.sign(roots.points[:, 0])
    along, across = np.zeros(len(side)), np.zeros(len(side))
    for outline, sign in zip(BROW_OUTLINES, (-1, 1), strict=True):
        own = side == sign
        if not own.any():
            continue
        line = skin.vertices[topology.landmark[list(outline)]]
        low, high = np.abs(line[:, 0]).min(), np.abs(line[:, 0]).max()
        distance = np.abs(roots.points[own, 0])
        along[own] = ((distance - low) / max(high - low, 1e-6)).clip(0, 1)
        half = len(outline) // 2
        upper, lower = (line[rows] for rows in (slice(0, half), slice(half, None)))
        heights = []
        for edge in (upper, lower):
            order = np.argsort(np.abs(edge[:, 0]))
            heights.append(np.interp(distance, np.abs(edge[order, 0]), edge[order, 2]))
        middle, reach = (heights[0] + heights[1]) / 2, np.abs(heights[0] - heights[1]) / 2 + BROW_REACH
        across[own] = ((roots.points[own, 2] - middle) / reach).clip(-1, 1)
    angle = np.radians(np.interp(along, BROW_ALONG, BROW_ANGLES) - BROW_CONVERGENCE * across)
    direction = np.stack([side * np.cos(angle), np.zeros(len(side)), np.sin(angle)], 1)
    length = np.interp(along, [0, 0.25, 0.7, 1], [BROW_END_LENGTH, BROW_LENGTH, BROW_LENGTH, BROW_END_LENGTH])
    return direction, length


def _beard_hair(roots: Roots, longest: float) -> tuple[np.ndarray, np.ndarray]:
    """Directions (N, 3) and lengths (N,), meters, of beard and mustache: down, beside the mouth outward."""
    x, y, z = roots.points.T
    direction = np.stack([0.1 * np.sign(x), np.full(len(x), -0.15), np.full(len(x), -1.0)], 1)
    lip = ramp(z, MOUTH_Z - 0.004, MOUTH_Z + 0.004) * ramp(np.abs(x), MUSTACHE_X + 0.01, MUSTACHE_X)
    direction[:, 0] += lip * 0.8 * np.clip(x / 0.012, -1, 1)
    chin = ramp(z, MOUTH_Z - 0.01, MOUTH_Z - 0.035) * ramp(np.abs(x), 0.06, 0.025) * ramp(y, 0.05, 0.02)
    short = min(longest, CHEEK_LENGTH)
    return direction, short + (longest - short) * chin


def _beard_length(photo: FacePhoto, topology: HeadTopology) -> float:
    """Meters: how long the beard is at the chin, by how far it hangs below it in the photo."""
    frame = photo.segmentation.frame
    facial = photo.segmentation.probabilities[SegmentClass.FACIAL_HAIR] > 0.5
    points = photo.pose.head_to_camera(photo.vertices.astype(np.float64))
    pixels = frame.photo_to_crop(photo.camera.project(points))
    near = (np.abs(topology.vertices[:, 0]) < 0.02) & (topology.vertices[:, 2] > -0.135)
    near &= (topology.vertices[:, 2] < MOUTH_Z) & (topology.vertices[:, 1] < 0.03)
    columns = slice(*np.round(np.quantile(pixels[near, 0], [0.1, 0.9])).astype(int).clip(0, facial.shape[1]))
    rows = np.flatnonzero(facial[:, columns].any(1))
    per_meter = frame.scale * photo.camera.focal_px / float(np.median(points[near, 2]))
    overhang = (rows.max() - pixels[near, 1].max()) / per_meter if len(rows) else 0.0
    return float(np.clip(BEARD_LENGTHS[0] + BEARD_PER_OVERHANG * max(overhang, 0.0), *BEARD_LENGTHS))


def _grown(
    name: str, roots: Roots, directions: np.ndarray, lengths: np.ndarray, skin: Skin, settings: HairSettings
) -> FacialHair:
    rng = np.random.default_rng(settings.seed + 2)
    directions = directions + DIRECTION_SPREAD * rng.standard_normal(directions.shape)
    lengths = lengths * (1 - LENGTH_SPREAD * rng.random(len(lengths)))
    cards, strands = (
        (settings.brow_cards, settings.brow_strands)
        if name == "brows"
        else (settings.beard_cards, settings.beard_strands)
    )
    chosen = _evenly(roots, min(CARDS_PER_CM2[name], cards / roots.area_cm2))[:cards]
    own = roots.chosen(chosen)
    shorter = lengths[chosen] * (THIN_LENGTH + (1 - THIN_LENGTH) * own.density)
    ribbons, corners, weights = _bound_ribbons(name, own, directions[chosen], shorter, skin, rng)
    card_ground = own.ground
    most = round(STRANDS_PER_CM2[name] * roots.area_cm2)
    some = np.arange(min(strands, max(most, 1), len(roots.points)))
    own = roots.chosen(some)
    points = _curves(name, own, directions[some], lengths[some], STRAND_POINTS, skin)
    return FacialHair(
        name=name,
        cards=ribbons,
        strands=HairStrands(
            points=points.astype(np.float32),
            root_vertices=own.corners.astype(np.int32),
            root_barycentric=own.weights.astype(np.float32),
            root_uv=own.uv.astype(np.float32),
            colors=_bytes(own.colors)[:, None].repeat(2, 1),
        ),
        bound_vertices=corners.astype(np.int32),
        bound_barycentric=weights.astype(np.float32),
        length_m=float(np.median(lengths)),
        card_ground=card_ground,
        strand_ground=own.ground,
    )


def _evenly(roots: Roots, per_cm2: float) -> np.ndarray:
    """Roots that keep apart, so that no two cards lie on each other beside bare skin: so many where hair is
    dense, fewer where it is thin.
    """
    tree = cKDTree(roots.points)
    apart = np.sqrt(PACKING / per_cm2 / np.maximum(roots.density, LEAST_DENSITY)) / 100
    taken = np.zeros(len(apart), bool)
    chosen = []
    for k in range(len(apart)):
        if not taken[k]:
            chosen.append(k)
            taken[tree.query_ball_point(roots.points[k], apart[k])] = True
    return np.array(chosen)


def _curves(
    name: str, roots: Roots, directions: np.ndarray, lengths: np.ndarray, points: int, skin: Skin
) -> np.ndarray:
    """(N, P, 3) curves along the skin that rise off it, then bend back toward it."""
    along = _along_skin(directions, roots.normals)
    t = np.linspace(0, 1, points)[None, :, None]
    rise = LIFT[name] * t * (1 - 0.45 * t)
    curves = roots.points[:, None] + lengths[:, None, None] * (
        along[:, None] * t + roots.normals[:, None] * rise
    )
    flat = curves[:, 1:].reshape(-1, 3)
    distance, nearest = skin.distance(flat, 0.1)
    low = np.flatnonzero(distance < CLEARANCE)
    flat[low] += (CLEARANCE - distance[low])[:, None] * skin.normals_at(nearest[low])
    return np.concatenate([curves[:, :1], flat.reshape(len(curves), points - 1, 3)], 1)


def _sheets(
    name: str,
    roots: Roots,
    directions: np.ndarray,
    lengths: np.ndarray,
    skin: Skin,
    rng: np.random.Generator,
) -> np.ndarray:
    """(N, P, 2, 3) left and right edges of cards that begin in the skin, follow it and rise off it."""
    count = len(lengths)
    along = np.linspace(0, 1, CARD_ROWS)
    tangents = _along_skin(directions, roots.normals)
    side = np.cross(tangents, roots.normals)
    middles = roots.points[:, None] + tangents[:, None] * (
        lengths[:, None, None] * (along - BEHIND_ROOT)[None, :, None]
    )
    thin = THIN_WIDTH + (1 - THIN_WIDTH) * roots.density
    half = WIDTH[name] / 2 * rng.uniform(0.8, 1.2, count) * thin
    reach = half[:, None, None] * side[:, None]
    edges = np.stack([middles - reach, middles + reach], 2)
    height = lengths[:, None] * CARD_LIFT[name] * along**CARD_RISE_POWER
    height = height - ROOT_DEPTH * (1 - along) ** 2
    flat = edges.reshape(-1, 3)
    distance, nearest = skin.distance(flat, 0.1)
    missing = height.repeat(2, 1).ravel() - distance
    # Long hair hangs: it is only kept out of the skin.
    hangs = ramp(lengths, *HANGING_LENGTH)[:, None] * (along > 0)
    free = hangs.repeat(2, 1).ravel() * (missing < 0)
    normals = skin.normals_at(nearest)
    return np.asarray((flat + (missing * (1 - free))[:, None] * normals).reshape(edges.shape))


def _bound_ribbons(
    name: str,
    roots: Roots,
    directions: np.ndarray,
    lengths: np.ndarray,
    skin: Skin,
    rng: np.random.Generator,
) -> tuple[HairCards, np.ndarray, np.ndarray]:
    """Cards at roots, and the skin that their vertices go with: corners and weights (K, 3)."""
    vertices = _sheets(name, roots, directions, lengths, skin, rng)
    points = vertices.mean(2)
    count, rows = points.shape[:2]
    normals = roots.normals[:, None].repeat(rows, 1)  # shaded like the skin that they lie on
    along = np.linspace(0, 1, rows)
    lock = rng.choice(SINGLE, count)
    left, right = lock_columns(lock)
    # Brows have few hairs side by side: a part of a lock.
    left = left + (right - left) * (1 - LOCK_FRACTION[name]) * rng.random(count)
    right = left + (lock_columns(lock)[1] - lock_columns(lock)[0]) * LOCK_FRACTION[name]
    turned = rng.random(count) < 0.5
    left, right = np.where(turned, right, left), np.where(turned, left, right)
    middles = points.reshape(-1, 3)
    distance, nearest = skin.distance(middles, 0.1)
    triangle = skin.sample_triangle[nearest]
    corners, weights = skin.triangles[triangle], skin.sample_weights[nearest]
    far = distance > BOUND_HEIGHT
    corners = np.where(far[:, None], roots.corners.repeat(rows, 0), corners).repeat(2, 0)
    weights = np.where(far[:, None], roots.weights.repeat(rows, 0), weights).repeat(2, 0)
    shade = np.interp(along, [0, 1], [FACIAL_ROOT_LIGHTNESS, TIP_LIGHTNESS])
    rgb = roots.colors[:, None] * shade[:, None] / MEAN_LIGHTNESS
    flat_normals = normals.reshape(-1, 3).repeat(2, 0)
    cards = HairCards(
        vertices=vertices.reshape(-1, 3).astype(np.float32),
        triangles=ribbon_triangles(count, rows),
        normals=unit_vectors(flat_normals).astype(np.float32),
        uv=ribbon_uv(left, right, along),
        colors=_bytes(rgb.reshape(-1, 3)).repeat(2, 0),
        card=np.arange(count).repeat(rows * 2).astype(np.int32),
        along=np.tile(along.repeat(2), count).astype(np.float32),
        layer=np.zeros(count, np.uint8),
        lod=(np.arange(count) < count / 2).astype(np.uint8) + (np.arange(count) < count / 4).astype(np.uint8),
    )
    return cards, corners, weights


def _blend(corners: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.einsum("nk,nkc->nc", weights, corners)


def _along_skin(directions: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """(R, 3) unit vectors: directions without what points out of the skin."""
    return unit_vectors(perpendicular_part(directions, normals))


def _bytes(colors: np.ndarray) -> np.ndarray:
    return np.clip(np.round(colors), 0, 255).astype(np.uint8)
