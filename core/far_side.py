"""The far side of the head, which no camera has seen: the lifted head's, as far away as the network has it.

What the network says of it is noise around the lifted head: shards behind the skull, cracks where the shape
turns away. Its slow differences from the lifted head are kept, as they fit the back to the front.
"""

from dataclasses import dataclass

import numpy as np

from core.geometry import VOLUME_CENTRE_Z
from core.guidance import DEPTH_UNIT, Guidance
from core.runs import Runs, outer_ends

#: Differences, voxels, from the lifted head's back beyond which the network's is no back; blur, pixels, of
#: the rest.
MOST, DIFFERENCE_BLUR = 8.0, 5.0


@dataclass(frozen=True)
class LikelyHead:
    """The lifted head in the box [z, y, x] that a solid lies in.

    logits: (D - 2, H - 2, W - 2) float32. back: (H, W) float32, z, NaN where there is none, with one voxel
    added all around.
    """

    logits: np.ndarray
    back: np.ndarray

    @classmethod
    def of(cls, guidance: Guidance, box: tuple[slice, slice, slice]) -> "LikelyHead":
        """From what the network was told; box: [z, y, x]."""
        back = guidance.maps[5][box[1:]] * np.float32(DEPTH_UNIT) + np.float32(
            VOLUME_CENTRE_Z - box[0].start + 1
        )
        there = guidance.maps[6][box[1:]] > 0
        return cls(
            guidance.template_logits[box], np.pad(np.where(there, back, np.nan), 1, constant_values=np.nan)
        )

    def inside(self, column: np.ndarray, z: np.ndarray) -> np.ndarray:
        """(N,) bool: whether voxels, counted with the border, are part of the head."""
        y, x = np.divmod(column, self.back.shape[1])
        return self.logits[z - 1, y - 1, x - 1] > 0


def follow(runs: Runs, likely: LikelyHead) -> Runs:
    """The runs without shards outside the likely head's far half and without gaps inside it."""
    farthest, nearest = outer_ends(runs)
    middle = np.zeros(runs.shape[1] * runs.shape[2], np.float32)
    middle[runs.column[farthest]] = (runs.back[farthest] + runs.front[nearest]) / 2
    gap = np.flatnonzero(runs.column[1:] == runs.column[:-1]) + 1
    z = (runs.last[gap - 1] + runs.first[gap]) // 2
    runs = runs.joined(gap[(z < middle[runs.column[gap]]) & likely.inside(runs.column[gap], z)])

    z = (runs.first + runs.last) // 2
    thickness = np.zeros(len(middle), np.int32)
    np.maximum.at(thickness, runs.column, runs.last - runs.first)
    shard = (runs.last - runs.first < thickness[runs.column]) & (z < middle[runs.column])
    return runs.pick(~(shard & ~likely.inside(runs.column, z)))


def smooth_back(runs: Runs, likely: LikelyHead) -> Runs:
    """The runs with the outer back of the likely head, moved by the blurred difference."""
    import cv2

    farthest, _ = outer_ends(runs)
    column = runs.column[farthest]
    likely_back = likely.back.ravel()[column]
    away = runs.back[farthest] - likely_back
    known = np.abs(away) < MOST  # false for NaN
    maps = np.zeros((2, likely.back.size), np.float32)
    maps[0, column[known]], maps[1, column[known]] = away[known], 1
    away_map, share = (cv2.GaussianBlur(m.reshape(likely.back.shape), (0, 0), DIFFERENCE_BLUR) for m in maps)
    moved = likely_back + (away_map / np.maximum(share, 1e-6)).ravel()[column]
    usable = np.isfinite(moved) & (share.ravel()[column] > 0.05) & (moved < runs.front[farthest] - 1)
    back = runs.back.copy()
    back[farthest[usable]] = np.maximum(moved[usable], 0.01)
    return runs.moved(back, runs.front)
