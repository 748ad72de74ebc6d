"""Makes eyeBlink close the eyes: at weight 1 the upper lid's rim lies on the lower one's, off the eyeball."""

import numpy as np

from .rigid_parts import DEEP, HeadParts, Sphere

#: A vertex belongs to the falling lid if it falls by this share of the most.
FALLING = 0.15


def close_eyelid(parts: HeadParts, blinked: np.ndarray, side: str, ball: Sphere) -> np.ndarray:
    """(V, 3) the head with an eye closed, from what the plain unit makes of it."""
    loop = parts.loops[side]
    source = parts.topology.units[parts.topology.unit(f"eyeBlink{side.capitalize()}")]
    fall = -source[loop, 2]
    falling = fall > FALLING * fall.max()
    upper, lower = loop[falling], loop[~falling]
    closed = blinked.astype(np.float64)
    order = lower[np.argsort(closed[lower, 0])]
    across = closed[order, 0]
    x = closed[upper, 0]
    # What is missing to the lower rim, over the width of the eye; the corners are met already.
    target = np.stack([np.interp(x, across, closed[order, c]) for c in range(3)], 1)
    rest = target - closed[upper]
    rest[:, 0] = 0
    # Each vertex of the lid goes along with the rim below it, as much as it falls beside it.
    lid = np.flatnonzero(-source[:, 2] > FALLING * fall.max())
    lid = lid[lid < len(parts.body)]
    sorted_rim = np.argsort(x)
    rim_x, rim_rest, rim_fall = x[sorted_rim], rest[sorted_rim], fall[falling][sorted_rim]
    here = closed[lid, 0]
    share = -source[lid, 2] / np.maximum(np.interp(here, rim_x, rim_fall), 1e-5)
    share = np.clip(share, 0, 1)
    share = np.clip((share - FALLING) / (1 - 2 * FALLING), 0, 1)
    moved = np.stack([np.interp(here, rim_x, rim_rest[:, c]) for c in range(3)], 1)
    closed[lid] += moved * share[:, None]
    return parts.free_lids(closed, side, ball, DEEP)
