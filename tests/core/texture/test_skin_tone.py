"""Exposure: whether skin is dark or the light."""

import numpy as np
import pytest

from core.image.color import LUMINANCE, linear_to_bytes
from core.runtime.weights import models_folder
from core.texture.albedo_model import AlbedoModel
from core.texture.eyes import eye_colors
from core.texture.skin_tone import LIGHTNESS_THRESHOLD, colorfulness, kept_fraction, light_color, tone_gain

#: What is around the face says the same at any exposure here: nothing.
GRAY = np.full((64, 64, 3), 118, np.uint8)
WHITE = np.array([0.40, 0.37, 0.34])


@pytest.fixture(scope="module")
def model():
    return AlbedoModel.load(models_folder())


def lightness(model, tone, exposure, white):
    """Luminance, natural logarithm, of what skin of a tone is taken for at an exposure."""
    seen = tone + np.log(exposure)
    gain = tone_gain(model, seen, GRAY, None if white is None else white * exposure)
    return float((seen + np.log(gain)) @ LUMINANCE)


def test_the_white_of_the_eyes_tells_dark_skin_from_dark_light(model):
    tone = model.tone_mean
    with_white, without = (
        [lightness(model, tone, exposure, white) for exposure in (0.15, 0.3, 0.9)] for white in (WHITE, None)
    )
    assert np.ptp(with_white) < 0.8 * np.ptp(without)


@pytest.mark.parametrize("change", [-0.8, 0.8])
def test_well_exposed_skin_keeps_about_its_lightness(model, change):
    tone = model.tone_mean + change
    kept = lightness(model, tone, 1.0, WHITE)
    assert abs(kept - lightness(model, tone, 1.0, None)) < 0.45


def test_dark_skin_beside_a_light_white_stays_dark(model):
    dark, light = (lightness(model, model.tone_mean + change, 1.0, WHITE) for change in (-0.6, 0.4))
    assert light - dark > 0.6


@pytest.mark.parametrize("white", [WHITE * 0.2, np.zeros(3)])
def test_a_white_darker_than_the_skin_says_nothing(model, white):
    assert lightness(model, model.tone_mean, 1.0, white) == lightness(model, model.tone_mean, 1.0, None)


def test_whites_do_not_glow_in_a_face_whose_light_is_not_known():
    rgb, landmarks = np.zeros((64, 64, 3), np.uint8), np.full((478, 2), 32.0)
    dark = np.array([0.03, 0.02, 0.015])
    glowing, held = (eye_colors(rgb, landmarks, np.ones(3), skin).white for skin in (None, dark))
    assert 2 * dark @ LUMINANCE < held @ LUMINANCE < 0.5 * glowing @ LUMINANCE


def test_small_corrections_are_not_made_and_great_ones_are():
    sizes = np.linspace(0, 1, 101)
    kept = np.array([kept_fraction(size, LIGHTNESS_THRESHOLD) for size in sizes])
    assert (kept[sizes <= LIGHTNESS_THRESHOLD] == 0).all() and (
        kept[sizes > 3 * LIGHTNESS_THRESHOLD] > 0.95
    ).all()
    assert (np.diff(kept * sizes) >= 0).all()


#: A room as cameras show it: grays from black to white, some of them warm and some cold.
ROOM = np.linspace(0.02, 0.9, 64)[:, None, None] * np.linspace([1.2, 1.0, 0.7], [0.8, 1.0, 1.2], 64)


def bytes_of(linear):
    return linear_to_bytes(np.clip(linear, 0, 1))


@pytest.mark.parametrize("change", [-0.6, 0.0, 0.4])
@pytest.mark.parametrize(
    "light", [0.25, 0.125, 0.0625, (1, 0.25, 0.15), (0.25, 0.4, 1), (0.12, 0.18, 1), (1, 0.3, 1)]
)
def test_extreme_light_gives_nearly_the_same_skin(model, change, light):
    """Within 0.35 of what usual light gives; these lights take 0.4 to 2.8 of the luminance."""
    tone, light = model.tone_mean + change, np.full(3, light) if np.isscalar(light) else np.array(light)
    usual, extreme = (
        tone
        + np.log(factor)
        + np.log(tone_gain(model, tone + np.log(factor), bytes_of(ROOM * factor), white * factor))
        for factor, white in ((np.ones(3), 0.8 * WHITE), (light, 0.8 * WHITE))
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
