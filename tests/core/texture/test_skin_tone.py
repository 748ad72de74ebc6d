"""Exposure: whether skin is dark or the light."""

import numpy as np
import pytest

from core.image.color import LUMINANCE, linear_to_bytes
from core.runtime.weights import models_folder
from core.texture.albedo_model import AlbedoModel
from core.texture.eyes import eye_colors
from core.texture.face_colors import CONTRASTS, FaceColors
from core.texture.skin_locus import luminance_of, skin_color
from core.texture.skin_tone import (
    LUMINANCE_RANGE,
    PHOTO_EXCESS,
    colorfulness,
    contrast_lightness,
    light_color,
    photo_color,
    tone_correction,
)
from core.texture.tone_correction import ToneCorrection

#: Albedo, linear, of whites of the eyes.
WHITE = np.array([0.40, 0.37, 0.34])
NO_LIGHT = np.zeros(3)


@pytest.fixture(scope="module")
def model():
    return AlbedoModel.load(models_folder())


def tone_gain(model, tone, rgb, face=None):
    """(3,) what the skin's tone is multiplied by."""
    return np.exp(tone_correction(model, tone, rgb, face).of(tone))


def face_of(lightness, light=1.0):
    """The colors of a face whose skin has an L*: lips stand out of it the more, the lighter it is."""
    skin = np.exp(skin_color(luminance_of(lightness)))
    fair = np.clip((lightness - 35) / 30, -0.2, 1.1)
    lips = skin * np.exp(-fair * np.array([0.3, 0.75, 0.6]))
    parts = (skin, lips, 0.02 * np.ones(3), 0.05 * WHITE, WHITE)
    return FaceColors(*(part * light for part in parts))


def found_lightness(model, tone, face, light=1.0):
    """Luminance, natural logarithm, of what skin of a tone (3,) is taken for in a light."""
    seen = tone + np.log(light)
    gain = tone_gain(model, seen, bytes_of(ROOM * light), face)
    return float(np.log(np.exp(seen) * gain @ LUMINANCE))


def test_lips_tell_dark_skin_from_dark_light(model):
    tone = skin_color(luminance_of(45))
    dark, light = (found_lightness(model, tone, face_of(one)) for one in (32, 64))
    assert light - dark > 0.4


def test_nothing_but_the_photo_tells_without_a_face(model):
    tone, unseen = skin_color(luminance_of(50)), FaceColors(*np.full((5, 3), np.nan))
    assert contrast_lightness(model, np.full(CONTRASTS, np.nan)) is None
    for face in (None, unseen):
        assert found_lightness(model, tone, face) == pytest.approx(
            np.log(luminance_of(50)) - PHOTO_EXCESS, abs=1e-3
        )


@pytest.mark.parametrize("lightness", [33, 45, 62])
def test_exposure_hardly_changes_the_skin(model, lightness):
    tone, face = skin_color(luminance_of(lightness)), face_of(lightness)
    exposures = (0.06, 0.25, 0.6, 1.0, 1.5)
    found = [found_lightness(model, tone, face_of(lightness, light), light) for light in exposures]
    assert np.ptp(found) < 0.5  # of 3.2
    assert found[3] == found_lightness(model, tone, face)


@pytest.mark.parametrize("lightness", [33, 50, 64])
def test_hues_are_those_of_skin(model, lightness):
    """Photos show skin redder than it is; half of what a person differs by from others in photos stays."""
    usual = photo_color(model, np.log(luminance_of(lightness)))
    made = []
    for own in (0.0, 0.08):
        tone = usual + np.array([own, 0, -own])
        color = tone + np.log(tone_gain(model, tone, bytes_of(ROOM)))
        made.append(color - skin_color(float(np.exp(color) @ LUMINANCE)))
    assert np.abs(made[0]).max() < 0.08
    assert 0.3 < (made[1] - made[0]) @ [1, 0, -1] / 0.16 < 0.7


def test_tones_are_brought_into_the_range_of_skin(model):
    for exposure in (0.02, 1.0, 30.0):
        tone = model.tone_mean + np.log(exposure)
        color = np.exp(tone) * tone_gain(model, tone, bytes_of(ROOM))
        assert LUMINANCE_RANGE[0] * 0.99 <= color @ LUMINANCE <= LUMINANCE_RANGE[1] * 1.01


def test_gray_stays_gray_and_brows_less_than_skin_change_their_hue(model):
    tone = photo_color(model, np.log(luminance_of(60)))
    correction = tone_correction(model, tone, bytes_of(ROOM))
    skin, brow, gray = (correction.of(tone * part) for part in (1.0, 0.5, 0.0))
    assert np.ptp(skin) > 0.2 and np.ptp(gray) < 1e-9
    assert 0.3 < np.ptp(brow) / np.ptp(skin) < 0.7
    lips = correction.of(tone + np.array([0.1, -0.3, -0.3]))
    np.testing.assert_allclose(lips, skin)


def test_strongly_colored_light_is_taken_off_everything(model):
    tone, light = skin_color(luminance_of(50)), np.log([0.12, 0.18, 1])
    correction = tone_correction(
        model, tone + light, bytes_of(ROOM * np.exp(light)), face_of(50, np.exp(light))
    )
    gray = light + correction.of(light)
    assert np.ptp(gray) < 0.35 * np.ptp(light)


def test_whites_do_not_glow_in_a_face_whose_light_is_not_known():
    rgb, landmarks = np.zeros((64, 64, 3), np.uint8), np.full((478, 2), 32.0)
    dark = np.array([0.03, 0.02, 0.015])
    glowing, held = (eye_colors(rgb, landmarks, ToneCorrection.none(), skin).white for skin in (None, dark))
    assert 2 * dark @ LUMINANCE < held @ LUMINANCE < 0.5 * glowing @ LUMINANCE


#: A room as cameras show it: grays from black to white, some of them warm and some cold.
ROOM = np.linspace(0.02, 0.9, 64)[:, None, None] * np.linspace([1.2, 1.0, 0.7], [0.8, 1.0, 1.2], 64)


def bytes_of(linear):
    return linear_to_bytes(np.clip(linear, 0, 1))


@pytest.mark.parametrize("lightness", [33, 50, 62])
@pytest.mark.parametrize(
    "light", [0.25, 0.125, 0.0625, (1, 0.25, 0.15), (0.25, 0.4, 1), (0.12, 0.18, 1), (1, 0.3, 1)]
)
def test_extreme_light_gives_nearly_the_same_skin(model, lightness, light):
    """Within 0.35 of what usual light gives; these lights take 0.4 to 2.8 of the luminance."""
    tone, light = (
        skin_color(luminance_of(lightness)),
        np.full(3, light) if np.isscalar(light) else np.array(light),
    )
    usual, extreme = (
        tone
        + np.log(factor)
        + np.log(tone_gain(model, tone + np.log(factor), bytes_of(ROOM * factor), face_of(lightness, factor)))
        for factor in (np.ones(3), light)
    )
    assert abs((extreme - usual) @ LUMINANCE) < 0.35
    assert np.abs(extreme - usual).max() < 0.6


def test_usual_light_has_no_color(model):
    for change in (-0.6, 0.0, 0.4):
        for tint in ((1, 1, 1), (1.15, 1, 0.8), (0.92, 1, 1.12)):
            assert not light_color(model, model.tone_mean + change + np.log(tint), ROOM * tint).any()


def test_photos_without_colors_are_told_from_those_in_colored_light():
    assert colorfulness(ROOM) == 1 == colorfulness(ROOM * [1, 0.1, 0.08])
    gray = ROOM.mean(2, keepdims=True)
    assert colorfulness(np.repeat(gray, 3, 2)) == 0
    assert colorfulness(np.zeros((0, 3))) == 1
