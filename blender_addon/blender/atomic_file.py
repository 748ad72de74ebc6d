"""Writes files so that none is half there under its own name. No bpy."""

import contextlib
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def written_atomically(path: Path) -> Iterator[Path]:
    """Let a file be written under a temporary name, then move it to its own.

    Args:
        path: The file; one that is there is replaced.

    Yields:
        The temporary name, in the same folder. What is there when the block ends takes the file's place; if
        the block fails, the file stays as it was and nothing else is left behind.
    """
    partial = path.with_name(f".{path.name}.part")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
