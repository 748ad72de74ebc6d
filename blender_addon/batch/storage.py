"""Files of a batch, read and written so that neither foreign names nor a power cut do harm. No bpy.

Names that come from a record, a face.json or another machine are checked here before they become paths. What
is written is flushed to the disk under another name and then renamed, so that a file under its own name is
complete. Files are read through `blender.regular_file`.
"""

import contextlib
import errno
import os
import re
import secrets
import stat
from pathlib import Path, PurePosixPath

from ..errors import UnsafePathError

#: Temporary files and folders are called this, eight random characters, and, if they are files, ".part".
TEMPORARY_PREFIX = ".photobust-"
TEMPORARY_SUFFIX = ".part"
#: `tempfile` draws these characters.
_TEMPORARY = re.compile(rf"{re.escape(TEMPORARY_PREFIX)}[a-z0-9_]{{8}}({re.escape(TEMPORARY_SUFFIX)})?")
#: Longest name below a head's folder that is accepted, characters.
MAX_NAME_LENGTH = 1024
#: What fsync answers on file systems that have none, or none for folders.
NO_FSYNC = (errno.EINVAL, errno.ENOTSUP, errno.EISDIR)


def is_temporary(name: str) -> bool:
    """Whether a file or folder of this name is a temporary one of a batch."""
    return _TEMPORARY.fullmatch(name) is not None


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


def write_file(path: Path, data: bytes) -> None:
    """Write a file, complete and on the disk, or not at all. Raises OSError."""
    # Beside it, so that the renaming is one step; of a random name, so that it is nobody's file.
    partial = path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(partial, flags, 0o666)
    try:
        try:
            write_all(descriptor, data)
            _fsync(descriptor)
        finally:
            os.close(descriptor)
        Path(partial).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(partial).unlink()
        raise
    sync_folder(path.parent)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def sync_file(path: Path) -> None:
    """Have what was written to a file on the disk. Raises OSError."""
    # Windows flushes only files that are open for writing.
    descriptor = os.open(path, (os.O_RDWR if os.name == "nt" else os.O_RDONLY) | getattr(os, "O_BINARY", 0))
    try:
        _fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk, where the file system can do that. Raises OSError."""
    if os.name == "nt":
        return  # there is no such call; NTFS journals its names
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _fsync(descriptor)
    finally:
        os.close(descriptor)


def _fsync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NO_FSYNC:
            raise
