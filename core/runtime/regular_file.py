"""Reads regular files, which may come from anybody: a pipe or a device would block for ever.

No more is read than a file says to have: those that the kernel makes up, such as /proc/self/pagemap, call
themselves regular and of 0 bytes, and never end.
"""

import errno
import os
import stat
from pathlib import Path


def read_regular(path: Path, limit: int) -> bytes:
    """Read a regular file; links are followed.

    Args:
        path: The file.
        limit: Bytes; a larger file is refused.

    Returns:
        The file's content.

    Raises:
        OSError: It cannot be read, is too large, or something else is there, such as a pipe or a device.
    """
    # Without O_NONBLOCK, opening a pipe waits for somebody who writes into it.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        file = os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise
    with file:
        if status.st_size > limit:
            raise OSError(errno.EFBIG, f"it has more than {limit / 1e6:g} MB", str(path))
        return file.read(status.st_size)
