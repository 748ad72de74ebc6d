"""Curls of strands: they wind around where the strands ran, in locks, rooted where they were."""

import numpy as np

from core.hair.strands import CURL_SHAPES, Guides, curled


def straight_guides(count=200, length=0.2):
    rng = np.random.default_rng(0)
    roots = rng.uniform(-0.06, 0.06, (count, 3)).astype(np.float32)
    along = np.linspace(0, length, 16, dtype=np.float32)
    points = roots[:, None] + along[None, :, None] * np.array([0.0, 0.6, -0.8], np.float32)
    third = np.full((count, 3), 1 / 3, np.float32)
    return Guides(
        points, np.full(count, length, np.float32), third[:, 0], third.astype(np.int32), third, third[:, :2]
    )


def test_curls_wind_around_the_strand_and_leave_its_root():
    guides, axis = straight_guides(), np.array([0.0, 0.6, -0.8])
    for curl in CURL_SHAPES.values():
        found = curled(guides, curl, 3).points
        assert found.shape == (200, curl.points, 3) and np.isfinite(found).all()
        np.testing.assert_array_equal(found[:, 0], guides.points[:, 0])
        offset = found - guides.points[:, :1]
        offset = offset - (offset @ axis)[..., None] * axis
        radius = np.linalg.norm(offset, axis=2)
        assert radius.max() < 1.01 * curl.radius and np.median(radius[:, -5:]) > 0.9 * curl.radius
        # It goes around: as often to one side as to the other.
        assert np.abs(offset[:, 5:].mean(1)).max() < 0.7 * curl.radius
    curly, wavy = (curled(guides, CURL_SHAPES[word], 3).points for word in ("curly", "wavy"))
    length = [np.linalg.norm(np.diff(one, axis=1), axis=2).sum(1).mean() for one in (wavy, curly)]
    assert 0.2 < length[0] < length[1] < 0.4


def test_neighbors_curl_alike_and_the_same_seed_gives_the_same():
    guides = straight_guides()
    beside = guides.points + np.float32([0.0005, 0, 0])
    both = Guides(
        np.concatenate([guides.points, beside]),
        *(
            np.concatenate([part, part])
            for part in (
                guides.length,
                guides.level,
                guides.root_vertices,
                guides.root_barycentric,
                guides.root_uv,
            )
        ),
    )
    curl = CURL_SHAPES["curly"]
    found = curled(both, curl, 1).points
    np.testing.assert_array_equal(found, curled(both, curl, 1).points)
    first, second = found[:200], found[200:]
    apart = np.linalg.norm(second - first, axis=2)[:, -1]
    other = np.linalg.norm((second - beside[:, :1])[::-1] - (first - guides.points[:, :1]), axis=2)[:, -1]
    assert np.median(apart) < 0.8 * np.median(other)


def test_short_hair_has_smaller_curls():
    curl = CURL_SHAPES["curly"]
    turns = []
    for length in (0.05, 0.15):
        guides = straight_guides(length=length)
        across = curled(guides, curl, 0).points - guides.points[:, :1]
        side = across[..., 0] - across[..., 0].mean(1, keepdims=True)
        assert np.abs(side).max() < 1.1 * curl.radius * min(length / 0.12, 1)
        turns.append((np.diff(np.sign(side[:, 5:]), axis=1) != 0).sum(1).mean() / length)
    assert turns[0] > 1.3 * turns[1]


def test_no_strands_have_no_curls():
    none = straight_guides().chosen(np.zeros(0, int))
    assert len(curled(none, CURL_SHAPES["curly"], 0).points) == 0
