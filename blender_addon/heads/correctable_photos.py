"""The photos over which a head can be corrected: the main one, and further ones of the person. Needs bpy."""

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import bpy

from .face_document import FaceDocument, PhotoCamera, PhotoView


@dataclass(frozen=True)
class CorrectablePhoto:
    """A photo that the head is made of.

    Attributes:
        number: As Match Camera counts views; 0 for the main photo.
        name: As corrections name it: empty for the main photo, else the file's name.
        file_name: The file's name.
        path: The file.
    """

    number: int
    name: str
    file_name: str
    path: Path


def correctable_photos(head: bpy.types.Object) -> tuple[CorrectablePhoto, ...]:
    """The main photo, then the further ones that the head is made of, if their files are known.

    Args:
        head: A reconstructed head.
    """
    note = head.photobust
    main = Path(bpy.path.abspath(note.photo))
    found = [CorrectablePhoto(0, "", main.name, main)]
    paths = note.photos
    views = _views(note.manifest) if len(paths) else ()
    if len(views) != len(paths):
        return tuple(found)
    names = Counter(view.name for view in views)
    for number, (view, photo) in enumerate(zip(views, paths, strict=True), 1):
        # Corrections tell photos apart by their names.
        if view.used and not view.main and view.camera is not None and names[view.name] == 1:
            path = Path(bpy.path.abspath(photo.path))
            found.append(CorrectablePhoto(number, view.name, view.name, path))
    return tuple(found)


@lru_cache(maxsize=4)
def _views(manifest: str) -> tuple[PhotoView, ...]:
    """The views of a head's manifest, which are asked for with every movement of the mouse."""
    try:
        return FaceDocument.parse(manifest).views
    except ValueError:
        return ()


def camera_in(document: FaceDocument, number: int) -> PhotoCamera | None:
    """The camera of one of a head's photos, before the head as it is corrected.

    Args:
        document: The head's.
        number: Of the photo, as in `CorrectablePhoto`.
    """
    if number == 0:
        return document.camera
    views = document.views
    return views[number - 1].camera if number <= len(views) else None
