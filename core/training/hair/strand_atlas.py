"""Paints `models/hair_strand_atlas.npz`: locks of hair side by side, strand by strand.

Color goes on where nothing covers the picture, so that no dark seam shows at the strands' edges.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from ...hair.strand_atlas import (
    COLOR,
    CURLY_DENSE,
    CURLY_STRAY,
    CURLY_THIN,
    DENSE,
    HEIGHT,
    IDS,
    LOCKS,
    MEAN_LIGHTNESS,
    NORMAL,
    SINGLE,
    STRAY,
    THIN,
    WIDTH,
)
from ...io.image_bytes import texture_bytes

#: Numbers that are drawn begin here: the atlas is always the same.
SEED = 7
#: Strands of a lock of each kind.
DENSE_STRANDS = 150
THIN_STRANDS = 34
SINGLE_STRANDS = 22
STRAY_STRANDS = 26
CURLY_DENSE_STRANDS = 90
CURLY_THIN_STRANDS = 26
CURLY_STRAY_STRANDS = 42
#: Widths of strands, texels.
WIDTHS = (1, 2, 3)
#: From this part of its length on a strand is a texel thinner.
TAPER = 0.6
#: Range of their lightness, of sRGB white.
LIGHTNESS = (0.66, 0.98)
#: Points of a painted straight and curly strand.
POINTS = 24
CURLY_POINTS = 160
#: Strands of dense locks, of the atlas's height: where the last one begins, and how far from the end the
#: first one ends. They cover each other: by the first part of this way few have begun, by this power of it,
#: so that a lock comes and ends in single hairs instead of at an edge.
DENSE_BEGIN = 0.16
DENSE_END = 0.34
DENSE_POWER = 2.5
#: Turns of a curly strand along the atlas: fewest and most; and their radius, texels.
TURNS = (7.0, 13.0)
TURN_RADIUS = (3.0, 8.0)
#: Radius of a coil at the root, of the whole, which it has from a quarter of the strand on; and its
#: height, of its width.
COIL_AT_ROOT = 0.3
COIL_HEIGHT = 0.9
#: Strays, of the atlas's height: where they begin, how long they are, where they end at the latest.
STRAY_BEGIN = (0.0, 0.75)
STRAY_LENGTH = (0.15, 0.45)
STRAY_END = 0.97
#: Power of the random number that says how far a stray goes: most stay near.
STRAY_REACH_POWER = 1.6
#: Fraction of the strays that come back, and the limits of the power by which the others leave.
STRAY_RETURNING = 0.55
STRAY_LEAVING_POWERS = (0.8, 1.6)
#: Single hairs, of the atlas's height: where they begin and how long they are; how far they drift, of a
#: lock's half width; and from which part of their length on they fade, to which alpha at their tips.
SINGLE_BEGIN = (0.0, 0.6)
SINGLE_LENGTH = (0.28, 0.5)
SINGLE_DRIFT = 0.16
SINGLE_FADE = 0.55
SINGLE_TIP_ALPHA = 0.25
#: Fractional bits of OpenCV's coordinates.
SHIFT = 4


@dataclass(frozen=True)
class StrandAtlas:
    """The pictures of the atlas.

    Attributes:
        color: (HEIGHT, WIDTH, 4) uint8, RGBA; the root is on top.
        normal: (HEIGHT, WIDTH, 3) uint8, tangent space, x right, y up.
        ids: (HEIGHT, WIDTH, 3) uint8: red is 0 at the root to 255 at the tip, green a number of the strand.
    """

    color: np.ndarray
    normal: np.ndarray
    ids: np.ndarray


def strands_of(lock: int) -> int:
    """How many strands are painted in a lock.

    Args:
        lock: Its number.
    """
    kinds = (
        (DENSE, DENSE_STRANDS),
        (THIN, THIN_STRANDS),
        (SINGLE, SINGLE_STRANDS),
        (STRAY, STRAY_STRANDS),
        (CURLY_DENSE, CURLY_DENSE_STRANDS),
        (CURLY_THIN, CURLY_THIN_STRANDS),
        (CURLY_STRAY, CURLY_STRAY_STRANDS),
    )
    return next(count for locks, count in kinds if lock in locks)


def build_strand_atlas() -> dict[str, np.ndarray]:
    """The arrays of the file: COLOR, NORMAL and IDS -> (N,) uint8, the bytes of a PNG file."""
    atlas = paint_strand_atlas()
    pictures = {COLOR: atlas.color, NORMAL: atlas.normal, IDS: atlas.ids}
    return {
        name: np.frombuffer(texture_bytes(picture, small=True), np.uint8)
        for name, picture in pictures.items()
    }


def paint_strand_atlas() -> StrandAtlas:
    """Paint it; always the same."""
    rng = np.random.default_rng(SEED)
    alpha = np.zeros((HEIGHT, WIDTH), np.uint8)
    light = np.full((HEIGHT, WIDTH), round(255 * MEAN_LIGHTNESS * 0.9), np.uint8)
    number = np.zeros((HEIGHT, WIDTH), np.uint8)
    across = np.zeros((HEIGHT, WIDTH), np.float32)
    width = WIDTH // LOCKS
    for lock in range(LOCKS):
        low, high = lock * width + 4, (lock + 1) * width - 5
        for strand in range(strands_of(lock)):
            line = _line(rng, lock, low, high)
            thick = int(rng.choice(WIDTHS[:2] if lock in (*STRAY, *CURLY_STRAY) else WIDTHS))
            tone = round(255 * rng.uniform(*LIGHTNESS))
            if lock in SINGLE:
                thick = 1
            tip = round(TAPER * len(line))
            for part, wide in ((line[: tip + 1], thick), (line[tip:], max(thick - 1, 1))):
                fixed = np.round(part * (1 << SHIFT)).astype(np.int32)
                # Along its left side a strand's normal points left, along its right side right.
                for side, shift in ((-0.6, -wide / 3), (0.6, wide / 3)):
                    moved = fixed + np.array([round(shift * (1 << SHIFT)), 0])
                    cv2.polylines(across, [moved], False, (side,), max(1, wide - 1), cv2.LINE_8, SHIFT)
                cv2.polylines(alpha, [fixed], False, (255,), wide, cv2.LINE_AA, SHIFT)
                cv2.polylines(light, [fixed], False, (tone,), wide, cv2.LINE_AA, SHIFT)
                cv2.polylines(number, [fixed], False, (1 + (strand * 37) % 255,), wide, cv2.LINE_8, SHIFT)
            if lock in SINGLE:
                _fade(alpha, line)
    color = np.dstack([light, light, light, alpha])
    across = np.clip(cv2.GaussianBlur(across, (0, 0), 0.7), -0.8, 0.8)
    up = np.sqrt(1 - across**2)
    normal = np.round(np.dstack([across, np.zeros_like(across), up]) * 127.5 + 127.5).astype(np.uint8)
    along = np.broadcast_to(np.linspace(0, 255, HEIGHT)[:, None], (HEIGHT, WIDTH)).astype(np.uint8)
    ids = np.dstack([along, number, np.zeros_like(number)])
    return StrandAtlas(color, normal, ids)


def _fade(alpha: np.ndarray, line: np.ndarray) -> None:
    """Let a hair that was drawn along a line end in less and less alpha; in place."""
    begin = round(SINGLE_FADE * (len(line) - 1))
    for k in range(begin, len(line) - 1):
        left = float(np.interp(k + 0.5, [begin, len(line) - 1], [1.0, SINGLE_TIP_ALPHA]))
        fixed = np.round(line[k : k + 2] * (1 << SHIFT)).astype(np.int32)
        cv2.polylines(alpha, [fixed], False, (round(255 * left),), 1, cv2.LINE_8, SHIFT)


def _line(rng: np.random.Generator, lock: int, low: float, high: float) -> np.ndarray:
    """(P, 2) texels of one strand from top to bottom."""
    if lock in (*STRAY, *CURLY_STRAY):
        t, across = _stray(rng)
    elif lock in SINGLE:
        t, across = _single(rng)
    else:
        t, across = _in_lock(rng, lock in (*DENSE, *CURLY_DENSE))
    x = low + (high - low) * (across + 1) / 2
    y = t * (HEIGHT - 1)
    if lock >= CURLY_DENSE[0]:
        x, y = _coiled(rng, x, y)
    return np.stack([np.clip(x, low, high), np.clip(y, 1, HEIGHT - 2)], 1)


def _in_lock(rng: np.random.Generator, dense: bool) -> tuple[np.ndarray, np.ndarray]:
    """(POINTS,) 0..1 down and (POINTS,) -1..1 across of a strand: locks get narrower toward the tip."""
    t = np.linspace(0, 1, POINTS)
    start = rng.uniform(-1, 1)
    end = 0.55 * start + rng.normal(0, 0.18)
    if dense:
        begin = DENSE_BEGIN * rng.random() ** (1 / DENSE_POWER)
        last = 0.985 - DENSE_END * rng.random() ** (1 / DENSE_POWER)
    else:
        begin = abs(rng.normal(0.0, 0.1))
        last = np.clip(1 - abs(rng.normal(0, 0.22)), 0.45, 0.985)
    t = begin + (last - begin) * t
    offset = (
        start + (end - start) * t**1.5 + 0.05 * np.sin(2 * np.pi * (t * rng.uniform(0.5, 2) + rng.random()))
    )
    return t, offset * (1 - 0.12 * t)


def _stray(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The same of a strand that leaves the left edge in an arc, and either comes back or not."""
    t = np.linspace(0, 1, POINTS)
    begin = rng.uniform(*STRAY_BEGIN)
    length = min(rng.uniform(*STRAY_LENGTH), STRAY_END - begin)
    height = 2 * rng.random() ** STRAY_REACH_POWER
    back = rng.random() < STRAY_RETURNING
    rise = np.sin(np.pi * t) if back else t ** rng.uniform(*STRAY_LEAVING_POWERS)
    return begin + length * t, -1 + height * rise


def _single(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The same of a hair that begins and ends anywhere: its lock has no border where it begins."""
    t = np.linspace(0, 1, POINTS)
    start, drift, bend = rng.uniform(-1, 1), rng.normal(0, SINGLE_DRIFT), rng.normal(0, SINGLE_DRIFT / 2)
    offset = start + drift * t + bend * np.sin(np.pi * t)
    return rng.uniform(*SINGLE_BEGIN) + rng.uniform(*SINGLE_LENGTH) * t, offset


def _coiled(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A strand in turns: (CURLY_POINTS,) x and y, texels."""
    at = np.linspace(0, len(x) - 1, CURLY_POINTS)
    index = np.arange(len(x))
    x, y = np.interp(at, index, x), np.interp(at, index, y)
    phase = 2 * np.pi * (rng.uniform(*TURNS) * y / HEIGHT + rng.random())
    radius = rng.uniform(*TURN_RADIUS) * np.interp(at, [0, len(index) / 4], [COIL_AT_ROOT, 1.0])
    return x + radius * np.sin(phase), y + COIL_HEIGHT * radius * np.cos(phase)
