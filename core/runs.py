"""The solid of a volume as the stretches of its rays: what is part of it, and where exactly it ends."""

from dataclasses import dataclass

import numpy as np

#: Gaps, voxels, that are nothing but errors: in the farther half of the head; in the upper part, this share
#: of its height, where no part of a head hides another.
FISSURE, UPPER_FISSURE, UPPER = 4.0, 14.0, 0.3
#: Occupancy of voxels that are added to the solid; 1 less it is that of those that are taken out.
FILLED = 0.8


@dataclass(frozen=True)
class Runs:
    """Solid stretches of the rays, sorted by column, then from far to near.

    column: (N,) int32, y * width + x; first, last: (N,) int32, z of the farthest and nearest voxel; back,
    front: (N,) float32, z between the voxels at which the surface is passed. shape: [z, y, x] of the volume.
    """

    column: np.ndarray
    first: np.ndarray
    last: np.ndarray
    back: np.ndarray
    front: np.ndarray
    shape: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.column)

    @property
    def voxels(self) -> int:
        return int((self.last - self.first + 1).sum())

    def pick(self, which: np.ndarray) -> "Runs":
        """Some of the runs, by index (n,) or (N,) bool."""
        column, first, last = self.column[which], self.first[which], self.last[which]
        return Runs(column, first, last, self.back[which], self.front[which], self.shape)

    def moved(self, back: np.ndarray, front: np.ndarray) -> "Runs":
        """The runs with other ends (N,) float32; those in which no voxel is left are dropped."""
        first, last = np.floor(back).astype(np.int32) + 1, np.ceil(front).astype(np.int32) - 1
        return Runs(self.column, first, last, back, front, self.shape).pick(first <= last)

    def joined(self, which: np.ndarray) -> "Runs":
        """The runs, with those of index `which` (n,) joined to the ones behind them."""
        starts = np.ones(len(self), bool)
        starts[which] = False
        ends = np.r_[starts[1:], True]
        return Runs(
            self.column[starts],
            self.first[starts],
            self.last[ends],
            self.back[starts],
            self.front[ends],
            self.shape,
        )

    def slots(self) -> np.ndarray:
        """(K, H, W) int32: index of the k-th run of each column, -1 where there are fewer."""
        height, width = self.shape[1:]
        starts = np.flatnonzero(np.r_[True, self.column[1:] != self.column[:-1]])
        rank = np.arange(len(self)) - np.repeat(starts, np.diff(np.r_[starts, len(self)]))
        table = np.full((int(rank.max()) + 1, height * width), -1, np.int32)
        table[rank, self.column] = np.arange(len(self), dtype=np.int32)
        return table.reshape(-1, height, width)


def outer_ends(runs: Runs) -> tuple[np.ndarray, np.ndarray]:
    """(runs' indices of the farthest, of the nearest run of each column that has one), in the same order."""
    change = runs.column[1:] != runs.column[:-1]
    return np.flatnonzero(np.r_[True, change]), np.flatnonzero(np.r_[change, True])


def find_runs(values: np.ndarray, level: float) -> Runs:
    """Runs of occupancy (D, H, W) float32 [z, y, x]; shape, columns and z are those of the volume with one
    empty voxel added all around.
    """
    inside = np.pad(values >= level, 1)
    shape = inside.shape
    flat = inside.reshape(shape[0], -1).view(np.int8)
    step = (flat[1:] - flat[:-1]).ravel()
    ends = []
    for sign in (1, -1):
        z, column = np.divmod(np.flatnonzero(step == sign).astype(np.int32), np.int32(shape[1] * shape[2]))
        order = np.argsort(column, kind="stable")
        ends.append((z[order], column[order]))
    (enter, column), (leave, _) = ends

    def occupancy(z: np.ndarray) -> np.ndarray:
        there = (z > 0) & (z < shape[0] - 1)
        y, x = np.divmod(column, np.int32(shape[2]))
        return np.where(there, values[np.where(there, z - 1, 0), y - 1, x - 1], np.float32(0))

    back = enter + crossing(occupancy(enter), occupancy(enter + 1), level)
    front = leave + crossing(occupancy(leave), occupancy(leave + 1), level)
    return Runs(column, enter + 1, leave, back.astype(np.float32), front.astype(np.float32), shape)


def crossing(below: np.ndarray, above: np.ndarray, level: float) -> np.ndarray:
    """(N,) 0..1: where, between two neighbouring voxels, occupancies (N,) pass the level.

    Within the few voxels around the surface occupancy is straight (see `core.predictor.SOFTNESS`).
    """
    gap = above - below
    straight = np.abs(gap) > 1e-6
    share = np.where(straight, (level - below) / np.where(straight, gap, 1), 0.5)
    return np.clip(share, 0.001, 0.999).astype(np.float32)


def with_runs(values: np.ndarray, found: Runs, kept: Runs) -> np.ndarray:
    """Occupancy (D, H, W) whose runs are `found` changed so that they are `kept`."""
    depth, _, width = found.shape
    # On one long axis, column after column, the two sets differ between every other of the borders that only
    # one of them has.
    borders = np.concatenate(
        [r.column.astype(np.int64) * depth + z for r in (found, kept) for z in (r.first, r.last + 1)]
    )
    border, times = np.unique(borders, return_counts=True)
    low, high = border[times % 2 == 1].reshape(-1, 2).T
    if not len(low):
        return values
    length = high - low
    place = np.repeat(low - np.r_[0, np.cumsum(length)[:-1]], length) + np.arange(length.sum())
    column, z = np.divmod(place, depth)
    y, x = np.divmod(column, width)
    changed = values.copy()
    at = (z - 1, y - 1, x - 1)
    changed[at] = np.where(values[at] < 0.5, np.float32(FILLED), np.float32(1 - FILLED))
    return changed


def run_labels(slots: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """(N,) component of each run: those of neighbouring columns that overlap are joined.

    slots: (K, H, W) as of `Runs`; first, last: (N,) ends of the runs, voxels.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    pairs = []
    for one, other in (
        (slots[:, :, :-1], slots[:, :, 1:]),
        (slots[:, :-1], slots[:, 1:]),
    ):
        for a in one:
            for b in other:
                both = (a >= 0) & (b >= 0)
                i, j = a[both], b[both]
                joined = (first[i] <= last[j]) & (first[j] <= last[i])
                pairs.append((i[joined], j[joined]))
    rows, columns = (np.concatenate(side) for side in zip(*pairs, strict=True))
    graph = coo_matrix((np.ones(len(rows), np.int8), (rows, columns)), (len(first), len(first)))
    return connected_components(graph, directed=False)[1]


def largest_solid(runs: Runs) -> Runs:
    """The runs of the largest solid, without any cavity."""
    label = run_labels(runs.slots(), runs.first, runs.last)
    if label.any():
        volume = np.bincount(label, runs.last - runs.first + 1)
        runs = runs.pick(label == np.argmax(volume))
    return without_cavities(runs)


def without_fissures(runs: Runs) -> Runs:
    """The runs, joined across narrow gaps where the camera has not seen any."""
    gap = np.flatnonzero(runs.column[1:] == runs.column[:-1]) + 1
    if not len(gap):
        return runs
    count = runs.shape[1] * runs.shape[2]
    ends = np.full((2, count), np.nan, np.float32)
    ends[0, runs.column[::-1]], ends[1, runs.column] = runs.back[::-1], runs.front
    middle = ends.mean(0)[runs.column[gap]]
    width = runs.back[gap] - runs.front[gap - 1]
    upper = runs.column[gap] // runs.shape[2] < UPPER * runs.shape[1]
    narrow = (width < FISSURE) & (runs.back[gap] < middle) | (width < UPPER_FISSURE) & upper
    return runs.joined(gap[narrow])


def without_cavities(runs: Runs) -> Runs:
    """The runs, joined across gaps that the air outside does not reach."""
    nearer = np.flatnonzero(runs.column[1:] == runs.column[:-1]) + 1  # those with a gap behind them
    if not len(nearer):
        return runs
    depth, height, width = runs.shape
    # Air: the gaps, then behind and before all runs of each column; these, and empty columns, are outside.
    slots = runs.slots()
    known = slots >= 0
    low = np.full((height, width), depth, np.int32)
    low[known[0]] = runs.first[slots[0][known[0]]]
    high = np.full((height, width), -1, np.int32)
    for slot, there in zip(slots, known, strict=True):
        high[there] = runs.last[slot[there]]
    count = height * width
    air_first = np.concatenate([runs.last[nearer - 1] + 1, np.zeros(count, int), high.ravel() + 1])
    air_last = np.concatenate([runs.first[nearer] - 1, low.ravel() - 1, np.full(count, depth - 1)])
    table = np.full((len(slots) + 1, height, width), -1, np.int32)
    table[0] = len(nearer) + np.arange(count).reshape(height, width)
    table[1] = table[0] + count
    index = np.full(len(runs), -1, np.int32)
    index[nearer] = np.arange(len(nearer))
    for k in range(1, len(slots)):
        table[k + 1][known[k]] = index[slots[k][known[k]]]
    label = run_labels(table, air_first, air_last)
    return runs.joined(nearer[label[: len(nearer)] != label[len(nearer)]])
