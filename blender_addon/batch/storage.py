"""Files of a batch, named so that foreign names do no harm. No bpy.

Names that come from a record, a face.json or another machine are checked here before they become paths.
Files are read through `blender.regular_file` and written through `blender.atomic_file`.
"""

import os
import stat
from pathlib import Path, PurePosixPath

from ..errors import UnsafePathError

#: Longest name below a head's folder that is accepted, characters.
MAX_NAME_LENGTH = 1024


def is_safe_name(name: object) -> bool:
    """Whether `name` is a relative path, with "/", that cannot lead out of the folder it is relative to."""
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_LENGTH:
        return False
    if "\0" in name or "\\" in name or (os.name == "nt" and ":" in name):
        return False
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return False
    parts = name.split("/")
    return not any(part in ("", ".", "..") for part in parts) and not PurePosixPath(name).is_absolute()


def is_plain_name(name: object) -> bool:
    """Whether `name` is the name of a file or folder, without any folder before it."""
    return is_safe_name(name) and "/" not in str(name)


def contained(folder: Path, name: str) -> Path:
    """The path of `name` below `folder`.

    Args:
        folder: Any folder; it may be reached through links.
        name: A relative path with "/".

    Returns:
        folder / name. The last part may be a link, the folders before it are none that lead out.

    Raises:
        UnsafePathError: The name, or a link on the way, leads out of the folder.
    """
    if not is_safe_name(name):
        raise UnsafePathError(f"{name!r} is no name of a file below {folder}: it would lead out of it.")
    path = folder / name
    inside = folder.resolve()
    if path.parent != folder and not path.parent.resolve().is_relative_to(inside):
        raise UnsafePathError(f"{path.parent} is a link that leads out of {folder}: remove the link.")
    return path


def contained_folder(folder: Path, name: str) -> Path:
    """As `contained`, for a folder: the last part is no link either."""
    path = contained(folder, name)
    if path.is_symlink():
        raise UnsafePathError(f"{path} is a link: remove it, or choose another folder with --out.")
    return path


def is_regular(path: Path) -> bool:
    """Whether a regular file is there; links are followed."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False
