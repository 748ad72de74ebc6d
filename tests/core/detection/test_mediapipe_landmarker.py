"""Landmarkers that are let go of at the worst moment: inside another one's call to its thread."""

import concurrent.futures.thread
import subprocess
from pathlib import Path

import pytest

from tests.conftest import PATIENCE_SECONDS, run_python

ROOT = Path(__file__).resolve().parents[3]

#: The garbage collector runs inside `ThreadPoolExecutor.submit` (which makes a Future while it holds the lock
#: of all executors) and finds a detector that nobody needs any more.
COLLECTED_INSIDE_SUBMIT = """
import concurrent.futures._base as base, concurrent.futures.thread as thread, gc
import faulthandler, numpy as np
from skimage.data import astronaut
{imports}

faulthandler.dump_traceback_later({patience}, exit=True)
gc.disable()
picture = astronaut()
kept = FaceDetector.from_pretrained()
faces = len(kept.detect(picture))

class CollectingFuture(base.Future):
    def __init__(self):
        super().__init__()
        assert thread._global_shutdown_lock.locked()
        for _ in range({copies}):
            gc.collect()

base.Future = CollectingFuture
thread._base.Future = CollectingFuture
for _ in range(3):
    dropped = FaceDetector.from_pretrained()
    assert len(dropped.detect(picture, thorough=False)) == 1
    dropped.itself = dropped  # a cycle: only the collector frees it
    del dropped
    assert len(kept.detect(picture, thorough=False)) == 1
{end}
print("faces", faces)
"""


def run(end: str, **extra: str) -> subprocess.CompletedProcess[str]:
    imports = "from core.detection.detector import FaceDetector\n"
    imports += "from core.detection.mediapipe_landmarker import _abandoned"
    code = COLLECTED_INSIDE_SUBMIT.format(imports=imports, copies=1, end=end, patience=0.8 * PATIENCE_SECONDS)
    return run_python(code, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("end", ["", "kept.close(); assert not _abandoned", "kept.itself = kept; del kept"])
def test_a_landmarker_collected_inside_submit_does_not_hang(end):
    done = run(end)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout == "faces 1\n"
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr


def test_submit_still_holds_a_lock_that_is_not_reentrant():
    """The reason for all this: if it ceases to be so, the hand-over may go."""
    lock = concurrent.futures.thread._global_shutdown_lock
    with lock:
        assert not lock.acquire(blocking=False)


def test_closing_twice_and_using_again(astronaut):
    from core.detection.detector import FaceDetector

    with FaceDetector.from_pretrained() as detector:
        assert len(detector.detect(astronaut, thorough=False)) == 1
        detector.close()
        assert len(detector.detect(astronaut, thorough=False)) == 1
    detector.close()
