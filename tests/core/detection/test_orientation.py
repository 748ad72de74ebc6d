"""Which way up a face is: masks hide most of the evidence, and must not turn a face upside down."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.detection.detector import CONTRADICTION, Reading, _most_probable
from core.detection.landmarks import FaceLandmarks, roll, turn_between
from core.image.photo import load_photo

#: MediaPipe's landmarks along the jaw, from ear to ear, and back over the cheeks and the bridge of the nose.
MASK = (
    *(234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323, 454),
    *(345, 346, 347, 329, 355, 197, 126, 100, 118, 117, 116),
)
COLORS = {"light blue": (166, 202, 226), "white": (236, 238, 240), "black": (40, 42, 46)}


def with_mask(rgb: np.ndarray, face: FaceLandmarks, color: tuple[int, int, int]) -> np.ndarray:
    """The picture with a surgical mask painted onto the face, shaded as the picture is."""
    outline = face.points[list(MASK), :2]
    mask = np.zeros(rgb.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(outline * 8).astype(np.int32)], 255, cv2.LINE_AA, 3)
    alpha = cv2.GaussianBlur(mask, (0, 0), 1.0).astype(np.float32)[..., None] / 255
    light = cv2.GaussianBlur(rgb.astype(np.float32).mean(2), (0, 0), face.size / 12)
    shade = np.clip(0.35 + 0.65 * light / np.median(light[mask > 127]), 0.4, 1.25)[..., None]
    painted = rgb * (1 - alpha) + np.clip(np.array(color) * shade, 0, 255) * alpha
    return np.ascontiguousarray(painted.astype(np.uint8))


@pytest.mark.parametrize("color", COLORS.values(), ids=COLORS)
def test_a_face_with_a_mask_stays_upright(detector, astronaut, face, color):
    (found,) = detector.detect(with_mask(astronaut, face, color), max_faces=1)
    assert abs(turn_between(face, found)) < 20


#: Portraits that a mask of this color turned upside down when the reading of least redetection error counted.
TURNED_BY_A_MASK = (("female_10", "light blue"), ("female_13", "black"), ("male_13", "light blue"))


@pytest.mark.parametrize(("name", "color"), TURNED_BY_A_MASK)
def test_portraits_with_a_mask_stay_upright(detector, data_folder, name, color):
    picture = load_photo(data_folder / f"portraits/{name}.jpg").rgb
    (bare,) = detector.detect(picture, max_faces=1)
    (found,) = detector.detect(with_mask(picture, bare, COLORS[color]), max_faces=1)
    assert abs(turn_between(bare, found)) < 20


@pytest.mark.parametrize("name", ["female_11", "male_16", "male_28", "male_42"])
def test_portraits_upside_down_are_found_so(detector, data_folder, name):
    """Read as upright when a close agreement with the mirror image was proof enough."""
    picture = load_photo(data_folder / f"portraits/{name}.jpg").rgb
    picture = cv2.resize(picture, (700, 700), interpolation=cv2.INTER_AREA)
    (upright,) = detector.detect(picture, max_faces=1)
    (found,) = detector.detect(np.ascontiguousarray(picture[::-1, ::-1]), max_faces=1)
    assert abs(turn_between(upright, found)) > 160


def test_a_face_upside_down_is_found_so(detector, astronaut, face):
    (found,) = detector.detect(np.ascontiguousarray(astronaut[::-1, ::-1]), max_faces=1)
    assert abs(turn_between(face, found)) > 160


def reading(degrees: float, redetection_error: float, valid: bool = True) -> Reading:
    angle = np.radians(degrees)
    points = np.zeros((478, 3), np.float32)
    points[10, :2] = np.sin(angle), -np.cos(angle)
    return Reading(FaceLandmarks(points), valid, redetection_error)


@given(st.floats(-179, 179), st.floats(-179, 179))
def test_roll_and_turn(first, second):
    one, other = reading(first, 0).face, reading(second, 0).face
    assert roll(one) == pytest.approx(first, abs=1e-3)
    turned = turn_between(one, other)
    assert np.isclose(np.cos(np.radians(turned - (second - first))), 1)


@given(st.floats(0.001, 0.1), st.floats(0.001, 0.1))
def test_only_a_clear_contradiction_turns_a_face_upside_down(upright_error, inverted_error):
    upright, inverted = reading(0, upright_error), reading(180, inverted_error)
    chosen = _most_probable([upright, inverted])
    assert chosen is (inverted if inverted_error < CONTRADICTION * upright_error else upright)
    assert _most_probable([inverted, upright]) is chosen


def test_an_unconfirmed_reading_does_not_count():
    upright, inverted = reading(0, 0.01, valid=False), reading(180, 0.09)
    assert _most_probable([upright, inverted]) is inverted
    assert _most_probable([upright, replace(inverted, valid=False)]) is None
