"""Charts of the shell: nothing shares its texels with what hides it."""

import numpy as np
import pytest

from core.geometry.rasterize import fragments
from core.hair.shell_mesh import ShellMesh
from core.hair.shell_texture import DIRECTIONS, unwrap

SIZE = 256
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
