"""The strand atlas: what ships is what is painted, and locks come and end in single hairs."""

import cv2
import numpy as np
import pytest

from core.hair.strand_atlas import COLOR, CURLY_DENSE, DENSE, HEIGHT, LOCKS, WIDTH, load_strand_atlas
from core.runtime.weights import packaged_models
from core.training.hair.strand_atlas import paint_strand_atlas


@pytest.fixture(scope="module")
def color():
    return paint_strand_atlas().color


def test_what_ships_is_what_is_painted(color):
    shipped = load_strand_atlas(packaged_models())[COLOR]
    picture = cv2.imdecode(np.frombuffer(shipped, np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(picture[..., 3], color[..., 3])


@pytest.mark.parametrize("lock", [*DENSE, *CURLY_DENSE])
def test_dense_locks_have_no_edge_where_they_begin_and_end(color, lock):
    width = WIDTH // LOCKS
    alpha = color[:, lock * width + 6 : (lock + 1) * width - 6, 3] / 255
    covered = alpha.mean(1)
    assert covered[HEIGHT // 3 : HEIGHT // 2].mean() > 0.9
    for rows in (covered, covered[::-1]):
        assert rows[:8].max() < 0.25
        # It takes more than a few texels from nearly nothing to nearly everything.
        assert np.flatnonzero(rows > 0.75)[0] - np.flatnonzero(rows > 0.1)[0] > 12
