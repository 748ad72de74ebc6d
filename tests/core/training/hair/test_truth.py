"""The volume of hair of known shape: where there is none, and between locks."""

import numpy as np

from core.hair.grid import Grid
from core.training.hair.truth import closed_volume


def scene():
    """A grid of 2.5 mm, a head that is half a space, and a fold of 1 cm that goes 3 cm into it."""
    grid = Grid.around(np.array([-0.05] * 3), np.array([0.05] * 3), 0.0025, 10**6)
    x, _, z = (grid.points[:, k].reshape(grid.shape) for k in range(3))
    head = z < 0
    fold = head & (np.abs(x) < 0.005) & (z > -0.03)
    return grid, head & ~fold, fold


def test_folds_of_bare_skin_are_no_hair():
    grid, head, fold = scene()
    strand = np.column_stack([np.full(40, 0.035), np.linspace(-0.02, 0.02, 40), np.full(40, 0.004)])
    hair = closed_volume(strand, grid, head)
    assert not (hair & fold).any() and hair.any()
    assert not (hair & head).any()


def test_folds_below_hair_and_gaps_between_locks_are():
    grid, head, fold = scene()
    along = np.linspace(-0.04, 0.04, 33)
    x, y = (side.ravel() for side in np.meshgrid(along, along))
    over = np.column_stack([x, y, np.full(x.size, 0.012)])
    hair = closed_volume(over, grid, head)
    points = grid.points.reshape(*grid.shape, 3)
    inside = (np.abs(points[..., :2]) < 0.02).all(-1)
    between = inside & (points[..., 2] > 0.001) & (points[..., 2] < 0.011)
    assert hair[between].all()
    mouth = fold & inside & (points[..., 2] > -0.004)
    assert hair[mouth].mean() > 0.5
