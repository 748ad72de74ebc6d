"""Hair that the segmentation network takes for headwear: no edge is where the two meet."""

import cv2
import numpy as np

from ..image.color import LUMINANCE, linear_of_bytes_float32
from ..image.crop import cut_crop
from .segments import SEGMENT_SIZE, Segmentation, SegmentClass

#: How far from where hair and headwear meet they are compared, pixels of the segment frame, 2.2 mm each: hair
#: has light and shade. Fewer pixels of either than this are no sample of its color.
BESIDE_PX = 3
LEAST_PIXELS = 60
#: Linear light added before logarithms.
LIGHT_FLOOR = 0.01
#: Blond, brown and red hair: least logarithm of red over blue, and least luminance, linear. Black and gray
#: say nothing, since scarves and caps are often that, too.
LEAST_WARMTH = 0.35
LEAST_LUMINANCE = 0.015
#: Greatest difference of the two colors, mean of logarithms: of all channels, and less their mean.
MOST_DIFFERENCE = 0.7
MOST_HUE_DIFFERENCE = 0.2


def with_hair_by_color(segmentation: Segmentation, rgb: np.ndarray) -> Segmentation:
    """A segmentation whose headwear is hair if it has the warm color of the hair beside it.

    Args:
        segmentation: As the network has found it.
        rgb: (H, W, 3) uint8, the photo.

    Returns:
        The same one if headwear is headwear.
    """
    hair, headwear = (segmentation.labels == kind for kind in (SegmentClass.HAIR, SegmentClass.HEADWEAR))
    kernel = np.ones((2 * BESIDE_PX + 1, 2 * BESIDE_PX + 1), np.uint8)
    near = [cv2.dilate(mask.astype(np.uint8), kernel) > 0 for mask in (hair, headwear)]
    hair, headwear = hair & near[1], headwear & near[0]
    if hair.sum() < LEAST_PIXELS or headwear.sum() < LEAST_PIXELS:
        return segmentation
    picture = cut_crop(rgb, segmentation.frame, SEGMENT_SIZE, SEGMENT_SIZE)
    linear = linear_of_bytes_float32()[picture]
    colors = [np.median(linear[mask], axis=0).astype(np.float64) for mask in (hair, headwear)]
    logs = [np.log(color + LIGHT_FLOOR) for color in colors]
    if min(log[0] - log[2] for log in logs) < LEAST_WARMTH:
        return segmentation
    if min(float(color @ LUMINANCE) for color in colors) < LEAST_LUMINANCE:
        return segmentation
    difference = logs[1] - logs[0]
    hue = difference - difference.mean()
    if np.abs(difference).mean() > MOST_DIFFERENCE or np.abs(hue).mean() > MOST_HUE_DIFFERENCE:
        return segmentation
    probabilities = segmentation.probabilities.copy()
    probabilities[SegmentClass.HAIR] += probabilities[SegmentClass.HEADWEAR]
    probabilities[SegmentClass.HEADWEAR] = 0
    return Segmentation(probabilities, segmentation.frame)
