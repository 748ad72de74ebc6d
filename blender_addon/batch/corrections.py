"""Reads files of what people have corrected of heads by hand, for a batch to repeat. No bpy.

A JSON list, one object a head: {"photo": "a.jpg", "sha256": "...", "face": 0, "pins": [...], ...}, as the
panel's Save Corrections writes it; or the face.json of a head that was corrected. With the SHA-256 of the
photo's file, corrections are for this file only, whatever its name is.
"""

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..blender.regular_file import read_regular, sha256_of
from . import checked_json

#: A request to the engine is one line, and the corrections of all photos go with it.
MAX_BYTES = 900_000
#: Photos that a sentence names at most.
NAMED = 5
#: What of face.json's adjustments are results of the engine's.
RESULTS = ("errors_px", "base_pose", "base_poses")


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
            checked_json.optional_text(head.get("sha256"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise argparse.ArgumentTypeError(f"the corrections {path} cannot be read ({reason})") from error
    return found


def remarks_on_corrections(
    pins: Sequence[Mapping[str, Any]], photos: Sequence[Path], head: bool
) -> list[str]:
    """Sentences about corrections that a batch has no use for, or that are for several of its photos.

    Args:
        pins: As `read_corrections` gives them.
        photos: All photos of the batch.
        head: Whether it makes animation-ready heads.
    """
    hashed = [pin for pin in pins if pin.get("sha256")]
    names = [photo.name for photo in photos]
    if not head:
        return [message for message in (unused_corrections(pins, names, head),) if message]
    digests = {_digest(photo) for photo in photos} if hashed else set()
    named = [pin for pin in pins if not pin.get("sha256")]
    found = [unused_corrections(named, names, head)]
    unknown = _further(hashed) - set(names)
    if unknown:
        found.append(
            f"The corrections over {_named(unknown)} are not used: no such photo is among those named."
        )
    lost = [pin for pin in hashed if pin["sha256"] not in digests]
    if lost:
        found.append(
            f"The corrections of {_named({str(pin.get('photo')) for pin in lost})} are not used: none of"
            " the photos is the file that they were made for, by its SHA-256."
        )
    several = {name for name, count in Counter(names).items() if count > 1}
    several &= {str(pin.get("photo")) for pin in named}
    if several:
        found.append(
            f"Several photos are named {_named(several)}, and the corrections of that name are used for each:"
            ' save them anew, or give each its "sha256".'
        )
    return [message for message in found if message]


def unused_corrections(pins: Sequence[Mapping[str, Any]], names: Sequence[str], head: bool) -> str | None:
    """A sentence about corrections that a batch has no use for; None if it has use for all.

    Args:
        pins: Corrections that name their photo.
        names: Of all photos of the batch.
        head: Whether it makes animation-ready heads.
    """
    if not pins:
        return None
    if not head:
        return "--pins corrects animation-ready heads, and only surfaces are made: leave out --surface."
    unknown = {str(pin.get("photo")) for pin in pins} - set(names)
    unknown |= _further(pins) - set(names)
    if not unknown:
        return None
    return f"The corrections of {_named(unknown)} are not used: no such photo is among those named."


def _further(pins: Sequence[Mapping[str, Any]]) -> set[str]:
    """Names of the photos of a person, beside the main ones, that something is corrected over."""
    found: set[str] = set()
    for entry in pins:
        placed, ignored = entry.get("pins"), entry.get("further_ignored")
        for pin in placed if isinstance(placed, list) else ():
            name = pin.get("photo") if isinstance(pin, Mapping) else None
            if isinstance(name, str) and name:
                found.add(name)
        found.update(ignored if isinstance(ignored, Mapping) else ())
    return found


def _named(photos: set[str]) -> str:
    """Names of photos, as a sentence has them; not all if they are many."""
    names = sorted(photos)
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _digest(photo: Path) -> str | None:
    """SHA-256 of a photo's file; None if it cannot be read, which is said of the photo itself."""
    try:
        return sha256_of(photo)
    except (OSError, ValueError):
        return None


def _of_face_document(document: dict[str, Any]) -> dict[str, Any]:
    """The corrections of the head that a face.json is of."""
    if document.get("adjustments") is None:
        raise ValueError("it is of a head that has no corrections")
    adjusted = checked_json.mapping(document["adjustments"])
    own = {name: value for name, value in adjusted.items() if name not in RESULTS}
    about = checked_json.mapping(document.get("input"))
    photo = {"photo": about.get("name"), **({"sha256": digest} if (digest := about.get("sha256")) else {})}
    face = checked_json.mapping(document.get("detection")).get("face_index", 0)
    return {**photo, "face": face, **own}
