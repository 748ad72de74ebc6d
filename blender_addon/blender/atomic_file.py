"""Writes files so that none is half there under its own name, not even after a power cut. No bpy.

What is written is flushed to the disk under another name and then renamed. That name is drawn at random and
made anew, in the same folder: it is nobody's file, and no link that leads elsewhere.
"""

import contextlib
import errno
import os
import re
import secrets
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

#: Temporary files and folders are called this, eight random characters, and, if they are files, ".part" and
#: the ending of the file that they become.
TEMPORARY_PREFIX = ".photobust-"
TEMPORARY_SUFFIX = ".part"
#: `tempfile` draws these characters.
_TEMPORARY = re.compile(
    rf"{re.escape(TEMPORARY_PREFIX)}[a-z0-9_]{{8}}({re.escape(TEMPORARY_SUFFIX)}(\.[^.]{{1,9}})?)?"
)
#: Longer endings are none that an exporter looks at, characters with the dot.
MAX_SUFFIX_LENGTH = 10
#: What fsync answers on file systems that have none, or none for folders.
NO_FSYNC = (errno.EINVAL, errno.ENOTSUP, errno.EISDIR)
#: Seconds between tries to replace a file that Windows says is in use.
REPLACE_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8)


def is_temporary(name: str) -> bool:
    """Whether a file or folder of this name is a temporary one."""
    return _TEMPORARY.fullmatch(name) is not None


def remove_partial_files(folder: Path, endings: tuple[str, ...] = ("",)) -> None:
    """Remove what killed processes have left half-written in a folder; for whoever alone writes there now.

    Args:
        folder: The folder; nothing is done if it is none.
        endings: Of the files that only the caller writes there.
    """
    with contextlib.suppress(OSError):
        for path in list(folder.iterdir()):
            if is_temporary(path.name) and TEMPORARY_SUFFIX in path.name and path.name.endswith(endings):
                with contextlib.suppress(OSError):
                    path.unlink()


@contextlib.contextmanager
def written_atomically(path: Path) -> Iterator[Path]:
    """Let a file be written under a temporary name, then move it to its own.

    Args:
        path: The file; one that is there is replaced, a link, too.

    Yields:
        The temporary name, in the same folder and with the same ending; an empty file is there. What is
        there when the block ends takes the file's place; if the block fails, the file stays as it was and
        nothing else is left behind.

    Raises:
        OSError: It cannot be written.
    """
    with _replaced(path) as (partial, file):
        file.close()  # Windows lets nobody replace an open file
        yield partial


def write_file(path: Path, data: bytes) -> None:
    """Write a file, complete and on the disk, or not at all. Raises OSError."""
    with _replaced(path) as (_, file):
        write_all(file.fileno(), data)


@contextlib.contextmanager
def _replaced(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A new file beside `path`, open for writing, that takes its place when the block ends."""
    ending = path.suffix if len(path.suffix) <= MAX_SUFFIX_LENGTH else ""
    # Beside it, so that the renaming is one step.
    partial = path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(4)}{TEMPORARY_SUFFIX}{ending}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(partial, flags, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield partial, file
        sync_file(partial)
        move_into_place(partial, path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(partial).unlink()
        raise
    sync_folder(path.parent)


def move_into_place(partial: Path, path: Path) -> None:
    """Give a file its name; one that has it already is replaced. Raises OSError."""
    for pause in REPLACE_PAUSES if sys.platform == "win32" else ():
        try:
            partial.replace(path)
        except PermissionError:
            # Windows moves nothing over an open file, and virus scanners have fresh ones open for a moment.
            time.sleep(pause)
        else:
            return
    partial.replace(path)


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
        sync_descriptor(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk, where the file system can do that. Raises OSError."""
    if os.name == "nt":
        return  # there is no such call; NTFS journals its names
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        sync_descriptor(descriptor)
    finally:
        os.close(descriptor)


def sync_descriptor(descriptor: int) -> None:
    """The same of an open file, as far as the file system can. Raises OSError."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NO_FSYNC:
            raise
