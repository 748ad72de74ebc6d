"""The discriminant finds what differs from person to person among much that does not."""

import numpy as np

from core.lifting.face_descriptor import FaceDescriptor
from core.training.fitting.face_descriptor import (
    FALSE_ALARMS,
    Pictures,
    descriptor_arrays,
    equal_error_rate,
    fit_descriptor,
    held_out_scores,
    limit_of,
    pair_scores,
)


def some_pictures(rng, people=60, each=6) -> Pictures:
    """Of 12 features two tell people apart; the others are larger and change with the light."""
    who = np.repeat(np.arange(people), each)
    parts = []
    for _ in range(2):
        features = rng.normal(size=(len(who), 12)) * 3
        features[:, :2] = 2 * rng.normal(size=(people, 2))[who] + 0.3 * rng.normal(size=(len(who), 2))
        parts.append((features @ np.linalg.qr(rng.normal(size=(12, 12)))[0]).astype(np.float32))
    return Pictures(who, *parts)


def test_people_who_were_left_out_are_told_apart(tmp_path):
    pictures = some_pictures(np.random.default_rng(0))
    points = np.zeros((4, 2), int)
    scores = held_out_scores(pictures, points, np.zeros(len(pictures.person), int))
    assert equal_error_rate(*scores[0]) < 0.08
    limit = limit_of(scores.values())
    same, different = scores[0]
    assert (same < limit).mean() <= FALSE_ALARMS and (different < limit).mean() > 0.7
    found = fit_descriptor(pictures, points, limit)
    assert (found.shape.between[:2] > 5).all() and (found.shape.between[2:] < 1).all()
    np.savez(tmp_path / "face_descriptor.npz", **descriptor_arrays(found))
    again = pair_scores(FaceDescriptor.load(tmp_path), pictures)
    np.testing.assert_allclose(again[0], pair_scores(found, pictures)[0], atol=0.05)


def test_equal_error_rate_of_scores_that_do_not_overlap_is_zero():
    assert equal_error_rate(np.array([3.0, 4.0]), np.array([1.0, 2.0])) == 0
    assert equal_error_rate(np.array([1.0, 3.0]), np.array([2.0, 4.0])) == 0.5
