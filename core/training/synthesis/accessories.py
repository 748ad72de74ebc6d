"""Hair, hats, scarves and shoulders as meshes around a training head: what hides parts of real heads in
photos.

They are drawn over the picture but are no part of the head that the network learns to rebuild. Every shell is
made of the head's own skin, moved outward, so it fits any head of either family at any pose. Head frame,
meters.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from .texture_library import HAIR_COLORS

#: Middle of the skull: shells grow away from it.
SKULL_CENTER = np.array([0.0, 0.068, 0.02], np.float32)
#: How far back (y), and the height of the average hairline there: forehead, temple, sideburn, over the ear,
#: nape.
_LINE_Y = np.array([0.0, 0.02, 0.05, 0.06, 0.1, 0.115, 0.13])
_LINE_Z = np.array([0.066, 0.06, 0.02, 0.035, 0.045, 0.0, -0.06])
STRAND_SIZE = 512


@dataclass(frozen=True)
class SkinMesh:
    """Outer skin of a head: vertices' indices (S,), triangles (T, 3) into those, corner_uv (T, 3, 2) atlas,
    and face (S,): 0..1 how much a vertex lies inside the face's outline.
    """

    vertices: np.ndarray
    triangles: np.ndarray
    corner_uv: np.ndarray
    face: np.ndarray

    @classmethod
    def of(
        cls, triangles: np.ndarray, corner_uv: np.ndarray, part: np.ndarray, face_mask: np.ndarray
    ) -> "SkinMesh":
        """The outer skin of a drawn mesh.

        Args:
            triangles: (T, 3) int32 of the mesh.
            corner_uv: (T, 3, 2) float32 atlas coordinates of the triangles' corners.
            part: (T,) int8, 0 or 1 on skin.
            face_mask: (S, S) uint8 in the atlas, 255 inside the face's outline.

        Returns:
            The skin.
        """
        skin = part <= 1
        used, local = np.unique(triangles[skin], return_inverse=True)
        local = local.reshape(-1, 3).astype(np.int32)
        size = face_mask.shape[0]
        uv = np.zeros((len(used), 2))
        uv[local.ravel()] = corner_uv[skin].reshape(-1, 2)
        texel = np.clip((uv * size).astype(int), 0, None) % size
        face = face_mask[texel[:, 1], texel[:, 0]].astype(np.float32) / 255
        return cls(used, local, np.ascontiguousarray(corner_uv[skin]), face)


@dataclass(frozen=True)
class Wearer:
    """A head that something is put on.

    skin: its outer skin; points: (S, 3) float32, that skin's vertices, head frame, meters; directions: (S, 3)
    unit vectors from the middle of the skull, in which shells grow; patterns: of cloth and of hair. What is
    made for it is in the same frame.
    """

    skin: SkinMesh
    points: np.ndarray
    directions: np.ndarray
    patterns: "Patterns"

    @classmethod
    def of(cls, skin: SkinMesh, head: np.ndarray, patterns: "Patterns") -> "Wearer":
        """A head as it is.

        Args:
            skin: of the head.
            head: (V, 3) float32 vertices of the head, head frame, meters.
            patterns: of cloth and of hair.

        Returns:
            The head, to be dressed.
        """
        points = head[skin.vertices]
        return cls(skin, points, from_skull(points), patterns)


@dataclass(frozen=True)
class Garment:
    """A mesh to draw: vertices (V, 3) float32 head frame; triangles (T, 3) int32; corner_uv (T, 3, 2)
    float32; texture (S, S, 3) uint8 sRGB sampled at corner_uv; cover (V,) float32: visible where it
    interpolates to more than 0, its edge frayed by `fray` times the noise of the hair patterns; matte: 0
    reflects like skin, 1 not at all.
    """

    vertices: np.ndarray
    triangles: np.ndarray
    corner_uv: np.ndarray
    texture: np.ndarray
    cover: np.ndarray
    fray: float
    matte: float


@dataclass(frozen=True)
class Patterns:
    """Gray patterns to be colored: cloth, (S, S) uint8 each, and strands of hair that run down the atlas and
    wrap.
    """

    cloth: tuple[np.ndarray, ...]
    strands: tuple[np.ndarray, ...]

    @classmethod
    def make(cls, rng: np.random.Generator, count: int = 40) -> "Patterns":
        """A fixed set of patterns; pictures differ by their colors and by where they lie."""
        sizes = ((0.8, 20.0), (1.2, 8.0), (1.5, 2.5), (2.5, 12.0))
        return cls(tuple(_cloth(rng) for _ in range(count)), tuple(_strands(rng, *s) for s in sizes))

    def dye_cloth(self, rng: np.random.Generator) -> np.ndarray:
        """(S, S, 3) uint8 sRGB: cloth in random colors."""
        one, two = (_dull(rng.uniform(10, 245, 3), rng.beta(1.2, 1.6)) for _ in range(2))
        return _dye(self.cloth[rng.integers(len(self.cloth))], one, two)

    def dye_hair(self, rng: np.random.Generator) -> np.ndarray:
        """(S, S, 3) uint8 sRGB: hair of a random color."""
        color = HAIR_COLORS[rng.choice(len(HAIR_COLORS), p=[0.3, 0.22, 0.15, 0.1, 0.07, 0.11, 0.05])]
        color = color * rng.uniform(0.7, 1.2)
        spread = rng.uniform(0.3, 0.9)
        strand = self.strands[rng.integers(len(self.strands))]
        return _dye(strand, color * (1 - spread) + 2, color * (1 + spread) + 6)


def _dull(color: np.ndarray, fraction: float) -> np.ndarray:
    return color * fraction + color.mean() * (1 - fraction)


def _dye(pattern: np.ndarray, dark: np.ndarray, light: np.ndarray) -> np.ndarray:
    t = np.linspace(0, 1, 256)[:, None]
    table = np.clip(dark * (1 - t) + light * t, 0, 255).astype(np.uint8)
    return cv2.LUT(cv2.merge([pattern] * 3), table.reshape(1, 256, 3))


def _strands(rng: np.random.Generator, across: float, along: float) -> np.ndarray:
    raw = rng.normal(size=(STRAND_SIZE, STRAND_SIZE)).astype(np.float32)
    field = cv2.GaussianBlur(np.concatenate([raw, raw], 1), (0, 0), sigmaX=across, sigmaY=along)
    field = field[:, STRAND_SIZE // 2 : STRAND_SIZE // 2 + STRAND_SIZE]
    return np.clip(128 + 50 * field / field.std(), 0, 255).astype(np.uint8)


def _cloth(rng: np.random.Generator) -> np.ndarray:
    """(S, S) uint8: plain, striped, checked or spotted."""
    size = STRAND_SIZE // 2
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    period = size / rng.integers(4, 40)
    kind = rng.random()
    pattern = np.zeros((size, size), np.float32)
    if 0.5 < kind < 0.65:
        pattern = (
            np.sin((x if rng.random() < 0.5 else y) * 2 * np.pi / period) > rng.uniform(-0.5, 0.8)
        ) * 1.0
    elif 0.65 < kind < 0.8:
        pattern = ((np.sin(x * 2 * np.pi / period) > 0.3) * 1.0 + (np.sin(y * 2 * np.pi / period) > 0.3)) / 2
    elif kind > 0.8:
        blobs = cv2.GaussianBlur(rng.normal(size=(size, size)).astype(np.float32), (0, 0), rng.uniform(2, 8))
        pattern = (blobs / blobs.std() > rng.uniform(0.2, 1.0)) * 1.0
    weave = cv2.GaussianBlur(rng.normal(size=(size, size)).astype(np.float32), (0, 0), rng.uniform(0.6, 3))
    return np.clip(30 + 195 * pattern + rng.uniform(3, 25) * weave / weave.std(), 0, 255).astype(np.uint8)


def smooth_waves(
    rng: np.random.Generator, directions: np.ndarray, frequency: float, count: int = 5
) -> np.ndarray:
    """A smooth random function of directions.

    Args:
        rng: random numbers.
        directions: (S, 3) unit vectors.
        frequency: of its waves, radians over the unit sphere.
        count: of its waves.

    Returns:
        (S,) float32, about -1..1.
    """
    total = np.zeros(len(directions), np.float32)
    for _ in range(count):
        k = rng.normal(size=3)
        k *= frequency * rng.uniform(0.6, 1.4) / np.linalg.norm(k)
        total += np.sin(directions @ k.astype(np.float32) + rng.uniform(0, 6.28)).astype(np.float32)
    return total / np.sqrt(count)


def shell_garment(
    skin: SkinMesh, vertices: np.ndarray, cover: np.ndarray, texture: np.ndarray, fray: float, matte: float
) -> Garment:
    """The moved skin where it is covered.

    Args:
        skin: of the head.
        vertices: (S, 3) where the skin's vertices are moved to, head frame, meters.
        cover: (S,) as `Garment` has it.
        texture: (T, T, 3) uint8 sRGB.
        fray: as `Garment` has it.
        matte: as `Garment` has it.

    Returns:
        The garment.
    """
    chosen = (cover[skin.triangles] > 0).any(1)
    corner_uv = np.ascontiguousarray(skin.corner_uv[chosen])
    return Garment(
        vertices.astype(np.float32),
        skin.triangles[chosen],
        corner_uv,
        texture,
        cover.astype(np.float32),
        fray,
        matte,
    )


def from_skull(points: np.ndarray) -> np.ndarray:
    """The directions in which shells grow.

    Args:
        points: (n, 3) head frame, meters.

    Returns:
        (n, 3) unit vectors from the middle of the skull.
    """
    offset = points - SKULL_CENTER
    return offset / np.maximum(np.linalg.norm(offset, axis=1, keepdims=True), 1e-6)


def hair(rng: np.random.Generator, wearer: Wearer) -> Garment:
    """Short to long hair, straight to curly, with a random hairline."""
    p, direction = wearer.points, wearer.directions
    x, y, z = p.T
    ragged = smooth_waves(rng, direction, rng.uniform(4, 14))
    line = np.interp(y, _LINE_Y, _LINE_Z + np.array([1, 1, 0.5, 0.5, 0.2, 0.2, 0.2]) * rng.normal(0, 0.008))
    if rng.random() < 0.3:  # a fringe
        line = np.where((y < 0.03) & (np.abs(x) < 0.06), line - rng.uniform(0.01, 0.035), line)
    inside = z - line + ragged * rng.uniform(0.001, 0.006)
    thick = float(np.exp(rng.uniform(np.log(0.004), np.log(0.045))))
    curls = smooth_waves(rng, direction, rng.uniform(8, 50)) * rng.uniform(0.03, 0.3)
    rise = np.clip(inside / (0.015 + 0.5 * thick), 0, 1) ** 0.6
    volume = 1 + rng.uniform(-0.3, 0.5) * direction[:, 2] + curls
    moved = p + direction * (0.002 + thick * rise * np.clip(volume, 0.25, 2))[:, None]
    cover = inside
    if rng.random() < 0.5:  # long: a curtain from the head's widest place down to a length
        length = rng.uniform(0.0, 0.22)
        angle = np.arctan2(np.abs(x), -(y - 0.06))
        opening = (
            rng.uniform(0.95, 1.75) + 0.12 * ragged - 0.25 * np.clip(-z / 0.15, 0, 1) * rng.uniform(-1, 1)
        )
        radius = np.hypot(x, (y - 0.065) * 0.85)
        wide = 0.078 + 0.6 * thick + np.clip(-z, 0, 0.2) * rng.uniform(-0.05, 0.3)
        target = np.maximum(radius, wide * (1 + 0.4 * curls))
        stretch = (target / np.maximum(radius, 1e-3))[:, None]
        center = np.array([0.0, 0.065, 0.0], np.float32)
        curtain = center + (p - center) * np.concatenate([stretch, stretch, np.ones_like(stretch)], 1)
        falls = np.minimum((angle - opening) * 0.08, np.minimum(line + 0.03 - z, z + length - 0.02 * ragged))
        # From the cap to the curtain over three centimeters of height.
        fraction = np.clip((line + 0.03 - z) / 0.03, 0, 1)[:, None]
        moved = np.where(falls[:, None] > -0.01, moved * (1 - fraction) + curtain * fraction, moved)
        cover = np.maximum(cover, falls)
    return shell_garment(
        wearer.skin,
        moved,
        cover,
        wearer.patterns.dye_hair(rng),
        rng.uniform(0.002, 0.016),
        rng.uniform(0.3, 0.9),
    )


def hat(rng: np.random.Generator, wearer: Wearer) -> list[Garment]:
    """A knitted cap, or a cap with a peak."""
    p, direction = wearer.points, wearer.directions
    height = rng.uniform(0.03, 0.07)
    tilt = rng.uniform(-0.5, 0.15)
    cover = p[:, 2] - height - tilt * p[:, 1]
    thick = rng.uniform(0.006, 0.02) + rng.uniform(0, 0.04) * np.clip(direction[:, 2], 0, 1) ** 2
    thick = thick * (1 + 0.1 * smooth_waves(rng, direction, rng.uniform(4, 20)))
    texture = wearer.patterns.dye_cloth(rng)
    garments = [shell_garment(wearer.skin, p + direction * thick[:, None], cover, texture, 0.0, 0.9)]
    if rng.random() < 0.55:
        reach, half = rng.uniform(0.05, 0.09), rng.uniform(0.06, 0.08)
        s = np.linspace(-1, 1, 13)
        brow = p[(np.abs(p[:, 0]) < 0.03) & (cover > 0)]
        front = float(brow[:, 1].min()) if len(brow) else 0.0
        inner = np.stack([s * half, front + 0.05 * s**2, height + tilt * front + 0.004 - 0.012 * s**2], 1)
        outer = inner + np.stack(
            [0 * s, -reach * np.sqrt(np.clip(1 - 0.8 * s**2, 0, 1)), -0.012 - 0.012 * s**2], 1
        )
        points = np.concatenate([inner, outer]).astype(np.float32)
        i = np.arange(12)
        triangles = np.concatenate([np.stack([i, i + 13, i + 1], 1), np.stack([i + 1, i + 13, i + 14], 1)])
        uv = np.stack([0.3 + 0.02 * points[:, 0] / half, 0.4 + points[:, 1]], 1).astype(np.float32)
        garments.append(
            Garment(
                points, triangles.astype(np.int32), uv[triangles], texture, np.ones(26, np.float32), 0.0, 0.8
            )
        )
    return garments


def scarf(rng: np.random.Generator, wearer: Wearer) -> Garment:
    """A headscarf or hood: everything but the face, or but the face and the neck."""
    p, direction = wearer.points, wearer.directions
    folds = smooth_waves(rng, direction, rng.uniform(6, 25))
    neck = rng.random() < 0.7
    cover = (rng.uniform(0.05, 0.6) - wearer.skin.face) * 0.02
    if not neck:
        cover = np.minimum(cover, np.maximum(p[:, 2] + 0.06, p[:, 1] - 0.06))
    radius = np.hypot(p[:, 0], p[:, 1] - 0.065)[:, None]
    wide = np.maximum(radius, np.where(p[:, 2] > -0.13, 0.08, 0.02)[:, None])
    center = np.array([0.0, 0.065, 0.0], np.float32)
    stretch = np.where((p[:, 2:] < 0.03) & (p[:, 1:2] > 0.0), wide / np.maximum(radius, 1e-3), 1.0)
    moved = center + (p - center) * np.concatenate([stretch, stretch, np.ones_like(stretch)], 1)
    thick = rng.uniform(0.004, 0.025) * (1 + 0.35 * folds)
    return shell_garment(
        wearer.skin, moved + direction * thick[:, None], cover, wearer.patterns.dye_cloth(rng), 0.0, 0.95
    )


def shoulders(rng: np.random.Generator, patterns: Patterns) -> Garment:
    """Neck opening, shoulders and chest: rings around the body's axis."""
    neckline = rng.uniform(-0.19, -0.115)
    slim = rng.uniform(0.85, 1.15)
    heights = np.array([neckline, neckline - 0.02, -0.195, -0.225, -0.3, -0.6])
    heights = np.minimum.accumulate(heights)
    half_x = np.array([0.066, 0.085, 0.14, 0.19, 0.21, 0.2]) * slim
    half_y = np.array([0.066, 0.075, 0.085, 0.1, 0.12, 0.12]) * slim
    middle = np.array([0.075, 0.08, 0.085, 0.09, 0.09, 0.09])
    dip = rng.uniform(0, 0.05)  # the neckline is lower in front
    count = 32
    angle = np.arange(count) / count * 2 * np.pi
    rings = []
    for k in range(len(heights)):
        x, y = np.sin(angle) * half_x[k], middle[k] - np.cos(angle) * half_y[k]
        fall = dip * np.clip(np.cos(angle), 0, 1) * (k < 2)
        slope = 0.02 * np.cos(angle) * (k in (2, 3))
        rings.append(np.stack([x, y, heights[k] - fall - slope], 1))
    points = np.concatenate(rings).astype(np.float32)
    i, j = np.meshgrid(np.arange(len(heights) - 1), np.arange(count), indexing="ij")
    a, b = (i * count + j).ravel(), (i * count + (j + 1) % count).ravel()
    c, d = a + count, b + count
    triangles = np.concatenate([np.stack([a, c, b], 1), np.stack([b, c, d], 1)]).astype(np.int32)
    uv = np.stack([points[:, 0] * 1.3 + 0.5, -points[:, 2]], 1).astype(np.float32)
    whole = np.ones(len(points), np.float32)
    return Garment(
        points, triangles, np.ascontiguousarray(uv[triangles]), patterns.dye_cloth(rng), whole, 0.0, 0.95
    )
