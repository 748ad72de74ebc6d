"""The output folder, which one run has to itself: lock, staging folders, a killed run's leftovers. No bpy."""

import contextlib
import errno
import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import IO

from ..blender.atomic_file import TEMPORARY_PREFIX, is_temporary, remove_partial_files
from ..blender.file_lock import try_lock
from ..errors import BatchError
from .page import VIEWER_FOLDER
from .record import JOURNAL_NAME
from .storage import is_regular

LOCK_NAME = ".photobust.lock"
#: The byte of the lock's file that Windows locks: beyond the text, which others then can still read.
LOCK_OFFSET = 1 << 20
#: What versions until 0.1 wrote batch.json and index.html to first.
OLD_PARTIAL_FILES = ("batch.json.part", "index.html.part")
#: Free bytes below which the disk counts as full: about what one head with everything needs.
NEARLY_FULL_BYTES = 32 << 20
#: What the system answers when there is no room.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
#: `error_kind` of a step that found no room.
NO_SPACE = "NoSpaceError"


class Workspace:
    """Makes the folder, locks it, and cleans up what runs before have left; a context."""

    def __init__(self, out: Path) -> None:
        """Make and lock the folder.

        Raises:
            BatchError: It cannot be written to, or another run is at work there.
        """
        self.out = out
        try:
            out.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=out):
                pass
            for name in (LOCK_NAME, JOURNAL_NAME):
                refuse_other_than_file(out / name)
            self._lock = _lock(out / LOCK_NAME)
        except OSError as error:
            raise BatchError(
                f"the output folder {out} cannot be written: {error.strerror}. Choose another with --out."
            ) from error
        self.clean()
        self._temporary: Path | None = None

    @property
    def temporary(self) -> Path:
        """A folder for the temporary files of engines and Blender workers, which only this user can enter."""
        if self._temporary is None:
            self._temporary = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=self.out))
        return self._temporary

    def __enter__(self) -> "Workspace":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.clean()
        # Removed while it is still locked, so that nobody else's is.
        with contextlib.suppress(OSError):
            (self.out / LOCK_NAME).unlink()
        self._lock.close()

    def clean(self) -> None:
        """Remove temporary files and folders: whoever has the lock owns them, or nobody does any more."""
        for path in self.out.iterdir():
            if is_temporary(path.name) and path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
        for folder in (self.out, self.out / VIEWER_FOLDER):
            if folder == self.out or not folder.is_symlink():
                remove_partial_files(folder)
        for name in OLD_PARTIAL_FILES:
            path = self.out / name
            if is_regular(path):
                with contextlib.suppress(OSError):
                    path.unlink()

    @contextlib.contextmanager
    def staging(self) -> Iterator[Path]:
        """An empty folder that only this user can read, removed at the end.

        Below the output folder, so that moving files out of it needs no copying.
        """
        folder = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=self.out))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def fatal_problem(
        self, error: BaseException | None = None, message: str = "", is_full: bool = False
    ) -> str | None:
        """Why nothing more can be written here.

        To be asked before the staging folder is gone, which would make room.

        Args:
            error: What failed.
            message: What it said.
            is_full: Whether it is known that it failed for want of room.

        Returns:
            A sentence; None if files can be written, so that what failed has other reasons.
        """
        again = "What was finished is in place; the same command goes on from there."
        full = f"the disk of {self.out} is full: make room, or choose another folder with --out. {again}"
        try:
            if is_full or (isinstance(error, OSError) and error.errno in NO_ROOM):
                return full
            if any(os.strerror(number) in message for number in NO_ROOM):
                return full
            if shutil.disk_usage(self.out).free < NEARLY_FULL_BYTES:
                return full
            with tempfile.TemporaryFile(dir=self.out) as file:
                file.write(bytes(1 << 16))
        except OSError as problem:
            if problem.errno in NO_ROOM:
                return full
            return f"the output folder {self.out} cannot be written any more: {problem.strerror}. {again}"
        return None


def refuse_other_than_file(path: Path) -> None:
    """Raises BatchError if something else than a file is where the batch writes one; OSError."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        what = "a link" if stat.S_ISLNK(mode) else "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
        raise BatchError(
            f"{path} is {what}, and a batch keeps a file of its own there: remove it, or choose another "
            "folder with --out."
        )


def _lock(path: Path) -> IO[str]:
    """The file at `path`, locked until it is closed or the process ends. Raises BatchError if it is now."""
    while True:
        file = _open_lock(path)
        try:
            held = try_lock(file, LOCK_OFFSET)
        except OSError:
            held = True  # a file system without locks: then it has to go without
        if not held:
            file.seek(0)
            who = file.read().strip()
            file.close()
            raise BatchError(
                f"another run is writing to {path.parent} ({who or 'it does not say which'}): wait for it to "
                "end, or choose another folder with --out."
            )
        # The run before may have removed it since it was opened.
        if path.exists() and os.path.samestat(path.stat(), os.fstat(file.fileno())):
            break
        file.close()
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    try:
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}, since {now}\n")
        file.flush()
    except OSError:
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            file.close()
        raise
    return file


def _open_lock(path: Path) -> IO[str]:
    """The lock's file, made if need be; a link is not followed, since the file is emptied. Raises OSError."""
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
    return os.fdopen(os.open(path, flags, 0o666), "a+", encoding="utf-8")
