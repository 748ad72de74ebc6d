"""A file that one process at a time holds; the end of the process, however it comes, lets it go. No bpy."""

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

#: Seconds between two tries to get a lock.
RETRY_SECONDS = 0.1


@contextlib.contextmanager
def held_lock(path: Path, timeout: float = 0.0) -> Iterator[bool]:
    """Try to hold a file for a while.

    Args:
        path: The file; its folder and it are made if need be, and it stays.
        timeout: Seconds to try for.

    Yields:
        Whether it is held.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + timeout
    with path.open("a+b") as file:
        while not (held := try_lock(file)) and time.monotonic() < deadline:
            time.sleep(RETRY_SECONDS)
        yield held


def try_lock(file: IO[Any], offset: int = 0) -> bool:
    """Try to lock an open file; closing it unlocks it.

    Args:
        file: The file, open for writing.
        offset: Where on Windows the one byte lies that is locked, which others then cannot read.

    Returns:
        Whether it is locked; else another process has it.

    Raises:
        OSError: The file system has no locks.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(offset)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
