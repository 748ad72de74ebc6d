"""A click on a thing in the photo: all of it is ignored, and nothing else."""

import numpy as np

from core.geometry.frames import AffineFrame
from core.segmentation.segments import SEGMENT_SIZE, Segmentation, SegmentClass
from core.wrapping.ignored import segment_at

#: The photo is the segment frame, doubled and moved.
FRAME = AffineFrame(np.array([[0.5, 0.0, -20.0], [0.0, 0.5, -30.0]]))
PHOTO = (600, 640)


def hats() -> Segmentation:
    """Two hats before a wall."""
    probabilities = np.zeros((len(SegmentClass), SEGMENT_SIZE, SEGMENT_SIZE), np.float32)
    probabilities[SegmentClass.BACKGROUND] = 0.4
    for left in (40, 160):
        probabilities[SegmentClass.HEADWEAR, 20:60, left : left + 50] = 0.6
    return Segmentation(probabilities, FRAME)


def test_one_of_two_hats_is_found_where_it_is():
    x, y = FRAME.inverse @ [60, 40, 1]
    kind, mask = segment_at(hats(), x, y, PHOTO, (240, 256))
    assert kind == SegmentClass.HEADWEAR and mask.shape == (256, 240)
    rows, columns = np.nonzero(mask)
    # In the photo from pixel 120 to 219 and from 100 to 179; a pixel of the mask is 2.5 of the photo's.
    assert abs(columns.min() - 120 / 2.5) <= 1 and abs(columns.max() - 219 / 2.5) <= 1
    assert abs(rows.min() - 100 / 2.5) <= 1 and abs(rows.max() - 179 / 2.5) <= 1
    assert mask[rows.min() + 2 : rows.max() - 1, columns.min() + 2 : columns.max() - 1].all()


def test_nothing_is_known_beside_the_segment_frame():
    for x in (1.0, -1e300, 1e300):
        with np.errstate(all="raise"):
            kind, mask = segment_at(hats(), x, 1.0, PHOTO, (240, 256))
        assert kind == SegmentClass.BACKGROUND and not mask.any()
