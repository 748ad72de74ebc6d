"""The worker's process with stand-ins for the trained models."""

import os
import sys
import time
from pathlib import Path

from core.worker import server as worker
from tests.core.stand_ins import stand_in_reconstructor


def load(*_):
    """A reconstructor that can be slow, and that prints where it should not."""
    reconstructor = stand_in_reconstructor()
    detect = reconstructor.detector.detect

    def noisy_detect(*args, **options):
        print("a library that prints")
        os.write(1, b"a native library that prints\n")
        if "bug" in os.environ.get("STAND_IN", ""):
            raise KeyError("a bug")
        if "memory" in os.environ.get("STAND_IN", ""):
            raise MemoryError
        time.sleep(float(os.environ.get("STAND_IN_SECONDS", "0")))
        while Path(os.environ.get("STAND_IN_HOLD", os.devnull)).is_file():
            time.sleep(0.01)
        return detect(*args, **options)

    reconstructor.detector.detect = noisy_detect
    return reconstructor


worker.load_reconstructor = load
worker.ORPHAN_GRACE = float(os.environ.get("STAND_IN_GRACE", "240"))
sys.exit(worker.main(sys.argv[1:]))
