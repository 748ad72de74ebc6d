"""The strand atlas: locks of hair side by side, painted strand by strand; every head's cards share it.

Color is a factor around white, so that the cards' own colors show; it goes on where nothing covers the
picture, so that no dark seam shows at the strands' edges.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

#: Side of the atlas, texels.
SIZE = 512
#: Locks side by side, from dense to thin.
LOCKS = 8
DENSE_LOCKS = 5
#: Strands of a dense and of a thin lock.
DENSE_STRANDS = 150
THIN_STRANDS = 34
#: Widths of strands, texels.
WIDTHS = (1, 2, 3)
#: Range of their lightness, of sRGB white.
LIGHTNESS = (0.7, 0.94)
#: Points of a painted strand.
POINTS = 24
#: Fractional bits of OpenCV's coordinates.
SHIFT = 4
#: Mean of the lightness, by which the cards' colors are divided.
MEAN_LIGHTNESS = 0.82


@dataclass(frozen=True)
class StrandAtlas:
    """The pictures of the atlas.

    Attributes:
        color: (SIZE, SIZE, 4) uint8, RGBA; the root is on top.
        normal: (SIZE, SIZE, 3) uint8, tangent space, x right, y up.
        ids: (SIZE, SIZE, 3) uint8: red is 0 at the root to 255 at the tip, green a number of the strand.
    """

    color: np.ndarray
    normal: np.ndarray
    ids: np.ndarray


def lock_columns(lock: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where locks are in the atlas.

    Args:
        lock: (N,) int, numbers of locks.

    Returns:
        Left and right texture coordinate (N,), 0..1.
    """
    margin = 3 / SIZE
    return lock / LOCKS + margin, (lock + 1) / LOCKS - margin


@lru_cache(maxsize=1)
def paint_strand_atlas() -> StrandAtlas:
    """Paint it; always the same. Takes a tenth of a second the first time."""
    rng = np.random.default_rng(7)
    alpha = np.zeros((SIZE, SIZE), np.uint8)
    light = np.full((SIZE, SIZE), round(255 * MEAN_LIGHTNESS * 0.9), np.uint8)
    number = np.zeros((SIZE, SIZE), np.uint8)
    across = np.zeros((SIZE, SIZE), np.float32)
    width = SIZE // LOCKS
    for lock in range(LOCKS):
        dense = lock < DENSE_LOCKS
        low, high = lock * width + 4, (lock + 1) * width - 5
        for strand in range(DENSE_STRANDS if dense else THIN_STRANDS):
            line = _line(rng, low, high, dense)
            thick = int(rng.choice(WIDTHS))
            fixed = np.round(line * (1 << SHIFT)).astype(np.int32)
            tone = round(255 * rng.uniform(*LIGHTNESS))
            # Along its left side a strand's normal points left, along its right side right.
            for side, shift in ((-0.6, -thick / 3), (0.6, thick / 3)):
                moved = fixed + np.array([round(shift * (1 << SHIFT)), 0])
                cv2.polylines(across, [moved], False, (side,), max(1, thick - 1), cv2.LINE_8, SHIFT)
            cv2.polylines(alpha, [fixed], False, (255,), thick, cv2.LINE_AA, SHIFT)
            cv2.polylines(light, [fixed], False, (tone,), thick, cv2.LINE_AA, SHIFT)
            cv2.polylines(number, [fixed], False, (1 + (strand * 37) % 255,), thick, cv2.LINE_8, SHIFT)
    color = np.dstack([light, light, light, alpha])
    across = np.clip(cv2.GaussianBlur(across, (0, 0), 0.7), -0.8, 0.8)
    up = np.sqrt(1 - across**2)
    normal = np.dstack([across, np.zeros_like(across), up]) * 127.5 + 127.5
    along = np.broadcast_to(np.linspace(0, 255, SIZE)[:, None], (SIZE, SIZE)).astype(np.uint8)
    ids = np.dstack([along, number, np.zeros_like(number)])
    for picture in (color, ids):
        picture.setflags(write=False)
    return StrandAtlas(color, np.round(normal).astype(np.uint8), ids)


def _line(rng: np.random.Generator, low: float, high: float, dense: bool) -> np.ndarray:
    """(POINTS, 2) texels of one strand from top to bottom: locks get narrower toward the tip."""
    t = np.linspace(0, 1, POINTS)
    middle, half = (low + high) / 2, (high - low) / 2
    start = rng.uniform(-1, 1)
    end = 0.55 * start + rng.normal(0, 0.18)
    begin = 0.0 if dense else max(0.0, rng.normal(0.0, 0.1))
    last = 1 - abs(rng.normal(0, 0.16 if dense else 0.22))
    t = begin + (np.clip(last, 0.45, 0.985) - begin) * t
    offset = (
        start + (end - start) * t**1.5 + 0.05 * np.sin(2 * np.pi * (t * rng.uniform(0.5, 2) + rng.random()))
    )
    x = np.clip(middle + half * offset * (1 - 0.12 * t), low, high)
    return np.stack([x, t * (SIZE - 1)], 1)
