"""The volume that hair of known shape fills, and its direction."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_fill_holes, distance_transform_edt

from ...hair.grid import Grid
from .head_field import HeadField

#: Half the gap between locks that is closed, meters.
GAP = 0.02
#: Hair in the skin's own folds is this close to a strand, meters.
IN_FOLDS = 0.006
#: Added to the box of the hair on each side, meters.
MARGIN = 0.03
#: Cells of the truth that the network learns from, meters.
CELL = 0.005
MOST_CELLS = 4_000_000
#: Hair below this height, head frame, meters, is below the network's block.
LOWEST = -0.33
#: A cell counts as hair if a point is anywhere in it, half a cell further out on average, of which this much
#: is taken back, in cells: the rest is the radius of a lock around its strand.
OVERSHOOT = 0.2


@dataclass(frozen=True)
class HairTruth:
    """What fills the space around a head.

    Attributes:
        grid: In the head frame.
        field: (X, Y, Z) float32, meters, signed distance from the hair's surface, positive in it.
        points: (N, 3) float32, points on strands, head frame, meters; none if the directions are unknown.
        directions: (N, 3) float32 unit vectors from root to tip at the points.
    """

    grid: Grid
    field: np.ndarray
    points: np.ndarray
    directions: np.ndarray


def closed_volume(points: np.ndarray, grid: Grid, head: np.ndarray) -> np.ndarray:
    """The volume between locks and the skin: what a ball cannot reach from outside.

    Args:
        points: (N, 3) all over the hair, head frame, meters, in the grid's box.
        grid: Of the volume.
        head: (X, Y, Z) bool, inside of the head.

    Returns:
        (X, Y, Z) bool.
    """
    inside = np.zeros(grid.shape, bool)
    at = np.round((points - grid.origin) / grid.cell).astype(int)
    inside[tuple(at.T)] = True
    # A ball reaches no folds of ears, eyes and nostrils either: they are hair only where hair is beside them.
    folds = _closed(head, grid.cell) & (distance_transform_edt(~inside) * grid.cell > IN_FOLDS)
    hair = _closed(inside | head, grid.cell) & ~folds | inside
    return np.asarray(binary_fill_holes(hair | head) & ~head)


def _closed(solid: np.ndarray, cell: float) -> np.ndarray:
    """(X, Y, Z) bool: what a ball of radius `GAP` cannot reach from outside; cells are `cell` meters."""
    # Beyond the grid is outside: what is between head and border is no gap.
    pad = int(np.ceil(GAP / cell)) + 2
    outside = distance_transform_edt(np.pad(~solid, pad, constant_values=True)) * cell > GAP
    return np.asarray((distance_transform_edt(~outside) * cell > GAP)[(slice(pad, -pad),) * 3])


def hair_truth(
    points: np.ndarray, head: HeadField, directions: np.ndarray | None = None, cell: float = CELL
) -> HairTruth:
    """The truth of hair on a head.

    Args:
        points: (N, 3) all over the hair, head frame, meters.
        head: Below it.
        directions: (N, 3) unit vectors from root to tip at the points; None if unknown.
        cell: Distance of the grid's points, meters.

    Returns:
        The truth.
    """
    kept = points[:, 2] > LOWEST
    points = points[kept]
    grid = Grid.around(points.min(0) - MARGIN, points.max(0) + MARGIN, cell, MOST_CELLS)
    skin = head.grid.sample(head.distance, grid.points).reshape(grid.shape)
    volume = closed_volume(points, grid, binary_fill_holes(skin <= 0))
    # In the head the field goes on as if it were hair: only the outside counts.
    solid = volume | (skin <= 0) & (distance_transform_edt(~volume) * grid.cell < 2 * grid.cell)
    field = distance_transform_edt(solid) - distance_transform_edt(~solid)
    field = (field - np.sign(field) * 0.5 - OVERSHOOT) * grid.cell
    empty = np.zeros((0, 3), np.float32)
    if directions is None:
        return HairTruth(grid, field.astype(np.float32), empty, empty)
    kept_directions = directions[kept].astype(np.float32)
    return HairTruth(grid, field.astype(np.float32), points.astype(np.float32), kept_directions)


def strand_points(
    strands: np.ndarray, spacing: float, guide_points: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points along strands, about evenly.

    Args:
        strands: (S, P, 3), head frame, meters.
        spacing: Distance of the points, meters.
        guide_points: (S, P, 3), strands whose directions are taken instead; by default their own.

    Returns:
        (N, 3) float32 points, (N, 3) float32 unit vectors toward the tips, and (N,) int, the strand of each.
    """
    start = strands[:, :-1].reshape(-1, 3)
    step = strands[:, 1:].reshape(-1, 3) - start
    length = np.linalg.norm(step, axis=1)
    count = np.ceil(length / spacing).astype(int)
    segment = np.repeat(np.arange(len(count)), count)
    number = np.arange(len(segment)) - np.repeat(np.cumsum(count) - count, count)
    fraction = (number + 0.5) / np.maximum(count[segment], 1)
    points = start[segment] + fraction[:, None] * step[segment]
    if guide_points is not None:
        step = (guide_points[:, 1:] - guide_points[:, :-1]).reshape(-1, 3)
        length = np.linalg.norm(step, axis=1)
    directions = step[segment] / np.maximum(length[segment, None], 1e-9)
    strand = segment // max(strands.shape[1] - 1, 1)
    return points.astype(np.float32), directions.astype(np.float32), strand
