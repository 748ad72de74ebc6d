"""Wide blurs of pictures, done on smaller ones: what they leave has nothing finer."""

import cv2
import numpy as np

#: Least standard deviation, pixels of the smaller picture, that a blur has there.
LEAST_SIGMA = 2.5
#: Variance, in squares of a factor, that averaging down by it and enlarging again add to a blur's.
ADDED_VARIANCE = 0.25


def smoothed(picture: np.ndarray, sigma: float) -> np.ndarray:
    """Blur a picture: as `cv2.GaussianBlur` does, but for a thousandth of its contrast, at borders a
    hundredth.

    Args:
        picture: (H, W) or (H, W, C) float32.
        sigma: Standard deviation, pixels.

    Returns:
        The same shape.
    """
    height, width = picture.shape[:2]
    factor = 1
    while sigma / (2 * factor) >= LEAST_SIGMA and height % (2 * factor) == width % (2 * factor) == 0:
        factor *= 2
    if factor == 1:
        return cv2.GaussianBlur(picture, (0, 0), sigma)
    small = cv2.resize(picture, (width // factor, height // factor), interpolation=cv2.INTER_AREA)
    narrow = float(np.sqrt((sigma / factor) ** 2 - ADDED_VARIANCE))
    small = cv2.GaussianBlur(small, (0, 0), narrow, borderType=cv2.BORDER_REFLECT)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
