"""Charts of the shell: nothing shares its texels with what hides it."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from core.geometry.rasterize import fragments
from core.hair.shell_mesh import ShellMesh
from core.hair.shell_texture import (
    DARK_CORNER,
    DIRECTIONS,
    STREAK_STEPS,
    _convolved,
    unwrap,
)

SIZE = 256
REACH = 0.015
CELLS = 8
SPACING = 0.01


def sheets(*offsets):
    """Square sheets that face the right, at these x, meters: hair that hangs there, seen from the right."""
    row, column = np.mgrid[: CELLS + 1, : CELLS + 1]
    flat = np.stack([np.zeros(row.size), column.ravel() * SPACING, row.ravel() * SPACING], 1)
    index = np.arange(row.size).reshape(row.shape)
    a, b, c, d = (part.ravel() for part in (index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]))
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    vertices = np.concatenate([flat + np.array([offset, 0, 0]) for offset in offsets])
    triangles = np.concatenate([faces + k * len(flat) for k in range(len(offsets))]).astype(np.int32)
    count = len(vertices)
    normals = np.tile(np.float32([1, 0, 0]), (count, 1))
    return ShellMesh(vertices, triangles, normals, np.zeros(count, bool), np.zeros(count, np.float32))


def shared_texels(unwrapped):
    """How many texels belong to several triangles, apart from those on common edges."""
    _, texel, _, _ = fragments(unwrapped.texels, unwrapped.triangles, SIZE)
    return int((np.bincount(texel) > 1).sum())


def test_hidden_hair_has_a_chart_of_its_own():
    unwrapped = unwrap(sheets(0.0, 0.08), SIZE)
    right = int(DIRECTIONS[:, 0].argmax())
    assert set(unwrapped.chart) == {right, right + len(DIRECTIONS)}
    assert (unwrapped.direction == right).all()
    assert shared_texels(unwrapped) == 0
    far = unwrapped.chart >= len(DIRECTIONS)
    vertices = sheets(0.0, 0.08).vertices[unwrapped.source]
    assert vertices[far, 0].max() == 0  # the outer one keeps the first chart


@pytest.mark.parametrize("offsets", [(0.0,), (0.0, 0.003)])
def test_what_is_not_hidden_or_by_little_has_one_chart(offsets):
    unwrapped = unwrap(sheets(*offsets), SIZE)
    assert len(set(unwrapped.chart)) == 1


def test_the_inner_side_is_dark_but_at_the_rim():
    two = sheets(0.0, 0.02)
    count = len(two.vertices) // 2
    inner = np.arange(2 * count) < count
    edge = two.vertices[inner & (two.vertices[:, 2] == 0)]
    rim = SimpleNamespace(distance=lambda points, reach: cKDTree(edge).query(points)[0].clip(max=reach))
    unwrapped = unwrap(replace(two, inner=inner, rim=rim), SIZE)
    inside = unwrapped.chart < 0
    height = two.vertices[unwrapped.source[inside], 2]
    column = unwrapped.texels[inside, 0]
    assert (column[height < SPACING / 2] < SIZE - DARK_CORNER).all()
    assert (column[height > REACH] > SIZE - DARK_CORNER).all()
    # Both are in the corners, below all charts.
    assert (unwrapped.texels[inside, 1] > SIZE - DARK_CORNER).all()
    assert unwrapped.texels[~inside, 1].max() < SIZE - DARK_CORNER


def test_painted_strands_are_as_long_as_the_integral():
    noise = np.random.default_rng(0).standard_normal((SIZE, SIZE)).astype(np.float32)
    field = np.zeros((SIZE, SIZE, 2), np.float32)
    field[..., 0] = 1

    def alike(steps):
        """How alike texels are that are eight texels apart along the strands."""
        picture = _convolved(noise, field, steps)
        return float((picture[:, :-8] * picture[:, 8:]).mean())

    assert abs(alike(1)) < 0.1 < 0.3 < alike(STREAK_STEPS)
