import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# Timings are not asserted: on a busy machine the first example alone can take longer than hypothesis allows.
settings.register_profile("photobust", deadline=None)
settings.load_profile("photobust")

ROOT = Path(__file__).resolve().parents[1]
FAKE_ENGINE = ROOT / "tests/fake_engine"


def fresh_environment(home: Path, **extra: str) -> dict[str, str]:
    """The environment of a child process that finds nobody's preferences and no display."""
    env = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("PYTHON", "BLENDER", "DISPLAY", "PHOTOBUST_PYTHON"))
    }
    return {
        **env,
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "PYTHONDONTWRITEBYTECODE": "1",
        **extra,
    }


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def blender():
    """Path of Debian's Blender."""
    path = shutil.which("blender")
    if not path:
        pytest.skip("no `blender` on this machine (apt-get install blender python3-numpy)")
    return path


def _program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def _fake_engine(folder: Path) -> Path:
    script = f'cd {FAKE_ENGINE}\nPYTHONPATH={FAKE_ENGINE} exec {sys.executable} "$@"'
    return _program(folder / "fake-engine-python", script)


def _fake_blender_worker(folder: Path) -> Path:
    return _program(
        folder / "fake-blender-worker",
        f"exec {sys.executable} {ROOT / 'tests/fake_blender_worker/worker.py'}",
    )


@pytest.fixture
def fake_engine_python(tmp_path):
    """A program to give as --engine-python, which runs the tests' own worker instead of the engine."""
    return _fake_engine(tmp_path)


@pytest.fixture
def fake_blender_worker(tmp_path):
    """A program to give as --blender, which runs the tests' own Blender worker instead of Blender."""
    return _fake_blender_worker(tmp_path)


@pytest.fixture(scope="session")
def fake_programs(tmp_path_factory):
    """(engine, Blender worker) as above, for what outlives a test."""
    folder = tmp_path_factory.mktemp("programs")
    return _fake_engine(folder), _fake_blender_worker(folder)


#: Names the Python of an environment that has bpy 5.0 (`pip install bpy==5.0.1`), to be tested beside 4.5.
BPY50_VARIABLE = "PHOTOBUST_BPY50_PYTHON"


@pytest.fixture(params=["bpy", "bpy50", "blender"])
def run_in_blender(request, home):
    """Runs a script in a fresh bpy process, of two versions, and in Debian's Blender; gives the finished
    process.
    """
    if request.param == "bpy":
        pytest.importorskip("bpy", reason="the bpy module is not installed (make setup)")
        command = [sys.executable]
    elif request.param == "bpy50":
        if not os.environ.get(BPY50_VARIABLE):
            pytest.skip(f"{BPY50_VARIABLE} names no Python with bpy 5.0")
        command = [os.environ[BPY50_VARIABLE]]
    else:
        command = [request.getfixturevalue("blender"), "-b", "-P"]

    def run(script, *arguments, timeout=300, **extra):
        dashes = ["--"] if request.param == "blender" else []
        return subprocess.run(
            [*command, str(script), *dashes, *map(str, arguments)],
            env=fresh_environment(home, **extra),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
            encoding="utf-8",
        )

    run.kind = request.param
    return run
