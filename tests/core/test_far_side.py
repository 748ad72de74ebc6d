"""The far side of the head follows the lifted head."""

import numpy as np
import pytest

from core.far_side import LikelyHead, follow, smooth_back
from core.geometry import VOLUME_CENTRE_Z
from core.guidance import DEPTH_UNIT, MAPS, Guidance
from core.runs import find_runs

BOX = (slice(60, 130), slice(50, 110), slice(60, 120))


@pytest.fixture(scope="module")
def ball():
    """(occupancy in BOX, guidance of the same ball two voxels farther back)."""
    z, y, x = np.indices((200, 192, 192), dtype=np.float32)
    across = np.hypot(y - 80, x - 90)
    half = np.where(across < 25, np.sqrt(np.maximum(25**2 - across**2, 0)), -10)
    likely = half - np.abs(z - 93)
    maps = np.zeros((MAPS, 192, 192), np.float32)
    maps[6] = across[0] < 25
    maps[5] = np.where(maps[6] > 0, (93 - half[0] - VOLUME_CENTRE_Z) / DEPTH_UNIT, 0)
    occupancy = np.clip(0.5 + (half - np.abs(z - 95)) / 6, 0, 1)
    return occupancy[BOX].astype(np.float32), Guidance(maps, np.clip(likely, -6, 6))


def test_the_lifted_head_in_the_box(ball):
    likely = LikelyHead.of(ball[1], BOX)
    assert likely.back.shape == (62, 62)
    # Counted with the border, voxel (z, y, x) = (93, 80, 90) of the volume is (34, 31, 31).
    column = np.array([31 * 62 + 31])
    assert likely.inside(column, np.array([34]))[0] and not likely.inside(column, np.array([5]))[0]
    assert likely.back[31, 31] == pytest.approx(34 - 25, abs=1e-3) and np.isnan(likely.back[1, 1])


def test_noise_of_the_back_goes_and_its_place_stays(ball):
    occupancy, guidance = ball
    likely = LikelyHead.of(guidance, BOX)
    clean = find_runs(occupancy, 0.5)
    noisy = find_runs(occupancy, 0.5)
    rng = np.random.default_rng(0)
    noisy = noisy.moved(noisy.back + rng.normal(0, 1, len(noisy)).astype(np.float32), noisy.front)
    smooth = smooth_back(noisy, likely)
    inner = np.hypot(*(np.array(np.divmod(smooth.column, 62)) - 31)) < 18
    true = 36 - np.sqrt(np.maximum(25**2 - np.hypot(*(np.array(np.divmod(smooth.column, 62)) - 31)) ** 2, 0))
    assert np.abs(smooth.back - true)[inner].mean() < 0.25 < np.abs(noisy.back - true)[inner].mean()
    np.testing.assert_array_equal(smooth.front, clean.front)


def test_shards_and_cracks_of_the_far_half(ball):
    occupancy, guidance = ball
    likely = LikelyHead.of(guidance, BOX)
    clean = find_runs(occupancy, 0.5)
    broken = occupancy.copy()
    broken[24:30, 28:33, 28:33] = 0  # a crack within the head
    broken[2:4, 28:33, 28:33] = 1  # a shard behind it
    broken[65:67, 28:33, 28:33] = 1  # something before the face is not meant
    mended = follow(find_runs(broken, 0.5), likely)
    assert len(mended) == len(clean) + 25
    assert mended.first.min() == clean.first.min() and mended.last.max() == 67
