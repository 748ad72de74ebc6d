"""Memory that is free: kept for what comes next while a photo is worked on, and given back after it."""

import ctypes
import sys
from functools import cache

#: Parameters of glibc's mallopt(3): from which size on a block is mapped by itself, how much free memory at
#: the heap's end is given back, how many heaps threads share.
M_MMAP_THRESHOLD = -3
M_TRIM_THRESHOLD = -1
M_ARENA_MAX = -8
#: Bytes that no block has.
UNLIMITED = 1 << 30


def reuse_freed_memory() -> None:
    """Let all threads use one heap, and keep in it what is freed until `release_free_memory`.

    Otherwise each large array is fetched from the system and given back, page by page: of a texture's 1.3 s
    that was 0.5 s. For a process of its own, before it has threads; nothing happens with other libraries.
    """
    library = _glibc()
    if library is not None:
        library.mallopt(M_ARENA_MAX, 1)
        library.mallopt(M_TRIM_THRESHOLD, UNLIMITED)
        library.mallopt(M_MMAP_THRESHOLD, UNLIMITED)


def release_free_memory() -> None:
    """Give memory that was freed back to the system, where the C library can do that.

    glibc keeps up to some 60 MB after a photo, more or less by chance, beside what is in use. It takes a few
    milliseconds.
    """
    library = _glibc()
    if library is not None:
        library.malloc_trim(ctypes.c_size_t(0))


@cache
def _glibc() -> ctypes.CDLL | None:
    """The C library if it is glibc."""
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    # musl has neither.
    return library if hasattr(library, "malloc_trim") and hasattr(library, "mallopt") else None
