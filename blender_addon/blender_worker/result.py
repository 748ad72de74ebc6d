"""What a step of the Blender worker gives back. No bpy."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class StepResult:
    """What a step has made of a face's folder.

    Attributes:
        files: What it has written into the folder: name (with "/" if it is in a folder in it) -> description,
            one line, for face.json.
        facts: What is worth knowing about it, as JSON can hold it; kept in face.json under "steps" and in
            batch.json.
    """

    files: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
