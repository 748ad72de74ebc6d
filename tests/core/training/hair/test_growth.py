"""Synthetic grooms: rooted on the scalp, outside of the head, of the lengths and the parting asked for."""

from dataclasses import replace

import numpy as np
import pytest

from core.runtime.weights import models_folder
from core.template.topology import HeadTopology
from core.training.hair.grooms import GroomKind, GroomSpec, random_spec
from core.training.hair.growth import POINTS, grow_groom
from core.training.hair.head_field import HeadField
from core.training.hair.truth import strand_points

STRANDS = 300
#: Straight strands without what makes them differ.
PLAIN = {"frizz": 0.0, "clumping": 0.0, "length_spread": 0.0}


@pytest.fixture(scope="module")
def head():
    topology = HeadTopology.load(models_folder())
    weights = np.random.default_rng(3).standard_normal(len(topology.identity)) * 0.7
    return HeadField.of(topology.vertices + np.tensordot(weights, topology.identity, 1), topology)


def spec_of(kind, seed=0):
    return random_spec(np.random.default_rng(seed), kind)


@pytest.mark.parametrize("kind", list(GroomKind))
def test_strands_are_rooted_on_the_scalp_and_outside_of_the_skin(head, kind):
    groom = grow_groom(spec_of(kind), head, 0, STRANDS)
    assert groom.points.shape[1:] == (POINTS, 3) and len(groom.points) > 0.8 * STRANDS
    distance, _ = head.skin.distance(groom.points.reshape(-1, 3).astype(float))
    assert np.abs(distance.reshape(groom.points.shape[:2])[:, 0]).max() < 0.001
    assert distance.min() > -0.002
    weight = head.scalp_weights(groom.spec.recession, groom.spec.crown, groom.spec.bald_above)
    assert (weight[head.skin.triangles[groom.root_triangle]].mean(1) > 0.3).all()
    assert np.isfinite(groom.points).all()


def test_same_seed_grows_the_same_groom(head):
    spec = spec_of(GroomKind.CURLS)
    first, again, other = (grow_groom(spec, head, seed, STRANDS).points for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or not np.allclose(first, other)


def test_strands_are_as_long_as_asked(head):
    spec = GroomSpec(GroomKind.SHORT, top=0.08, sides=0.02, back=0.04, **PLAIN)
    groom = grow_groom(spec, head, 0, STRANDS)
    length = np.linalg.norm(np.diff(groom.points, axis=1), axis=2).sum(1)
    x, y, z = groom.root_template.T
    places = {
        0.08: z > 0.095,
        0.02: (np.abs(x) > 0.06) & (y < 0.09) & (z < 0.045),
        0.04: (y > 0.15) & (z < 0.03),
    }
    for asked, there in places.items():
        assert there.sum() > 3
        np.testing.assert_allclose(np.median(length[there]), asked, rtol=0.15)


def test_hair_falls_to_both_sides_of_the_parting(head):
    spec = GroomSpec(GroomKind.SHORT, top=0.06, flow="parting", lift=0.004, **PLAIN)
    for x, side in ((0.03, "left"), (-0.03, "right"), (0.0, "middle")):
        asked = replace(spec, parting=x)
        assert asked.parting_side == side
        groom = grow_groom(asked, head, 1, 4 * STRANDS)
        step = groom.points[:, 8, 0] - groom.points[:, 0, 0]
        near = (groom.root_template[:, 2] > 0.08) & (groom.root_template[:, 1] < 0.07)
        offset = groom.root_template[:, 0] - x
        for sign in (-1, 1):
            chosen = near & (sign * offset > 0.008) & (sign * offset < 0.03)
            assert chosen.sum() > 5 and (np.sign(step[chosen]) == sign).mean() > 0.85


def test_a_bob_ends_at_its_height_and_a_fringe_hangs_over_the_forehead(head):
    spec = replace(spec_of(GroomKind.BOB), cut_height=-0.08, fringe=0.06, curl_radius=0.0)
    groom = grow_groom(spec, head, 0, STRANDS)
    tips = groom.points[:, -1]
    assert tips[:, 2].min() > -0.13
    long = groom.lengths > 0.12
    assert np.abs(np.median(tips[long, 2]) + 0.08) < 0.03
    front = (np.abs(groom.root_template[:, 0]) < 0.04) & (groom.root_template[:, 1] < 0.04)
    assert (tips[front, 2] < groom.points[front, 0, 2]).mean() > 0.8


def test_the_course_of_a_strand_has_no_curls(head):
    spec = replace(spec_of(GroomKind.CURLS), curl_radius=0.008, curl_length=0.04, frizz=0.001)
    groom = grow_groom(spec, head, 0, STRANDS)

    def turning(strands):
        step = np.diff(strands, axis=1)
        step /= np.maximum(np.linalg.norm(step, axis=2, keepdims=True), 1e-9)
        return np.median(np.arccos(np.clip((step[:, 1:] * step[:, :-1]).sum(2), -1, 1)))

    assert turning(groom.points) > 2 * turning(groom.guide_points)
    assert np.linalg.norm(groom.points - groom.guide_points, axis=2).max() < 0.04
    _, along, strand = strand_points(groom.points, 0.002, groom.guide_points)
    _, own, again = strand_points(groom.points, 0.002)
    np.testing.assert_array_equal(strand, again)
    assert np.median((along * own).sum(1)) < 0.97


def test_hair_hangs_down_from_a_tilted_head(head):
    spec = replace(spec_of(GroomKind.LONG), curl_radius=0.0, forward=0.0, flow="parting", parting=0.0)
    lean = []
    for down in ((0.0, 0.0, -1.0), (0.5, 0.0, -0.87)):
        tips = grow_groom(replace(spec, down=down), head, 0, STRANDS).points[:, -12:]
        step = tips[:, -1] - tips[:, 0]
        lean.append(np.median(step[:, 0] / np.abs(step[:, 2])))
    assert abs(lean[0]) < 0.2 and lean[1] > lean[0] + 0.2


def test_twin_tails_are_tied_on_both_sides(head):
    spec = replace(spec_of(GroomKind.TAILS), twin=True, tie_angle=0.0, tie_side=1.2, tail=0.2)
    groom = grow_groom(spec, head, 0, STRANDS)
    tips, left = groom.points[:, -1, 0], groom.root_template[:, 0] > 0
    assert (tips[left] > 0.03).mean() > 0.9 and (tips[~left] < -0.03).mean() > 0.9


def test_gathered_hair_comes_together_behind(head):
    spec = replace(spec_of(GroomKind.PONYTAIL), tie_angle=0.3, tail=0.25, tail_radius=0.02)
    tips = grow_groom(spec, head, 0, STRANDS).points[:, -1]
    assert (tips[:, 1] > 0.15).mean() > 0.9 and np.std(tips[:, 0]) < 0.03


def test_receding_and_bald_heads_have_less_scalp(head):
    area = [head.scalp_weights(*asked).sum() for asked in ((0.0, 0.0), (0.04, 0.0), (0.0, 0.08))]
    bald = head.scalp_weights(0.0, 0.0, 0.04)
    assert area[1] < 0.95 * area[0] and area[2] < area[0] and bald.sum() < 0.6 * area[0]
    assert bald[head.template[:, 2] > 0.09].max() == 0
    spec = replace(spec_of(GroomKind.BALD), bald_above=-np.inf)
    assert len(grow_groom(spec, head, 0, STRANDS).points) == 0
