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
    def remark(self) -> str | None:
        """A sentence, if there is anything to say of the photo."""
        if not self.used:
            reason = f": {self.reason}" if self.reason else f" ({self.verdict})."
            return f"{self.name} was not used{reason}"
        if not self.identity_confirmed:
            return (
                f"{self.name} counts for the shape alone: if it certainly shows the same person,"
                " --same-person takes the texture from it, too."
            )
        return None


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


def remarks(views: Sequence[ViewRecord]) -> list[str]:
    """What is to be said of single photos, a sentence each."""
    return [view.remark for view in views if view.remark]
