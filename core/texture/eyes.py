"""What colours the photo shows in the eyes, and eyeballs painted with them."""

from dataclasses import dataclass

import cv2
import numpy as np

from .delighting import LUMINANCE
from .projection import ramp

#: MediaPipe's landmarks: outlines of the lids' openings and the irises (middle, then four points around).
OUTLINES = (
    (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246),
    (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466),
)
IRISES = ((468, 469, 470, 471, 472), (473, 474, 475, 476, 477))
#: Rings of the iris that are sampled, in shares of its radius: between the pupil and the dark rim.
SAMPLED_RING = (0.45, 0.82)
#: Fewer pixels say nothing about a colour.
FEWEST_PIXELS = 12
#: Linear light. A brown iris and a white of the eye, where the photo says nothing; limits of both.
BROWN, WHITE = np.array([0.060, 0.030, 0.014]), np.array([0.62, 0.57, 0.53])
IRIS_LIMITS, WHITE_LIMITS = (0.012, 0.30), (0.25, 0.70)
#: The lids shade the iris in every photo.
LID_SHADE = 1.35
#: Sizes on an eyeball of metres: iris, pupil (share of the iris), soft edge of the iris.
IRIS_RADIUS, PUPIL, IRIS_EDGE = 0.0059, 0.36, 0.0005


@dataclass(frozen=True)
class EyeColors:
    """(3,) linear colours of the irises and of the white; from_photo: whether the irises' was seen."""

    iris: np.ndarray
    white: np.ndarray
    from_photo: bool


def eye_colors(linear_of: np.ndarray, rgb: np.ndarray, landmarks: np.ndarray) -> EyeColors:
    """Colours of the eyes in the photo rgb (H, W, 3) uint8; landmarks: (478, 2 or more) photo pixels."""
    points = landmarks[:, :2].astype(np.float64)
    iris_pixels, white_pixels = [], []
    for outline, iris in zip(OUTLINES, IRISES, strict=True):
        opening, centre = points[list(outline)], points[iris[0]]
        radius = float(np.linalg.norm(points[list(iris[1:])] - centre, axis=1).mean())
        low = np.floor(opening.min(0) - 2).astype(int)
        high = np.ceil(opening.max(0) + 3).astype(int)
        if (low < 0).any() or (high > rgb.shape[1::-1]).any() or radius < 1.5:
            continue
        mask = np.zeros(high[::-1] - low[::-1], np.uint8)
        cv2.fillPoly(mask, [np.round((opening - low) * 16).astype(np.int32)], (1,), shift=4)
        # Lashes and lids' shade lie along the rim.
        rim = max(round(0.15 * radius), 1)
        inside = cv2.erode(mask, np.ones((2 * rim + 1, 2 * rim + 1), np.uint8), borderValue=(0,))
        y, x = np.nonzero(inside)
        away = np.hypot(x + low[0] - centre[0], y + low[1] - centre[1]) / radius
        colors = linear_of[rgb[low[1] : high[1], low[0] : high[0]][y, x]]
        iris_pixels.append(colors[(away > SAMPLED_RING[0]) & (away < SAMPLED_RING[1])])
        white_pixels.append(colors[away > 1.2])
    iris_color = _typical(iris_pixels, (0.2, 0.75))
    white = _typical(white_pixels, (0.6, 0.95))
    whiteness = WHITE if white is None else 0.5 * (white + WHITE * (white @ LUMINANCE) / (WHITE @ LUMINANCE))
    brown = BROWN * (whiteness @ LUMINANCE) / (WHITE @ LUMINANCE)
    return EyeColors(
        _limited(brown if iris_color is None else iris_color * LID_SHADE, IRIS_LIMITS),
        _limited(whiteness, WHITE_LIMITS),
        iris_color is not None,
    )


def _typical(pixels: list[np.ndarray], quantiles: tuple[float, float]) -> np.ndarray | None:
    """Mean of the pixels between two quantiles of luminance: without reflections, lashes and pupil."""
    colors = np.concatenate(pixels) if pixels else np.zeros((0, 3))
    if len(colors) < FEWEST_PIXELS:
        return None
    order = np.argsort(colors @ LUMINANCE)
    chosen = order[int(quantiles[0] * len(order)) : max(int(quantiles[1] * len(order)), 1)]
    return colors[chosen].mean(0).astype(np.float64) if len(chosen) else None


def _limited(color: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """The colour, made as light or dark as the limits ask for."""
    luminance = max(float(color @ LUMINANCE), 1e-6)
    return color * (np.clip(luminance, *limits) / luminance)


def paint_eyeball(direction: np.ndarray, radius: float, colors: EyeColors, seed: int = 0) -> np.ndarray:
    """(N, 3) float32 linear colours of an eyeball's points.

    direction: (N, 3) unit vectors from its middle, the iris around -y; radius: of the eyeball, metres.
    """
    rng = np.random.default_rng(seed)
    away = np.arccos(np.clip(-direction[:, 1], -1, 1)) * radius  # along the surface
    around = np.arctan2(direction[:, 2], direction[:, 0])
    share = away / IRIS_RADIUS
    fibre = _fibres(rng, around, share)
    iris = 0.55 + 0.75 * ramp(share, PUPIL, 0.62) - 0.25 * ramp(share, 0.62, 0.8)
    iris *= (1 - 0.72 * ramp(share, 0.78, 1.0)) * fibre
    iris_color = colors.iris * iris[:, None]
    # The white reddens towards the corners; the back is never seen.
    red = ramp(away, 1.4 * IRIS_RADIUS, 3.2 * IRIS_RADIUS)[:, None]
    white = colors.white * (1 - red * np.array([0.10, 0.28, 0.28])) * (1 + 0.03 * (fibre - 1))[:, None]
    inside = ramp(-away, -IRIS_RADIUS - IRIS_EDGE / 2, -IRIS_RADIUS + IRIS_EDGE / 2)[:, None]
    pupil = ramp(-share, -PUPIL - 0.04, -PUPIL + 0.04)[:, None]
    result = white * (1 - inside) + iris_color * inside
    return (result * (1 - pupil) + 0.002 * pupil).astype(np.float32)


def _fibres(rng: np.random.Generator, around: np.ndarray, share: np.ndarray) -> np.ndarray:
    """(N,) about 1: the iris' radial fibres, a little wavy."""
    total = np.zeros_like(around)
    for frequency in (5, 11, 23, 37, 59, 83):
        phase, bend = rng.uniform(0, 2 * np.pi), rng.normal(0, 1.5)
        total += rng.uniform(0.4, 1.0) * np.sin(frequency * around + phase + bend * share * 3)
    return 1 + 0.09 * total
