"""What is reported about an engine that cannot be used, and how it is repaired."""

import json
import os
import sys
import time
from pathlib import Path

import pytest

from blender_addon.engine.locate import MARKER_NAME, PROJECT_ROOT, Engine, environment_python
from blender_addon.engine.state import EngineAction, EngineStatus, locate, no_engine, probe

HERE = Path(sys.executable)


@pytest.fixture
def answering(tmp_path):
    """A program that stands for an interpreter with certain packages."""

    def make(python=(3, 11, 4), name="python", **found):
        program = tmp_path / name
        program.parent.mkdir(parents=True, exist_ok=True)
        answer = json.dumps({"python": python, "found": found})
        program.write_text(f"#!/bin/sh\necho '{answer}'\n")
        program.chmod(0o755)
        return program

    return make


WHOLE = {
    "mediapipe": "1.2.2",
    "numpy": "2.2.6",
    "PIL": "13.0.0",
    "safetensors": "0.8.0",
    "skimage": "0.26.0",
    "scipy": "1.17.1",
    "cv2": "",
    "onnxruntime": "1.32.0",
}


def test_this_interpreter_is_ready_and_asking_is_quick():
    state = probe(Engine(HERE))
    assert state.ready and state.status is EngineStatus.READY and state.action is None, state
    assert state.python_version == ".".join(map(str, sys.version_info[:3]))
    assert "onnxruntime" in state.message
    seconds = []
    for _ in range(3):
        start = time.process_time(), os.times().children_user + os.times().children_system
        probe(Engine(HERE))
        now = os.times()
        seconds.append(now.children_user + now.children_system - start[1])
    # Of the processor, so that a busy machine does not fail it; nothing heavy is imported.
    assert min(seconds) < 0.3


def test_missing_packages_are_named(answering):
    lacking = {k: v for k, v in WHOLE.items() if k not in ("cv2", "onnxruntime", "PIL")}
    state = probe(Engine(answering(**lacking)))
    assert state.status is EngineStatus.PACKAGES_MISSING and state.action is EngineAction.CHOOSE_PYTHON
    assert state.missing == ("pillow", "opencv-contrib-python", "onnxruntime")
    assert "pillow, opencv-contrib-python, onnxruntime" in state.message
    assert probe(Engine(answering(**lacking), origin="private")).action is EngineAction.REINSTALL
    assert probe(Engine(answering(**lacking), origin="running")).action is EngineAction.SET_UP


def test_either_backend_will_do_unless_one_is_asked_for(answering):
    torch_only = {**WHOLE, "torch": "2.13.0+cpu"}
    del torch_only["onnxruntime"]
    python = answering(**torch_only)
    assert probe(Engine(python)).ready and "torch" in probe(Engine(python)).message
    assert probe(Engine(python, backend="onnx")).missing == ("onnxruntime",)
    assert probe(Engine(answering(**WHOLE), backend="torch")).missing == ("torch",)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"numpy": "1.24.3"}, "numpy 1.24.3, at least 1.26 is needed"),
        ({"mediapipe": "2.0"}, "mediapipe 2.0, older than 2 is needed"),
        ({"scipy": "1.9.3rc1"}, "scipy 1.9.3rc1, at least 1.13 is needed"),
    ],
)
def test_wrong_versions_are_named(answering, found, words):
    state = probe(Engine(answering(**{**WHOLE, **found})))
    assert state.status is EngineStatus.WRONG_VERSION and state.wrong == (words,) and words in state.message


def test_old_python_is_named(answering):
    state = probe(Engine(answering(python=(3, 9, 2), **WHOLE)))
    assert state.status is EngineStatus.WRONG_VERSION and "Python 3.9.2; at least 3.10" in state.message


def test_programs_that_are_no_python(answering, tmp_path):
    silent = answering()
    silent.write_text("#!/bin/sh\necho 'a library is gone' >&2; exit 3\n")
    state = probe(Engine(silent))
    assert (state.status, state.action) == (EngineStatus.BROKEN, EngineAction.CHOOSE_PYTHON)
    assert "a library is gone" in state.message
    silent.write_text("#!/bin/sh\necho hello\n")
    assert probe(Engine(silent)).status is EngineStatus.BROKEN
    silent.write_text("#!/bin/sh\nexec sleep 60\n")
    assert "no answer in 0.2 seconds" in probe(Engine(silent), timeout=0.2).message
    gone = probe(Engine(tmp_path / "gone/bin/python", origin="private"))
    assert (gone.status, gone.action) == (EngineStatus.BROKEN, EngineAction.REINSTALL)


def test_missing_files_are_told(tmp_path):
    state = probe(Engine(HERE, tmp_path))
    assert state.status is EngineStatus.FILES_MISSING and "core/worker/__main__.py" in state.message
    assert state.action is None


def test_locate_finds_and_judges(answering, tmp_path):
    # No .venv beside `tmp_path`, so nothing is found there.
    engine, state = locate(environ={}, root=tmp_path, private=tmp_path / "engine")
    assert engine is None and (state.status, state.action) == (EngineStatus.NO_PYTHON, EngineAction.SET_UP)
    assert "press Set up engine" in state.message
    private = tmp_path / "engine"
    program = answering(name=str(environment_python(private).relative_to(tmp_path)), **WHOLE)
    (private / MARKER_NAME).write_text('{"finished": false}')
    engine, state = locate(environ={}, root=tmp_path, private=private)
    assert engine is None and (state.status, state.action) == (EngineStatus.UNFINISHED, EngineAction.SET_UP)
    (private / MARKER_NAME).write_text('{"finished": true}')
    engine, state = locate(environ={}, private=private)
    assert engine == Engine(program, PROJECT_ROOT, origin="private") and state.ready
    program.unlink()
    assert locate(environ={}, private=private)[1].action is EngineAction.REINSTALL
    engine, state = locate(explicit=tmp_path / "nothing", environ={}, private=private)
    assert engine is None and (state.status, state.action) == (
        EngineStatus.NO_PYTHON,
        EngineAction.CHOOSE_PYTHON,
    )
    assert str(tmp_path / "nothing") in state.message
    assert no_engine().action is EngineAction.SET_UP
