"""How far to trust a head, in plain words, from face.json's quality figures. No bpy."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

# For heads of engines that gave no verdict.
#: A head is to be checked if the photo shows less than this fraction of its surface well.
CHECK_VISIBLE_FRACTION = 0.25
#: It is poor below this fraction.
POOR_VISIBLE_FRACTION = 0.12
#: A head is to be checked if its face is lower than this in the photo, pixels.
CHECK_HEIGHT_PX = 150.0
#: It is poor below this height, pixels.
POOR_HEIGHT_PX = 64.0


class Grade(Enum):
    """From what an artist can use as it is to what needs another photo."""

    GOOD = "good"
    CHECK = "check"
    POOR = "poor"


@dataclass(frozen=True)
class Verdict:
    """`summary`: one sentence. `error`: one about the millimeters by which the face may be off, empty if
    nobody knows. `remarks`: what a person should know, a sentence each.
    """

    grade: Grade
    summary: str
    remarks: tuple[str, ...]
    error: str = ""


SUMMARIES = {
    Grade.GOOD: "Good: the photo shows this face well.",
    Grade.CHECK: "Check: look at it from all sides before you build on it.",
    Grade.POOR: "Poor: try a larger, sharper or more frontal photo.",
}


def verdict(quality: dict[str, Any]) -> Verdict | None:
    """The verdict on a head with these figures; None if there are none."""
    if not quality:
        return None
    remarks = tuple(str(warning) for warning in quality.get("warnings") or quality.get("reasons") or ())
    given = quality.get("verdict")
    if isinstance(given, str) and given in {grade.value for grade in Grade}:
        grade = Grade(given)
    else:
        grade = _grade(_number(quality, "seen_share", 1.0), _number(quality, "face_height_px", 1e9))
        # A guessed focal length alone leaves the face as it is, to a per cent or so.
        serious = [remark for remark in remarks if "focal length" not in remark]
        if serious and grade is Grade.GOOD:
            grade = Grade.CHECK
    return Verdict(grade, SUMMARIES[grade], remarks, error_sentence(quality))


def error_sentence(quality: dict[str, Any]) -> str:
    """What to expect of the face's error, empty if these figures do not say it."""
    error, spread = quality.get("expected_error_mm"), quality.get("error_spread_mm")
    if not isinstance(error, int | float):
        return ""
    words = f"The face is probably about {error:.1f} mm off"
    if isinstance(spread, list) and len(spread) == 2 and all(isinstance(v, int | float) for v in spread):
        words += f" ({spread[0]:.1f} to {spread[1]:.1f})"
    return words + "."


def _number(quality: dict[str, Any], name: str, default: float) -> float:
    """A figure; the default if there is none, or something else."""
    value = quality.get(name)
    return float(value) if isinstance(value, int | float) else default


def _grade(visible: float, height: float) -> Grade:
    if visible < POOR_VISIBLE_FRACTION or height < POOR_HEIGHT_PX:
        return Grade.POOR
    if visible < CHECK_VISIBLE_FRACTION or height < CHECK_HEIGHT_PX:
        return Grade.CHECK
    return Grade.GOOD
