"""Where the photo shows that hair ends below: what hangs behind the neck hangs no lower.

A bob is cut around the head: beside the neck its lower edge rises outward, or lies before the background.
Hair that goes behind the shoulders ends at their line, which falls outward, and goes on lower than it is
seen.
"""

import numpy as np

from ..image.sampling import sample_image
from .masks import HairMaps
from .volume import Billboard

#: Distance of the points that are looked at, and how far they go below the head and to each side, meters.
STEP = 0.003
LOWEST = -0.34
HIGHEST = 0.10
REACH = 0.20
#: The nape's hairline, z in the head frame, meters: hair on the head ends no higher.
NAPE_Z = -0.08
#: Height below which hair hangs beside jaw and neck, z in the head frame, meters.
JAW_Z = -0.06
#: Columns of hair below it from which on there is an edge to judge.
LEAST_COLUMNS = 4
#: How far below hair its surroundings are looked at, in steps.
BELOW = 3
#: An edge lies free if this fraction of it has neither body nor clothes right below it, ...
FREE = 0.5
#: ... or if a smaller one has, and it rises outward by so much per meter: the less of it, the more. Of 22
#: portraits, bobs have slopes of 0.6 to 1.5 with 0.26 to 1.0 of their edge free, hair on and behind shoulders
#: -1.5 to 0.56 with 0.26 at most, but for rounded ends before the chest (1.26 with 0.03).
PARTLY_FREE = ((0.28, 0.5), (0.2, 0.7))
#: Fraction of what is beside the neck, meters to each side, that something may hide.
BESIDE_NECK = 0.03
MOST_HIDDEN = 0.2


def lower_end(maps: HairMaps, billboard: Billboard) -> float:
    """The height that hair reaches down to, wherever it hangs.

    Args:
        maps: What the photo shows.
        billboard: The plane that faces its camera.

    Returns:
        z in the head frame, meters, no higher than the nape's hairline; -inf if the photo does not show it on
        both sides of the neck.
    """
    along = np.arange(-REACH, REACH + STEP / 2, STEP)
    heights = np.arange(HIGHEST, LOWEST, -STEP)
    pixels, _ = maps.pixels_of(billboard.points(along, heights).reshape(-1, 3))
    shape = (len(heights), len(along))
    size = np.array(maps.mask.shape[::-1])
    in_picture = ((pixels > 0) & (pixels < size - 1)).all(1).reshape(shape)

    def shown(picture: np.ndarray) -> np.ndarray:
        return (sample_image(picture.astype(np.float32), pixels) > 0.5).reshape(shape) & in_picture

    head = shown(np.isfinite(maps.depth))
    hair = shown(maps.mask) & ~head
    free = shown(maps.background) | (head & ~shown(maps.mask) & ~shown(maps.hidden))
    covered = shown(maps.hidden) & ~hair
    ends = []
    for side in (along < 0, along >= 0):
        distance = np.abs(along[side])
        order = distance.argsort()
        own = (mask[:, side][:, order] for mask in (hair, free, head, covered))
        ends.append(_side_end(heights, distance[order], *own))
    return min(*ends, NAPE_Z)


def _side_end(
    heights: np.ndarray,
    distance: np.ndarray,
    hair: np.ndarray,
    free: np.ndarray,
    head: np.ndarray,
    covered: np.ndarray,
) -> float:
    """How low hair hangs on one side, meters; -inf if it may go on.

    `heights` (H,) fall, `distance` (A,) from the head's axis grows; what shows hair beside the head, what is
    free of hair, body and clothes, the head, and what something covers are (H, A) bool.
    """
    edge = np.where(head, distance, 0).max(1, keepdims=True)
    neck = (heights[:, None] < JAW_Z) & (edge > 0) & ~head & (distance < edge + BESIDE_NECK)
    if neck.any() and covered[neck].mean() > MOST_HIDDEN:
        return -np.inf
    columns = np.flatnonzero(hair.any(0))
    if not len(columns):
        return np.inf
    last = len(heights) - 1 - hair[::-1, columns].argmax(0)
    low = heights[last]
    hanging = low < JAW_Z
    if hanging.sum() < LEAST_COLUMNS:
        return float(low.min())
    below = last[:, None] + np.arange(1, BELOW + 1)
    inside = below < len(heights)
    is_free = (free[np.minimum(below, len(heights) - 1), columns[:, None]] & inside).mean(1) > 0.5
    fraction = is_free[hanging].mean()
    slope = np.polyfit(distance[columns][hanging], low[hanging], 1)[0]
    partly = any(fraction >= least and slope >= rise for least, rise in PARTLY_FREE)
    ends = fraction >= FREE or partly
    return float(low.min()) if ends else -np.inf
