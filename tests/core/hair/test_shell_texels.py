"""Texels of the shell's texture: values between vertices, and what goes on around the charts."""

import numpy as np

from core.geometry.rasterize import fragments, interpolate
from core.hair.shell_texture import PADDING, ShellTexels
from core.texture.padding import dilate_texels

SIZE = 64


def texels():
    corners = np.array([[10.0, 10], [40, 12], [12, 44], [45, 40]])
    triangles = np.array([[0, 1, 2], [1, 3, 2]], np.int32)
    triangle, texel, weights, _ = fragments(corners, triangles, SIZE)
    vertices = np.column_stack([corners, corners.sum(1)])
    return ShellTexels(SIZE, vertices, triangles, triangle, texel, weights.astype(np.float32))


def test_values_are_those_between_the_vertices():
    shown, values = texels(), np.random.default_rng(0).random((4, 3))
    expected = interpolate(values, shown.outer, shown.triangle, shown.weights)
    np.testing.assert_allclose(shown.values(values), expected, atol=1e-6)
    row, column = np.divmod(shown.texel, SIZE)
    np.testing.assert_allclose(shown.points[:, :2], np.column_stack([column, row]), atol=1e-3)


def test_colors_go_on_around_the_charts():
    shown = texels()
    image = np.zeros((SIZE, SIZE, 1), np.float32)
    image.reshape(-1)[shown.texel] = 1 + np.arange(len(shown.texel))
    np.testing.assert_array_equal(
        shown.padded(image.copy()), dilate_texels(image.copy(), shown.texel, PADDING)
    )
