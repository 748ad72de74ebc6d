"""Headwear in the color of the hair beside it."""

import numpy as np
import pytest

from core.geometry.frames import AffineFrame
from core.segmentation.hair_color import with_hair_by_color
from core.segmentation.segments import SEGMENT_SIZE, Segmentation, SegmentClass

BLOND = (170, 130, 85)


@pytest.mark.parametrize(
    ("hair", "headwear", "is_hair"),
    [
        (BLOND, (150, 113, 73), True),
        (BLOND, (60, 70, 160), False),  # a blue cap
        (BLOND, (240, 235, 230), False),  # a white scarf
        ((20, 18, 16), (20, 18, 16), False),  # a black scarf beside black hair
        ((130, 128, 125), (140, 138, 135), False),  # gray
    ],
)
def test_headwear_in_the_hairs_own_color_is_hair(hair, headwear, is_hair):
    rgb = np.zeros((SEGMENT_SIZE, SEGMENT_SIZE, 3), np.uint8)
    rgb[:100], rgb[100:] = headwear, hair
    probabilities = np.zeros((len(SegmentClass), SEGMENT_SIZE, SEGMENT_SIZE), np.float32)
    probabilities[SegmentClass.HEADWEAR, :100] = 1
    probabilities[SegmentClass.HAIR, 100:] = 1
    found = with_hair_by_color(Segmentation(probabilities, AffineFrame(np.eye(2, 3))), rgb)
    np.testing.assert_allclose(found.probabilities.sum(0), 1, atol=1e-6)
    assert bool((found.labels[:100] == SegmentClass.HAIR).all()) == is_hair
