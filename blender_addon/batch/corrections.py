"""Reads files of what people have corrected of heads by hand, for a batch to repeat. No bpy.

A JSON list, one object a head: {"photo": "a.jpg", "face": 0, "pins": [...], "sliders": {...}, ...}, as the
panel's Save Corrections writes it; or the face.json of a head that was corrected.
"""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..blender.regular_file import read_regular
from . import checked_json

#: A request to the engine is one line, and the corrections of all photos go with it.
MAX_BYTES = 900_000
#: Photos that a sentence names at most.
NAMED = 5
#: What of face.json's adjustments are results of the engine's.
RESULTS = ("errors_px", "base_pose")


def read_corrections(path: str) -> list[dict[str, Any]]:
    """Read a file of corrections; the engine checks what they say.

    Args:
        path: The file.

    Raises:
        ArgumentTypeError: It cannot be read, or is something else.
    """
    try:
        content = read_regular(Path(path), MAX_BYTES)
        text = content if content.lstrip()[:1] == b"{" else b'{"heads": ' + content + b"}"
        document = checked_json.parse(text)
        heads = document.get("heads")
        if heads is None:
            heads = [_of_face_document(document)]
        found = [checked_json.mapping(head) for head in checked_json.array(heads)]
        for head in found:
            checked_json.text(head.get("photo"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise argparse.ArgumentTypeError(f"the corrections {path} cannot be read ({reason})") from error
    return found


def unused_corrections(pins: Sequence[Mapping[str, Any]], names: Iterable[str], head: bool) -> str | None:
    """A sentence about corrections that a batch has no use for; None if it has use for all.

    Args:
        pins: As `read_corrections` gives them.
        names: Of all photos of the batch.
        head: Whether it makes animation-ready heads.
    """
    if not pins:
        return None
    if not head:
        return "--pins corrects animation-ready heads, and only surfaces are made: leave out --surface."
    unknown = sorted({str(one.get("photo")) for one in pins} - set(names))
    if not unknown:
        return None
    more = len(unknown) - NAMED
    named = ", ".join(unknown[:NAMED]) + (f" and {more} more" if more > 0 else "")
    return f"The corrections of {named} are not used: no such photo is among those named."


def _of_face_document(document: dict[str, Any]) -> dict[str, Any]:
    """The corrections of the head that a face.json is of."""
    adjusted = checked_json.mapping(document.get("adjustments"))
    own = {name: value for name, value in adjusted.items() if name not in RESULTS}
    photo = checked_json.mapping(document.get("input")).get("name")
    face = checked_json.mapping(document.get("detection")).get("face_index", 0)
    return {"photo": photo, "face": face, **own}
