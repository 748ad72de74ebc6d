"""What of a photo counts as skin."""

import numpy as np
import pytest

from core.geometry.frames import AffineFrame
from core.segmentation.segments import SEGMENT_SIZE, Segmentation, SegmentClass
from core.texture.skin_mask import HAIR_MARGIN_PX, skin_weights


@pytest.mark.parametrize("kind", [SegmentClass.HAIR, SegmentClass.HEADWEAR, SegmentClass.BACKGROUND])
def test_skin_begins_further_from_hair_than_from_anything_else(kind):
    probabilities = np.zeros((len(SegmentClass), SEGMENT_SIZE, SEGMENT_SIZE), np.float32)
    probabilities[SegmentClass.SKIN] = 1
    probabilities[:, :, :100] = 0
    probabilities[kind, :, :100] = 1
    segmentation = Segmentation(probabilities, AffineFrame(np.eye(2, 3)))
    columns = np.array([95.0, 99.0 + HAIR_MARGIN_PX, 104.0 + HAIR_MARGIN_PX])
    points = np.stack([columns, np.full(3, 128.0)], 1)
    expected = [0, 0 if kind != SegmentClass.BACKGROUND else 1, 1]
    np.testing.assert_allclose(skin_weights(segmentation, points, np.zeros(3)), expected, atol=0.1)
