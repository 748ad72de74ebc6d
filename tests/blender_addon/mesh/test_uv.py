"""Texture coordinates: which texel belongs to whom, what lies on what, where a surface is cut open."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blender_addon.mesh import topology, uv_charts, uv_raster

coordinate = st.floats(0.02, 0.98)
triangles = st.lists(st.tuples(*[coordinate] * 6), min_size=1, max_size=6).map(
    lambda rows: np.array(rows).reshape(-1, 3, 2)
)


def area(uv):
    a, b = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
    return np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / 2


@given(triangles)
def test_texels_are_those_inside(uv):
    size = 64
    texels = uv_raster.rasterize(uv, size)
    # A texel's center is where its weights say, and inside.
    u = np.einsum("tk,tkc->tc", texels.weights, uv[texels.triangle])
    assert np.allclose(u[:, 0] * size - 0.5, texels.column, atol=1e-6)
    assert np.allclose((1 - u[:, 1]) * size - 0.5, texels.row, atol=1e-6)
    assert (texels.weights > -1e-6).all()
    # As many as the area has, but for those that the borders cut.
    outline = sum(np.linalg.norm(uv - np.roll(uv, 1, axis=1), axis=2).ravel()) * size
    assert abs(len(texels.row) - area(uv) * size**2) <= outline + len(uv)


@pytest.mark.filterwarnings("error")
def test_coordinates_that_make_no_sense_cover_nothing():
    whole = square(0.1, 0.1, 0.3)
    for wrong in (np.nan, np.inf, 1e30, -1e30):
        uv = np.concatenate([whole, whole])
        uv[2:, 0] = wrong  # a corner of both triangles of the second square
        texels, alone = uv_raster.rasterize(uv, 64), uv_raster.rasterize(whole, 64)
        own = texels.triangle < 2
        assert np.array_equal(texels.row[own], alone.row)
        assert np.isfinite(wrong) or own.all()


def square(x, y, side):
    corners = np.array([(x, y), (x + side, y), (x + side, y + side), (x, y + side)])
    return corners[topology.triangulated(np.array([[0, 1, 2, 3]]))]


def test_overlap_is_found_and_neighbors_are_none():
    apart = np.concatenate([square(0.1, 0.1, 0.3), square(0.4, 0.1, 0.3)])
    assert uv_raster.overlap(apart) == 0.0
    over = np.concatenate([square(0.1, 0.1, 0.4), square(0.3, 0.1, 0.4)])
    assert abs(uv_raster.overlap(over) - 1 / 3) < 0.01
    pairs = uv_raster.overlapping(over)
    assert len(pairs) and {frozenset(pair) for pair in (pairs // 2).tolist()} == {frozenset((0, 1))}


def test_colors_are_spread_beyond_the_island_and_not_around_the_border():
    picture, covered = np.zeros((32, 32, 3)), np.zeros((32, 32), bool)
    picture[10:20, :6] = (1.0, 0.5, 0.25)
    covered[10:20, :6] = True
    grown = uv_raster.spread(picture, covered, 3)
    assert np.allclose(grown[12, :9], (1.0, 0.5, 0.25))
    assert not grown[12, 9:].any()


def ball(steps=24):
    """Quads of a closed ball made from a cube's sides."""
    t = np.linspace(-1, 1, steps)
    points, quads = [], []
    for axis in range(3):
        for sign in (-1, 1):
            a, b = np.meshgrid(t, t)
            side = np.stack([np.full_like(a, sign), a, b], -1)
            side = np.roll(side, axis, -1)
            corner = np.arange(steps * steps).reshape(steps, steps) + len(points) * steps * steps
            quad = np.stack([corner[:-1, :-1], corner[:-1, 1:], corner[1:, 1:], corner[1:, :-1]], -1)
            quads.append(quad.reshape(-1, 4) if sign > 0 else quad.reshape(-1, 4)[:, ::-1])
            points.append(side.reshape(-1, 3))
    points = np.concatenate(points)
    points, index = np.unique(points.round(9), axis=0, return_inverse=True)
    return points / np.linalg.norm(points, axis=1, keepdims=True), index.reshape(-1)[np.concatenate(quads)]


def test_charts_of_a_ball_are_few_connected_and_open():
    points, quads = ball()
    assert topology.is_manifold(quads) and topology.count_border_edges(quads) == 0
    normals = points[quads].mean(1)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    label = uv_charts.charts(quads, normals, np.ones(len(quads)))
    assert 2 <= label.max() + 1 <= 8
    assert np.array_equal(np.unique(uv_charts.connected(quads, label)), np.unique(label))
    for chart in range(label.max() + 1):
        assert topology.count_border_edges(quads[label == chart]) > 0
    # The face, which looks along -y, is in one piece: 45 degrees round in all directions and more.
    assert len(np.unique(label[normals[:, 1] < -0.75])) == 1
    seams = uv_charts.seams(quads, label)
    assert 0 < len(seams) < 0.2 * len(topology.edges_of(quads).vertices)


def test_chart_without_border_is_opened():
    _, quads = ball(8)
    normals = np.tile([0.0, 0.0, 1.0], (len(quads), 1))
    label = uv_charts.cut_closed(quads, np.zeros(len(quads), np.int64), normals)
    assert label.max() >= 1
