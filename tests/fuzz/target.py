"""What a target of hostile bytes is, and what several of them need."""

import contextlib
import zipfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from unittest.mock import patch

from blender_addon.errors import AddonError

Read = TypeVar("Read")
Check = Callable[[bytes, Path], None]


@dataclass(frozen=True)
class Target:
    """Something that reads a file.

    Attributes:
        seeds: Files that are right, or nearly.
        check: Reads bytes, with a folder to write into. Raises AssertionError, or anything that is not an
            expected error, if they are not handled as they should be.
        context: Entered before the seeds are checked, left at the end.
    """

    seeds: Callable[[], list[bytes]]
    check: Check
    context: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext


def accepted(read: Callable[[Path], Read], data: bytes, path: Path) -> Read | None:
    """What a reader makes of a file; None if it refuses that in words."""
    path.write_bytes(data)
    try:
        return read(path)
    except AddonError:
        return None


def with_right_checksums(check: Check) -> Check:
    """The check of an archive's bytes as they are, and as if somebody had put its checksums right again.

    Otherwise nearly all faults in what an archive holds would only try the archive's own check.
    """

    def both(data: bytes, folder: Path) -> None:
        check(data, folder)
        with patch.object(zipfile.ZipExtFile, "_update_crc", lambda *_: None):
            check(data, folder)

    return both
