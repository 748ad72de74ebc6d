"""Tests of blender_addon.blender.srgb."""

import numpy as np

from blender_addon.blender.srgb import linear_to_bytes, linear_to_srgb, srgb_to_linear


def test_bytes_are_those_of_the_curve() -> None:
    linear = np.random.default_rng(0).random(100_000).astype(np.float32) ** 2
    exact = linear_to_srgb(linear.astype(float)) * 255.0
    assert np.abs(linear_to_bytes(linear) - exact).max() < 0.53
    assert (linear_to_bytes(linear) != np.rint(exact)).mean() < 0.003


def test_bytes_come_back() -> None:
    everyone = np.arange(256, dtype=np.uint8)
    assert np.array_equal(linear_to_bytes(srgb_to_linear(everyone / 255.0)), everyone)


def test_what_is_out_of_range_is_clipped() -> None:
    assert linear_to_bytes(np.array([-1.0, 0.0, 1.0, 7.0])).tolist() == [0, 0, 255, 255]
