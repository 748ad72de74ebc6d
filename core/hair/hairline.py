"""How hair begins on the skin: single hairs before its line, and skin between the hairs behind it.

The shell is opaque: at its rim the texture fades to the skin's color, hair by hair, and on the skin before it
the same hairs are painted. So it begins softly in every renderer, whether that knows alpha or not.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy.spatial import cKDTree

from ..geometry.closest_point import search_threads
from ..geometry.mesh import perpendicular_part
from ..geometry.visibility import ramp
from ..template.topology import HeadTopology
from ..texture.albedo import EMPTY, PAINTED, Albedo
from .coloring import HairColors
from .flow import Flow, float32_unit_vectors
from .groom import HairGroom, HairShell, RimTexels, SkinStrokes, outer_triangles
from .rim import Rim
from .skin import Skin, barycentric, corner_uv

#: Hairs painted for each meter of hairline.
STROKES_PER_METER = 6000
#: How far from the rim, meters, hairs have their middles: on bare skin at most, and in the hair at most.
BEFORE = 0.0045
BEHIND = 0.0055
#: Their shortest and longest, meters, and of the hair's typical length at most.
STROKE_LENGTHS = (0.004, 0.010)
MOST_OF_LENGTH = 0.5
#: How far hairs run across the hairline rather than as the hair does.
ACROSS = 0.6
#: Standard deviations of their directions, radians, and of how much they bend, of their length.
SPREAD = 0.35
BEND = 0.1
STROKE_POINTS = 5
#: Width of a hair, meters: texels that are wider take as much less of its color.
HAIR_WIDTH = 0.0005
#: Strength of hairs: of the faintest, and of those in the hair.
STRENGTHS = (0.15, 0.95)
#: Standard deviation of the shade around hairs on the skin, meters, and its strength.
SHADE_SIGMA = 0.0012
SHADE = 0.9
#: Distance from the rim, meters, at which hair covers all skin, and how much it covers at the rim itself.
COVERED_FROM = 0.0045
COVERED_AT_RIM = 0.7
#: The same where hair only lies on the skin: no hairs are painted on that, and its own tips are sparse.
COVERED_AT_TIPS = 0.25
#: How far the noise between strands moves the rim, meters for each of its standard deviations.
RAGGED = 0.0006
#: Heights over the skin, meters, from which to which no skin is seen.
COVERED_HEIGHT = (0.003, 0.007)
#: Side of the texture that skin's color is taken from, texels: it has no detail.
SKIN_SIDE = 256
#: Color and shade of hairs are painted on a texture so many times smaller; weaker shade is none.
COARSER = 4
LEAST_SHADE = 0.01
#: Cover, of 255, from which on a texel counts as painted.
PAINTED_FROM = 127
#: Fractional bits of coordinates handed to OpenCV's drawing.
SHIFT = 4
#: A line that is longer in the texture than this factor of the typical one crosses one of its seams.
SEAM_FACTOR = 4.0


def rim_cover(
    points: np.ndarray, strands: np.ndarray, rim: Rim, skin: Skin
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What part of the shell's surface is hair near its rim, and which skin is seen between the hairs.

    Args:
        points: (N, 3) of the surface, head frame, meters.
        strands: (N,) noise of variance 1, drawn out along the hair.
        rim: Of the shell.
        skin: Of the head.

    Returns:
        (N,) float32 0..1, the hair's part; (N,) int, the skin's triangle; (N, 3) float32, barycentric
        coordinates in it.
    """
    height, nearest = skin.distance(points)
    foot = points - height[:, None] * skin.normals_at(nearest)
    distance, at_rim = rim.tree.query(points, workers=search_threads(len(points)))
    inside = np.minimum(distance, COVERED_FROM) + RAGGED * strands
    least = COVERED_AT_TIPS + (COVERED_AT_RIM - COVERED_AT_TIPS) * rim.rooted[at_rim]
    cover = least + (1 - least) * ramp(inside, 0.0, COVERED_FROM - 2 * RAGGED)
    cover = np.maximum(cover, ramp(height, *COVERED_HEIGHT))
    triangle, weights = skin.locate(foot, nearest)
    return cover.astype(np.float32), triangle, weights


def hairline_strokes(
    shell: HairShell,
    rim: Rim,
    skin: Skin,
    flow: Flow,
    colors: HairColors,
    length: float,
    seed: int,
) -> SkinStrokes:
    """Single hairs on the skin around the hairline.

    Args:
        shell: Of the hair.
        rim: Of the shell.
        skin: Of the head.
        flow: The hair's direction.
        colors: Of the hair.
        length: Typical length of the hair, meters.
        seed: Of the random numbers.

    Returns:
        The hairs.
    """
    rng = np.random.default_rng(seed)
    count = round(len(rim.points) * rim.spacing * STROKES_PER_METER)
    chosen = rng.integers(0, len(rim.points), count)
    inward = rim.inward[chosen]
    # Fewer the farther from the hair.
    from_rim = BEHIND - (BEFORE + BEHIND) * rng.random(count) ** 1.5
    middle = rim.points[chosen] + from_rim[:, None] * inward
    height, nearest = skin.distance(middle)
    normals = skin.normals_at(nearest)
    middle = middle - height[:, None] * normals
    course = _across(flow.at(middle).astype(np.float64), normals, inward)
    side = np.cross(normals, course)
    course = course + rng.normal(0, SPREAD, (count, 1)) * side
    longest = min(STROKE_LENGTHS[1], max(MOST_OF_LENGTH * length, STROKE_LENGTHS[0] / 2))
    lengths = rng.uniform(min(STROKE_LENGTHS[0], longest / 2), longest, (count, 1, 1))
    along = np.linspace(-0.5, 0.5, STROKE_POINTS)[None, :, None]
    bend = rng.normal(0, BEND, (count, 1, 1)) * 4 * (along**2 - 0.125)
    points = middle[:, None] + lengths * (along * course[:, None] + bend * side[:, None])
    flat = points.reshape(-1, 3)
    _, nearest = skin.distance(flat)
    triangle, weights = skin.locate(flat, nearest)
    fading = ramp(from_rim, -BEFORE, 0.0)
    strength = STRENGTHS[0] + (STRENGTHS[1] - STRENGTHS[0]) * fading * rng.random(count)
    visible = colors.visibility(middle, normals)
    return SkinStrokes(
        triangle=triangle.reshape(count, -1),
        weights=weights.reshape(count, -1, 3),
        shell_uv=_on_shell(shell, middle, points),
        lengths=np.linalg.norm(np.diff(points, axis=1), axis=2).sum(1).astype(np.float32),
        colors=np.clip(np.round(colors.at(middle, visible)), 0, 255).astype(np.uint8),
        strengths=strength.astype(np.float32),
        rooted=rim.rooted[chosen].astype(np.float32),
    )


def _across(course: np.ndarray, normals: np.ndarray, inward: np.ndarray) -> np.ndarray:
    """(K, 3) unit vectors along the skin, between the hair's course and the way across its line."""
    course = float32_unit_vectors(perpendicular_part(course, normals))
    sense = np.where((course * inward).sum(1) < 0, -1, 1)[:, None]
    course = perpendicular_part(course + ACROSS * sense * inward, normals)
    return float32_unit_vectors(course).astype(np.float64)


def _on_shell(shell: HairShell, middle: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(K, P, 2) float32: lines (K, P, 3) in a shell's texture, by the triangle next to the middle of each."""
    vertices = shell.vertices.astype(np.float64)
    outer = outer_triangles(shell.triangles, shell.inner)
    _, nearest = cKDTree(vertices[outer].mean(1)).query(middle)
    own = np.repeat(outer[nearest], points.shape[1], axis=0)
    weights = barycentric(points.reshape(-1, 3), vertices[own])
    uv = np.einsum("kc,kcd->kd", weights, shell.uv[own])
    return uv.reshape(*points.shape[:2], 2).astype(np.float32)


def with_soft_hairline(albedo: Albedo, groom: HairGroom, topology: HeadTopology) -> tuple[Albedo, HairGroom]:
    """Paint single hairs on the skin before the hairline, and skin between the hairs on the shell behind it.

    Args:
        albedo: The head's texture.
        groom: The hair.
        topology: The head's, with the texture coordinates that the texture is painted for.

    Returns:
        Both, painted; the hair without what that took.
    """
    uv = corner_uv(topology)
    strokes = groom.hairline
    if groom.shell is not None and groom.shell.rim is not None:
        shell = _with_skin(groom.shell, groom.shell.rim, strokes, albedo.image, uv)
        groom = replace(groom, shell=shell)
    if strokes is not None:
        at = np.einsum("kpc,kpcd->kpd", strokes.weights, uv[strokes.triangle])
        image, painted = _with_strokes(albedo.image, strokes, at)
        mask = np.where(painted & (albedo.mask != EMPTY), np.uint8(PAINTED), albedo.mask)
        albedo = replace(albedo, image=image, mask=mask)
    return albedo, replace(groom, hairline=None)


def _with_skin(
    shell: HairShell, rim: RimTexels, strokes: SkinStrokes | None, image: np.ndarray, uv: np.ndarray
) -> HairShell:
    """A shell whose texture shows the skin (S, S, 4) between the hairs at its rim."""
    small = cv2.resize(image[..., :3], (SKIN_SIDE, SKIN_SIDE), interpolation=cv2.INTER_AREA)
    at = np.einsum("tk,tkc->tc", rim.weights, uv[rim.triangle])
    column, row = at[:, 0] * SKIN_SIDE - 0.5, (1 - at[:, 1]) * SKIN_SIDE - 0.5
    column, row = (np.clip(np.round(axis), 0, SKIN_SIDE - 1).astype(int) for axis in (column, row))
    skin = small[row, column].astype(np.float32)
    texture = shell.texture.copy()
    cover = rim.cover
    if strokes is not None:
        lines = _Lines.of(strokes, strokes.shell_uv, len(texture), strokes.strengths)
        cover = np.maximum(cover, lines.drawn(len(texture)).ravel()[rim.texel] / np.float32(255))
    flat = texture.reshape(-1, 3)
    mixed = skin + (flat[rim.texel] - skin) * cover[:, None]
    flat[rim.texel] = np.clip(np.round(mixed), 0, 255).astype(np.uint8)
    return replace(shell, texture=texture, rim=None)


def _with_strokes(image: np.ndarray, strokes: SkinStrokes, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Paint single hairs and their shade.

    Args:
        image: (S, S, 4) uint8, the head's texture.
        strokes: The hairs.
        at: (K, P, 2) their texture coordinates.

    Returns:
        (S, S, 4) uint8, the texture; and (S, S) bool, where it shows more hair than skin.
    """
    size = len(image)
    lines = _Lines.of(strokes, at, size, strokes.strengths * strokes.rooted)
    cover = lines.drawn(size)
    # Color and shade have no detail.
    coarse = size // COARSER
    weight = cv2.resize(cover, (coarse, coarse), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    color = lines.colored(coarse, 1 / COARSER) * weight[..., None]
    sigma = SHADE_SIGMA / (lines.texel * COARSER)
    total, color = (cv2.GaussianBlur(values, (0, 0), sigma) for values in (weight, color))
    color = color / np.maximum(total, 1e-4)[..., None]
    shade = cv2.resize(total, (size, size), interpolation=cv2.INTER_LINEAR)
    texel = np.flatnonzero((shade > LEAST_SHADE) | (cover > 0))
    row, column = np.divmod(texel, size)
    paint = color[np.minimum(row // COARSER, coarse - 1), np.minimum(column // COARSER, coarse - 1)]
    through = (1 - SHADE * shade.ravel()[texel]) * (1 - cover.ravel()[texel] / np.float32(255))
    result = image.copy()
    skin = result.reshape(-1, 4)[texel, :3].astype(np.float32)
    mixed = paint + (skin - paint) * through[:, None]
    result.reshape(-1, 4)[texel, :3] = np.clip(np.round(mixed), 0, 255).astype(np.uint8)
    return result, cover > PAINTED_FROM


@dataclass(frozen=True)
class _Lines:
    """Hairs in a texture.

    points: (K, P, 2) texels; strengths: (K,) 0..1; colors: (K, 3) uint8; texel: its width, meters.
    """

    points: np.ndarray
    strengths: np.ndarray
    colors: np.ndarray
    texel: float

    @classmethod
    def of(cls, strokes: SkinStrokes, uv: np.ndarray, size: int, strengths: np.ndarray) -> "_Lines":
        """Strokes so strong (K,) at texture coordinates (K, P, 2), the weakest first, none across a seam."""
        points = np.stack([uv[..., 0] * size - 0.5, (1 - uv[..., 1]) * size - 0.5], -1)
        steps = np.linalg.norm(np.diff(points, axis=1), axis=2)
        whole = steps.max(1) < SEAM_FACTOR * max(float(np.median(steps)), 0.1)
        whole &= strengths > 0
        whole &= (points > -size).all((1, 2)) & (points < 2 * size).all((1, 2))
        widths = strokes.lengths[whole] / np.maximum(steps[whole].sum(1), 1e-6)
        texel = float(np.median(widths)) if len(widths) else HAIR_WIDTH
        order = np.flatnonzero(whole)[np.argsort(strengths[whole], kind="stable")]
        thinner = min(HAIR_WIDTH / max(texel, 1e-6), 1.0)
        return cls(points[order], strengths[order] * thinner, strokes.colors[order], texel)

    def drawn(self, size: int) -> np.ndarray:
        """(S, S) uint8: how far they cover the texture; the strongest of each texel counts."""
        cover = np.zeros((size, size), np.uint8)
        lines = np.round(self.points * 2**SHIFT).astype(np.int32)
        for line, strength in zip(lines, (255 * self.strengths).tolist(), strict=True):
            cv2.polylines(cover, [line], False, strength, 1, cv2.LINE_AA, SHIFT)
        return cover

    def colored(self, size: int, scale: float) -> np.ndarray:
        """(S, S, 3) float32: their colors where they are and beside them, of a texture scaled so."""
        color = np.zeros((size, size, 3), np.uint8)
        lines = np.round(self.points * (scale * 2**SHIFT)).astype(np.int32)
        for line, rgb in zip(lines, self.colors.tolist(), strict=True):
            cv2.polylines(color, [line], False, rgb, 3, cv2.LINE_8, SHIFT)
        return color.astype(np.float32)
