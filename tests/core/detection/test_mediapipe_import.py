"""MediaPipe is imported without matplotlib, which stays there for whoever wants it."""

import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType

from tests.conftest import PATIENCE_SECONDS

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
        timeout=PATIENCE_SECONDS,
    )
    assert run.returncode == 0, run.stderr


def test_placeholders_leave_what_is_loaded_alone():
    from core.detection.mediapipe_import import placeholders

    loaded = sys.modules["subprocess"]
    with placeholders(("subprocess", "a_module_of_nobody")):
        assert sys.modules["subprocess"] is loaded
        assert "a_module_of_nobody" in sys.modules
    assert "a_module_of_nobody" not in sys.modules


def test_a_second_thread_waits_for_the_whole_module(monkeypatch):
    """The first import stops half-way until the second thread has had time to ask."""
    from core.detection import mediapipe_import

    begun, go_on = threading.Event(), threading.Event()
    whole: list[bool] = []

    def slow_import(name: str) -> ModuleType:
        if name not in sys.modules:
            monkeypatch.setitem(sys.modules, name, ModuleType(name))
            begun.set()
            assert go_on.wait(PATIENCE_SECONDS)
            sys.modules[name].Image = object
        return sys.modules[name]

    def ask() -> None:
        whole.append(hasattr(mediapipe_import.import_mediapipe(), "Image"))

    monkeypatch.delitem(sys.modules, "mediapipe", raising=False)
    monkeypatch.setattr(mediapipe_import, "import_module", slow_import)
    threads = [threading.Thread(target=ask) for _ in range(2)]
    threads[0].start()
    assert begun.wait(PATIENCE_SECONDS)
    threads[1].start()
    threads[1].join(0.2)  # long enough to be handed half a module, were it not for the lock
    go_on.set()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert whole == [True, True]
