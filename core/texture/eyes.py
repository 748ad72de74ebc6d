"""The colors of the eyes in the photo, and eyeballs painted with them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from ..detection.mediapipe_topology import EYES, FIRST_IRIS
from ..geometry.visibility import ramp
from ..image.color import LUMINANCE, linear_of_bytes_float32

if TYPE_CHECKING:
    from .tone_correction import ToneCorrection

#: MediaPipe's landmarks: outlines of the eyes' openings, subject's right eye, then left.
OUTLINES = (EYES[:16], EYES[16:])
#: The irises: center, then four points around.
IRISES = (tuple(range(FIRST_IRIS, FIRST_IRIS + 5)), tuple(range(FIRST_IRIS + 5, FIRST_IRIS + 10)))
#: Inner and outer radius of the ring of the iris that is sampled, of the iris's: between pupil and dark rim.
SAMPLED_RING = (0.45, 0.82)
#: Radius from which on the white is sampled, of the iris's.
WHITE_BEGIN = 1.2
#: Width of the lids' shade along the rim, which is not sampled, of the iris's radius.
RIM_WIDTH = 0.15
#: An iris of a smaller radius, pixels, shows no color.
MIN_IRIS_PX = 1.5
#: Fewer pixels say nothing about a color.
MIN_PIXELS = 12
#: Fewer pixels of the white are a slit between lids, and no measure of the light.
MIN_WHITE_PIXELS = 200
#: Quantiles of luminance between which pixels are averaged: without reflections, lashes and pupil.
IRIS_QUANTILES = (0.2, 0.75)
WHITE_QUANTILES = (0.6, 0.95)
#: Linear light below which logarithms say nothing.
DARK = 1e-4
#: A brown iris, linear, where the photo shows none.
BROWN = np.array([0.060, 0.030, 0.014])
#: A white of the eye, linear, where the photo shows none, and for half of the color where it does.
WHITE = np.array([0.62, 0.57, 0.53])
#: Least and greatest luminance, linear.
IRIS_LIMITS = (0.012, 0.30)
WHITE_LIMITS = (0.25, 0.70)
#: Greatest natural logarithm by which a channel of the white is off WHITE's hue: between narrow lids, skin is
#: taken for it.
MAX_WHITE_HUE = 0.10
#: How much lighter than the skin the white is, at least and at most, within WHITE_LIMITS: in a dark photo
#: whose light is not known, it does not glow.
WHITE_OVER_SKIN = (3.5, 8.0)
#: Factor that takes the lids' shade, which every photo has, off the iris.
LID_SHADE = 1.35
#: Radius of the iris, meters along the eyeball.
IRIS_RADIUS = 0.0059
#: Radius of the pupil, of the iris's.
PUPIL = 0.36
#: Width of the iris's soft edge, meters.
IRIS_EDGE = 0.0008
#: Radius of the collarette, the lightest ring of the iris, of the iris's.
COLLARETTE = 0.58
#: What the collarette adds to the iris's color, of it: it is warmer.
COLLARETTE_TINT = np.array([0.22, 0.10, 0.0])
#: Fraction of the light that the limbus takes, and how far it reaches in- and outwards, of the iris's radius.
LIMBUS_DARKNESS = 0.72
LIMBUS_INSIDE = 0.20
LIMBUS_OUTSIDE = 0.09
#: Fraction of the light that the upper lid takes, and heights, of the iris's radius, between which it does.
LID_DARKNESS = 0.38
LID_SHADE_RANGE = (0.35, 1.15)
#: Radians.
FULL_TURN = 2 * np.pi
#: Number of veins in a white, their width, of the iris's radius, and what they take of the light by channel.
VEINS = 26
VEIN_WIDTH = 0.035
VEIN_DARKNESS = 0.55
VEIN_COLOR = np.array([0.12, 0.45, 0.42])
#: Frequencies, a turn, of the iris's fibers.
FIBER_FREQUENCIES = (5, 11, 23, 37, 59, 83)


@dataclass(frozen=True)
class EyeColors:
    """Linear colors of the eyes.

    Attributes:
        iris: (3,) of both irises.
        white: (3,) of the white.
        from_photo: Whether the photo shows the irises' color.
    """

    iris: np.ndarray
    white: np.ndarray
    from_photo: bool


def eye_colors(
    rgb: np.ndarray,
    landmarks: np.ndarray,
    correction: "ToneCorrection | None" = None,
    skin: np.ndarray | None = None,
) -> EyeColors:
    """Measure the colors of the eyes in a photo.

    Args:
        rgb: (H, W, 3) uint8 sRGB.
        landmarks: (478, 2 or more) MediaPipe's, photo pixels.
        correction: Exposure and white balance, if they are known.
        skin: (3,) linear, the plain skin's albedo, if that is known.

    Returns:
        The colors; usual ones where the photo does not show them.
    """
    iris_pixels, white_pixels = _eye_pixels(rgb, landmarks)
    if correction is not None:
        iris_pixels, white_pixels = (
            [color * np.exp(correction.of(np.log(np.maximum(color, DARK)))) for color in found]
            for found in (iris_pixels, white_pixels)
        )
    iris = _unless_black(_quantile_mean(iris_pixels, IRIS_QUANTILES))
    white = _unless_black(_quantile_mean(white_pixels, WHITE_QUANTILES))
    whiteness = WHITE if white is None else 0.5 * (white + WHITE * (white @ LUMINANCE) / (WHITE @ LUMINANCE))
    whiteness = _of_white_hue(whiteness)
    brown = BROWN * (whiteness @ LUMINANCE) / (WHITE @ LUMINANCE)
    limits = WHITE_LIMITS
    if skin is not None:
        low, high = (factor * float(skin @ LUMINANCE) for factor in WHITE_OVER_SKIN)
        limits = (min(limits[0], low), min(limits[1], high))
    return EyeColors(
        _limited(brown if iris is None else iris * LID_SHADE, IRIS_LIMITS),
        _limited(whiteness, limits),
        iris is not None,
    )


def _unless_black(color: np.ndarray | None) -> np.ndarray | None:
    """The color (3,); None for black, which has no hue: it is what dark glasses and deep shadows leave."""
    return None if color is None or color @ LUMINANCE < DARK else color


def _of_white_hue(color: np.ndarray) -> np.ndarray:
    """The color (3,) with a hue that eyes' whites have."""
    neutral = WHITE * (color @ LUMINANCE) / (WHITE @ LUMINANCE)
    logs = np.log(np.maximum(color, 1e-6) / neutral)
    return np.asarray(neutral * np.exp(logs * min(1.0, MAX_WHITE_HUE / max(float(np.abs(logs).max()), 1e-9))))


def iris_color(rgb: np.ndarray, landmarks: np.ndarray) -> np.ndarray | None:
    """The color of the irises, as photographed.

    Args:
        rgb: (H, W, 3) uint8 sRGB.
        landmarks: (478, 2 or more) MediaPipe's, photo pixels.

    Returns:
        (3,) linear; None where the photo does not show it.
    """
    return _quantile_mean(_eye_pixels(rgb, landmarks)[0], IRIS_QUANTILES)


def eye_white(rgb: np.ndarray, landmarks: np.ndarray) -> np.ndarray | None:
    """The color of the eyes' whites, as photographed.

    Args:
        rgb: (H, W, 3) uint8 sRGB.
        landmarks: (478, 2 or more) MediaPipe's, photo pixels.

    Returns:
        (3,) linear; None where the photo does not show enough of it.
    """
    pixels = _eye_pixels(rgb, landmarks)[1]
    if sum(len(white) for white in pixels) < MIN_WHITE_PIXELS:
        return None
    return _quantile_mean(pixels, WHITE_QUANTILES)


def _eye_pixels(rgb: np.ndarray, landmarks: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Linear colors (n, 3) of the irises' and the whites' pixels, by eye."""
    points = landmarks[:, :2].astype(np.float64)
    iris_pixels: list[np.ndarray] = []
    white_pixels: list[np.ndarray] = []
    for outline, iris in zip(OUTLINES, IRISES, strict=True):
        opening, center = points[list(outline)], points[iris[0]]
        radius = float(np.linalg.norm(points[list(iris[1:])] - center, axis=1).mean())
        low = np.floor(opening.min(0) - 2).astype(int)
        high = np.ceil(opening.max(0) + 3).astype(int)
        if (low < 0).any() or (high > rgb.shape[1::-1]).any() or radius < MIN_IRIS_PX:
            continue
        mask = np.zeros(high[::-1] - low[::-1], np.uint8)
        cv2.fillPoly(mask, [np.round((opening - low) * 16).astype(np.int32)], (1,), shift=4)
        # Lashes and lids' shade lie along the rim.
        rim = max(round(RIM_WIDTH * radius), 1)
        inside = cv2.erode(mask, np.ones((2 * rim + 1, 2 * rim + 1), np.uint8), borderValue=(0,))
        y, x = np.nonzero(inside)
        distance = np.hypot(x + low[0] - center[0], y + low[1] - center[1]) / radius
        colors = linear_of_bytes_float32()[rgb[low[1] : high[1], low[0] : high[0]][y, x]]
        iris_pixels.append(colors[(distance > SAMPLED_RING[0]) & (distance < SAMPLED_RING[1])])
        white_pixels.append(colors[distance > WHITE_BEGIN])
    return iris_pixels, white_pixels


def _quantile_mean(pixels: list[np.ndarray], quantiles: tuple[float, float]) -> np.ndarray | None:
    """(3,) mean of the pixels between two quantiles of luminance; None for too few."""
    colors = np.concatenate(pixels) if pixels else np.zeros((0, 3))
    if len(colors) < MIN_PIXELS:
        return None
    order = np.argsort(colors @ LUMINANCE)
    chosen = order[int(quantiles[0] * len(order)) : max(int(quantiles[1] * len(order)), 1)]
    return colors[chosen].mean(0).astype(np.float64) if len(chosen) else None


def _limited(color: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """The color with its luminance brought between limits."""
    luminance = max(float(color @ LUMINANCE), 1e-6)
    return color * (np.clip(luminance, *limits) / luminance)


class EyeballPainter:
    """Paints the points of one eyeball: all but the colors of iris and white is computed once."""

    def __init__(self, direction: np.ndarray, radius: float, seed: int = 0) -> None:
        """Draw fibers, veins and shades.

        Args:
            direction: (N, 3) unit vectors from the eyeball's center, the iris around -y.
            radius: Of the eyeball, meters.
            seed: Of the fibers.
        """
        rng = np.random.default_rng(seed)
        distance = np.arccos(np.clip(-direction[:, 1], -1, 1)) * radius  # along the surface
        around = np.arctan2(direction[:, 2], direction[:, 0])
        fraction = distance / IRIS_RADIUS
        fiber = _fibers(rng, around, fraction)
        # Dark around the pupil, lightest at the collarette, dark again toward the rim.
        lightness = 0.60 + 0.75 * ramp(fraction, PUPIL, COLLARETTE) - 0.30 * ramp(fraction, COLLARETTE, 0.85)
        warm = np.exp(-(((fraction - COLLARETTE) / 0.16) ** 2))[:, None] * COLLARETTE_TINT
        iris = (1 + warm) * (lightness * fiber)[:, None]
        # The white reddens toward the corners, where veins run; the back is never seen.
        red = ramp(distance, 1.4 * IRIS_RADIUS, 3.2 * IRIS_RADIUS)
        vein, some = np.zeros_like(red), red > 0
        vein[some] = VEIN_DARKNESS * red[some] * _veins(rng, around[some], fraction[some])
        white = 1 - red[:, None] * np.array([0.10, 0.26, 0.27]) - vein[:, None] * VEIN_COLOR
        inside = ramp(-distance, -IRIS_RADIUS - IRIS_EDGE / 2, -IRIS_RADIUS + IRIS_EDGE / 2)[:, None]
        pupil = ramp(-fraction, -PUPIL - 0.04, -PUPIL + 0.04)[:, None]
        # The limbus, where the iris shines through the white's edge, dark and soft to both sides.
        limbus = np.exp(-(((fraction - 1) / np.where(fraction < 1, LIMBUS_INSIDE, LIMBUS_OUTSIDE)) ** 2))
        # What the upper lid and its lashes shade in any light.
        lid = LID_DARKNESS * ramp(np.sin(around) * fraction, *LID_SHADE_RANGE)
        shade = ((1 - LIMBUS_DARKNESS * limbus) * (1 - lid))[:, None] * (1 - pupil)
        #: (N, 3) float32: how much there is of the iris's and of the white's color, and of none.
        self._iris = (iris * inside * shade).astype(np.float32)
        self._white = (white * (1 - inside) * shade).astype(np.float32)
        self._black = (0.002 * pupil).astype(np.float32)

    def paint(self, colors: EyeColors) -> np.ndarray:
        """Paint the points.

        Args:
            colors: Of iris and white.

        Returns:
            (N, 3) float32 linear colors.
        """
        iris, white = colors.iris.astype(np.float32), colors.white.astype(np.float32)
        return np.asarray(self._iris * iris + self._white * white + self._black)


def _veins(rng: np.random.Generator, around: np.ndarray, fraction: np.ndarray) -> np.ndarray:
    """(N,) 0 to 1: thin wavy lines toward the iris."""
    total = np.zeros_like(around)
    for place in rng.uniform(-np.pi, np.pi, VEINS):
        bend = rng.normal(0, 0.06) * np.sin(rng.uniform(3, 6) * fraction + rng.uniform(0, 6))
        offset = around - place - bend + np.pi
        # Into one turn, as `%` does it, but in a fraction of its time.
        offset -= FULL_TURN * (offset >= FULL_TURN)
        offset += FULL_TURN * (offset < 0)
        offset -= np.pi
        total += rng.uniform(0.4, 1.0) * np.exp(-((offset * fraction / VEIN_WIDTH) ** 2))
    return np.clip(total, 0, 1)


def _fibers(rng: np.random.Generator, around: np.ndarray, fraction: np.ndarray) -> np.ndarray:
    """(N,) about 1: the iris's radial fibers, a little wavy."""
    total = np.zeros_like(around)
    for frequency in FIBER_FREQUENCIES:
        phase, bend = rng.uniform(0, 2 * np.pi), rng.normal(0, 1.5)
        total += rng.uniform(0.4, 1.0) * np.sin(frequency * around + phase + bend * fraction * 3)
    return 1 + 0.09 * total
