"""Whether two photos show hair so unlike that they cannot show one person, whatever the light.

The shape of a face alone hardly tells people apart (docs/several_photos.md). How much darker hair is than
skin in the same photo depends little on exposure, white balance and light. The color of the skin does, and a
photo may be black and white; how much hair is seen changes with the side, headwear and styling. So neither is
compared.
"""

import cv2
import numpy as np

from ..segmentation.segments import SEGMENT_SIZE, Segmentation, SegmentClass

#: Probability from which on a pixel of the segmentation counts.
CERTAIN = 0.8
#: Least pixels of skin and of hair, of 256 x 256, that are compared.
LEAST_PIXELS = 300
#: Most pixels of headwear: what is taken for hair may be a part of it.
MOST_HEADWEAR = 100
#: Gamma of photos, nearly.
GAMMA = 2.2
#: Added to both, linear: black is never quite black in a photo.
LIGHT_FLOOR = 0.005
#: Difference of the logarithms of hair's lightness to skin's from which on people differ. Of 33 people, three
#: or more views each, with expressions and light changed, none differs by more than 1.6; of pairs of
#: different portraits 18 % do by more than this.
UNLIKE_CONTRAST = 2.1


def hair_contrast(rgb: np.ndarray, segmentation: Segmentation) -> float | None:
    """How much lighter hair is than skin.

    Args:
        rgb: (H, W, 3) uint8, the photo.
        segmentation: Of the head.

    Returns:
        Logarithm of the ratio of their median linear lightness; None if there is too little of either, or
        headwear.
    """
    probabilities = segmentation.probabilities
    if (probabilities[SegmentClass.HEADWEAR] > 0.5).sum() > MOST_HEADWEAR:
        return None
    size = (SEGMENT_SIZE, SEGMENT_SIZE)
    crop = cv2.warpAffine(rgb, segmentation.frame.matrix, size, flags=cv2.INTER_AREA)
    lightness = ((crop / 255.0) ** GAMMA).mean(2)
    skin, hair = (probabilities[kind] > CERTAIN for kind in (SegmentClass.SKIN, SegmentClass.HAIR))
    if min(skin.sum(), hair.sum()) < LEAST_PIXELS:
        return None
    of_hair, of_skin = (float(np.median(lightness[region])) + LIGHT_FLOOR for region in (hair, skin))
    return float(np.log(of_hair / of_skin))


def hair_differs(one: float | None, other: float | None) -> bool:
    """Whether two contrasts (`hair_contrast`) cannot be one person's; False if either is not known."""
    return one is not None and other is not None and abs(one - other) > UNLIKE_CONTRAST
