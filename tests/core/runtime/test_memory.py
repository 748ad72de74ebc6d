"""Free memory goes back to the system."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.lifting.face_features import FEATURES_ONNX_NAME
from core.runtime.memory import release_free_memory
from core.runtime.onnx_session import OnnxSession
from core.runtime.weights import models_folder
from core.segmentation.segmenter import SEGMENTATION_ONNX_NAME

#: Bytes of a block that the C library keeps in its heap, and how many of these.
BLOCK_BYTES = 100_000
BLOCKS = 600
#: Bytes that a network for pictures of 256 pixels leaves behind at least.
LEFT_BYTES = 10_000_000


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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_one_network_gives_back_what_another_has_left():
    large = OnnxSession(models_folder() / SEGMENTATION_ONNX_NAME, 1)
    small = OnnxSession(models_folder() / FEATURES_ONNX_NAME, 1)
    inputs = {"picture": np.ones((1, 3, 256, 256), np.float32), "direction": np.ones((1, 3), np.float32)}
    first = large.run_all(**inputs)
    before = resident_bytes()
    small.release_memory()
    release_free_memory()
    assert before - resident_bytes() > LEFT_BYTES
    for one, again in zip(first, large.run_all(**inputs), strict=True):
        np.testing.assert_array_equal(one, again)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_a_network_that_keeps_no_memory_gives_back_what_others_keep():
    large = OnnxSession(models_folder() / SEGMENTATION_ONNX_NAME, 1)
    small = OnnxSession(models_folder() / FEATURES_ONNX_NAME, 1, keeps_memory=False)
    large.run_all(picture=np.ones((1, 3, 256, 256)), direction=np.ones((1, 3)))
    before = resident_bytes()
    small.run_all(picture=np.ones((1, 3, 192, 192)))
    release_free_memory()
    assert before - resident_bytes() > LEFT_BYTES
