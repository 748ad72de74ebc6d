"""Which texels the photo shows as skin: no hair, glasses, headwear, hands, clothes or background."""

import cv2
import numpy as np

from ..geometry.visibility import ramp
from ..image.sampling import sample_image
from ..segmentation.segments import Segmentation, SegmentClass

#: By how many pixels what is no skin is widened: edges are never exact.
MARGIN_PX = 1
#: The same around hair and headwear: single strands, and their shade, reach further than their mask.
HAIR_MARGIN_PX = 4
#: Probabilities of hair within that margin at which a texel begins to count less, and does not count.
HAIR_RANGE = (0.3, 0.7)
#: Standard deviation of the blur of the mask's edge, pixels of the segment frame.
BLUR_PX = 0.7
#: Probabilities of skin at which a texel begins to count, and counts fully.
SKIN_RANGE = (0.5, 0.9)


def skin_weights(
    segmentation: Segmentation,
    points: np.ndarray,
    beard: np.ndarray,
    keep_beard: bool = True,
    margin_px: int = MARGIN_PX,
) -> np.ndarray:
    """How far texels are shown as skin.

    Args:
        segmentation: Of the photo.
        points: (N, 2) where the texels are, photo pixels.
        beard: (N,) 0..1, whether a beard grows there: elsewhere facial hair is brows, part of the skin.
        keep_beard: Whether a beard belongs to the skin, too.
        margin_px: Pixels of the segment frame, 2.2 mm each, by which what is no skin is widened.

    Returns:
        (N,) float32, 0..1.
    """
    probabilities = segmentation.probabilities
    maps = [probabilities[SegmentClass.SKIN] + probabilities[SegmentClass.FACIAL_HAIR]]
    if not keep_beard:
        maps.append(probabilities[SegmentClass.SKIN])
    kernel = _disk(margin_px)
    # Beyond the frame nothing is known to be skin.
    eroded = [
        cv2.erode(np.ascontiguousarray(probability), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=(0,))
        for probability in maps
    ]
    hair = probabilities[SegmentClass.HAIR] + probabilities[SegmentClass.HEADWEAR]
    around = cv2.dilate(np.ascontiguousarray(hair), _disk(HAIR_MARGIN_PX))
    layers = np.stack([cv2.GaussianBlur(layer, (0, 0), BLUR_PX) for layer in (*eroded, around)], -1)
    size = layers.shape[0]
    pixels = segmentation.frame.photo_to_crop(np.asarray(points, np.float64)).astype(np.float32)
    inside = ((pixels >= 0) & (pixels <= size - 1)).all(1)
    values = sample_image(layers.astype(np.float32), pixels).reshape(len(pixels), -1)
    own = values[:, 0]
    if not keep_beard:
        own = own * (1 - beard) + values[:, 1] * beard
    free = 1 - ramp(values[:, -1], *HAIR_RANGE)
    return np.asarray(ramp(own, *SKIN_RANGE) * free * inside, np.float32)


def _disk(radius: int) -> np.ndarray:
    """A kernel of a radius, pixels."""
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)))
