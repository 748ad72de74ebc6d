"""The lifter's cascade: its regressions learn, and each pair's outputs come from the half it was not in."""

import numpy as np

from core.template.template import HeadTemplate
from core.training.fitting.cascade import BEHIND, BELOW, StageData, choose_feature_sites, fit_stage, predicted
from tests.core.training.conftest import MODELS


def synthetic_stage_data(rng: np.random.Generator, count: int = 1500) -> StageData:
    """Pairs of which a linear map explains all but a little noise."""
    x = rng.normal(2, 3, (count, 40)).astype(np.float16)
    truth = ((x - 2.0) @ rng.normal(size=(40, 4)) + 0.05 * rng.normal(size=(count, 4)) + 1).astype(np.float32)
    return StageData(x, np.zeros_like(truth), truth, np.zeros(count), np.ones(count, np.float32))


def test_a_stage_finds_what_is_left():
    views = synthetic_stage_data(np.random.default_rng(0))
    half = np.arange(1500) % 2 == 0
    penalty = np.full(40, 1e-4, np.float32)
    penalty[:4] = 0.03
    stage, after = fit_stage(views, half, penalty)
    guess = (
        views.z + stage["bias"] + predicted(views.inputs, stage["mean"], stage["scale"], stage["weight"].T)
    )
    assert np.square(guess - views.truth).mean() < 0.01 * views.truth.var()
    assert np.square(after - views.truth).mean() < 0.02 * views.truth.var()


def test_no_pair_is_corrected_by_a_regression_that_knows_it():
    """Worthless inputs: what was fitted seems to explain the truth, what was not does not."""
    rng = np.random.default_rng(1)
    views = synthetic_stage_data(rng, 60)
    noise = StageData(
        views.inputs, views.z, rng.normal(size=(60, 4)).astype(np.float32), views.yaw, views.weight
    )
    stage, after = fit_stage(noise, np.arange(60) < 30, np.full(40, 0.01, np.float32))
    guess = (
        noise.z + stage["bias"] + predicted(noise.inputs, stage["mean"], stage["scale"], stage["weight"].T)
    )
    assert np.square(guess - noise.truth).mean() < 0.6
    assert np.square(after - noise.truth).mean() > 1.0


def test_feature_sites_are_spread_over_the_skin_in_front():
    template = HeadTemplate.load(MODELS)
    sites = choose_feature_sites(template)
    assert len(sites) == len(set(sites.tolist())) == 140
    assert set(template.ibug68.tolist()) <= set(sites.tolist())
    others = template.vertices[sites[len(set(template.ibug68.tolist())) :]]
    assert (others[:, 1] < BEHIND).all() and (others[:, 2] > BELOW).all()
    away = np.linalg.norm(others[:, None] - others[None], axis=2)[~np.eye(len(others), dtype=bool)]
    assert away.min() > 0.005
