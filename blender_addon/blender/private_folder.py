"""Temporary folders that only this user can read, and that go even if their process was killed. No bpy."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .file_lock import try_lock

#: In such a folder: held while its process runs.
LOCK_NAME = "lock"


@contextlib.contextmanager
def private_folder(prefix: str) -> Iterator[Path]:
    """Make a temporary folder, removed at the end; those of killed processes go, too.

    Args:
        prefix: What its name begins with, and those of other processes' folders of the kind.

    Yields:
        The folder.
    """
    remove_leftovers(prefix)
    with contextlib.ExitStack() as stack:
        folder = None
        while folder is None:
            folder = _locked_folder(prefix, stack)
        yield folder


def remove_leftovers(prefix: str) -> None:
    """Remove the temporary folders, of names that begin so, whose processes run no more."""
    for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        # Somebody else's cannot be opened; a link is none of ours.
        with contextlib.suppress(OSError):
            if folder.is_symlink() or not _is_own(folder):
                continue
            with (folder / LOCK_NAME).open("r+b") as lock:
                abandoned = try_lock(lock)
                if abandoned:  # held meanwhile: a process that was about to lock it takes another
                    shutil.rmtree(folder, ignore_errors=True)
            if abandoned:  # Windows removes no file that is open
                shutil.rmtree(folder, ignore_errors=True)


def _locked_folder(prefix: str, stack: contextlib.ExitStack) -> Path | None:
    """A new folder, locked until the stack ends; None if another process has just taken it for a leftover."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)  # after closing: Windows removes no open file
    lock = stack.enter_context((folder / LOCK_NAME).open("wb"))
    with contextlib.suppress(OSError):  # a file system without locks: nobody takes it for a leftover
        if not try_lock(lock) or not (folder / LOCK_NAME).exists():
            return None
    return folder


def _is_own(folder: Path) -> bool:
    return os.name == "nt" or folder.stat().st_uid == os.getuid()
