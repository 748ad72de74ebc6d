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
    points, of_quads = _grid(vertices, quads, steps)
    found = surface.closest(points).interpolate(colors)[of_quads]

    halves = topology.triangulated(np.arange(4 * len(quads)).reshape(-1, 4))
    texels = uv_raster.rasterize(uv.reshape(-1, 2)[halves], size)
    corner_st = np.tile(SQUARE, (len(quads), 1))[halves]
    st = np.einsum("tk,tkc->tc", texels.weights, corner_st[texels.triangle]) * steps
    color = _bilinear(found, texels.triangle // 2, st)
    # What stays empty gets the mean color: small versions of the picture mix it in.
    picture = np.full((size, size, 3), colors.mean((0, 1)))
    covered = np.zeros((size, size), bool)
    picture[texels.row, texels.column] = color
    covered[texels.row, texels.column] = True
    picture = uv_raster.spread(picture, covered, MARGIN_TEXELS)
    return np.rint(np.clip(picture, 0.0, 1.0) * 255.0).astype(np.uint8)


def _grid(vertices: np.ndarray, quads: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Points on quads (Q, 4) over vertices (N, 3), each once: neighbors share those on their sides.

    Returns:
        (P, 3) points; (Q, steps + 1, steps + 1) int64, those of each quad, by t and s.
    """
    inner, fractions = steps - 1, np.arange(1, steps) / steps
    edges = topology.edges_of(quads)
    a, b = vertices[edges.vertices[:, 0]], vertices[edges.vertices[:, 1]]
    on_edges = a[:, None] + fractions[:, None] * (b - a)[:, None]
    s, t = np.meshgrid(fractions, fractions)
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
    inside = np.einsum("tsk,qkc->qtsc", weights, vertices[quads])
    points = np.concatenate([vertices, on_edges.reshape(-1, 3), inside.reshape(-1, 3)])

    index = np.empty((len(quads), steps + 1, steps + 1), np.int64)
    index[:, 0, 0], index[:, 0, -1], index[:, -1, -1], index[:, -1, 0] = quads.T
    # An edge's points in the direction in which each quad walks it.
    along = len(vertices) + edges.half[..., None] * inner + np.arange(inner)
    along = np.where(edges.forward[..., None], along, along[..., ::-1])
    index[:, 0, 1:-1], index[:, 1:-1, -1] = along[:, 0], along[:, 1]
    index[:, -1, 1:-1], index[:, 1:-1, 0] = along[:, 2, ::-1], along[:, 3, ::-1]
    start = len(vertices) + len(edges.vertices) * inner
    index[:, 1:-1, 1:-1] = start + np.arange(len(quads) * inner**2).reshape(-1, inner, inner)
    return points, index


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


def _area(vertices: np.ndarray, triangles: np.ndarray) -> float:
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)
