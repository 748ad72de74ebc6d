"""Memory that is free, but not given back to the system."""

import ctypes
import sys
from collections.abc import Callable
from functools import cache
from typing import Any


def release_free_memory() -> None:
    """Give memory that was freed back to the system, where the C library can do that.

    glibc keeps up to some 60 MB after a photo, more or less by chance, beside what is in use. It takes a few
    milliseconds.
    """
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@cache
def _malloc_trim() -> Callable[[int], Any] | None:
    """The function malloc_trim(3) of glibc; None with other libraries."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):  # musl has none
        return None
    trim.argtypes, trim.restype = [ctypes.c_size_t], ctypes.c_int
    return trim
