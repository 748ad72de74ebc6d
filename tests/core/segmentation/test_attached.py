"""Headwear and things that touch no head are background."""

import numpy as np
import pytest

from core.geometry.frames import AffineFrame
from core.segmentation.attached import without_detached
from core.segmentation.segments import SEGMENT_SIZE, Segmentation, SegmentClass


def _segmentation(*boxes: tuple[SegmentClass, slice, slice]) -> Segmentation:
    """A face in the middle, clothes below it, and boxes of other classes over them."""
    labels = np.zeros((SEGMENT_SIZE, SEGMENT_SIZE), np.uint8)
    labels[80:160, 95:160] = SegmentClass.SKIN
    labels[170:] = SegmentClass.CLOTHES
    labels[160:170, 110:145] = SegmentClass.SKIN
    for kind, rows, columns in boxes:
        labels[rows, columns] = kind
    probabilities = np.full((len(SegmentClass), *labels.shape), 0.05, np.float32)
    np.put_along_axis(probabilities, labels[None].astype(np.int64), 0.65, 0)
    return Segmentation(probabilities, AffineFrame(np.eye(2, 3)))


@pytest.mark.parametrize("kind", [SegmentClass.HEADWEAR, SegmentClass.OCCLUDER])
@pytest.mark.parametrize(
    ("rows", "columns", "stays"),
    [
        (slice(50, 80), slice(90, 165), True),  # a hat
        (slice(50, 79), slice(90, 165), True),  # a hat, a pixel away
        (slice(120, 256), slice(150, 200), True),  # a hand before a cheek
        (slice(0, 60), slice(0, 60), False),  # leaves in a corner
        (slice(140, 200), slice(220, 256), False),  # leaves that touch the clothes alone
        (slice(60, 220), slice(80, 180), True),  # what hides all of the face
    ],
)
def test_what_touches_the_head_stays(kind, rows, columns, stays):
    before = _segmentation((kind, rows, columns))
    after = without_detached(before)
    np.testing.assert_allclose(after.probabilities.sum(0), 1, atol=1e-5)
    if stays:
        assert after is before
        return
    assert (after.labels[rows, columns] == SegmentClass.BACKGROUND).all()
    elsewhere = before.labels != kind
    np.testing.assert_array_equal(after.labels[elsewhere], before.labels[elsewhere])


@pytest.mark.parametrize(
    ("boxes", "stays"),
    [
        ([(SegmentClass.HAIR, slice(60, 82), slice(90, 165))], True),
        ([(SegmentClass.HAIR, slice(120, 210), slice(160, 180))], True),  # hangs over the clothes
        # Below a scarf, over the clothes:
        (
            [
                (SegmentClass.HEADWEAR, slice(60, 172), slice(158, 172)),
                (SegmentClass.HAIR, slice(172, 220), slice(160, 175)),
            ],
            True,
        ),
        # A picture's frame above a hat, which it touches in a spot:
        (
            [
                (SegmentClass.HEADWEAR, slice(40, 82), slice(90, 165)),
                (SegmentClass.HEADWEAR, slice(30, 40), slice(125, 130)),
                (SegmentClass.HAIR, slice(20, 30), slice(80, 180)),
            ],
            False,
        ),
        ([(SegmentClass.HAIR, slice(20, 40), slice(200, 240))], False),  # leaves
    ],
)
def test_hair_touches_skin_or_what_covers_it(boxes, stays):
    before = _segmentation(*boxes)
    after = without_detached(before)
    kind, rows, columns = boxes[-1]
    np.testing.assert_allclose(after.probabilities.sum(0), 1, atol=1e-5)
    assert (after.labels[rows, columns] == (kind if stays else SegmentClass.BACKGROUND)).all()


def test_one_thing_goes_and_another_stays():
    hat = (SegmentClass.HEADWEAR, slice(50, 80), slice(90, 165))
    leaves = (SegmentClass.HEADWEAR, slice(0, 40), slice(200, 256))
    after = without_detached(_segmentation(hat, leaves))
    assert (after.labels[hat[1:]] == SegmentClass.HEADWEAR).all()
    assert not (after.labels[leaves[1:]] == SegmentClass.HEADWEAR).any()
