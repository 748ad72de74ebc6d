import fcntl
import itertools
import os
import pickle
import shutil
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings

from core.training.paths import DataPaths, default_data_folder

Made = TypeVar("Made")

if "PYTEST_XDIST_WORKER" in os.environ:
    # As many tests run at a time as there are cores: more threads would only wait for one another.
    for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(_variable, "1")

# Hundreds of processes read the same sources, which need not be compiled by each of them.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Timings are not asserted: on a busy machine the first example alone can take longer than hypothesis allows.
# The same examples each time: a suite that finds a new one by chance fails whoever changed something else.
# --hypothesis-profile=explore looks for new ones: `make fuzz` does.
BUSY: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("photobust", derandomize=True, **BUSY)
settings.register_profile("explore", max_examples=1000, **BUSY)
settings.load_profile("photobust")

ROOT = Path(__file__).resolve().parents[1]
#: How long tests wait for what has to happen: only there to end what hangs, never to measure, and long enough
#: for a machine that is busy with other things. Three such waits fit in pytest's own limit, so that the one
#: that is in vain says so.
PATIENCE_SECONDS = 500.0
#: Time limit given to programs in which something hangs: waited out in full for that, and a hundred times
#: what everything else takes there on an idle machine, so that a busy one does not run into it.
HANGING_LIMIT_SECONDS = 15
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


def run_python(code: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run statements in a Python process of their own.

    Args:
        code: The statements.
        options: More for subprocess.run, such as check=False.

    Returns:
        The finished process, with its output.
    """
    command = [sys.executable, "-c", code]
    kept = {"cwd": ROOT, "capture_output": True, "text": True, "timeout": PATIENCE_SECONDS, "check": True}
    return subprocess.run(command, **{**kept, **options})  # type: ignore[call-overload,no-any-return]


def wait_for(condition: Callable[[], object], what: str = "it") -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.02)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Deal the files to xdist's workers, of which each gets as many tests, and begins with its first ones.

    Each worker begins with files that take long, so that none is still at one when there is nothing left to
    steal. Apart from that they are mixed, in the same way each time: files of one folder mostly want the
    same, as windows, which wait, or training, which works; beside one another they would leave cores idle, or
    contend.
    """
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    long = {item.path for item in items if item.get_closest_marker("long")}
    hands: list[list[pytest.Item]] = [
        [] for _ in range(int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
    ]
    mixed = sorted(files, key=lambda path: (path not in long, zlib.crc32(path.name.encode()), path))
    for number, path in enumerate(mixed):
        hand = hands[number % len(hands)] if path in long else min(hands, key=len)
        hand.extend(files[path])
    items[:] = itertools.chain(*hands)


@pytest.fixture(scope="session", autouse=True)
def _home_of_batches(tmp_path_factory):
    """Batches keep their key in a folder of the tests', also those of child processes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PHOTOBUST_HOME", str(tmp_path_factory.mktemp("photobust-home")))
        yield


@pytest.fixture(scope="session")
def made_once(tmp_path_factory) -> Callable[[str, Callable[[], Made]], Made]:
    """`made_once(name, make)`: what `make()` returns, made by the first of xdist's workers that asks for it.

    The others unpickle it.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent

    def get(name: str, make: Callable[[], Made]) -> Made:
        path = folder / f"{name}.pickle"
        with (folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                path.write_bytes(pickle.dumps(make()))
        return pickle.loads(path.read_bytes())

    return get


@dataclass(frozen=True)
class TrainingRun:
    """The whole training at the smallest scale, from an empty cache; its first step is done.

    Attributes:
        command: What goes on with it, as `make train` does.
        paths: Where its steps read and write what they make for one another.
        folder: Its results.
    """

    command: list[str]
    paths: DataPaths
    folder: Path


@pytest.fixture(scope="session")
def training_run(made_once, tmp_path_factory) -> TrainingRun:
    """Registered once a session: it takes half a minute, and much of the training's tests needs it."""
    data = default_data_folder(ROOT)
    if not DataPaths(data, data, data).face_model.is_file():
        pytest.skip(f"no training data at {data}: set PHOTOBUST_DATA to its folder")

    def start() -> TrainingRun:
        base = tmp_path_factory.mktemp("training")
        folder, paths = base / "run", DataPaths(data, base / "cache", ROOT / "models")
        command = [sys.executable, str(ROOT / "scripts/training/pipeline.py"), "--scale", "smoke"]
        command += ["--data", str(data), "--cache", str(paths.cache), "--run", str(folder)]
        subprocess.run([*command, "--until", "registration"], check=True, capture_output=True)
        return TrainingRun(command, paths, folder)

    return made_once("training", start)


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


#: Names Pythons of environments that have other versions of bpy, to be tested beside the one installed here;
#: separated as in PATH. docs/release.md says which.
BPY_PYTHONS_VARIABLE = "PHOTOBUST_BPY_PYTHONS"
OTHER_BPYS = [path for path in os.environ.get(BPY_PYTHONS_VARIABLE, "").split(os.pathsep) if path]
#: What tests of the add-on run in: the bpy module, others, Debian's Blender.
BLENDERS = ["bpy", *(OTHER_BPYS or ["other bpy"]), "blender"]


def python_with_bpy(name):
    """The Python that has the bpy module of this name in BLENDERS."""
    if name == "bpy":
        pytest.importorskip("bpy", reason="the bpy module is not installed (make setup)")
        return sys.executable
    if name not in OTHER_BPYS:
        pytest.skip(f"{BPY_PYTHONS_VARIABLE} names no Python with another bpy")
    return name


@pytest.fixture(params=BLENDERS)
def run_in_blender(request, home):
    """Runs a script in a fresh bpy process, of several versions, and in Debian's Blender; gives the finished
    process.
    """
    if request.param == "blender":
        command = [request.getfixturevalue("blender"), "-b", "-P"]
    else:
        command = [python_with_bpy(request.param)]

    def run(script, *arguments, timeout=2 * PATIENCE_SECONDS, **extra):
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
