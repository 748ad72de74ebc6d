"""Which triangle covers which texel, and whether several do. numpy, no bpy."""

from dataclasses import dataclass

import numpy as np

#: A texel on an edge belongs to both triangles; one is said to be inside by this much (barycentric weight).
INSIDE = 1e-3
#: Texels so near to where a row enters or leaves a triangle are looked at, too, against rounding.
SLACK = 1e-6


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

    A texel that several triangles cover appears several times. Where a row of texels enters and leaves each
    triangle is computed first, so that only the texels between have to be looked at.

    Args:
        uv: (M, 3, 2) float texture coordinates of the triangles' corners, v up; triangles with any that are
            not finite cover nothing.
        size: Side of the picture, texels.
        inside: The least barycentric weight of what counts as in a triangle.

    Returns:
        The texels found.
    """
    points = np.stack([uv[..., 0] * size - 0.5, (1.0 - uv[..., 1]) * size - 0.5], -1)
    a, ab, ac = points[:, 0], points[:, 1] - points[:, 0], points[:, 2] - points[:, 0]
    # A weight's slopes along a row and a column: those of the second and third corner, then of the first.
    with np.errstate(all="ignore"):  # what is not finite is left out below
        area = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
        slopes = np.stack([ac[:, ::-1], -ab[:, ::-1]], 1) * (1.0, -1.0) / area[:, None, None]
        slopes = np.concatenate([-slopes.sum(1, keepdims=True), slopes], 1)
    # Clipped before they become integers, which hold neither far coordinates nor those that are no numbers.
    low = np.nan_to_num(np.clip(np.ceil(points.min(1)), 0, size)).astype(np.int64)
    high = np.nan_to_num(np.clip(np.floor(points.max(1)), -1, size - 1)).astype(np.int64)
    seen = np.flatnonzero((high >= low).all(1) & np.isfinite(slopes).all((1, 2)))

    which, row = _runs(low[seen, 1], high[seen, 1])
    triangle = seen[which]
    along = slopes[triangle, :, 0]
    at_zero = slopes[triangle, :, 1] * (row - a[triangle, 1])[:, None] - along * a[triangle, :1]
    at_zero[:, 0] += 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = (inside - at_zero) / along
    enters = np.where(along > 0, crossing, -np.inf).max(1)
    leaves = np.where(along < 0, crossing, np.inf).min(1)
    first = np.clip(np.ceil(enters - SLACK), low[triangle, 0], size).astype(np.int64)
    last = np.clip(np.floor(leaves + SLACK), -1, high[triangle, 0]).astype(np.int64)

    which, column = _runs(first, last)
    weights = at_zero[which] + along[which] * column[:, None]
    hit = (weights[:, 0] >= inside) & (weights[:, 1] >= inside) & (weights[:, 2] >= inside)
    which = which[hit]
    return TexelMap(row[which], column[hit], triangle[which], weights[hit])


def _runs(first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whole numbers from `first` to `last` (N,), one run after the other: which run, and the number."""
    counts = np.maximum(last - first + 1, 0)
    which = np.repeat(np.arange(len(counts)), counts)
    starts = np.cumsum(counts) - counts
    return which, np.arange(len(which)) + (first - starts)[which]


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
