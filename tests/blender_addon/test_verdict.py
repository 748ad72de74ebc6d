import pytest

from blender_addon.verdict import Grade, verdict

GOOD = {"seen_share": 0.45, "face_height_px": 300, "warnings": []}


@pytest.mark.parametrize(
    ("change", "grade"),
    [
        ({}, Grade.GOOD),
        ({"warnings": ["The photo does not tell its focal length: 50 mm was assumed."]}, Grade.GOOD),
        ({"warnings": ["The face is turned by 50 degrees: its far side is guessed."]}, Grade.FAIR),
        ({"face_height_px": 100}, Grade.FAIR),
        ({"seen_share": 0.2}, Grade.FAIR),
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
