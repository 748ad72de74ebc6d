"""The albedo model is fitted to incomplete skins, with things on them that are no skin."""

import numpy as np
import pytest

from core.template.regions import Regions
from core.texture.albedo_model import AlbedoModel
from core.texture.face_colors import CONTRASTS, SKIN_HUE
from core.texture.skin_locus import lightness_of
from core.texture.skin_tone import contrast_terms
from core.training.fitting import albedo_fitting
from core.training.fitting.albedo_fitting import (
    AlbedoFitting,
    ObservedSkin,
    fit_lightness,
    tinted,
    weighted_median,
)

PEOPLE = 15
#: How much redder each one's lips are, natural logarithm.
REDS = np.random.default_rng(0).normal(0.25, 0.1, PEOPLE)


@pytest.fixture(scope="module")
def skins(topology):
    """People whose lips are redder the darker they are, lit evenly; each shows its front, one in three an
    occluder on the forehead.
    """
    rng = np.random.default_rng(0)
    regions = Regions.of(topology)
    points = topology.vertices
    front = ((points[:, 1] < 0.05) & (points[:, 2] > -0.12)).astype(np.float32)
    forehead = (points[:, 2] > 0.04) & (np.abs(points[:, 0]) < 0.03)
    made = []
    for number, red in enumerate(REDS):
        logs = np.log(np.array([0.35, 0.2, 0.14])) + rng.normal(0, 0.4) + np.zeros((len(points), 3))
        logs = logs + regions.features[:, None] * np.array([0.0, -red, -red])
        if number % 3 == 0:
            logs[forehead] = np.log([0.02, 0.02, 0.3])
        made.append(ObservedSkin(np.exp(logs).astype(np.float32), front, points))
    return made


def test_what_people_have_in_common_is_found(topology, skins, tmp_path, monkeypatch):
    monkeypatch.setattr(albedo_fitting, "ROUNDS", 2)  # enough without uneven light
    monkeypatch.setattr(albedo_fitting, "IMPUTATIONS", 6)
    arrays = AlbedoFitting(topology, skins).fit()
    np.savez(tmp_path / "albedo_model.npz", **arrays)
    model = AlbedoModel.load(tmp_path)
    regions = Regions.of(topology)
    lips = regions.features > 0.95
    # The lips are small: some of what is around gets into them.
    assert -1.05 * REDS.mean() < model.mean[lips, 1].mean() < -0.65 * REDS.mean()
    plain = regions.plain > 0.95
    assert np.abs(model.mean[plain]).max() < 0.1  # the occluders are not in it
    scalp = regions.scalp > 0.95  # nobody showed it
    assert np.abs(model.mean[scalp]).max() < 0.1
    # The other half of the face tells how red the lips are.
    redness = model.components[:, lips, 1].mean(1)
    assert 0.6 < np.sqrt((redness**2).sum()) / REDS.std() < 1.3
    assert np.abs(model.components - model.components[:, topology.mirror]).max() < 0.02


def test_observations_survive_a_file(skins, tmp_path):
    skins[0].save(tmp_path / "one.npz")
    read = ObservedSkin.load(tmp_path / "one.npz")
    assert np.array_equal(read.colors, skins[0].colors) and np.array_equal(read.weight, skins[0].weight)


def people(count, seed):
    """Contrasts (count, C) of people, and the lightness that two of them tell; some do not show one."""
    rng = np.random.default_rng(seed)
    contrasts = rng.normal(0, 0.3, (count, CONTRASTS))
    lightness = np.clip(50 + 30 * contrasts[:, 0] + 20 * contrasts[:, 7], 25, 70)
    contrasts[rng.random(count) < 0.3, 3] = np.nan
    return contrasts, lightness


def test_lightness_is_learned_from_contrasts():
    arrays = fit_lightness(*people(120, 1))
    contrasts, true = people(60, 2)
    terms = contrast_terms(contrasts, arrays["lightness_mean"], arrays["lightness_deviation"])
    found = np.array([lightness_of(one) for one in np.exp(terms @ arrays["lightness_weights"])])
    assert np.abs(found - true).mean() < 0.35 * np.abs(true - true.mean()).mean()
    assert 0.85 < np.polyfit(true, found, 1)[0] < 1.15  # not drawn to the middle


def test_tints_change_the_skin_s_hue_alone():
    contrasts, _ = people(40, 3)
    changed = tinted(contrasts, np.random.default_rng(0)) - contrasts
    assert np.nanmax(np.abs(np.delete(changed, SKIN_HUE, 1))) == 0
    assert changed[:, SKIN_HUE].std() > 0.1


def test_weighted_median():
    assert weighted_median(np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 5.0])) == 2.0
    assert weighted_median(np.array([3.0]), np.array([0.0])) == 0.0
