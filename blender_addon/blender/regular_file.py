"""Reads regular files, which may come from anybody: a pipe or a device would block for ever. No bpy.

No more is read than a file says to have: those that the kernel makes up, such as /proc/self/pagemap, call
themselves regular and of 0 bytes, and never end.
"""

import errno
import hashlib
import os
import stat
from pathlib import Path
from typing import BinaryIO

#: Bytes read at once for a hash.
BLOCK_BYTES = 1 << 20


def open_regular(path: Path, follow_links: bool = True) -> BinaryIO:
    """Open a regular file for reading.

    Args:
        path: The file.
        follow_links: Whether it may be reached through a link.

    Returns:
        The open file.

    Raises:
        OSError: There is none that can be read, or something else is there, such as a pipe or a device.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if not follow_links:
        flags |= getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(path, flags)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: Path, limit: int | None = None, follow_links: bool = True) -> bytes:
    """Read a regular file.

    Args:
        path: The file.
        limit: Bytes; a larger file is refused.
        follow_links: Whether it may be reached through a link.

    Returns:
        The file's content.

    Raises:
        OSError: It cannot be read, is too large, or no regular file.
    """
    with open_regular(path, follow_links) as file:
        size = os.fstat(file.fileno()).st_size
        if limit is not None and size > limit:
            raise OSError(errno.EFBIG, f"it is too large: it has more than {limit / 1e6:g} MB", str(path))
        return file.read(size)


def sha256_of(path: Path) -> str:
    """Hash a regular file.

    Args:
        path: The file.

    Returns:
        Its SHA-256, hexadecimal.

    Raises:
        OSError: It cannot be read, or is no regular file.
    """
    digest = hashlib.sha256()
    with open_regular(path) as file:
        left = os.fstat(file.fileno()).st_size
        while block := file.read(min(left, BLOCK_BYTES)):
            digest.update(block)
            left -= len(block)
    return digest.hexdigest()
