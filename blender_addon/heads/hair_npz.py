"""Reads the engine's hair.npz. numpy, no bpy.

The file may come from anybody, and Blender crashes on an index that does not exist: every shape, type,
index and number is checked before Blender gets it.
"""

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import HeadFileError
from .checked_arrays import checked_floats, checked_indices, opened_npz, parse_result_file

FILE_NAME = "hair.npz"
FORMAT_VERSION = 1
SHELL_TEXTURE = "hair_shell.png"
CARDS_TEXTURE = "hair_cards.png"
CARDS_NORMALS = "hair_cards_normal.png"
COVER_TEXTURE = "hair_cover.png"
#: What can be shown of hair.
PRODUCTS = ("shell", "cards", "strands")
#: What brows and beard are called, and what can be shown of them.
FACIAL_HAIR = ("brows", "beard")
FACIAL_PRODUCTS = ("none", "cards", "strands")
#: Most vertices that a head may have.
MAX_HEAD_VERTICES = 1_000_000
#: Shell, cards and 8,000 strands take 3 MB.
MAX_FILE_BYTES = 200_000_000
#: Bytes of all arrays together, unpacked.
MAX_UNPACKED_BYTES = 200_000_000
#: Meters from the head's middle within which hair lies.
MAX_COORDINATE = 10.0
#: Largest texture coordinate.
MAX_UV = 100.0
#: The color of hair without a style: dark brown, sRGB bytes.
DEFAULT_RGB = (60, 45, 35)


@dataclass(frozen=True)
class HairMesh:
    """A shell or cards; N vertices, M triangles; head frame, meters.

    Attributes:
        vertices: (N, 3) float32.
        normals: (N, 3) float32.
        triangles: (M, 3) int32.
        uv: (N, 2) float32, v up.
        colors: (N, 3) uint8, sRGB.
        inset: (N,) float32, how far each is moved against its normal below cards; zeros for cards.
        along: (N,) float32, 0 at a card's root to 1 at its tip; zeros for a shell.
        rank: (N,) float32, 0..1, in which order cards are left out where there are to be fewer; zeros for a
            shell.
    """

    vertices: np.ndarray
    normals: np.ndarray
    triangles: np.ndarray
    uv: np.ndarray
    colors: np.ndarray
    inset: np.ndarray
    along: np.ndarray
    rank: np.ndarray


@dataclass(frozen=True)
class HairCurves:
    """S strands of P points; head frame, meters; the first n of them are an even, thinner groom.

    Attributes:
        points: (S, P, 3) float32, the root first.
        root_uv: (S, 2) float32, in the head's first UV map.
        colors: (S, 2, 3) uint8, sRGB, at root and tip.
    """

    points: np.ndarray
    root_uv: np.ndarray
    colors: np.ndarray


@dataclass(frozen=True)
class FacialHair:
    """Brows, or beard and mustache.

    Attributes:
        name: One of FACIAL_HAIR.
        cards: K vertices.
        strands: On the same skin.
        bound_vertices: (K, 3) int32, vertices of the head that each vertex of the cards moves with.
        bound_weights: (K, 3) float32, their weights.
    """

    name: str
    cards: HairMesh
    strands: HairCurves
    bound_vertices: np.ndarray
    bound_weights: np.ndarray

    def moved(self, offset: np.ndarray) -> "FacialHair":
        """The cards where the skin has moved.

        Args:
            offset: (V, 3) how far the head's vertices move, meters.

        Raises:
            HeadFileError: They are bound to vertices that the head does not have.
        """
        if self.bound_vertices.max() >= len(offset):
            raise HeadFileError("The hair is that of another head. Reconstruct the photo again.")
        moved = np.einsum("kc,kcd->kd", self.bound_weights, offset[self.bound_vertices])
        vertices = (self.cards.vertices + moved).astype(np.float32)
        return dataclasses.replace(self, cards=dataclasses.replace(self.cards, vertices=vertices))


@dataclass(frozen=True)
class HairData:
    """A head's hair.

    Attributes:
        product: What to show of it: "shell", "cards" or "strands".
        rgb: Its typical color, sRGB bytes.
        shell: Around the hair.
        cards: On the shell.
        strands: Rooted on the head.
        cover: What covers the head, a hat or a scarf.
        facial: Brows and beard.
        facial_product: What to show of them, one of FACIAL_PRODUCTS.
    """

    product: str
    rgb: tuple[int, int, int]
    shell: HairMesh | None
    cards: HairMesh | None
    strands: HairCurves | None
    cover: HairMesh | None
    facial: tuple[FacialHair, ...] = ()
    facial_product: str = "none"


def read_hair(path: str | os.PathLike) -> HairData:
    """Read a hair.npz.

    Args:
        path: The file.

    Returns:
        The hair.

    Raises:
        HeadFileError: The file is missing, damaged, or of another version.
    """
    return parse_result_file(path, "hair", MAX_FILE_BYTES, lambda data: _parse(_arrays(data)))


def read_hair_of(folder: Path) -> HairData | None:
    """The hair of a result's folder, None if it has none. Raises HeadFileError."""
    path = folder / FILE_NAME
    return read_hair(path) if path.exists() else None


def _arrays(data: bytes) -> dict[str, np.ndarray]:
    with opened_npz(data, MAX_UNPACKED_BYTES, FORMAT_VERSION) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _parse(arrays: dict[str, np.ndarray]) -> HairData:
    product = str(arrays["product"])
    if product not in PRODUCTS:
        raise ValueError("product is none that there is")
    shell, cards = _shell("shell", arrays), _cards(arrays)
    if cards is not None and shell is None:
        raise ValueError("it has cards without a shell")
    facial_product = str(arrays.get("facial_product", "none"))
    if facial_product not in FACIAL_PRODUCTS:
        raise ValueError("facial_product is none that there is")
    return HairData(
        product,
        _typical_color(arrays["style"]),
        shell,
        cards,
        _strands(arrays),
        _shell("cover", arrays),
        tuple(_facial(name, arrays) for name in FACIAL_HAIR if f"{name}_card_vertices" in arrays),
        facial_product,
    )


def _facial(name: str, arrays: dict[str, np.ndarray]) -> FacialHair:
    """Brows or beard. Raises ValueError."""
    cards, strands = _cards(arrays, f"{name}_card"), _strands(arrays, f"{name}_strand")
    if cards is None or strands is None:
        raise ValueError(f"{name} has no cards or no strands")
    count = len(cards.vertices)
    return FacialHair(
        name,
        cards,
        strands,
        checked_indices(f"{name}_card_bound_vertices", arrays, (count, 3), MAX_HEAD_VERTICES),
        checked_floats(f"{name}_card_bound_barycentric", arrays, (count, 3), 1.0),
    )


def _typical_color(text: np.ndarray) -> tuple[int, int, int]:
    """The color that the style names. Raises ValueError."""
    if text.dtype.kind != "U" or text.shape != ():
        raise ValueError("style is no text")
    style = json.loads(str(text))
    rgb = style.get("rgb") if isinstance(style, dict) else list(DEFAULT_RGB)
    if not isinstance(rgb, list) or len(rgb) != 3:
        raise ValueError("style has no color")
    red, green, blue = (int(value) for value in rgb)
    if not all(0 <= value <= 255 for value in (red, green, blue)):
        raise ValueError("style has a color that makes no sense")
    return red, green, blue


def _colors(name: str, arrays: dict[str, np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    values = arrays[name]
    if values.dtype != np.uint8 or values.shape != shape:
        raise ValueError(f"{name} is {values.dtype} {values.shape} instead of bytes {shape}")
    return values


def _mesh(
    prefix: str, arrays: dict[str, np.ndarray], inset: np.ndarray, along: np.ndarray, rank: np.ndarray
) -> HairMesh:
    """The mesh whose arrays have this prefix. Raises ValueError."""
    count, faces = len(inset), _length(f"{prefix}_triangles", arrays)
    triangles = checked_indices(f"{prefix}_triangles", arrays, (faces, 3), count)
    corners = np.sort(triangles, axis=1)
    if (corners[:, 1:] == corners[:, :-1]).any() or len(np.unique(corners, axis=0)) < faces:
        raise ValueError(f"{prefix}_triangles has a corner or a face twice")
    return HairMesh(
        checked_floats(f"{prefix}_vertices", arrays, (count, 3), MAX_COORDINATE),
        checked_floats(f"{prefix}_normals", arrays, (count, 3), 2.0),
        triangles,
        checked_floats(f"{prefix}_uv", arrays, (count, 2), MAX_UV),
        _colors(f"{prefix}_colors", arrays, (count, 3)),
        inset,
        along,
        rank,
    )


def _shell(prefix: str, arrays: dict[str, np.ndarray]) -> HairMesh | None:
    if f"{prefix}_vertices" not in arrays:
        return None
    count = _length(f"{prefix}_vertices", arrays)
    inset = checked_floats(f"{prefix}_inset", arrays, (count,), MAX_COORDINATE)
    nothing = np.zeros(count, np.float32)
    return _mesh(prefix, arrays, inset, nothing, nothing)


def _cards(arrays: dict[str, np.ndarray], prefix: str = "card") -> HairMesh | None:
    if f"{prefix}_vertices" not in arrays:
        return None
    count, cards = _length(f"{prefix}_vertices", arrays), _length(f"{prefix}_layer", arrays)
    card = checked_indices(f"{prefix}_index", arrays, (count,), cards)
    along = checked_floats(f"{prefix}_along", arrays, (count,), 1.0, 0.0)
    # First those are left out that coarser levels of detail lack; of these the outer ones, and those of a
    # layer in an order that is spread over the head.
    spread = np.random.default_rng(0).permutation(cards) / cards
    layer = checked_indices(f"{prefix}_layer", arrays, (cards,), 256)
    coarsest = checked_indices(f"{prefix}_lod", arrays, (cards,), 256)
    order = np.argsort(np.lexsort((layer + spread, -coarsest)), kind="stable")
    rank = ((order + 0.5) / cards).astype(np.float32)[card]
    return _mesh(prefix, arrays, np.zeros(count, np.float32), along, rank)


def _strands(arrays: dict[str, np.ndarray], prefix: str = "strand") -> HairCurves | None:
    if f"{prefix}_points" not in arrays:
        return None
    points = arrays[f"{prefix}_points"]
    if points.ndim != 3 or len(points) < 1 or points.shape[1] < 2:
        raise ValueError(f"{prefix}_points is {points.dtype} {points.shape}")
    strands = len(points)
    return HairCurves(
        checked_floats(f"{prefix}_points", arrays, (strands, points.shape[1], 3), MAX_COORDINATE),
        checked_floats(f"{prefix}_root_uv", arrays, (strands, 2), MAX_UV),
        _colors(f"{prefix}_colors", arrays, (strands, 2, 3)),
    )


def _length(name: str, arrays: dict[str, np.ndarray]) -> int:
    count = len(np.atleast_1d(arrays[name]))
    if not count:
        raise ValueError(f"{name} is empty")
    return count
