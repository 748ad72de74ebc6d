"""The albedo model is fitted to incomplete skins, with things on them that are no skin."""

import numpy as np
import pytest

from core.image.color import LUMINANCE
from core.template.regions import Regions
from core.texture.albedo_model import AlbedoModel
from core.texture.skin_tone import LIGHTNESS_THRESHOLD, exposure_features
from core.training.fitting import albedo_fitting
from core.training.fitting.albedo_fitting import (
    AlbedoFitting,
    ObservedSkin,
    ToneExample,
    fit_exposure,
    weighted_median,
)

PEOPLE = 15


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
    for number in range(PEOPLE):
        red = rng.normal(0.3, 0.15)
        logs = np.log(np.array([0.35, 0.2, 0.14])) + rng.normal(0, 0.4) + np.zeros((len(points), 3))
        logs = logs + regions.features[:, None] * np.array([0.0, -red, -red])
        if number % 3 == 0:
            logs[forehead] = np.log([0.02, 0.02, 0.3])
        picture = np.full((64, 64, 3), rng.uniform(0.1, 0.3), np.float32)
        unseen = np.zeros(3, np.float32)
        made.append(ObservedSkin(np.exp(logs).astype(np.float32), front, points, picture, unseen))
    return made


def test_what_people_have_in_common_is_found(topology, skins, tmp_path, monkeypatch):
    monkeypatch.setattr(albedo_fitting, "ROUNDS", 2)  # enough without uneven light
    monkeypatch.setattr(albedo_fitting, "IMPUTATIONS", 6)
    arrays = AlbedoFitting(topology, skins).fit()
    np.savez(tmp_path / "albedo_model.npz", **arrays)
    model = AlbedoModel.load(tmp_path)
    regions = Regions.of(topology)
    lips = regions.features > 0.95
    assert model.mean[lips, 1].mean() == pytest.approx(-0.3, abs=0.1)
    plain = regions.plain > 0.95
    assert np.abs(model.mean[plain]).max() < 0.1  # the occluders are not in it
    scalp = regions.scalp > 0.95  # nobody showed it
    assert np.abs(model.mean[scalp]).max() < 0.1
    # The other half of the face tells how red the lips are.
    redness = model.components[:, lips, 1].mean(1)
    assert np.sqrt((redness**2).sum()) == pytest.approx(0.15, abs=0.06)
    assert np.abs(model.components - model.components[:, topology.mirror]).max() < 0.02


def test_observations_survive_a_file(skins, tmp_path):
    skins[0].save(tmp_path / "one.npz")
    read = ObservedSkin.load(tmp_path / "one.npz")
    assert np.array_equal(read.colors, skins[0].colors) and np.array_equal(read.picture, skins[0].picture)


def test_exposure_is_learned_from_what_was_changed():
    rng = np.random.default_rng(1)
    tones = np.log([0.3, 0.18, 0.12]) + rng.normal(0, 0.3, (20, 1))
    pictures = rng.uniform(0.02, 0.5, (20, 64, 64, 3)).astype(np.float32)
    arrays = fit_exposure([ToneExample(*one) for one in zip(tones, pictures, strict=True)])
    for change in (-0.7, 0.0, 0.5):
        features = exposure_features(tones[0] + change, np.minimum(pictures[0] * np.exp(change), 1))
        scaled = (features - arrays["exposure_mean"]) / arrays["exposure_deviation"]
        found = scaled @ arrays["exposure_weights"][:-1] + arrays["exposure_weights"][-1]
        assert found @ LUMINANCE == pytest.approx(change, abs=0.2 + LIGHTNESS_THRESHOLD)


def test_exposure_is_learned_from_pictures_of_known_skin_and_its_eyes():
    """Backgrounds say nothing here, skins differ: only the white of the eyes tells how light a photo is."""
    rng = np.random.default_rng(2)
    white, background = np.log([0.4, 0.37, 0.34]), np.full((64, 64, 3), 0.2, np.float32)

    def examples(count):
        made = []
        for _ in range(count):
            gain = rng.normal(0, 0.4) * np.ones(3)
            tone = np.log([0.3, 0.18, 0.12]) + rng.normal(0, 0.4) + gain
            made.append(ToneExample(tone, background, np.exp(white + gain), gain))
        return made

    arrays, errors = fit_exposure(examples(60)), []
    for one in examples(20):
        features = exposure_features(one.tone, one.picture, one.eye_white)
        scaled = (features - arrays["exposure_mean"]) / arrays["exposure_deviation"]
        found = scaled @ arrays["exposure_weights"][:-1] + arrays["exposure_weights"][-1]
        errors.append((found - one.gain) @ LUMINANCE)
    assert np.abs(errors).mean() < 0.1


def test_weighted_median():
    assert weighted_median(np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 5.0])) == 2.0
    assert weighted_median(np.array([3.0]), np.array([0.0])) == 0.0
