"""scripts/batch.py --scheduler, with a Dask cluster of two worker processes on this machine."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import skimage.data
from PIL import Image

from blender_addon.batch.local_processor import PhotoTask
from blender_addon.batch.payload import difference, pack_task
from blender_addon.batch.plan import BatchPlan, StepPlan
from blender_addon.errors import JobCancelledError
from tests.conftest import HANGING_LIMIT_SECONDS, PATIENCE_SECONDS, wait_for

dask = pytest.importorskip("dask", reason="Dask is not installed (pip install -e '.[cluster]')")
distributed = pytest.importorskip("distributed", reason="Dask is not installed (pip install -e '.[cluster]')")
cluster_worker = pytest.importorskip("blender_addon.batch.cluster_worker")

ROOT = Path(__file__).resolve().parents[2]
BATCH = ROOT / "scripts/batch.py"
#: A photo that kills its worker is given to one more; a worker that takes long to come back is waited for.
SETTINGS = {
    "distributed.scheduler.allowed-failures": 1,
    "distributed.deploy.lost-worker-timeout": "10 minutes",
}


@contextlib.contextmanager
def two_workers(folder, **environment):
    """A cluster of two workers with one thread each, which have these environment variables."""
    with (
        dask.config.set(SETTINGS),
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            local_directory=str(folder / "scratch"),
            env={name: str(value) for name, value in environment.items()},
        ) as cluster,
    ):
        yield cluster


@pytest.fixture(scope="module")
def lasting_cluster(tmp_path_factory, fake_programs):
    """With fake engines and Blender workers; gives the cluster, the logs of these, and them."""
    folder = tmp_path_factory.mktemp("cluster")
    logs = {name: folder / name for name in ("FAKE_ENGINE_LOG", "FAKE_BLENDER_WORKER_LOG")}
    engine, blender_worker = fake_programs
    with two_workers(folder, PHOTOBUST_PYTHON=engine, PHOTOBUST_BLENDER=blender_worker, **logs) as cluster:
        yield cluster, logs, fake_programs


@pytest.fixture
def cluster(lasting_cluster, fake_batch):
    """The cluster; `fake_batch` has the same programs, and its lists are those of the cluster's."""
    cluster, fake_batch._logs, (engine, blender_worker) = lasting_cluster
    fake_batch._programs = ["--engine-python", str(engine), "--blender", str(blender_worker)]
    for log in fake_batch._logs.values():
        log.unlink(missing_ok=True)
    cluster.wait_for_workers(2, timeout=PATIENCE_SECONDS)
    return cluster


def ask(cluster, function):
    """What a function says on each worker."""
    with distributed.Client(cluster, set_as_default=False) as client:
        return list(client.run(function).values())


def scratch_folder(dask_worker):
    return dask_worker.local_directory


def comparable(tree):
    """A tree of results without the paths of photos and folders in face.json, which the fake engine notes."""
    for document in tree.values():
        if isinstance(document, dict) and "params" in document:
            document["params"].pop("photo")
    return tree


def outcomes(record):
    return {
        name: (photo["error"], photo["error_kind"], photo["attempts"], photo["tried"], photo["sha256"])
        for name, photo in record.items()
    }


@pytest.mark.long
@pytest.mark.slow
def test_the_results_are_those_of_a_local_run(cluster, fake_batch, photos, tmp_path):
    names = [
        "a.jpg",
        "x/a.jpg",
        "two.jpg",
        "once.jpg",
        "noface.jpg",
        "hang.jpg",
        "segv-preview.jpg",
        "good.jpg",
    ]
    folder = photos(*names)
    options = [
        "--timeout",
        HANGING_LIMIT_SECONDS,
        "--turntable",
        "3",
        "--export",
        "fbx",
        "--asset-library",
        tmp_path / "assets",
    ]
    done = fake_batch.run(folder, *options, "--scheduler", cluster.scheduler_address)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "2 workers at tcp://127.0.0.1" in done.stdout
    assert done.stderr == ""
    remote, remote_record = comparable(fake_batch.tree()), fake_batch.record()
    # The same command here finds nothing to do, and a run of its own makes the same.
    assert fake_batch.run(folder, *options).returncode == 2
    assert fake_batch.engine == fake_batch.blender_steps == []
    (tmp_path / "photos/once.marker").unlink(missing_ok=True)
    fake_batch.out = tmp_path / "local"
    assert fake_batch.run(folder, *options).returncode == 2
    local, local_record = comparable(fake_batch.tree()), fake_batch.record()
    assert remote.keys() == local.keys()
    assert remote == local
    assert outcomes(remote_record) == outcomes(local_record)
    assert remote_record["once.jpg"]["attempts"] == 2
    assert not [path for folder in ask(cluster, scratch_folder) for path in Path(folder).rglob("*.jpg")]


def test_people_are_made_as_here(cluster, fake_batch, photos, tmp_path):
    """All photos of a person travel to one worker, and heads and record are those of a local run."""
    folder = photos("ada/a.jpg", "ada/unlike.jpg", "bob/a.jpg", "bob/b.jpg")
    there = ["--scheduler", cluster.scheduler_address]
    done = fake_batch.run(folder, "--person-per-folder", *there)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 people, 3 of 4 photos used" in done.stdout
    remote, views = set(fake_batch.tree()), {name: one["views"] for name, one in fake_batch.record().items()}
    fake_batch.out = tmp_path / "local"
    assert fake_batch.run(folder, "--person-per-folder").returncode == 0
    assert set(fake_batch.tree()) == remote and "ada/surface.ply" in remote
    assert {name: one["views"] for name, one in fake_batch.record().items()} == views
    assert [view["verdict"] for view in views["ada"]] == ["used", "someone else"]


def test_only_what_is_missing_is_made(cluster, fake_batch, photos, tmp_path):
    folder, assets = photos("a.jpg", "two.jpg"), ["--asset-library", tmp_path / "assets"]
    assert fake_batch.run(folder).returncode == 0
    there = ["--scheduler", cluster.scheduler_address]
    assert fake_batch.run(folder, "--turntable", "2", *assets, *there).returncode == 0
    assert fake_batch.engine == []
    assert fake_batch.blender_steps == sorted(
        f"{step} {name}" for step in ("turntable", "asset") for name in ("a.jpg", "two.jpg", "two.jpg")
    )
    assert sorted(path.name for path in (tmp_path / "assets").iterdir()) == [
        "a.blend",
        "two_1.blend",
        "two_2.blend",
    ]
    assert (fake_batch.out / "two_2/turntable/001.png").is_file()
    assert (fake_batch.out / "two_2/preview.png").is_file()
    # An asset alone is made here.
    assert fake_batch.run(folder, "--turntable", "2", *assets, "--author", "me", *there).returncode == 0
    assert fake_batch.blender_steps == ["asset a.jpg", "asset two.jpg", "asset two.jpg"]


def test_a_lost_workers_photos_are_done_by_others(cluster, fake_batch, photos):
    names = [f"{n}.jpg" for n in range(8)]
    victim, _ = ask(cluster, os.getpid)
    process = fake_batch.start(
        photos(*names), "--scheduler", cluster.scheduler_address, FAKE_BLENDER_WORKER_SECONDS="0.3"
    )
    wait_for(lambda: list(fake_batch.out.glob("*/face.json")) or process.poll() is not None)
    os.kill(victim, signal.SIGKILL)
    said, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, said
    assert "8 of 8 photos done" in said


def test_a_photo_that_kills_its_worker_is_passed_over(cluster, fake_batch, photos):
    done = fake_batch.run(
        photos("a.jpg", "reaper.jpg", "z.jpg", "zz.jpg"),
        "--scheduler",
        cluster.scheduler_address,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    failed = {name: photo["error"] for name, photo in fake_batch.record().items() if photo["error"]}
    assert failed.keys() == {"reaper.jpg"}
    assert "Worker after worker" in failed["reaper.jpg"]


@pytest.mark.long
def test_stopped_by_ctrl_c_it_leaves_the_workers_free(cluster, fake_batch, photos):
    there = ["--scheduler", cluster.scheduler_address]
    process = fake_batch.start(photos("hang.jpg", "hang2.jpg", "hang3.jpg"), *there)
    wait_for(lambda: len(fake_batch.engine) == 2 or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert not [path.name for path in fake_batch.out.iterdir() if path.name.startswith(".")]
    # hang3 is begun by nobody, and the next batch has not to wait until the others are timed out.
    done = fake_batch.run(photos("a.jpg") / "a.jpg", *there)
    assert done.returncode == 0, done.stdout + done.stderr
    assert fake_batch.engine == ["a.jpg"]


def test_other_versions_are_refused(cluster, fake_batch, photos):
    fake_batch._programs[1] = sys.executable
    done = fake_batch.run(photos("a.jpg"), "--scheduler", cluster.scheduler_address)
    assert done.returncode == 1
    assert "has Photobust fake, not" in done.stdout
    assert "install the same on all machines" in done.stdout


@pytest.mark.long
@pytest.mark.slow
def test_a_worker_is_lost_and_all_is_as_if_made_here(tmp_path, photos):
    folder = photos()
    folder.mkdir()
    portrait = Image.fromarray(skimage.data.astronaut())
    for n, width in enumerate((512, 480, 448, 416)):
        portrait.crop((0, 0, width, width)).save(folder / f"portrait{n}.png")
    # Heads take long, and are sent no differently.
    options = ["--surface", "--no-preview", "--blender", sys.executable]

    def start(out, *arguments):
        command = [sys.executable, str(BATCH), str(folder), "--out", str(out), *options, *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")

    local, remote = tmp_path / "local", tmp_path / "remote"
    said, _ = (process := start(local)).communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, said
    environment = {"PHOTOBUST_PYTHON": sys.executable, "PHOTOBUST_BLENDER": sys.executable}
    with two_workers(tmp_path, **environment) as cluster:
        victim, _ = ask(cluster, os.getpid)
        process = start(remote, "--scheduler", cluster.scheduler_address)
        wait_for(lambda: list(remote.glob("*/face.json")) or process.poll() is not None)
        os.kill(victim, signal.SIGKILL)
        said, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, said
    assert "4 of 4 photos done" in said
    made = files(remote)
    assert made == files(local)
    assert {"portrait3/surface.ply", "portrait3/photo.png", "portrait0/view.js"} <= made.keys()
    # The same command here has nothing left to do.
    said, _ = start(remote).communicate(timeout=PATIENCE_SECONDS)
    assert "4 of 4 photos done (4 before)" in said


def files(out):
    """Path -> content of all that belongs to a head, times apart."""
    return {
        path.relative_to(out).as_posix(): (
            without_timings(json.loads(path.read_text())) if path.name == "face.json" else path.read_bytes()
        )
        for path in out.glob("*/*")
        if path.is_file() and path.parent.name != "index_files"
    }


def without_timings(document):
    if not isinstance(document, dict):
        return document
    return {name: without_timings(value) for name, value in document.items() if name != "timings"}


def test_a_difference_is_told_in_words():
    have = {"Photobust": "1", "models": {"a.onnx": "x", "b.onnx": "y"}, "Blender": "4.5.1"}
    assert difference(have, have) is None
    assert difference(have, {"Photobust": "1"}) is None
    assert difference(have, {**have, "Photobust": "2"}) == "has Photobust 1, not 2"
    assert difference(have, {**have, "Blender": "4.4.0"}) == "has Blender 4.5.1, not 4.4.0"
    other = {"Photobust": "1", "models": {"a.onnx": "x", "c.onnx": "y"}}
    assert difference(have, other) == "has other models (b.onnx, c.onnx)"


@pytest.fixture
def state(tmp_path, fake_programs, monkeypatch):
    """What a worker with three threads has, without the worker."""
    for name, program in zip(("PHOTOBUST_PYTHON", "PHOTOBUST_BLENDER"), fake_programs, strict=True):
        monkeypatch.setenv(name, str(program))
    worker = SimpleNamespace(
        address="tcp://here", state=SimpleNamespace(nthreads=3), local_directory=str(tmp_path)
    )
    state = cluster_worker.WorkerState(worker)
    yield state
    state.teardown(worker)
    assert not list(tmp_path.glob("programs-*"))


def packed(tmp_path, name, versions=None, run="run"):
    (tmp_path / name).write_bytes(name.encode())
    plan = BatchPlan(steps=(StepPlan("preview", {"size": 64}, ("surface",)),))
    return pack_task(PhotoTask(str(tmp_path / name), plan), versions or {"Photobust": "fake"}, run, "task")


def do(state, task):
    said = []
    return state.do(task, lambda fraction, text: said.append(text)), said


def test_a_worker_keeps_its_programs_until_there_is_nothing_to_do(state, tmp_path, monkeypatch):
    assert state.hello(needs_blender=True).keys() == {"engine", "blender_worker"}
    processor = state._processor
    assert "--threads" in processor.engine.engine.command()
    assert processor.blender_worker.engine.program.threads == 3
    result, said = do(state, packed(tmp_path, "two.jpg"))
    assert [head.name for head in result.heads] == ["head-1", "head-2"]
    assert {"surface.ply", "preview.png", "face.json"} <= result.heads[0].files.keys()
    assert "Blender: preview" in said
    assert state._processor is processor
    monkeypatch.setattr(cluster_worker, "IDLE_S", 0.1)
    assert do(state, packed(tmp_path, "a.jpg"))[0].heads
    wait_for(lambda: processor.engine.pid is None and processor.blender_worker.pid is None)
    assert do(state, packed(tmp_path, "b.jpg"))[0].heads
    # Nothing of a photo stays on the worker.
    assert not list(tmp_path.glob("photobust-*"))


def test_a_worker_says_what_it_cannot_do(state, tmp_path):
    result, _ = do(state, packed(tmp_path, "noface.jpg"))
    kind, words, attempts = result.failed
    assert (kind, attempts) == ("NoFaceError", 1) and "noface.jpg" in words
    full = do(state, packed(tmp_path, "full-preview.jpg"))[0]
    assert "tcp://here cannot do photos: its disk is full" in full.broken
    other = packed(tmp_path, "a.jpg", {"Photobust": "2"})
    assert "it has Photobust fake, not 2" in do(state, other)[0].broken
    state.drop("stopped")
    with pytest.raises(JobCancelledError):
        do(state, packed(tmp_path, "a.jpg", run="stopped"))
    assert do(state, packed(tmp_path, "a.jpg"))[0].heads


#: Run as a process of its own, as a batch is: sends tasks whose results, and errors, run something where they
#: are unpickled, and prints what arrives. Arguments: the scheduler's address, a file that gets the ids of the
#: processes that ran it, whether to be protected.
VICTIM = """
import contextlib, os, sys
import distributed
from distributed import worker_state_machine
from distributed.protocol.pickle import dumps
from blender_addon.batch.inert_pickles import Inert, data_only

address, path, protected = sys.argv[1:]


def note(path):
    with open(path, "a") as file:
        print(os.getpid(), file=file)
    return ValueError("harmless")


class Evil(Exception):
    def __reduce__(self):
        return note, (path,)


def send():
    return Evil()


def fail():
    raise Evil()


def shout():
    distributed.print("shouted")  # at the client, says Dask


def take_over(dask_worker):
    # It lies about the types of results, and answers an object to `run`, once.
    answer, finished = dask_worker.handlers["run"], worker_state_machine.TaskFinishedMsg.to_dict

    async def lie(comm, **_):
        dask_worker.handlers["run"] = answer
        worker_state_machine.TaskFinishedMsg.to_dict = finished
        return dumps(Evil())

    dask_worker.handlers["run"] = lie
    worker_state_machine.TaskFinishedMsg.to_dict = lambda self: finished(self) | {"type": dumps(Evil())}


def data():
    return {"a": {"b": [1, 2.5, None, "x"]}, "c": b"y" * 1000}


with data_only() if protected == "yes" else contextlib.nullcontext():
    with distributed.Client(address, set_as_default=False) as client:
        for function in (send, fail):
            try:
                answer = client.submit(function, pure=False).result(timeout=200)
            except BaseException as error:
                answer = error
            print(type(answer).__name__)
        client.run(send, on_error="ignore")
        client.submit(shout, pure=False).result(timeout=200)
        client.run(take_over)
        assert client.submit(data, pure=False).result(timeout=200) == data()
        with contextlib.suppress(Exception):
            client.run(data)
        assert set(map(str, client.run(data).values())) == {str(data())}
print("taken in" if str(os.getpid()) in open(path).read().split() else "safe")
"""


@pytest.mark.parametrize(("protected", "expected"), [("yes", "safe"), ("no", "taken in")])
def test_nothing_that_a_worker_sends_is_run(cluster, tmp_path, protected, expected):
    path = tmp_path / "run"
    path.touch()
    done = subprocess.run(
        [sys.executable, "-c", VICTIM, cluster.scheduler_address, str(path), protected],
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE_SECONDS,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == expected
    assert ("shouted" in done.stdout) == (protected == "no")
    if protected == "yes":
        assert done.stdout.splitlines()[:2] == ["Inert", "Inert"]


def send_what_cannot_be_read(dask_worker):
    """Instead of results: a text that a client raises as an error, and logs."""
    import distributed.worker
    from distributed.protocol import Serialize, Serialized

    # As `to_serialize` of a worker whose result cannot be pickled, with a text of its own.
    header = {"serializer": "error", "compression": [None], "num-sub-frames": 1}
    header |= {"split-num-sub-frames": [1], "split-offsets": [0]}
    said = Serialized(header, [b"\x1b]0;shouted\x07"])

    def instead(data):
        return said if isinstance(data, bytes) and not data.startswith(b"{") else Serialize(data)

    distributed.worker.to_serialize = instead


def send_results_again(dask_worker):
    import distributed.worker
    from distributed.protocol import to_serialize

    distributed.worker.to_serialize = to_serialize


def test_a_text_that_a_worker_sends_as_an_error_is_not_shown(cluster, fake_batch, photos):
    folder = photos("a.jpg")
    with distributed.Client(cluster, set_as_default=False) as client:
        client.run(send_what_cannot_be_read)
        try:
            done = fake_batch.run(folder, "--scheduler", cluster.scheduler_address)
        finally:
            client.run(send_results_again)
    assert done.returncode == 1
    assert "A worker of the cluster failed with this photo" in done.stdout
    assert "shouted" not in done.stdout
    assert done.stderr == ""


@pytest.mark.long
@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "tcp://127.0.0.1", "nonsense://here:1"])
def test_a_scheduler_that_is_not_there(fake_batch, photos, address):
    done = fake_batch.run(photos("a.jpg"), "--scheduler", address)
    assert done.returncode == 1
    assert f"there is no Dask scheduler at {address}" in done.stdout
    assert done.stderr == ""


def test_without_dask_it_says_what_to_install(fake_batch, photos, tmp_path):
    (tmp_path / "without").mkdir()
    (tmp_path / "without/distributed.py").write_text("raise ModuleNotFoundError('distributed')\n")
    done = fake_batch.run(
        photos("a.jpg"), "--scheduler", "tcp://127.0.0.1:9", PYTHONPATH=str(tmp_path / "without")
    )
    assert done.returncode == 1
    assert "pip install 'photobust[cluster]'" in done.stdout


@contextlib.contextmanager
def running_in(folder, *command, environment):
    """A process in a folder, which is ended at the end."""
    with open(folder / "dask.log", "a") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=folder, env=environment, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_the_recipe_for_certificates(fake_batch, photos, tmp_path):
    (recipe,) = re.findall(r"```sh\n(.*?openssl.*?)```", (ROOT / "docs/batch.md").read_text(), re.DOTALL)
    done = subprocess.run(
        ["bash", "-ec", f"{recipe}\nenv -0 > environment"], cwd=tmp_path, capture_output=True, check=True
    )
    assert done.returncode == 0
    pairs = (tmp_path / "environment").read_text().split("\0")
    environment = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    programs = dict(zip(fake_batch._programs[::2], fake_batch._programs[1::2], strict=True))
    environment["PHOTOBUST_PYTHON"] = programs["--engine-python"]
    environment["PHOTOBUST_BLENDER"] = programs["--blender"]
    secure = {name: value for name, value in environment.items() if name.startswith("DASK_")}
    # Workers need not find the project in the folder that they are started in.
    environment["PYTHONPATH"] = str(ROOT)
    listening = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", "scheduler.json"]
    worker = ["--nthreads", "1", "--no-dashboard", "--local-directory", "scratch"]
    with running_in(
        tmp_path, "distributed.cli.dask_scheduler", "--protocol", "tls", *listening, environment=environment
    ):
        # It is there a moment before anything stands in it.
        told = tmp_path / "scheduler.json"
        wait_for(lambda: told.exists() and told.stat().st_size)
        address = json.loads(told.read_text())["address"]
        assert address.startswith("tls://127.0.0.1:")
        with running_in(tmp_path, "distributed.cli.dask_worker", address, *worker, environment=environment):
            # The batch waits for one, but not as long as it may take to start beside others.
            log = tmp_path / "dask.log"
            wait_for(lambda: "Registered to" in log.read_text(), "the worker's registration")
            folder = photos("a.jpg", "two.jpg")
            done = fake_batch.run(folder, "--scheduler", address, timeout=PATIENCE_SECONDS, **secure)
            assert done.returncode == 0, done.stdout + done.stderr + (tmp_path / "dask.log").read_text()
            assert "3 heads" in done.stdout
            # Without the certificate nobody comes in, nor without encryption.
            for other in (address, address.replace("tls://", "tcp://")):
                done = fake_batch.run(folder, "--scheduler", other, timeout=PATIENCE_SECONDS)
                assert done.returncode == 1, done.stdout
