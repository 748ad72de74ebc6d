"""Heads are classified: the astronaut whole, degraded, mirrored; rules, words and the calibration's file."""

import json
from dataclasses import asdict, replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ModelError
from core.image.photo import Photo
from core.quality.calibration import FILE_NAME, Calibration, ExpectedError, Term, load_calibration, ramps
from core.quality.image import shading_residual, sharpness, truncation
from core.quality.measures import Measures, measure_key, measure_name
from core.quality.report import (
    CHECK,
    CHECK_MM,
    GOOD,
    NO_CALIBRATION,
    OTHER_WEIGHTS,
    POOR,
    POOR_MM,
    QualityReport,
    classify,
    quality_report,
)
from core.reconstructor import Reconstructor
from core.runtime.weights import fingerprints
from tests.core.head_samples import oil_painting, with_hat
from tests.core.stand_ins import MODELS

#: A head without a flaw.
FINE = Measures(
    face_height_px=400,
    detection_score=0.93,
    redetection_error=0.6,
    redetection_turn_deg=1,
    redetection_shape_mm=0.4,
    landmark_error=1.5,
    landmark_error_worst=2.5,
    template_distance_mm=4,
    network_moved_mm=0.7,
    silhouette_iou=0.96,
    face_region_iou=0.94,
    shading_residual=0.3,
    sharpness=-1,
    yaw_deg=5,
    pitch_deg=5,
    roll_deg=0,
    visible_fraction=0.3,
    truncation=0,
    focal_known=1,
    perspective=0.7,
    landmarks_on_surface=478,
)


@pytest.fixture(scope="module")
def heads(astronaut, detector):
    """The astronaut's head from her photo as it is and degraded."""
    reconstructor = Reconstructor.from_pretrained(threads=1)
    small = cv2.resize(astronaut, (256, 256), interpolation=cv2.INTER_AREA)
    pictures = {
        "whole": astronaut,
        "again": astronaut,
        "blurred": cv2.GaussianBlur(astronaut, (0, 0), 2),
        "very blurred": cv2.GaussianBlur(astronaut, (0, 0), 4),
        "small": small,
        "cut": astronaut[:, 205:],
        "mirrored": astronaut[:, ::-1],
        "hat": with_hat(astronaut, detector.detect(astronaut, max_faces=1)[0].points),
        "painting": oil_painting(astronaut),
    }
    photos = {
        name: Photo.from_array(np.ascontiguousarray(rgb), focal_mm35=50) for name, rgb in pictures.items()
    }
    return {name: reconstructor.reconstruct(photo, max_faces=1)[0] for name, photo in photos.items()}


@pytest.fixture(scope="module")
def reports(heads):
    return {name: head.quality.document() for name, head in heads.items()}


@pytest.mark.slow
def test_whole_astronaut(reports):
    report = reports["whole"]
    assert report["verdict"] == GOOD and report["reasons"] == []
    low, high = report["error_spread_mm"]
    assert 0.5 < low < report["expected_error_mm"] < high < 10 and report["expected_error_mm"] < CHECK_MM
    assert report["calibrated_for_these_weights"] and report["warnings"] == []
    assert set(report["measures"]) == {measure_key(name) for name in Measures.names()}
    assert report["face_height_px"] == pytest.approx(106.7, abs=1) and report["landmarks_on_surface"] > 470
    assert json.loads(json.dumps(report, allow_nan=False)) == report


@pytest.mark.slow
def test_same_photo_same_report(heads, reports):
    assert heads["whole"].quality == heads["again"].quality and reports["whole"] == reports["again"]


@pytest.mark.slow
def test_blur(reports):
    sharp, soft, gone = (reports[name] for name in ("whole", "blurred", "very blurred"))
    assert sharp["measures"]["sharpness"] > soft["measures"]["sharpness"] > gone["measures"]["sharpness"]
    # Landmarks move a little, so that a pinch of tolerance is needed.
    assert soft["expected_error_mm"] > 0.9 * sharp["expected_error_mm"]
    assert gone["expected_error_mm"] > 0.9 * soft["expected_error_mm"]
    assert gone["verdict"] != GOOD and any("blurred" in reason for reason in gone["reasons"])


@pytest.mark.slow
def test_small(reports):
    report = reports["small"]
    assert report["expected_error_mm"] > 0.9 * reports["whole"]["expected_error_mm"]
    assert report["verdict"] == POOR and any("pixels high" in reason for reason in report["reasons"])
    assert report["warnings"][: len(report["reasons"])] == report["reasons"]


@pytest.mark.slow
def test_cut(reports):
    report = reports["cut"]
    assert report["measures"]["cut_share"] > 0.02 and report["verdict"] != GOOD
    assert any("edge" in reason for reason in report["reasons"])


@pytest.mark.slow
def test_mirrored(reports):
    one, other = reports["whole"], reports["mirrored"]
    assert other["measures"]["yaw_deg"] == pytest.approx(-one["measures"]["yaw_deg"], abs=3)
    assert other["expected_error_mm"] == pytest.approx(one["expected_error_mm"], rel=0.3)
    assert other["verdict"] == GOOD


@pytest.mark.slow
def test_a_hat_and_a_painting(reports):
    hat, painting = reports["hat"], reports["painting"]
    assert hat["verdict"] == CHECK and any("forehead" in reason for reason in hat["reasons"])
    assert any("headwear" in warning for warning in hat["warnings"])
    assert painting["verdict"] in (GOOD, CHECK)
    assert painting["expected_error_mm"] < 1.5 * reports["whole"]["expected_error_mm"]


@pytest.mark.parametrize(
    ("change", "verdict", "words"),
    [
        ({"yaw_deg": -52}, CHECK, "turned 52 degrees away"),
        ({"yaw_deg": 71}, POOR, "the far side is a guess"),
        ({"pitch_deg": -40}, CHECK, "tilted 40 degrees down"),
        ({"pitch_deg": 55}, POOR, "tilted 55 degrees up"),
        ({"face_height_px": 80}, CHECK, "only 80 pixels high"),
        ({"face_height_px": 45}, POOR, "Take a larger picture"),
        ({"sharpness": -3}, CHECK, "blurred"),
        ({"truncation": 0.05}, CHECK, "Take a photo of the whole face"),
        ({"redetection_error": 9}, POOR, "this is no face"),
        ({"landmark_error_worst": 9}, CHECK, "does not fit"),
        ({"landmarks_on_surface": 440}, CHECK, "missing"),
    ],
)
def test_rules(change, verdict, words):
    assert classify(FINE, None) == (GOOD, [])
    found, reasons = classify(replace(FINE, **change), None)
    assert found == verdict and len(reasons) == 1 and words in reasons[0]


@pytest.mark.parametrize(("before", "after"), [(GOOD, CHECK), (CHECK, CHECK), (POOR, POOR)])
def test_a_further_reason_makes_no_head_better(before, after):
    report = QualityReport(before, ("It is dark.",), (), None, True, FINE, 0.5)
    assert report.to_check("Look.").verdict == after
    assert report.to_check("Look.").reasons == ("It is dark.", "Look.")


def test_worst_flaw_comes_first():
    verdict, reasons = classify(replace(FINE, truncation=0.05, yaw_deg=80), None)
    assert verdict == POOR and "80 degrees" in reasons[0] and "edge" in reasons[1]


def test_expected_error_alone():
    """Where no rule says why, what the error comes from is told, or at least how large it is."""
    assert classify(FINE, ExpectedError(CHECK_MM - 0.1, 2, 6, {}))[0] == GOOD
    verdict, (reason,) = classify(FINE, ExpectedError(CHECK_MM + 0.5, 3, 7.25, {"sharpness": 0.01}))
    assert verdict == CHECK and f"{CHECK_MM + 0.5:.2g} mm off (3 to 7.2)" in reason
    verdict, (reason,) = classify(
        FINE, ExpectedError(POOR_MM, 4, 12, {"perspective": 0.4, "sharpness": 0.05})
    )
    assert verdict == POOR and "from near" in reason


def test_nothing_is_said_twice():
    expected = ExpectedError(
        POOR_MM + 1, 4, 12, {"redetection_turn_deg": 0.8, "yaw_deg": 0.5, "focal_known": 0.2}
    )
    _, reasons = classify(replace(FINE, yaw_deg=60), expected)
    assert len(reasons) == 2 and "60 degrees" in reasons[0] and "focal length" in reasons[1]


def test_ramps():
    np.testing.assert_allclose(
        ramps(np.array([-1, 0.5, 1.5, 9]), np.array([0.0, 1, 3])), [[0, 0], [0.5, 0], [1, 0.25], [1, 1]]
    )


def by_name(document):
    """Measures of a file under their names in the code."""
    return {measure_name(key): value for key, value in document.items()}


def calibration() -> Calibration:
    """The project's own."""
    found = load_calibration(MODELS)
    assert found is not None
    return found


def test_calibration_is_for_these_weights():
    found = calibration()
    assert found.made_for(fingerprints(MODELS)), "run scripts/training/calibrate_quality.py again"
    assert not found.made_for({**fingerprints(MODELS), "landmark_lifter.safetensors": "0" * 12})
    assert not found.made_for({})


def test_calibration_gives_what_its_fit_gave():
    examples = calibration().about["examples"]
    assert len(examples) >= 3
    for example in examples:
        assert calibration().expected(by_name(example["measures"])).error == pytest.approx(
            example["expected_mm"], rel=2e-3
        )


def test_calibration_says_how_good_it_is():
    about = calibration().about
    everything = about["cross_validation"]["all"]
    assert everything["heads"] == about["heads"] >= 100 and about["licence"] == "CC0-1.0"
    assert everything["spearman"] > 0.5 and 0.7 < everything["in_spread"] < 0.9


#: In which direction each measure gets worse.
WORSE = {"negative": -1, "negative log": -1, "as it is": 1, "absolute": 1, "log": 1}


@given(data=st.data())
def test_worse_measures_never_give_a_better_error(data):
    found = calibration()
    measures = {
        term.measure: data.draw(st.floats(0.01, 60), label=term.measure)
        * (-1 if term.transform == "negative" else 1)
        for term in found.terms
    }
    term = data.draw(st.sampled_from(found.terms))
    step = WORSE[term.transform] * data.draw(st.floats(0, 30))
    before = found.expected(measures)
    after = found.expected({**measures, term.measure: measures[term.measure] + step})
    assert after.error >= before.error * (1 - 1e-9) and before.low <= before.error <= before.high


def made_up() -> Calibration:
    terms = (Term("yaw_deg", "absolute", np.array([0.0, 45, 90]), np.array([0.25, 1]), 0.1),)
    spread = np.array([[0.0, 1, 2], [-0.5, -0.6, -0.7], [0.5, 0.6, 0.7]])
    return Calibration(0.5, terms, spread, {"landmark_lifter.safetensors": "abc"}, {"heads": 3})


def test_expected_error():
    found = made_up().expected({"yaw_deg": -67.5})
    assert found.contributions == {"yaw_deg": pytest.approx(0.65)} and found.error == pytest.approx(
        np.exp(1.25)
    )
    assert found.low == pytest.approx(np.exp(1.25 - 0.625)) and found.high == pytest.approx(
        np.exp(1.25 + 0.625)
    )


def test_file_of_a_calibration(tmp_path):
    text = made_up().to_json()
    (tmp_path / FILE_NAME).write_text(text, encoding="utf-8")
    read = load_calibration(tmp_path)
    assert read.to_json() == text and read.expected({"yaw_deg": 30}) == made_up().expected({"yaw_deg": 30})


def test_damaged_file(tmp_path):
    (tmp_path / FILE_NAME).write_text('{"terms": [{"measure": "yaw_deg"}]}')
    with pytest.raises(ModelError, match="damaged"):
        load_calibration(tmp_path)


#: What a damaged or hostile file may hold in place of what belongs there.
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=3),
    st.lists(st.floats(), max_size=3),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
)


@given(data=st.data())
def test_a_calibration_with_anything_in_it_is_used_or_refused(data):
    document = json.loads((MODELS / FILE_NAME).read_text(encoding="utf-8"))
    holder, key = document, data.draw(st.sampled_from(["base", "terms", "spread", "models", "about"]))
    while isinstance(holder[key], (dict, list)) and holder[key] and data.draw(st.booleans()):
        holder = holder[key]
        key = data.draw(
            st.sampled_from(sorted(holder)) if isinstance(holder, dict) else st.integers(0, len(holder) - 1)
        )
    holder[key] = data.draw(JUNK)
    try:
        found = Calibration.from_json(json.dumps(document))
    except (KeyError, TypeError, ValueError, AttributeError):
        return
    expected = found.expected(asdict(FINE))
    assert np.isfinite([expected.error, expected.low, expected.high]).all()
    assert expected.low <= expected.high


@pytest.mark.slow
def test_other_weights(heads, tmp_path):
    """Without a calibration there is still a verdict; with that of other weights the report says so."""
    whole = heads["whole"].quality
    report = quality_report(whole.measures, whole.mean_confidence, tmp_path).document()
    assert report["verdict"] == GOOD and report["warnings"] == [NO_CALIBRATION]
    assert report["expected_error_mm"] is None and report["error_spread_mm"] is None
    other = tmp_path / "other"
    other.mkdir()
    (other / FILE_NAME).write_text(made_up().to_json())
    (other / "landmark_lifter.safetensors").write_bytes(b"other weights")
    report = quality_report(whole.measures, whole.mean_confidence, other).document()
    assert OTHER_WEIGHTS in report["warnings"] and report["expected_error_mm"] > 0
    assert not report["calibrated_for_these_weights"]


def test_sharpness(astronaut):
    face = np.ascontiguousarray(astronaut[50:242, 130:322])
    mask = np.zeros((192, 192), bool)
    mask[40:160, 40:160] = True
    values = [sharpness(cv2.GaussianBlur(face, (0, 0), sigma), mask) for sigma in (0.3, 1, 2, 4, 8)]
    assert (np.diff(values) < -0.2).all()
    assert sharpness(np.full_like(face, 90), mask) < values[-1]
    assert np.isfinite(sharpness(face, np.zeros_like(mask)))


def test_shading_tells_the_shape():
    """A sphere in smooth light is explained by a sphere, and less by a plane or without light."""
    y, x = np.mgrid[:192, :192] - 95.5
    away = np.sqrt(np.maximum(80**2 - x**2 - y**2, 0))
    disc = x**2 + y**2 < 78**2
    light = (x * 0.6 - y * 0.3 + away) / 80
    crop = np.repeat(np.clip(255 * np.clip(light, 0.05, 1) ** (1 / 2.2) * 0.9, 0, 255)[..., None], 3, 2)
    sphere = np.where(disc, away, -np.inf).astype(np.float32)
    plane = np.where(disc, 0, -np.inf).astype(np.float32)
    crop = crop.astype(np.uint8)
    inner = x**2 + y**2 < 60**2
    right = shading_residual(crop, sphere, inner)
    assert right < 0.1 < 3 * right < shading_residual(crop, plane, inner)
    assert shading_residual(crop, np.full_like(sphere, -np.inf), inner) == 1


def test_truncation():
    assert truncation((10, 10, 30, 30), (100, 100, 3)) == 0
    assert truncation((-10, 0, 10, 10), (100, 100, 3)) == pytest.approx(0.475)
    assert truncation((200, 200, 210, 220), (100, 100, 3)) == 1


def test_measures_are_written_in_full():
    assert set(asdict(FINE)) == set(Measures.names())
    assert by_name(FINE.document()) == asdict(FINE)
    # These names are in files that others have.
    assert {"looks_disagree", "looks_turn_deg", "looks_shape_mm", "seen_share", "cut_share"} < set(
        FINE.rounded()
    )


def test_pins_that_are_missed_are_named_and_many_pixels_lower_the_verdict():
    report = QualityReport("good", (), (), None, True, FINE, 0.5)
    assert report.with_missed_pins({"chin": 2.9}, 100.0) == report
    assert "corrections" not in report.document()
    little = report.with_missed_pins({"chin": 2.9, "nose_tip": 20.4}, 1000.0).document()
    assert little["verdict"] == "good" and not little["reasons"]
    assert len(little["warnings"]) == 1 and "nose_tip is missed by 20 pixels" in little["warnings"][0]
    lot = report.with_missed_pins({"chin": 15.0, "nose_tip": 69.7}, 1000.0)
    assert lot.verdict == "check" and "nose_tip" in lot.reasons[0] and "chin" in lot.notes[0]
    assert lot.document()["corrections"] == lot.document()["warnings"]
    other = report.with_unused_corrections("Face 7 is not there.").document()
    assert other["verdict"] == "good" and other["corrections"] == other["warnings"] == [
        "Face 7 is not there."
    ]
