"""The parameters of the worker's requests. Each function raises RequestError for what it cannot use."""

import hashlib
import os
from pathlib import Path
from typing import Any, TypeGuard

from ..errors import RequestError
from ..runtime.regular_file import read_regular
from ..wrapping.adjustments import Adjustments
from ..wrapping.options import FACIAL_HAIR_PRODUCTS, HAIR_PRODUCTS, TEXTURE_SIZES, UV_MAPS, HeadOptions

Params = dict[str, Any]
#: What an entry of a list of corrections has beside the corrections: which head it is for.
ENTRY_KEYS = ("photo", "sha256", "face")
#: Faces that are searched for at most, however many a request allows.
MOST_FACES = 1000
#: Photos of one person at most: more say little new, and all are in the memory at once.
MOST_PHOTOS = 30
#: What a request says of the head with true or false, and what is meant where it says nothing.
HEAD_SWITCHES = {"head": False, "delight": True, "rig": True, "beard": True, "maps": True}


def photo_param(params: Params) -> Path:
    """The photo of a request."""
    photo = params.get("photo")
    if not is_path(photo):
        raise RequestError('"photo" has to name a file')
    return Path(photo)


def photos_param(params: Params) -> list[Path]:
    """The photos of one person in a request to reconstruct, empty if it is of one photo."""
    photos = params.get("photos") or []
    if not isinstance(photos, list) or not all(is_path(photo) for photo in photos):
        raise RequestError('"photos" has to be a list of files, all of one person')
    if len(photos) > MOST_PHOTOS:
        raise RequestError(f"A person's head is made of {MOST_PHOTOS} photos at most, not {len(photos)}")
    return [Path(photo) for photo in photos]


def force_param(params: Params) -> bool:
    """Whether photos that seem to show somebody else are used, too."""
    force = params.get("force", False)
    if not isinstance(force, bool):
        raise RequestError('"force" has to be true or false')
    return force


def confirmed_param(params: Params) -> bool:
    """Whether somebody has confirmed that the photos show one person."""
    confirmed = params.get("confirmed", False)
    if not isinstance(confirmed, bool):
        raise RequestError('"confirmed" has to be true or false')
    return confirmed


def max_faces_param(params: Params) -> int:
    """How many faces a request wants at most."""
    max_faces = params.get("max_faces", 10)
    if not is_whole(max_faces) or max_faces < 1:
        raise RequestError('"max_faces" has to be a whole number from 1 on')
    return min(max_faces, MOST_FACES)


def thumbnail_params(params: Params) -> tuple[Path | None, int]:
    """(folder or None, size) of the thumbnails that a request to detect wants."""
    folder, size = params.get("thumbnails"), params.get("thumbnail_size", 128)
    if folder is not None and not is_path(folder):
        raise RequestError('"thumbnails" has to name a folder, or to be null')
    if not is_whole(size) or not 16 <= size <= 1024:
        raise RequestError('"thumbnail_size" has to be a number of pixels from 16 to 1024')
    return (Path(folder) if folder else None), size


def reconstruct_params(params: Params) -> tuple[Path, Path, float | None, int, list[int] | None]:
    """(photo, out, focal_mm, max_faces, faces) of a request to reconstruct."""
    person = photos_param(params)
    photo, max_faces = (person[0] if person else photo_param(params)), max_faces_param(params)
    out, focal_mm, faces = params.get("out"), params.get("focal_mm"), params.get("faces")
    if not is_path(out):
        raise RequestError('"out" has to name a folder')
    if focal_mm is not None and not (is_number(focal_mm) and 1 <= focal_mm <= 10_000):
        raise RequestError('"focal_mm" has to be a 35 mm equivalent focal length from 1 to 10000, or null')
    if faces is not None and not (
        isinstance(faces, list) and faces and all(is_whole(face) and face >= 0 for face in faces)
    ):
        raise RequestError('"faces" has to be a list of the faces\' indices, or null for all')
    return photo, Path(out), focal_mm, max_faces, faces


def head_param(params: Params) -> HeadOptions | None:
    """How a request to reconstruct wants the animation-ready head, None if it does not."""
    switches = {name: params.get(name, default) for name, default in HEAD_SWITCHES.items()}
    texture, uv = params.get("texture", 2048), params.get("uv", "photobust")
    if not all(isinstance(value, bool) for value in switches.values()):
        names = ", ".join(f'"{name}"' for name in switches)
        raise RequestError(f"{names} have to be true or false")
    if not is_whole(texture) or texture not in (0, *TEXTURE_SIZES):
        sizes = ", ".join(map(str, TEXTURE_SIZES))
        raise RequestError(f'"texture" has to be one of {sizes} texels, or 0 for none')
    if not isinstance(uv, str) or uv not in UV_MAPS:
        raise RequestError(f'"uv" has to be one of {", ".join(UV_MAPS)}')
    hair = params.get("hair", HeadOptions.hair)
    if hair not in HAIR_PRODUCTS:
        raise RequestError(f'"hair" has to be one of {", ".join(HAIR_PRODUCTS)}')
    facial_hair = params.get("facial_hair", HeadOptions.facial_hair)
    if facial_hair not in FACIAL_HAIR_PRODUCTS:
        raise RequestError(f'"facial_hair" has to be one of {", ".join(FACIAL_HAIR_PRODUCTS)}')
    wanted = switches.pop("head")
    return HeadOptions(texture, uv=uv, hair=hair, facial_hair=facial_hair, **switches) if wanted else None


def preview_model_param(params: Params) -> bool:
    """Whether a request to reconstruct wants view.js, the small model for a batch's page."""
    wanted = params.get("preview_model", False)
    if not isinstance(wanted, bool):
        raise RequestError('"preview_model" has to be true or false')
    return wanted


def adjustments_param(params: Params) -> dict[int, Adjustments]:
    """What a request to reconstruct corrects of heads, by the faces' indices."""
    given = params.get("adjustments") or {}
    if isinstance(given, list):
        given = _of_photo(given, photo_param(params))
    if not isinstance(given, dict) or not all(face.isdecimal() and len(face) < 5 for face in given):
        raise RequestError(
            '"adjustments" have to be a JSON object: by a face\'s index, what is corrected of it'
        )
    found = {int(face): Adjustments.parse(correction) for face, correction in given.items()}
    return {face: correction for face, correction in found.items() if correction}


def person_adjustments_param(params: Params) -> dict[str, Adjustments]:
    """What a request to reconstruct a person corrects of the head, by the names of the person's photos."""
    given = params.get("adjustments") or []
    if not isinstance(given, list):
        raise RequestError('"adjustments" of a person have to be a list of JSON objects with "photo"')
    found = {}
    for photo in photos_param(params):
        by_face = _of_photo(given, photo)
        others = sorted(set(by_face) - {"0"})
        if others:
            raise RequestError(
                f"The corrections of {photo.name} are of face {', '.join(others)}, but of a person's photos"
                ' the largest face counts, face 0: set "face" to 0, or take these corrections out'
            )
        one = Adjustments.parse(by_face.get("0", {}))
        if one:
            found[photo.name] = one
    return found


def _of_photo(given: list[object], photo: Path) -> dict[str, object]:
    """What a list of corrections of several photos' heads has for one photo, by the faces' indices.

    Entries with a "sha256" are for the file with this content only, whatever its name is; they take
    precedence over those that only name a photo.
    """
    entries = [entry for entry in given if isinstance(entry, dict)]
    if len(entries) < len(given) or not all(
        is_whole(entry.get("face", 0)) and isinstance(entry.get("sha256", ""), str) for entry in entries
    ):
        raise RequestError('"adjustments" have to be a list of JSON objects with "photo" and "face"')
    named = [entry for entry in entries if not entry.get("sha256") and entry.get("photo") == photo.name]
    hashed = [entry for entry in entries if entry.get("sha256")]
    digest = _digest(photo) if hashed else None
    return {
        str(entry.get("face", 0)): {name: value for name, value in entry.items() if name not in ENTRY_KEYS}
        for entry in (*named, *(entry for entry in hashed if entry["sha256"] == digest))
    }


def _digest(photo: Path) -> str | None:
    """SHA-256 of a photo's file; None if it cannot be read, which whoever loads it says."""
    from ..image.photo import MAX_FILE_BYTES

    try:
        return hashlib.sha256(read_regular(photo, MAX_FILE_BYTES)).hexdigest()
    except (OSError, ValueError):
        return None


def surfaces_param(params: Params) -> Path | None:
    """The folder for surfaces that a request to reconstruct wants before the heads, None if it does not."""
    folder = params.get("surfaces")
    if folder is not None and not is_path(folder):
        raise RequestError('"surfaces" has to name a folder, or to be null')
    return Path(folder) if folder else None


def stages_param(params: Params) -> Path | None:
    """The folder for what a head looks like on the way that a request wants, None if it does not."""
    folder = params.get("stages")
    if folder is not None and not is_path(folder):
        raise RequestError('"stages" has to name a folder, or to be null')
    return Path(folder) if folder else None


def is_path(value: object) -> TypeGuard[str]:
    """Whether a JSON value can be the path of a file or folder that the system can have."""
    if not isinstance(value, str) or not value or "\0" in value:
        return False
    try:
        os.fsencode(value)
    except UnicodeEncodeError:  # surrogates that stand for no byte
        return False
    return True


def is_number(value: object) -> bool:
    """Whether a JSON value is a number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_whole(value: object) -> bool:
    """Whether a JSON value is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def result_folder_name(photo: Path) -> str:
    """Name of a photo's result folder: its stem, without the endings that Windows drops."""
    return photo.stem.rstrip(". ") or "photo"
