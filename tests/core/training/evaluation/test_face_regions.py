"""Regions of the face: the same on both sides, where anatomy has them, whatever frame a face is in."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.detection.mediapipe_topology import BROWS, CHIN, EYES, FOREHEAD, LIPS, NOSE_TIP
from core.geometry.pose import rotation_matrix
from core.training.evaluation.face_regions import (
    FACE_REGIONS,
    landmark_regions,
    point_regions,
    region_medians,
)

#: A landmark of a cheek, its mirror image on the other one, and both ends of the jaw before the ears.
CHEEK_LANDMARKS = (205, 425)
SIDE_LANDMARKS = (234, 454)


@pytest.fixture(scope="module")
def regions(lifter):
    return landmark_regions(lifter.canonical)


def test_landmarks_are_where_anatomy_has_them(regions):
    for ids, name in (
        ([NOSE_TIP], "nose"),
        (LIPS, "mouth"),
        ([CHIN], "chin"),
        ([FOREHEAD], "forehead"),
        ((*EYES, *BROWS), "eyes"),
        (CHEEK_LANDMARKS, "cheeks"),
        (SIDE_LANDMARKS, "sides"),
    ):
        assert {FACE_REGIONS[k] for k in regions[list(ids)]} == {name}


def test_both_sides_of_a_face_are_divided_alike(lifter, regions):
    canonical = lifter.canonical
    mirrored = np.linalg.norm(canonical[:, None] - canonical * np.array([-1, 1, 1]), axis=2).argmin(1)
    assert (regions == regions[mirrored]).mean() > 0.99


@settings(deadline=None, max_examples=20)
@given(st.lists(st.floats(-3, 3), min_size=3, max_size=3), st.floats(0.01, 1000))
def test_regions_move_with_the_face(lifter, regions, angles, scale):
    rng = np.random.default_rng(0)
    points = lifter.canonical[rng.integers(0, 468, 200)] + rng.normal(0, 0.003, (200, 3))
    landmarks = lifter.canonical.copy()
    landmarks[468:] = np.nan  # a scan has no irises
    expected = point_regions(points, landmarks, regions)
    turn = rotation_matrix(np.array(angles)).T * scale
    np.testing.assert_array_equal(point_regions(points @ turn + 7, landmarks @ turn + 7, regions), expected)


def test_what_is_far_from_all_landmarks_is_at_the_sides(lifter, regions):
    ear = np.array([[0.09, 0.09, -0.02]])
    assert FACE_REGIONS[point_regions(ear, lifter.canonical, regions)[0]] == "sides"


def test_a_region_without_points_has_no_median():
    medians = region_medians(np.array([1.0, 3.0, 8.0]), np.array([0, 0, 1]))
    assert medians["nose"] == 2 and medians["mouth"] == 8 and np.isnan(medians["chin"])
