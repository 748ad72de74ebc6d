"""Bakes the colors of a surface into a picture for a mesh that lies on it. Needs bpy.

Each quad is looked up on a grid as fine as the surface's own triangles, and the texels between are mixed from
that: a nearest point for every texel would take ten times as long, and there is nothing finer to be seen.
"""

import numpy as np

from . import topology, uv_raster
from .closest_point import SurfaceQuery

#: Texels that an island's colors go on beyond its border.
MARGIN_TEXELS = 8
#: Fewest samples along a side of a quad.
MIN_STEPS = 2
#: Most samples along a side of a quad.
MAX_STEPS = 8
#: Corners of a quad in the square that its grid is in.
SQUARE = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], float)


def bake(
    surface: SurfaceQuery,
    colors: np.ndarray,
    vertices: np.ndarray,
    quads: np.ndarray,
    uv: np.ndarray,
    size: int,
) -> np.ndarray:
    """Bake a picture.

    Args:
        surface: The mesh that has the colors.
        colors: (M, 3, 3) float64, sRGB in 0..1, of the corners of its triangles.
        vertices: (N, 3) float64, of the mesh that gets the picture, in the surface's frame.
        quads: (Q, 4) int.
        uv: (Q, 4, 2) float64, v up, in 0..1.
        size: Side of the picture, pixels.

    Returns:
        (size, size, 3) uint8 sRGB, row 0 on top.
    """
    side = np.sqrt(_area(vertices, topology.triangulated(quads)) / len(quads))
    grain = np.sqrt(2 * _area(surface.vertices, surface.triangles) / len(surface.triangles))
    steps = int(np.clip(np.ceil(side / grain), MIN_STEPS, MAX_STEPS))
    grid = _grid(vertices[quads], steps)
    found = (
        surface.closest(grid.reshape(-1, 3)).interpolate(colors).reshape(len(quads), steps + 1, steps + 1, 3)
    )

    halves = topology.triangulated(np.arange(4 * len(quads)).reshape(-1, 4))
    texels = uv_raster.rasterize(uv.reshape(-1, 2)[halves], size)
    corner_st = np.tile(SQUARE, (len(quads), 1))[halves]
    st = np.einsum("tk,tkc->tc", texels.weights, corner_st[texels.triangle]) * steps
    color = _bilinear(found, texels.triangle // 2, st)
    picture = np.zeros((size, size, 3))
    covered = np.zeros((size, size), bool)
    picture[texels.row, texels.column] = color
    covered[texels.row, texels.column] = True
    mean = colors.mean((0, 1))
    picture = uv_raster.spread(picture, covered, MARGIN_TEXELS)
    # What is still empty gets the mean color: small versions of the picture mix it in.
    picture[~_grown(covered, MARGIN_TEXELS)] = mean
    return np.rint(np.clip(picture, 0.0, 1.0) * 255.0).astype(np.uint8)


def _grid(corners: np.ndarray, steps: int) -> np.ndarray:
    """(Q, steps + 1, steps + 1, 3) points of quads (Q, 4, 3), by t and s."""
    s, t = np.meshgrid(np.linspace(0, 1, steps + 1), np.linspace(0, 1, steps + 1))
    # Texture coordinates are linear on each half of a quad, cut from corner 0 to corner 2: so is this.
    lower = s >= t
    weights = np.stack(
        [
            np.where(lower, 1 - s, 1 - t),
            np.where(lower, s - t, 0),
            np.minimum(s, t),
            np.where(lower, 0, t - s),
        ],
        -1,
    )
    return np.einsum("tsk,qkc->qtsc", weights, corners)


def _bilinear(grids: np.ndarray, quad: np.ndarray, st: np.ndarray) -> np.ndarray:
    """(T, 3): the grids (Q, n, n, 3) of quads (T,) at positions st (T, 2) in steps."""
    last = grids.shape[1] - 1
    st = np.clip(st, 0, last)
    low = np.minimum(st.astype(np.int64), last - 1)
    f = st - low
    i, j = low[:, 0], low[:, 1]
    fs, ft = f[:, :1], f[:, 1:]
    top = grids[quad, j, i] * (1 - fs) + grids[quad, j, i + 1] * fs
    bottom = grids[quad, j + 1, i] * (1 - fs) + grids[quad, j + 1, i + 1] * fs
    return top * (1 - ft) + bottom * ft


def _grown(covered: np.ndarray, margin: int) -> np.ndarray:
    return uv_raster.spread(covered[..., None].astype(float), covered, margin)[..., 0] > 0


def _area(vertices: np.ndarray, triangles: np.ndarray) -> float:
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)
