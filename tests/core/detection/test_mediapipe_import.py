"""MediaPipe is imported without matplotlib, which stays there for whoever wants it."""

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys
from core.detection.mediapipe_import import UNUSED, import_mediapipe

mediapipe = import_mediapipe()
assert mediapipe.Image and mediapipe is import_mediapipe()
assert not set(UNUSED) & set(sys.modules), sorted(sys.modules)
import matplotlib
assert matplotlib.__file__
"""


def test_charts_and_sound_are_not_loaded():
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr


def test_placeholders_leave_what_is_loaded_alone():
    from core.detection.mediapipe_import import placeholders

    loaded = sys.modules["subprocess"]
    with placeholders(("subprocess", "a_module_of_nobody")):
        assert sys.modules["subprocess"] is loaded
        assert "a_module_of_nobody" in sys.modules
    assert "a_module_of_nobody" not in sys.modules
