"""Setting up the private engine: with small wheels made here, and once in earnest."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import trimesh
from PIL import Image
from skimage.data import astronaut

from blender_addon.blender.file_lock import held_lock
from blender_addon.blender.regular_file import sha256_of
from blender_addon.engine import setup as engine_setup
from blender_addon.engine.base_python import BasePython, find_base_python
from blender_addon.engine.client import WorkerClient
from blender_addon.engine.environment import (
    downloads_folder,
    lock_path,
    mark,
    previous_folder,
    remove_leftovers,
)
from blender_addon.engine.locate import (
    MARKER_NAME,
    Engine,
    environment_folder,
    environment_python,
    find_engine,
)
from blender_addon.engine.pip_output import PipReader, failure_reason
from blender_addon.engine.setup import EngineSetup, environment_size, remove_environment
from blender_addon.engine.setup_plan import plan_setup
from blender_addon.engine.state import EngineState, EngineStatus
from blender_addon.engine.wheel_lock import WHEELS_FOLDER, LockedPackage
from blender_addon.errors import NoSpaceError, OfflineError, SetupCancelledError, SetupError
from tests.conftest import PATIENCE_SECONDS, wait_for

ROOT = Path(__file__).resolve().parents[3]


def wheel(folder, name, code=""):
    """A package with one module."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}.py", code)
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")


@pytest.fixture
def folder(tmp_path):
    return environment_folder(tmp_path / "user data ä")


@pytest.fixture
def small(folder, tmp_path, monkeypatch):
    """Makes a set-up of small packages that needs no network."""
    monkeypatch.setattr(engine_setup, "IMPORTS", "import photobust_one, photobust_two")
    monkeypatch.setattr(engine_setup, "probe", lambda engine: EngineState(EngineStatus.READY, "fine"))
    for name in ("one", "two"):
        wheel(tmp_path / "wheels", f"photobust_{name}")

    def make(**options):
        plan = plan_setup(folder, python=sys.executable)
        names = ("photobust_one", "photobust_two")
        hashes = [sha256_of(tmp_path / f"wheels/{name}-1.0-py3-none-any.whl") for name in names]
        packages = [LockedPackage(name, "1.0", (one,)) for name, one in zip(names, hashes, strict=True)]
        lock = tmp_path / "lock.txt"
        lock.write_text("".join(f"{package.line()}\n" for package in packages))
        plan = replace(plan, packages=tuple(p.pin for p in packages), lock=lock, download_bytes=2000)
        pip_options = ("--no-index", "--find-links", str(tmp_path / "wheels"))
        settings = {"online": True, "upgrade_pip": False, "pip_options": pip_options, **options}
        return EngineSetup(plan, **settings)

    return make


def finished(folder):
    return json.loads((folder / MARKER_NAME).read_text())["finished"]


def test_plan_says_what_will_happen(folder, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "https://me:secret@mirror.example/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://other.example:8080/simple")
    monkeypatch.setenv("PIP_TRUSTED_HOST", "other.example")
    plan = plan_setup(folder, python=sys.executable)
    assert plan.base.version == sys.version_info[:3] and plan.base.origin == "chosen"
    assert any(package.startswith("onnxruntime==") for package in plan.packages)
    assert not any(package.startswith("torch") for package in plan.packages)
    assert plan.download_bytes <= 300e6 and plan.free_bytes > 0
    text = "\n".join(plan.lines())
    for words in (
        "237 MB from mirror.example:",
        "Also from other.example:8080 (extra index)",
        "not checked for other.example",
        "SHA-256",
        str(folder),
        "mediapipe",
        f"{len(plan.packages)} Python packages",
    ):
        assert words in text
    assert "secret" not in text
    assert not folder.parent.exists()  # planning changes nothing


def test_folder_of_somebody_else_is_left_alone(folder):
    folder.mkdir(parents=True)
    assert plan_setup(folder, python=sys.executable)  # an empty one will do
    (folder / "novel.txt").write_text("chapter 1")
    with pytest.raises(SetupError, match="not made by this add-on"):
        plan_setup(folder, python=sys.executable)
    with pytest.raises(SetupError, match="not made by this add-on"):
        remove_environment(folder)
    assert (folder / "novel.txt").read_text() == "chapter 1"
    remove_environment(folder / "nothing")


def test_base_python_is_blenders_own_else_the_systems(tmp_path, monkeypatch):
    def program(name, text):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    def answer(version, complete="true", bits=64):
        return f'echo \'[{version}, {complete}, {bits}, "linux", "x86_64"]\''

    own = program("python3.11", answer([3, 11, 9]))
    assert find_base_python(embedded=str(own)) == BasePython(own, (3, 11, 9), "Blender's")
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path / "nowhere"))
    monkeypatch.setenv("PATH", str(tmp_path))
    for text, words in (
        (answer([3, 9, 2]), "is Python 3.9.2; 3.10 to 3.13 will do"),
        (answer([3, 14, 0]), "is Python 3.14.0"),
        (answer([3, 11, 2], complete="false"), "python3-venv"),
        (answer([3, 11, 2], bits=32), "32-bit"),
        ("exit 3", "does not work as a Python"),
    ):
        program("python3.11", text)
        with pytest.raises(SetupError, match=words):
            find_base_python(embedded=str(own))
        with pytest.raises(SetupError, match=words):
            find_base_python(python=own)
    system = program("python3.12", answer([3, 12, 1]))
    assert find_base_python(embedded=str(own)) == BasePython(system, (3, 12, 1), "the system's")
    # Blender itself would open a window.
    ran = tmp_path / "ran"
    blender = program("blender", f"touch {ran}")
    assert find_base_python(embedded=str(blender)).path == system and not ran.exists()


def test_refused_offline_and_without_space(small, folder):
    with pytest.raises(OfflineError, match="online access"):
        small(online=False).start()
    setup = small()
    setup.plan = replace(setup.plan, free_bytes=10_000_000)
    with pytest.raises(NoSpaceError, match="10 MB are free"):
        setup.start()
    assert not folder.exists()


def test_progress_is_read_from_what_pip_says():
    reader = PipReader(total=100e6, packages=2)
    shares = []
    for line in (
        "Collecting mediapipe==1.2.2",
        "  Downloading mediapipe-1.2.2-py3-none-any.whl.metadata (9.9 kB)",
        "  Downloading mediapipe-1.2.2-py3-none-any.whl (40.0 MB)",
        "Progress 0 of 40000000",
        "Progress 20000000 of 40000000",
        "Progress 40000000 of 40000000",
        "  Using cached opencv_contrib_python-4.11.0.86-cp37-abi3-x86_64.whl (60.0 MB)",
        "Installing collected packages: opencv-contrib-python, mediapipe",
    ):
        reader.read(line)
        shares.append(round(reader.fraction, 3))
    assert shares == [0, 0, 0, 0, 0.2, 0.4, 1.0, 1.0]
    assert reader.name == "opencv-contrib-python" and reader.installing


def test_reasons_are_given_in_words():
    for line, words in (
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
            "disk is full",
        ),
        ("NewConnectionError: [Errno -3] Temporary failure in name resolution", "cannot be reached"),
        (
            "ERROR: No matching distribution found for mediapipe==1.2.2",
            "no package mediapipe==1.2.2 for this",
        ),
        ("ssl.SSLError: CERTIFICATE_VERIFY_FAILED", "not trusted"),
        ("ERROR: something new", "ERROR: something new"),
    ):
        assert words in failure_reason(["Collecting a", line, "", "[notice] a new pip"])


@pytest.mark.slow
def test_environment_is_made_kept_on_failure_and_made_anew(small, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_USER", "1")  # would send the packages elsewhere
    setup, seen = small(), []
    setup.start()
    engine = setup.wait(PATIENCE_SECONDS, seen.append)
    assert engine == Engine(environment_python(folder), origin="private")
    assert find_engine(None, {}, tmp_path, private=folder) == replace(engine, root=tmp_path)
    subprocess.run([engine.python, "-I", "-c", "import photobust_one, photobust_two"], check=True)
    assert finished(folder) and environment_size(folder) > 1e6
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions) and fractions[-1] == 1
    assert {"prepare", "download", "check"} <= {progress.step for progress in seen}
    assert "photobust_one" in setup.log_path.read_text()

    # A failure leaves the engine that there was.
    (folder / "first").touch()
    bad = small(pip_options=("--no-index",))
    bad.start()
    with pytest.raises(SetupError, match=r"no package photobust.one==1.0 for this Python.*engine_setup\.log"):
        bad.wait(PATIENCE_SECONDS)
    assert finished(folder) and (folder / "first").exists()
    monkeypatch.setattr(engine_setup, "IMPORTS", "import photobust_one, a_library_that_is_not_there")
    bad = small()
    bad.start()
    with pytest.raises(SetupError, match=r"do not work here.*a_library_that_is_not_there"):
        bad.wait(PATIENCE_SECONDS)
    assert (folder / "first").exists()

    # Success replaces it, and leaves nothing beside it.
    monkeypatch.setattr(engine_setup, "IMPORTS", "import photobust_one")
    again = small()
    again.start()
    assert again.wait(PATIENCE_SECONDS) == engine and not (folder / "first").exists()
    assert sorted(path.name for path in folder.parent.iterdir()) == [
        "engine",
        "engine.lock",
        "engine_setup.log",
    ]
    remove_environment(folder)
    assert not folder.exists()


@pytest.mark.slow
def test_a_wheel_that_is_not_the_locked_one_is_refused(small, folder, tmp_path):
    setup = small()
    wheel(tmp_path / "wheels", "photobust_two", code="print('another')")
    setup.start()
    with pytest.raises(SetupError, match=r"photobust.two.*not the file that Photobust was tested with"):
        setup.wait(PATIENCE_SECONDS)
    assert not folder.exists()


@pytest.mark.slow
def test_offline_addon_needs_no_network(small, folder, tmp_path, monkeypatch):
    """Every way out is closed, and Blender told to stay offline."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "https_proxy", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    setup = small(online=False, pip_options=())
    setup.plan = replace(setup.plan, wheels=tmp_path / "wheels")
    text = "\n".join(setup.plan.lines())
    assert "nothing is downloaded" in text and "127.0.0.1" not in text
    setup.start()
    assert setup.wait(PATIENCE_SECONDS).python.is_file() and finished(folder)


def test_wheels_in_the_addon_are_found(folder, tmp_path):
    plan = plan_setup(folder, python=sys.executable, root=tmp_path)
    assert plan.wheels is None and plan.needed_bytes > plan.disk_bytes
    wheels = tmp_path / WHEELS_FOLDER
    wheels.mkdir()
    for package in (*plan.packages, engine_setup.PIP):
        (wheels / f"{package.replace('-', '_').replace('==', '-')}-py3-none-any.whl").touch()
    plan = plan_setup(folder, python=sys.executable, root=tmp_path)
    assert plan.wheels == wheels and plan.needed_bytes == plan.disk_bytes
    (wheels / f"{plan.packages[0].replace('-', '_').replace('==', '-')}-py3-none-any.whl").unlink()
    assert plan_setup(folder, python=sys.executable, root=tmp_path).wheels is None


def environment_in(folder, finished):
    folder.mkdir(parents=True)
    (folder / "file").write_text(folder.name)
    mark(folder, BasePython(Path(sys.executable), (3, 11, 0), "chosen"), (), finished=finished)


def test_leftovers_of_a_killed_setup_are_removed(folder):
    remove_leftovers(folder)
    assert not folder.parent.exists()
    # Killed while the new one was made: the former one comes back.
    environment_in(folder, finished=False)
    environment_in(previous_folder(folder), finished=True)
    downloads_folder(folder).mkdir()
    with held_lock(lock_path(folder)) as held:
        assert held
        remove_leftovers(folder)  # somebody is at it
        assert previous_folder(folder).exists()
    remove_leftovers(folder)
    assert finished(folder) and (folder / "file").read_text() == "engine.previous"
    assert {path.name for path in folder.parent.iterdir()} == {"engine", "engine.lock"}
    # Killed when the new one was complete: it stays.
    environment_in(previous_folder(folder), finished=True)
    remove_leftovers(folder)
    assert {path.name for path in folder.parent.iterdir()} == {"engine", "engine.lock"}
    # A folder of somebody else's is left alone.
    downloads_folder(folder).mkdir()
    previous_folder(folder).mkdir()
    with pytest.raises(SetupError, match="left alone"):
        remove_leftovers(folder)


@pytest.mark.slow
def test_cancel_removes_what_is_half_made(small, folder, monkeypatch, tmp_path):
    note = tmp_path / "pid"
    code = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    monkeypatch.setattr(engine_setup, "IMPORTS", code)
    setup = small()
    setup.start()
    while not note.exists() or not note.read_text():
        setup.poll(0.05)
        assert not setup.done
    setup.cancel()
    with pytest.raises(SetupCancelledError, match="nothing of it is left"):
        setup.wait(PATIENCE_SECONDS)
    assert not folder.exists() and not alive(int(note.read_text()))
    assert {path.name for path in folder.parent.iterdir()} == {"engine.lock", "engine_setup.log"}
    # Again, from the start.
    monkeypatch.setattr(engine_setup, "IMPORTS", "pass")
    setup = small()
    setup.start()
    assert setup.wait(PATIENCE_SECONDS).python.is_file()


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_nothing_goes_on_when_blender_is_killed(folder, tmp_path):
    """Killed while pip downloads from a server that never ends."""
    lock = tmp_path / "lock.txt"
    lock.write_text(LockedPackage("numpy", "1.0", ("0" * 64,)).line() + "\n")
    script = textwrap.dedent(
        f"""
        import sys, threading, http.server
        sys.path.insert(0, {str(ROOT)!r})
        from dataclasses import replace
        from pathlib import Path
        from blender_addon.engine.setup import EngineSetup, plan_setup

        class Endless(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                print("asked", flush=True)
                threading.Event().wait()

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endless)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        index = f"http://127.0.0.1:{{server.server_port}}/simple"
        plan = replace(plan_setup(Path({str(folder)!r}), python=sys.executable), lock=Path({str(lock)!r}))
        setup = EngineSetup(plan, online=True, upgrade_pip=False, pip_options=("--index-url", index))
        setup.start()
        setup.wait()
        """
    )
    blender = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert blender.stdout.readline() == "asked\n"
    marked = str(folder).encode()
    pids = [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit() and marked in command_line(p)]
    pids = [pid for pid in pids if pid != blender.pid]
    assert pids
    os.kill(blender.pid, signal.SIGKILL)
    blender.wait()
    blender.stdout.close()
    wait_for(lambda: not any(map(alive, pids)), "the end of a pip whose Blender has ended")


def command_line(process):
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


@pytest.mark.long
@pytest.mark.slow
def test_real_engine_from_scratch(folder, tmp_path):
    """pip, the real packages, and a head made with them; no torch in sight."""
    cache = subprocess.run(
        [sys.executable, "-m", "pip", "cache", "dir"], capture_output=True, text=True, check=False
    ).stdout.strip()
    setup = EngineSetup(
        plan_setup(folder, python=sys.executable),
        online=True,
        pip_options=("--cache-dir", cache) if cache else (),
    )
    start = time.perf_counter()
    setup.start()
    try:
        engine = setup.wait(PATIENCE_SECONDS)
    except SetupError as error:
        if "cannot be reached" in str(error):
            pytest.skip(f"no package index: {error}")
        raise
    seconds, size = time.perf_counter() - start, environment_size(folder) / 1e6
    print(f"set up in {seconds:.0f} s, {size:.0f} MB")
    assert size < 1.1 * setup.plan.disk_bytes / 1e6
    done = subprocess.run([engine.python, "-I", "-c", "import torch"], capture_output=True, check=False)
    assert b"No module named 'torch'" in done.stderr
    photo = tmp_path / "astronaut.png"
    Image.fromarray(astronaut()).save(photo)
    with WorkerClient(engine) as client:
        assert client.start()["backend"] == "onnx"
        # The head, too: the engine has another numpy than this process, whose types differ in some sums.
        asked = client.submit_reconstruct(photo, tmp_path / "out", options={"head": True, "hair": "strands"})
        (face,) = asked.wait(PATIENCE_SECONDS)["faces"]
    assert {"head.glb", "albedo.png", "hair.npz"} <= set(face["files"])
    mesh = trimesh.load(face["files"]["surface.ply"])
    assert mesh.is_watertight and 0.003 < mesh.volume < 0.009
    assert len(mesh.vertices) == face["vertices"] > 50_000
