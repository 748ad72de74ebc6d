"""Folded triangles of a head."""

import numpy as np
import pytest

from core.wrapping.fold_repair import NEGLIGIBLE_AREA, FoldRepair

#: A square of four triangles around a corner in its middle, a meter wide, facing up.
CORNERS = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0.5, 0.5, 0]], float)
TRIANGLES = np.array([[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]])


@pytest.fixture(scope="module")
def repair():
    return FoldRepair(CORNERS, TRIANGLES, TRIANGLES, TRIANGLES[:0], np.zeros(len(CORNERS)))


def test_a_triangle_that_faces_the_other_way_is_folded(repair):
    moved = CORNERS.copy()
    moved[4] = [0.5, -0.2, 0]  # below the lower side
    assert repair.folded(CORNERS, CORNERS).tolist() == []
    assert repair.folded(moved, CORNERS).tolist() == [0]


@pytest.mark.parametrize(("area", "folded"), [(0.5, []), (2.0, [0])])
def test_a_sliver_is_not(repair, area, folded):
    """Of a half and of twice the area that counts."""
    moved = CORNERS.copy()
    moved[4] = [0.5, -2 * area * NEGLIGIBLE_AREA, 0]
    assert repair.folded(moved, CORNERS).tolist() == folded
