"""Which triangle covers which texel, and whether several do. numpy, no bpy."""

from dataclasses import dataclass

import numpy as np

#: A texel on an edge belongs to both triangles; one is said to be inside by this much (barycentric weight).
INSIDE = 1e-3


@dataclass(frozen=True)
class TexelMap:
    """For each of T covered texels: row and column (T,) int64, row 0 on top; triangle (T,) int64; weights
    (T, 3) float64 of its corners.
    """

    row: np.ndarray
    column: np.ndarray
    triangle: np.ndarray
    weights: np.ndarray


def rasterize(uv: np.ndarray, size: int, inside: float = -1e-9) -> TexelMap:
    """Find the texels of a picture whose centers are in triangles.

    A texel that several triangles cover appears several times. Triangles are taken in groups whose boxes of
    texels are alike, so that numpy can do a group at once.

    Args:
        uv: (M, 3, 2) float texture coordinates of the triangles' corners, v up.
        size: Side of the picture, texels.
        inside: The least barycentric weight of what counts as in a triangle.

    Returns:
        The texels found.
    """
    points = np.stack([uv[..., 0] * size - 0.5, (1.0 - uv[..., 1]) * size - 0.5], -1)
    low = np.maximum(np.ceil(points.min(1)), 0).astype(np.int64)
    high = np.minimum(np.floor(points.max(1)), size - 1).astype(np.int64)
    extent = high - low + 1
    candidates = np.flatnonzero((extent > 0).all(1))
    side = 2 ** np.ceil(np.log2(np.maximum(extent[candidates].max(1), 1))).astype(np.int64)
    found: list[tuple[np.ndarray, ...]] = []
    for box in np.unique(side):
        group = candidates[side == box]
        grid = np.stack(np.meshgrid(np.arange(box), np.arange(box)), -1).reshape(-1, 2)
        for chunk in np.array_split(group, max(1, len(group) * len(grid) // 4_000_000 + 1)):
            texel = low[chunk, None] + grid
            weights = _weights(points[chunk], texel)
            hit = (weights >= inside).all(2) & (texel <= high[chunk, None]).all(2)
            which, where = np.nonzero(hit)
            texel = texel[which, where]
            found.append((texel[:, 1], texel[:, 0], chunk[which], weights[which, where]))
    if not found:
        empty = np.empty(0, np.int64)
        return TexelMap(empty, empty, empty, np.empty((0, 3)))
    return TexelMap(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def overlap(uv: np.ndarray, size: int = 1024) -> float:
    """Measure how much of a texture is used more than once.

    Args:
        uv: (M, 3, 2) float texture coordinates of triangles, v up.
        size: Side of the picture that it is measured on, texels.

    Returns:
        Fraction of the covered texels that more than one of the triangles cover, 0..1.
    """
    texels = rasterize(uv, size, INSIDE)
    counts = np.bincount(texels.row * size + texels.column)
    return float((counts > 1).sum() / max((counts > 0).sum(), 1))


def overlapping(uv: np.ndarray, size: int = 1024) -> np.ndarray:
    """Find triangles that cover the same texel.

    Args:
        uv: (M, 3, 2) float texture coordinates of triangles, v up.
        size: Side of the picture that it is tested on, texels.

    Returns:
        (K, 2) int64 pairs of triangles, each pair once or more.
    """
    texels = rasterize(uv, size, INSIDE)
    key = texels.row * size + texels.column
    order = np.argsort(key, kind="stable")
    same = key[order][1:] == key[order][:-1]
    return np.stack([texels.triangle[order][:-1][same], texels.triangle[order][1:][same]], 1)


def spread(picture: np.ndarray, covered: np.ndarray, margin: int) -> np.ndarray:
    """Carry the colors of covered texels outward, over the borders of islands.

    Whatever filters a texture then finds the same color beyond the border of an island.

    Args:
        picture: (H, W, C) colors.
        covered: (H, W) bool, the texels that have one.
        margin: How far, texels.

    Returns:
        (H, W, C), the picture with more texels filled.
    """
    # A frame of empty texels around it, so that none has a neighbor on the opposite border.
    colors = np.pad(picture.astype(np.float64), ((1, 1), (1, 1), (0, 0)))
    known = np.pad(covered, 1)
    inside = known[1:-1, 1:-1]
    for _ in range(margin):
        touched = known[:-2, 1:-1] | known[2:, 1:-1] | known[1:-1, :-2] | known[1:-1, 2:]
        row, column = np.nonzero(touched & ~inside)
        row, column = row + 1, column + 1
        total, count = np.zeros((len(row), picture.shape[2])), np.zeros((len(row), 1))
        for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            near = known[row + down, column + right][:, None]
            total += np.where(near, colors[row + down, column + right], 0)
            count += near
        colors[row, column] = total / count
        known[row, column] = True
    return colors[1:-1, 1:-1]


def _weights(corners: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Barycentric weights (M, P, 3) of points (M, P, 2) in triangles (M, 3, 2); nan in flat ones."""
    a, b, c = corners[:, None, 0], corners[:, None, 1], corners[:, None, 2]

    def cross(p: np.ndarray, q: np.ndarray) -> np.ndarray:
        return p[..., 0] * q[..., 1] - p[..., 1] * q[..., 0]

    area = cross(b - a, c - a)
    with np.errstate(divide="ignore", invalid="ignore"):
        v = cross(points - a, c - a) / area
        w = cross(b - a, points - a) / area
        return np.stack([1 - v - w, v, w], -1)
