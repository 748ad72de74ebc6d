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


def test_light_and_shade_away_from_the_border_do_not_matter():
    """Curls are dark in their depth and light on top: the two are compared where they meet."""
    rgb = np.zeros((SEGMENT_SIZE, SEGMENT_SIZE, 3), np.uint8)
    rgb[:96], rgb[96:104], rgb[104:] = BLOND, (120, 90, 57), (30, 20, 10)
    probabilities = np.zeros((len(SegmentClass), SEGMENT_SIZE, SEGMENT_SIZE), np.float32)
    probabilities[SegmentClass.HEADWEAR, :100] = probabilities[SegmentClass.HAIR, 100:] = 0.55
    probabilities[SegmentClass.HAIR, :100] = probabilities[SegmentClass.HEADWEAR, 100:] = 0.45
    found = with_hair_by_color(Segmentation(probabilities, AffineFrame(np.eye(2, 3))), rgb)
    assert (found.labels == SegmentClass.HAIR).all()
