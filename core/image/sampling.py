"""Colors of pictures between their pixels."""

from dataclasses import dataclass

import cv2
import numpy as np

from .color import linear_of_bytes_float32

#: Rows of cv2.remap's maps are at most this long.
MAP_WIDTH = 1024
#: Distance of neighboring points, pixels, from which on a picture is averaged down before it is sampled.
REDUCE_BYTES_FROM = 2.0
REDUCE_LINEAR_FROM = 1.5
#: Pixels around the points that bilinear and bicubic interpolation may touch.
BILINEAR_MARGIN = 2
BICUBIC_MARGIN = 4


def sample_image(image: np.ndarray, points: np.ndarray, interpolation: int = cv2.INTER_LINEAR) -> np.ndarray:
    """Values of a picture between its pixels.

    Args:
        image: (H, W) or (H, W, C) float32.
        points: (N, 2) pixels (x, y), the center of the top-left one is (0, 0).
        interpolation: OpenCV's number of the method.

    Returns:
        (N,) or (N, C) float32; the border goes on outside.
    """
    count = len(points)
    rows = max(-(-count // MAP_WIDTH), 1)
    maps = np.empty((2, rows * MAP_WIDTH), np.float32)
    maps[:, :count] = points.T
    maps[:, count:] = 0
    x, y = maps.reshape(2, rows, MAP_WIDTH)
    result = cv2.remap(image, x, y, interpolation, borderMode=cv2.BORDER_REPLICATE)
    return result.reshape(rows * MAP_WIDTH, *image.shape[2:])[:count]


def sample_photo(rgb: np.ndarray, points: np.ndarray, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """Colors of a photo as it stores them, in sRGB, bilinear.

    Args:
        rgb: (H, W, 3) uint8.
        points: (N, 2) photo frame, pixels.
        spacing: Distance of neighboring points, pixels: a finer photo is averaged down to it first.

    Returns:
        (N, 3) float32, 0..255, 0 if no point is in the photo; and (N,) bool, which points are.
    """
    height, width = rgb.shape[:2]
    inside = _within(points, -0.5, (width - 0.5, height - 0.5))
    if not inside.any():
        return np.zeros((len(points), 3), np.float32), inside
    region, low = _region(rgb, points[inside], BILINEAR_MARGIN)
    step = np.ones(2)
    if spacing >= REDUCE_BYTES_FROM:
        region, step = _reduced(region, int(spacing))
    limit = np.array(region.shape[1::-1]) - 1
    x, y = np.clip((points - low + 0.5) / step - 0.5, 0, limit).astype(np.float32).T
    x0, y0 = x.astype(np.int32), y.astype(np.int32)
    x1, y1 = np.minimum(x0 + 1, limit[0]), np.minimum(y0 + 1, limit[1])
    fx, fy = (x - x0)[:, None], (y - y0)[:, None]
    flat = region.reshape(-1, 3)
    stride = region.shape[1]
    top = flat[y0 * stride + x0] * (1 - fx) + flat[y0 * stride + x1] * fx
    bottom = flat[y1 * stride + x0] * (1 - fx) + flat[y1 * stride + x1] * fx
    return (top * (1 - fy) + bottom * fy).astype(np.float32), inside


def sample_photo_linear(rgb: np.ndarray, points: np.ndarray, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """Linear colors of a photo, bicubic.

    Args:
        rgb: (H, W, 3) uint8 sRGB.
        points: (N, 2) photo frame, pixels.
        spacing: Distance of neighboring points, pixels: a finer photo is averaged down to it first.

    Returns:
        (N, 3) float32, not negative, above 1 where the interpolation overshoots beside white, 0 if no point
        is in the photo; and (N,) bool, which points are.
    """
    inside = points_in_photo(rgb, points)
    if not inside.any():
        return np.zeros((len(points), 3), np.float32), inside
    return LinearPhoto.around(rgb, points[inside], spacing).at(points), inside


@dataclass(frozen=True)
class LinearPhoto:
    """The part of a photo around points, in linear light.

    Attributes:
        region: (h, w, 3) float32, averaged down to the points' spacing if the photo is finer.
        corner: (2,) float32, x and y of its top left corner, photo frame, pixels.
        scale: (2,) float32, its pixels a pixel of the photo.
    """

    region: np.ndarray
    corner: np.ndarray
    scale: np.ndarray

    @classmethod
    def around(cls, rgb: np.ndarray, points: np.ndarray, spacing: float) -> "LinearPhoto":
        """Take the part out.

        Args:
            rgb: (H, W, 3) uint8 sRGB.
            points: (N, 2) photo frame, pixels, in the photo.
            spacing: Distance of neighboring points, pixels.

        Returns:
            The part, for these points and those between them.
        """
        region, low = _region(rgb, points, BICUBIC_MARGIN)
        region = cv2.LUT(np.ascontiguousarray(region), linear_of_bytes_float32())
        step = np.ones(2)
        if spacing > REDUCE_LINEAR_FROM:
            region, step = _reduced(region, spacing)
        return cls(region, (low - 0.5).astype(np.float32), (1 / step).astype(np.float32))

    def at(self, points: np.ndarray) -> np.ndarray:
        """Colors at points, bicubic.

        Args:
            points: (N, 2) photo frame, pixels.

        Returns:
            (N, 3) float32, not negative, above 1 where the interpolation overshoots beside white.
        """
        # Coordinate by coordinate: numpy is slow over rows of two.
        at = np.empty((2, len(points)), np.float32)
        for k in range(2):
            np.subtract(points[:, k].astype(np.float32), self.corner[k], out=at[k])
            at[k] *= self.scale[k]
            at[k] -= np.float32(0.5)
        colors = sample_image(self.region, at.T, cv2.INTER_CUBIC)
        return np.maximum(colors, 0, out=colors)


def points_in_photo(rgb: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Which points lie between a photo's pixels.

    Args:
        rgb: (H, W, 3), the photo.
        points: (N, 2) photo frame, pixels.

    Returns:
        (N,) bool.
    """
    height, width = rgb.shape[:2]
    return _within(points, 0, (width - 1, height - 1))


def _within(points: np.ndarray, low: float, high: tuple[float, float]) -> np.ndarray:
    """(N,) bool: which of points (N, 2) are not beyond the limits of x and y."""
    x, y = points.T
    return (x >= low) & (y >= low) & (x <= high[0]) & (y <= high[1])


def _region(rgb: np.ndarray, points: np.ndarray, margin: int) -> tuple[np.ndarray, np.ndarray]:
    """The part of a photo around points, and the pixel (x, y) at its top left."""
    height, width = rgb.shape[:2]
    least, most = (np.array([extreme(column) for column in points.T]) for extreme in (np.min, np.max))
    low = np.maximum(np.floor(least).astype(int) - margin, 0)
    high = np.minimum(np.ceil(most).astype(int) + margin + 1, [width, height])
    return rgb[low[1] : high[1], low[0] : high[0]], low


def _reduced(image: np.ndarray, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """A picture averaged down by a factor, and how many of its pixels (x, y) a new one stands for."""
    shape = np.array(image.shape[1::-1])
    size = np.maximum((shape / factor).round().astype(int), 1)
    return cv2.resize(image, (int(size[0]), int(size[1])), interpolation=cv2.INTER_AREA), shape / size
