"""A groom: the hair of one head as a shell, as cards and as strands, all in the head frame."""

from dataclasses import dataclass, field

import numpy as np

from ..geometry.mesh import triangle_normals


@dataclass(frozen=True)
class RimTexels:
    """Texels of a shell's texture near its rim, where skin is seen between the hairs.

    Attributes:
        texel: (T,) int64, row * side + column.
        cover: (T,) float32 0..1, the hair's part of the color.
        triangle: (T,) int, the skin's triangle below, in the order of `Skin.triangles`.
        weights: (T, 3) float32, barycentric coordinates in it.
    """

    texel: np.ndarray
    cover: np.ndarray
    triangle: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True)
class SkinStrokes:
    """Single hairs that are painted on the skin around the hairline.

    Attributes:
        triangle: (K, P) int, the skin's triangles that their points are in, in the order of `Skin.triangles`.
        weights: (K, P, 3) float32, barycentric coordinates in them.
        shell_uv: (K, P, 2) float32, v up, where they are in the shell's texture.
        lengths: (K,) float32, meters.
        colors: (K, 3) uint8, sRGB.
        strengths: (K,) float32 0..1, how far they cover the skin.
        rooted: (K,) float32 0..1, how far hair grows there: only where it does they are painted on the skin.
    """

    triangle: np.ndarray
    weights: np.ndarray
    shell_uv: np.ndarray
    lengths: np.ndarray
    colors: np.ndarray
    strengths: np.ndarray
    rooted: np.ndarray


@dataclass(frozen=True)
class HairShell:
    """A closed mesh around hair, or around what covers the head.

    Attributes:
        vertices: (N, 3) float32, head frame, meters.
        triangles: (M, 3) int32, counterclockwise from outside.
        normals: (N, 3) float32 unit vectors, for shading.
        uv: (N, 2) float32, v up, into the texture.
        colors: (N, 3) uint8, sRGB, the hair's color without its strands.
        visibility: (N,) float32, 0 (completed) to 1 (the photo shows it).
        inner: (N,) bool, vertices of the side that lies on the skin.
        inset: (N,) float32, meters, how far each is moved in, against its normal, below cards.
        texture: (S, S, 3) uint8, sRGB.
        rim: Where skin is seen between the hairs; None for what has no hairline.
    """

    vertices: np.ndarray
    triangles: np.ndarray
    normals: np.ndarray
    uv: np.ndarray
    colors: np.ndarray
    visibility: np.ndarray
    inner: np.ndarray
    inset: np.ndarray
    texture: np.ndarray
    rim: RimTexels | None = None


def outer_triangles(triangles: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """The outside of a shell, with what joins it to the side that lies on the skin.

    Args:
        triangles: (M, 3) int.
        inner: (N,) bool, vertices of the side that lies on the skin.

    Returns:
        (K, 3) int.
    """
    return np.asarray(triangles[~inner[triangles].all(1)])


def outside_of(
    vertices: np.ndarray, triangles: np.ndarray, inner: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The outside of a shell, as by `outer_triangles`, and how large it is.

    Args:
        vertices: (N, 3), meters.
        triangles: (M, 3) int.
        inner: (N,) bool, vertices of the side that lies on the skin.

    Returns:
        (K, 3) int triangles, and (K,) their areas, square meters.
    """
    outer = outer_triangles(triangles, inner)
    normals = triangle_normals(vertices.astype(np.float32), outer)
    return outer, np.linalg.norm(normals, axis=1) / 2


@dataclass(frozen=True)
class HairCards:
    """Ribbons along strands. Their texture is the strand atlas, which is white: the colors multiply it.

    Attributes:
        vertices: (K, 3) float32, head frame, meters; each card's stand together, root first, left and right
            edge in turn.
        triangles: (L, 3) int32; both sides are seen.
        normals: (K, 3) float32 unit vectors, away from the head.
        uv: (K, 2) float32, v up, into the strand atlas; v falls from root to tip.
        colors: (K, 3) uint8, sRGB.
        card: (K,) int32, the card of each vertex.
        along: (K,) float32, 0 at the root, 1 at the tip.
        layer: (C,) uint8 of each card, 0 the innermost.
        lod: (C,) uint8 of each card, the coarsest level of detail that still has it.
    """

    vertices: np.ndarray
    triangles: np.ndarray
    normals: np.ndarray
    uv: np.ndarray
    colors: np.ndarray
    card: np.ndarray
    along: np.ndarray
    layer: np.ndarray
    lod: np.ndarray


@dataclass(frozen=True)
class HairStrands:
    """Curves that are rooted on the head's skin.

    Attributes:
        points: (S, P, 3) float32, head frame, meters, the root first, equally far from each other along a
            strand. Strands are in random order: the first n of them are an even, thinner groom.
        root_vertices: (S, 3) int32, the vertices of the head around the root.
        root_barycentric: (S, 3) float32, the root in their triangle.
        root_uv: (S, 2) float32, v up, the root in the head's own texture coordinates.
        colors: (S, 2, 3) uint8, sRGB, at the root and at the tip.
    """

    points: np.ndarray
    root_vertices: np.ndarray
    root_barycentric: np.ndarray
    root_uv: np.ndarray
    colors: np.ndarray


@dataclass(frozen=True)
class HairStyle:
    """The style in words and numbers.

    Attributes:
        length: "cropped", "short", "medium" or "long".
        length_m: Typical length of a strand, meters.
        hairline: "receding" where the photo shows much skin on what usually is scalp, "hidden" where there is
            headwear, else "usual".
        parting: "left", "middle", "right" (of the subject), "none" (fringe or swept back) or "unknown".
        curl: "straight", "wavy" or "curly".
        color: The color in a word.
        rgb: Typical color, sRGB, 0..255.
        melanin: 0 (white) to 1 (black), as Principled Hair takes it.
        melanin_redness: 0 (brown to black) to 1 (red).
    """

    length: str
    length_m: float
    hairline: str
    parting: str
    curl: str
    color: str
    rgb: tuple[int, int, int]
    melanin: float
    melanin_redness: float


@dataclass(frozen=True)
class Ground:
    """What the photo shows where hairs have their roots: hair and skin together.

    Attributes:
        uv: (N, 2) float32, v up, the roots in the head's texture coordinates.
        colors: (N, 3) float32, sRGB 0..255.
    """

    uv: np.ndarray
    colors: np.ndarray


@dataclass(frozen=True)
class FacialHair:
    """Brows, or beard and mustache: short hair that moves with the skin.

    Attributes:
        name: "brows" or "beard".
        cards: One layer of them.
        strands: On the same skin.
        bound_vertices: (K, 3) int32, the vertices of the head around the skin that each vertex of the cards
            moves with.
        bound_barycentric: (K, 3) float32, where in their triangle it is.
        length_m: Typical length, meters.
        card_ground: Around each card in the photo, whose light the colors have; None where they have the
            texture's.
        strand_ground: The same of the strands.
    """

    name: str
    cards: HairCards
    strands: HairStrands
    bound_vertices: np.ndarray
    bound_barycentric: np.ndarray
    length_m: float
    card_ground: Ground | None = None
    strand_ground: Ground | None = None

    def moved(self, offsets: np.ndarray) -> np.ndarray:
        """How far the cards go with the skin.

        Args:
            offsets: (..., V, 3), how far the head's vertices move.

        Returns:
            (..., K, 3) of the same type.
        """
        corners = offsets[..., self.bound_vertices, :]
        return np.einsum("kc,...kcd->...kd", self.bound_barycentric, corners).astype(offsets.dtype)


@dataclass(frozen=True)
class HairGroom:
    """What stands on a head's skin: hair, a cover such as a hat or a scarf, brows and beard.

    Attributes:
        shell: Around the hair; None without hair.
        cards: Of the hair, if they were asked for.
        strands: Of the hair, if they were asked for.
        style: Of the hair; None without hair.
        cover: Around headwear; None without.
        seen_fraction: Of the outside of shell and cover, by area, what the photo shows.
        product: What to show of the hair: "shell", "cards" or "strands".
        timings: Seconds by step.
        facial: Brows and beard, if they were asked for.
        facial_product: What to show of them: "none", "cards" or "strands".
        hairline: Single hairs around the hairline, to be painted on the skin; None without.
    """

    shell: HairShell | None
    cards: HairCards | None
    strands: HairStrands | None
    style: HairStyle | None
    cover: HairShell | None
    seen_fraction: float
    product: str = "cards"
    timings: dict[str, float] = field(default_factory=dict)
    facial: tuple[FacialHair, ...] = ()
    facial_product: str = "none"
    hairline: SkinStrokes | None = None
