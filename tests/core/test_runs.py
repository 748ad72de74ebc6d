"""Stretches of rays against what scipy says of the voxels."""

import numpy as np
import pytest
from scipy import ndimage

from core.runs import crossing, find_runs, largest_solid, with_runs, without_fissures

LEVEL = 0.5


def inside(runs) -> np.ndarray:
    """The voxels (D, H, W) of runs, without the border that was added."""
    depth, height, width = runs.shape
    mask = np.zeros((depth, height * width), bool)
    for column, first, last in zip(runs.column, runs.first, runs.last, strict=True):
        mask[first : last + 1, column] = True
    return mask.reshape(runs.shape)[1:-1, 1:-1, 1:-1]


@pytest.fixture(params=[0.35, 0.5, 0.65])
def noise(request) -> np.ndarray:
    """Random blobs with many parts and cavities, up to the volume's borders."""
    values = ndimage.gaussian_filter(np.random.default_rng(3).random((24, 30, 28)), 1)
    return np.clip((values - np.quantile(values, request.param)) * 8 + 0.5, 0, 1).astype(np.float32)


def test_runs_are_the_voxels_above_the_level(noise):
    runs = find_runs(noise, LEVEL)
    np.testing.assert_array_equal(inside(runs), noise >= LEVEL)
    assert runs.voxels == (noise >= LEVEL).sum()
    assert (runs.back < runs.first).all() and (runs.back > runs.first - 1).all()
    assert (runs.front > runs.last).all() and (runs.front < runs.last + 1).all()


def test_largest_solid_without_cavities(noise):
    label, _ = ndimage.label(noise >= LEVEL)
    main = label == 1 + np.argmax(np.bincount(label.ravel())[1:])
    expected = ndimage.binary_fill_holes(np.pad(main, 1))[1:-1, 1:-1, 1:-1]
    np.testing.assert_array_equal(inside(largest_solid(find_runs(noise, LEVEL))), expected)


def test_occupancy_follows_the_runs(noise):
    found = find_runs(noise, LEVEL)
    runs = largest_solid(without_fissures(found))
    values = with_runs(noise, found, runs)
    np.testing.assert_array_equal(inside(runs), values >= LEVEL)
    same = inside(runs) == (noise >= LEVEL)
    np.testing.assert_array_equal(values[same], noise[same])


def test_crossings_between_voxels():
    np.testing.assert_allclose(
        crossing(np.array([0.25, 0.4, 0.5]), np.array([0.75, 0.9, 0.5]), LEVEL), [0.5, 0.2, 0.5]
    )
    values = np.zeros((5, 1, 1), np.float32)
    values[2:4] = 0.75
    runs = find_runs(values, LEVEL)
    # With the added border voxel 2 is number 3.
    assert runs.back[0] == pytest.approx(2 + 2 / 3) and runs.front[0] == pytest.approx(4 + 1 / 3)


def test_only_fissures_are_filled():
    values = np.zeros((40, 40, 10), np.float32)
    values[2:38, :, 4:8] = 1
    values[10:13, 30:] = 0  # a fissure far away
    values[28:31, 30:] = 0  # a nostril: the camera sees what is before it
    values[20:30, :5] = 0  # between the ends of the upper part there is nothing to be seen
    values[12:30, 25:28] = 0  # behind an ear
    filled = inside(without_fissures(find_runs(values, LEVEL)))
    assert filled[10:13, 30:, 4:8].all() and filled[20:30, :5, 4:8].all()
    assert not filled[28:31, 30:].any() and not filled[12:30, 25:28].any()
