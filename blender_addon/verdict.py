"""How far to trust a head, in plain words, from face.json's quality figures. No bpy."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

#: Shares of the surface that the photo saw well, below which a head is called fair, or poor.
SEEN_FAIR, SEEN_POOR = 0.25, 0.12
#: Heights of faces in the photo, pixels, likewise.
HEIGHT_FAIR, HEIGHT_POOR = 150.0, 64.0


class Grade(Enum):
    """From what an artist can use as it is to what needs another photo."""

    GOOD = "good"
    FAIR = "fair"
    POOR = "poor"


@dataclass(frozen=True)
class Verdict:
    """`summary`: one sentence; `remarks`: what a person should know, a sentence each."""

    grade: Grade
    summary: str
    remarks: tuple[str, ...]


SUMMARIES = {
    Grade.GOOD: "Good: the photo shows this face well.",
    Grade.FAIR: "Fair: look at it from all sides before you build on it.",
    Grade.POOR: "Poor: try a larger, sharper or more frontal photo.",
}


def verdict(quality: dict[str, Any]) -> Verdict | None:
    """The verdict on a head with these figures; None if there are none."""
    if not quality:
        return None
    remarks = tuple(str(warning) for warning in quality.get("warnings") or ())
    given = quality.get("verdict")
    if isinstance(given, str) and given in {grade.value for grade in Grade}:
        grade = Grade(given)
    else:
        grade = _grade(float(quality.get("seen_share", 1.0)), float(quality.get("face_height_px", 1e9)))
        # A guessed focal length alone leaves the face as it is, to a per cent or so.
        serious = [remark for remark in remarks if "focal length" not in remark]
        if serious and grade is Grade.GOOD:
            grade = Grade.FAIR
    return Verdict(grade, SUMMARIES[grade], remarks)


def _grade(seen: float, height: float) -> Grade:
    if seen < SEEN_POOR or height < HEIGHT_POOR:
        return Grade.POOR
    if seen < SEEN_FAIR or height < HEIGHT_FAIR:
        return Grade.FAIR
    return Grade.GOOD
