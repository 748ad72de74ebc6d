"""Free memory goes back to the system."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from core.runtime.memory import release_free_memory

#: Bytes of a block that the C library keeps in its heap, and how many of these.
BLOCK_BYTES = 100_000
BLOCKS = 600


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_what_was_freed_is_given_back():
    blocks = [b"x" * BLOCK_BYTES for _ in range(BLOCKS)]
    kept = blocks[::50]  # between these, the heap does not shrink by itself
    del blocks
    before = resident_bytes()
    release_free_memory()
    assert before - resident_bytes() > BLOCK_BYTES * BLOCKS / 2
    assert all(block == b"x" * BLOCK_BYTES for block in kept)


#: Prints how many pages are fetched for a large block, and for another when the first was freed.
FETCH_TWICE = """
import resource
from core.runtime.memory import reuse_freed_memory
reuse_freed_memory()
for _ in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    bytes(range(250)) * 400_000
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_a_large_block_takes_the_place_of_a_freed_one():
    output = subprocess.run([sys.executable, "-c", FETCH_TWICE], capture_output=True, text=True, check=True)
    first, second = map(int, output.stdout.split())
    assert second < first / 10
