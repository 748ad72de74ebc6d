"""Reads files that may come from anybody. No bpy."""

import os
import stat
from pathlib import Path


def read_regular(path: Path, most_bytes: int) -> bytes:
    """The content of a regular file.

    Args:
        path: The file; a link to one will do.
        most_bytes: What it may have at most.

    Raises:
        OSError: It is missing or may not be read.
        ValueError: It is larger, or a folder, a pipe or a device.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("it is not a file")  # opening a pipe waits for ever
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(most_bytes + 1) if size <= most_bytes else b""
    if max(size, len(data)) > most_bytes:
        raise ValueError(f"it has more than {most_bytes / 1e6:.0f} MB")
    return data
