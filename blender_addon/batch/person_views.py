"""What became of each photo of a person, as a batch keeps and reports it. No bpy.

From the engine's answer or from batch.json, both checked: what makes no sense is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from . import checked_json

#: The engine's verdict on a photo that it has used.
USED = "used"


@dataclass(frozen=True)
class ViewRecord:
    """One photo of a person.

    Attributes:
        name: The file's.
        verdict: "used", "someone else" or "unusable".
        reason: Why it was not used; empty if it was.
        identity_confirmed: Whether it is the main photo, or confirmed to show the same person.
    """

    name: str
    verdict: str
    reason: str = ""
    identity_confirmed: bool = True

    @property
    def used(self) -> bool:
        """Whether the head is made of it, too."""
        return self.verdict == USED

    @property
    def left_out(self) -> str | None:
        """Why the photo was not used, a sentence; None if it was."""
        if self.used:
            return None
        reason = f": {self.reason}" if self.reason else f" ({self.verdict})."
        return f"{self.name} was not used{reason}"


def view_records(value: object) -> list[ViewRecord]:
    """The photos of a person that the engine or a record names; none if that makes no sense."""
    try:
        return [_view(checked_json.mapping(item)) for item in checked_json.array(value)]
    except ValueError:
        return []


def _view(data: dict[str, Any]) -> ViewRecord:
    return ViewRecord(
        checked_json.text(data.get("name")),
        checked_json.text(data.get("verdict")),
        checked_json.text(data.get("reason", "")),
        checked_json.boolean(data.get("identity_confirmed", True)),
    )


def photos_used(views: Sequence[ViewRecord]) -> str:
    """Of how many photos a head is made, in words."""
    return f"{sum(view.used for view in views)} of {len(views)} photo{'s' * (len(views) != 1)} used"


def photos_left_out(views: Sequence[ViewRecord]) -> list[str]:
    """Why photos were not used, a sentence each."""
    return [view.left_out for view in views if view.left_out]


def remarks(views: Sequence[ViewRecord]) -> list[str]:
    """What is to be said of a person's photos on the terminal, a sentence each."""
    shape_alone = [view.name for view in views if view.used and not view.identity_confirmed]
    found = photos_left_out(views)
    if shape_alone:
        found.append(
            f"{', '.join(shape_alone)}: used for the shape, not for the texture. If all photos certainly show"
            " one person, --same-person takes texture from them, too."
        )
    return found
