"""Which photos a batch is about. No bpy."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

#: Endings taken for photos inside a folder. Not every engine reads them all: better told than skipped.
PHOTO_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"),
    *(".ppm", ".pgm", ".tga", ".jp2", ".avif", ".heic", ".heif"),
)


@dataclass(frozen=True)
class PhotoInput:
    """A photo to reconstruct, or what stands in the way: `path` absolute, `shown` as the user wrote it."""

    path: Path
    shown: str
    problem: str | None = None


def collect(arguments: Iterable[str | os.PathLike], out: Path) -> list[PhotoInput]:
    """The photos named by `arguments`, files or folders (with all folders in them, by name), each once.

    A file named by the user is tried whatever its ending. `out` itself is never searched for photos.
    """
    found: dict[Path, PhotoInput] = {}
    for argument in arguments:
        path = Path(argument)
        for item in _in_folder(path, out.absolute()) if path.is_dir() else [_file(path)]:
            found.setdefault(item.path, item)
    return list(found.values())


def _file(path: Path) -> PhotoInput:
    problem = None if os.path.lexists(path) else "there is no such file or folder."
    return PhotoInput(_absolute(path), str(path), problem)


def _in_folder(folder: Path, out: Path) -> list[PhotoInput]:
    found: list[PhotoInput] = []

    def unreadable(error: OSError) -> None:
        where = Path(error.filename or folder)
        found.append(
            PhotoInput(_absolute(where), str(where), f"the folder cannot be read: {error.strerror}.")
        )

    for parent, folders, files in os.walk(folder, onerror=unreadable):
        here = Path(parent)
        folders[:] = sorted(f for f in folders if not f.startswith(".") and _absolute(here / f) != out)
        photos = (
            f for f in sorted(files) if not f.startswith(".") and Path(f).suffix.lower() in PHOTO_SUFFIXES
        )
        found += [PhotoInput(_absolute(here / name), str(here / name)) for name in photos]
    if not found:
        found.append(PhotoInput(_absolute(folder), str(folder), "there are no photos in this folder."))
    return found


def _absolute(path: Path) -> Path:
    # Without resolving links: the photo keeps the name that the user knows it by.
    return Path(os.path.normpath(path.absolute()))
