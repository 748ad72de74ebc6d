"""Which photos a batch is about. No bpy.

Only regular files are taken: a pipe or a device would block whoever opens it. Folders that the batch has made
are never searched for photos.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..heads.manifest import FILE_NAME as HEAD_MARK
from .page import VIEWER_FOLDER
from .record import FILE_NAME as BATCH_MARK

#: Endings taken for photos inside a folder. Not every engine reads them all: it names those that it cannot.
PHOTO_SUFFIXES = frozenset(
    (
        *(
            ".jpg",
            ".jpeg",
            ".jpe",
            ".jfif",
            ".mpo",
            ".png",
            ".apng",
            ".webp",
            ".tif",
            ".tiff",
            ".bmp",
            ".dib",
        ),
        *(".gif", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
        *(".psd", ".avif", ".heic", ".heics", ".heif", ".heifs", ".hif", ".jxl"),
    )
)
#: Endings of photos that no engine reads; inside a folder they are named, not tried. Cameras write them
#: beside a JPEG of the same shot.
UNREAD_SUFFIXES = frozenset(
    (
        *(".3fr", ".arw", ".cr2", ".cr3", ".dng", ".erf", ".exr", ".hdr", ".iiq", ".kdc", ".mef", ".mrw"),
        *(".nef", ".nrw", ".orf", ".pef", ".psb", ".raf", ".raw", ".rw2", ".sr2", ".srw", ".x3f", ".xcf"),
    )
)
#: How many photos that are not read are named, each with its path.
NAMED = 5
#: Larger files are not opened, bytes: no engine reads them, and hashing what the kernel makes up never ends.
MAX_PHOTO_BYTES = 500_000_000
#: Photos of one person that the engine takes, at most.
MOST_VIEWS = 30


@dataclass(frozen=True)
class PhotoInput:
    """A photo to reconstruct, or what stands in the way.

    Attributes:
        path: Absolute, without links resolved: the photo keeps the name that the user knows it by.
        shown: As the user wrote it.
        problem: Why it is none that can be tried.
        views: The photos, all of one person, if the path is a folder of them.
    """

    path: Path
    shown: str
    problem: str | None = None
    views: tuple[Path, ...] = ()


@dataclass
class CollectedInputs:
    """What was found.

    Attributes:
        photos: In the order in which they were named, those of a folder by name.
        unread: Paths of photos in formats that no engine reads.
    """

    photos: list[PhotoInput] = field(default_factory=list)
    unread: list[Path] = field(default_factory=list)

    def note(self) -> str | None:
        """A sentence about photos that are not read; None if there are none."""
        if not self.unread:
            return None
        more = len(self.unread) - NAMED
        named = ", ".join(map(str, self.unread[:NAMED])) + (f" and {more} more" if more > 0 else "")
        return f"Not read: {named}. Export camera raw photos and the like as JPEG or PNG."


def collect(arguments: Iterable[str | os.PathLike], out: Path) -> CollectedInputs:
    """The photos that arguments name, each once.

    Args:
        arguments: Files, tried whatever their ending; or folders, with all folders in them.
        out: The output folder. What is a result in it, or anywhere, is no photo.
    """
    found = CollectedInputs()
    photos: dict[Path, PhotoInput] = {}
    for argument in arguments:
        path = Path(argument)
        for item in _in_folder(path, out, found.unread) if _is_folder(path) else [_file(path)]:
            photos.setdefault(item.path, item)
    found.photos += photos.values()
    return found


def collect_people(
    arguments: Iterable[str | os.PathLike], out: Path, each_folder: bool = False
) -> CollectedInputs:
    """The people whose photos lie in folders, each person once.

    Args:
        arguments: Folders, each with all photos of one person; files are tried as photos of their own.
        out: The output folder. What is a result in it, or anywhere, is no photo.
        each_folder: Whether each folder in those named, at any depth, is a person of its own.
    """
    found = CollectedInputs()
    people: dict[Path, PhotoInput] = {}
    for argument in arguments:
        path = Path(argument)
        items = _in_folder(path, out, found.unread) if _is_folder(path) else [_file(path)]
        for item in _grouped(items, path, each_folder) if _is_folder(path) else items:
            people.setdefault(item.path, item)
    found.photos += people.values()
    return found


def _grouped(items: Iterable[PhotoInput], folder: Path, each_folder: bool) -> Iterator[PhotoInput]:
    """The people of a folder's photos; what stands in the way comes first."""
    groups: dict[Path, list[PhotoInput]] = {}
    for item in items:
        if item.problem:
            yield item
        else:
            groups.setdefault(item.path.parent if each_folder else _absolute(folder), []).append(item)
    for home, photos in groups.items():
        shown = str(folder / os.path.relpath(home, _absolute(folder))) if each_folder else str(folder)
        too_many = f"there are {len(photos)} photos of this person; {MOST_VIEWS} are the most."
        problem = too_many if len(photos) > MOST_VIEWS else None
        yield PhotoInput(home, shown, problem, tuple(photo.path for photo in photos))


def _file(path: Path) -> PhotoInput:
    return PhotoInput(_absolute(path), str(path), _problem(path))


def _problem(path: Path) -> str | None:
    """Why this is no file that can be opened without danger; None if it is."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return "the link leads nowhere." if path.is_symlink() else "there is no such file or folder."
    except OSError as error:
        return f"the file cannot be read: {error.strerror}."
    except ValueError:
        return "this is no name of a file."
    if not stat.S_ISREG(status.st_mode):
        return "this is no file, but a device, a pipe or a socket."
    if status.st_size > MAX_PHOTO_BYTES:
        size, most = (number / 1e6 for number in (status.st_size, MAX_PHOTO_BYTES))
        return f"it has {size:.0f} MB; photos up to {most:.0f} MB are read: save it as a JPEG."
    return None


def _in_folder(folder: Path, out: Path, unread: list[Path]) -> list[PhotoInput]:
    found: list[PhotoInput] = []
    unread_before = len(unread)
    if _is_at(folder / HEAD_MARK):
        return [PhotoInput(_absolute(folder), str(folder), "this folder is a head that was made of a photo.")]

    def unreadable(error: OSError) -> None:
        where = Path(error.filename or folder)
        found.append(
            PhotoInput(_absolute(where), str(where), f"the folder cannot be read: {error.strerror}.")
        )

    for parent, folders, files in os.walk(folder, onerror=unreadable):
        here = Path(parent)
        folders[:] = sorted(name for name in folders if not _is_left_out(here / name, out))
        for name in sorted(files):
            suffix = Path(name).suffix.lower()
            if name.startswith("."):
                continue
            if suffix in PHOTO_SUFFIXES:
                found.append(_file(here / name))
            elif suffix in UNREAD_SUFFIXES:
                unread.append(here / name)
    if not found:
        which = " that can be read" if len(unread) > unread_before else ""
        found.append(
            PhotoInput(_absolute(folder), str(folder), f"there are no photos{which} in this folder.")
        )
    return found


def _is_left_out(folder: Path, out: Path) -> bool:
    """Whether a folder below a named one is hidden, or a result."""
    if folder.name.startswith(".") or folder.name == VIEWER_FOLDER:
        return True
    return _is_at(folder / HEAD_MARK) or _is_at(folder / BATCH_MARK) or _is_same(folder, out)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _is_at(path: Path) -> bool:
    """Whether there is a file, whatever its kind; a folder is that of a photo with such a name."""
    return os.path.lexists(path) and not os.path.isdir(path)  # noqa: PTH112 (is_dir() may raise)


def _is_same(folder: Path, other: Path) -> bool:
    """Whether both are one folder, whatever links lead to it."""
    try:
        return folder.samefile(other)
    except OSError:
        return False


def _absolute(path: Path) -> Path:
    return Path(os.path.normpath(path.absolute()))
