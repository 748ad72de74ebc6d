import pytest

from blender_addon.heads.verdict import Grade, verdict

GOOD = {"seen_share": 0.45, "face_height_px": 300, "warnings": []}


@pytest.mark.parametrize(
    ("change", "grade"),
    [
        ({}, Grade.GOOD),
        ({"warnings": ["The photo does not tell its focal length: 50 mm was assumed."]}, Grade.GOOD),
        ({"warnings": ["The face is turned by 50 degrees: its far side is guessed."]}, Grade.CHECK),
        ({"face_height_px": 100}, Grade.CHECK),
        ({"seen_share": 0.2}, Grade.CHECK),
        ({"face_height_px": 50}, Grade.POOR),
        ({"seen_share": 0.05, "warnings": ["a", "b"]}, Grade.POOR),
        ({"verdict": "poor"}, Grade.POOR),
    ],
)
def test_grades(change, grade):
    found = verdict({**GOOD, **change})
    assert found.grade is grade
    assert found.summary.lower().startswith(grade.value)
    assert found.remarks == tuple(change.get("warnings", ()))


def test_no_figures_no_verdict():
    assert verdict({}) is None


def test_error_in_words():
    assert verdict(GOOD).error == ""
    found = verdict({**GOOD, "expected_error_mm": 2.44, "error_spread_mm": [1.6, 4]})
    assert found.error == "The face is probably about 2.4 mm off (1.6 to 4.0)."
    assert "2.4 mm" in verdict({**GOOD, "expected_error_mm": 2.44, "error_spread_mm": None}).error


@pytest.mark.parametrize("error", [None, "2", [1]])
def test_error_that_is_none(error):
    assert verdict({**GOOD, "expected_error_mm": error}).error == ""


def test_given_verdict_counts():
    """The engine's own verdict is taken whatever the figures, and its reasons where it has no warnings."""
    found = verdict({"verdict": "check", "seen_share": 0.9, "face_height_px": 900, "reasons": ["a", "b"]})
    assert found.grade is Grade.CHECK and found.remarks == ("a", "b")


def test_verdict_of_another_engine():
    """A word that this add-on does not know is no verdict."""
    assert verdict({**GOOD, "verdict": "fair"}).grade is Grade.GOOD
