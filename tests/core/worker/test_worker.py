"""The worker as a process, spoken to over its pipes."""

import contextlib
import hashlib
import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from queue import Queue
from types import SimpleNamespace

import numpy as np
import pytest
import trimesh
from PIL import Image

from blender_addon.heads.ply import read_ply
from core.worker.jobs import Jobs
from core.worker.server import Worker, parse, read_lines
from tests.conftest import PATIENCE_SECONDS
from tests.core.image.test_photo import bad_files

ROOT = Path(__file__).resolve().parents[3]


class Client:
    """Starts a worker; sends lines and collects events."""

    def __init__(self, module: str, *options: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", module, *options],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment},
        )
        self.lines: Queue[bytes] = Queue()
        self.log: list[str] = []
        threading.Thread(target=self._collect, daemon=True).start()
        self._logger = threading.Thread(
            target=lambda: self.log.extend(line.decode() for line in self.process.stderr), daemon=True
        )
        self._logger.start()

    def _collect(self) -> None:
        with contextlib.suppress(ValueError):  # a test closes the pipe
            for line in self.process.stdout:
                self.lines.put(line)

    def send(self, name, method, **params) -> None:
        self.send_raw(json.dumps({"id": name, "method": method, "params": params}).encode())

    def send_raw(self, line: bytes) -> None:
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def event(self, timeout: float = PATIENCE_SECONDS) -> dict:
        """The next line of stdout; it has to be an event."""
        event = json.loads(self.lines.get(timeout=timeout))
        assert event["event"] in ("progress", "result", "error"), event
        return event

    def answer(self, name, progress: list | None = None) -> dict:
        """The last event of a request."""
        while True:
            event = self.event()
            if event["id"] == name and event["event"] != "progress":
                return event
            if progress is not None:
                progress.append(event)

    def close(self) -> int:
        """Let it end; its log is complete then."""
        self.process.stdin.close()
        code = self.process.wait(PATIENCE_SECONDS)
        self._logger.join(PATIENCE_SECONDS)
        return code


@pytest.fixture
def start():
    clients = []

    def start(module="tests.core.stand_in_worker", *options, **environment):
        clients.append(Client(module, *options, **environment))
        return clients[-1]

    yield start
    for client in clients:
        client.process.kill()
        client.process.wait()


@pytest.fixture
def photo(tmp_path, astronaut) -> Path:
    path = tmp_path / "Eileen Collins ä.png"
    Image.fromarray(astronaut).save(path)
    return path


def test_hello_and_shutdown(start):
    client = start("core.worker")
    client.send("a", "hello")
    result = client.answer("a")["result"]
    assert result["name"] == "Photobust" and result["version"] and result["protocol"] == 1
    assert result["pid"] == client.process.pid
    assert result["backend"] == "onnx" and {"detect", "faces"} <= set(result["capabilities"])
    weights = (ROOT / "models/volume_network.onnx").read_bytes()
    assert hashlib.sha256(weights).hexdigest().startswith(result["models"]["volume_network.onnx"])
    client.send(2, "shutdown")
    assert client.answer(2)["event"] == "result"
    assert client.process.wait(PATIENCE_SECONDS) == 0


def test_it_ends_with_its_stdin(start):
    assert start("core.worker").close() == 0


@pytest.mark.skipif(not hasattr(os, "nice"), reason="no niceness on this system")
@pytest.mark.parametrize("options", [(), ("--background",)])
def test_it_gives_way_if_told_to(start, options):
    client = start("core.worker", *options)
    client.send(1, "hello")
    client.answer(1)
    ours, its = (os.getpriority(os.PRIO_PROCESS, pid) for pid in (0, client.process.pid))
    assert (its > ours) == bool(options)


#: What is done for each face, in this order.
FACE_STEPS = ["guidance", "network", "segmentation", "surface", "color", "landmarks", "quality", "write"]


def test_reconstruct(start, photo, tmp_path):
    client, progress = start(), []
    client.send(1, "reconstruct", photo=str(photo), out=str(tmp_path / "out"), focal_mm=None, max_faces=10)
    event = client.answer(1, progress)
    assert event["event"] == "result", event
    result = event["result"]
    (face,) = result["faces"]
    assert face["folder"] == str(tmp_path / "out" / "Eileen Collins ä")
    assert set(face["files"]) == {"surface.ply", "surface.glb", "landmarks.json", "photo.png", "face.json"}
    assert all(Path(path).is_file() for path in face["files"].values())
    mesh = trimesh.load(face["files"]["surface.ply"])
    assert (face["vertices"], face["faces"]) == (len(mesh.vertices), len(mesh.faces))
    assert result["photo"]["name"] == photo.name and len(result["photo"]["sha256"]) == 64
    assert set(result["timings"]) == {"load", "detect"}
    assert set(face["timings"]) == set(FACE_STEPS)

    assert {event["id"] for event in progress} == {1}
    steps = [event["step"] for event in progress]
    assert steps == ["start", "load", "detect", *FACE_STEPS]
    fractions = [event["fraction"] for event in progress]
    assert fractions == sorted(fractions) and fractions[0] >= 0 and fractions[-1] <= 1
    assert all(event["message"] for event in progress)

    # Models stay loaded, and what libraries print went to the log.
    progress.clear()
    client.send(2, "reconstruct", photo=str(photo), out=str(tmp_path / "out"), focal_mm=85)
    face = client.answer(2, progress)["result"]["faces"][0]
    assert progress[0]["step"] == "load"
    camera = json.loads(Path(face["files"]["face.json"]).read_text(encoding="utf-8"))["camera"]
    assert (camera["focal_length_mm35"], camera["focal_length_source"]) == (85, "option")
    assert client.close() == 0
    log = "".join(client.log)
    assert "a library that prints" in log and "a native library that prints" in log


@pytest.fixture
def two_faces(tmp_path, astronaut) -> Path:
    path = tmp_path / "two.png"
    Image.fromarray(np.concatenate([astronaut, astronaut[:, ::-1]], 1)).save(path)
    return path


def test_backend_is_told_and_chosen(start):
    client = Client("core.worker", PHOTOBUST_BACKEND="torch")
    client.send(1, "hello")
    assert client.answer(1)["result"]["backend"] == "torch"
    assert client.close() == 0
    done = subprocess.run(
        [sys.executable, "-m", "core.worker", "--backend", "cuda"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 2 and "invalid choice: 'cuda'" in done.stderr


@pytest.mark.parametrize("threads", ["0", "-2", "many"])
def test_threads_that_there_cannot_be_are_told(threads, capsys):
    with pytest.raises(SystemExit):
        parse(["--threads", threads])
    assert "--threads" in capsys.readouterr().err
    assert parse(["--threads", "2"]).threads == 2


def test_detect_shows_the_faces_to_choose_from(start, two_faces, tmp_path):
    client, progress = start(), []
    pictures, out = tmp_path / "pictures", tmp_path / "out"
    client.send(1, "detect", photo=str(two_faces), thumbnails=str(pictures), thumbnail_size=96)
    result = client.answer(1, progress)["result"]
    assert [event["step"] for event in progress] == ["start", "load", "detect"]
    assert result["problem"] is None
    assert (result["photo"]["width"], result["photo"]["focal_mm35"]) == (1024, None)
    assert [face["index"] for face in result["faces"]] == [0, 1]
    for face in result["faces"]:
        left, _, right, _ = face["box"]
        assert face["usable"] and 80 < face["size"] < 140 and 0 < face["score"] <= 1
        assert (abs((left + right) / 2 - 225) < 30) or (abs((left + right) / 2 - 798) < 30)
        thumbnail = np.asarray(Image.open(face["thumbnail"]))
        assert thumbnail.shape == (96, 96, 3) and Path(face["thumbnail"]).parent == pictures
        # Skin in the middle, where the box says that a face is.
        middle = thumbnail[40:56, 40:56].reshape(-1, 3).mean(0)
        assert middle[0] > 150 and middle[0] > middle[2] + 20

    # The faces are known now: no second search, and the one that is chosen keeps its number.
    progress.clear()
    client.send(2, "reconstruct", photo=str(two_faces), out=str(out), faces=[1])
    result = client.answer(2, progress)["result"]
    (face,) = result["faces"]
    assert (face["index"], Path(face["folder"]).name) == (1, "two_2")
    about = json.loads(Path(face["files"]["face.json"]).read_text(encoding="utf-8"))
    assert about["detection"]["face_index"] == 1
    assert face["quality"] == about["quality"] and face["detection"]["box"] == about["detection"]["box"]
    assert face["camera"]["focal_length_source"] == "default"
    assert face["pose"]["yaw"] == about["pose"]["yaw"]
    client.send(3, "reconstruct", photo=str(two_faces), out=str(out), faces=[0])
    assert [Path(face["folder"]).name for face in client.answer(3)["result"]["faces"]] == ["two_1"]
    client.send(4, "reconstruct", photo=str(two_faces), out=str(out), faces=[0, 2])
    error = client.answer(4)["error"]
    assert error["type"] == "RequestError" and "2 faces" in error["message"] and "face 3" in error["message"]
    assert client.close() == 0
    assert "".join(client.log).count("a library that prints") == 1, "it looked for the faces again"


def test_detect_says_how_many_faces_were_left_out(start, two_faces):
    client = start()
    for number, (asked, omitted) in enumerate(((1, 1), (2, 0))):
        client.send(number, "detect", photo=str(two_faces), max_faces=asked)
        result = client.answer(number)["result"]
        assert (len(result["faces"]), result["faces_omitted"]) == (asked, omitted)


def test_detect_looks_again_at_a_photo_that_has_changed(start, photo, two_faces):
    client = start()
    client.send(1, "detect", photo=str(photo))
    (face,) = client.answer(1)["result"]["faces"]
    assert face["thumbnail"] is None
    photo.write_bytes(two_faces.read_bytes())
    client.send(2, "detect", photo=str(photo))
    assert len(client.answer(2)["result"]["faces"]) == 2


def stub_jobs(detect) -> Jobs:
    """Jobs whose engine only searches for faces, by a function of the picture."""
    detector = SimpleNamespace(detect=lambda rgb, max_faces: detect(rgb))
    return Jobs(lambda _: SimpleNamespace(detector=detector))


def test_a_photo_that_changes_while_it_is_searched_is_read_again(tmp_path):
    path = tmp_path / "photo.png"
    Image.new("RGB", (300, 200)).save(path)
    searched = []

    def detect(rgb):
        searched.append(rgb.shape[1])
        Image.new("RGB", (400, 200)).save(path)
        return []

    jobs = stub_jobs(detect)
    for width in (300, 400, 400):
        found = jobs.detect({"photo": str(path)}, lambda *_: None, lambda: False)
        assert found["photo"]["width"] == width
    assert searched[:2] == [300, 400]


def test_the_search_for_chosen_faces_is_timed(monkeypatch, tmp_path):
    path, seconds = tmp_path / "photo.png", [0.0]
    Image.new("RGB", (300, 200)).save(path)

    def detect(rgb):
        seconds[0] += 5.0
        return ["a face"]

    jobs = stub_jobs(detect)
    head = SimpleNamespace(face_index=0, timings={"detect": 0.25})
    reconstructor = jobs._ready(lambda *_: None, lambda: False)
    reconstructor.lifter = SimpleNamespace(template=None)
    reconstructor.reconstruct = lambda *_, **__: [head]
    monkeypatch.setattr("core.worker.jobs.time", SimpleNamespace(perf_counter=lambda: seconds[0]))
    monkeypatch.setattr("core.worker.jobs.write_head", lambda *_: {})
    params = {"photo": str(path), "out": str(tmp_path / "out"), "faces": [0]}
    timings = jobs.reconstruct(params, lambda *_: None, lambda: False)["timings"]
    assert timings == {"load": 0.0, "detect": 5.25}
    # Known faces are not searched for again.
    assert jobs.reconstruct(params, lambda *_: None, lambda: False)["timings"]["detect"] == 0.25


def test_faces_can_be_chosen_without_asking_first(start, two_faces, tmp_path):
    client = start()
    client.send(1, "reconstruct", photo=str(two_faces), out=str(tmp_path / "out"), faces=[0])
    (face,) = client.answer(1)["result"]["faces"]
    assert (face["index"], Path(face["folder"]).name) == (0, "two_1")


def test_detect_tells_the_focal_length_and_what_is_wrong(start, tmp_path):
    path = tmp_path / "wall.jpg"
    picture = Image.new("RGB", (300, 200), "gray")
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = 85
    picture.save(path, exif=exif)
    client = start()
    client.send(1, "detect", photo=str(path), thumbnails=str(tmp_path / "pictures"))
    result = client.answer(1)["result"]
    assert result["photo"]["focal_mm35"] == 85 and result["faces"] == []
    assert result["problem"]["type"] == "NoFaceError" and "wall.jpg" in result["problem"]["message"]
    client.send(2, "detect", photo=str(tmp_path / "nothing.jpg"))
    assert client.answer(2)["error"]["type"] == "PhotoNotFoundError"
    (tmp_path / "file").write_text("in the way")
    for bad in ({"thumbnails": 3}, {"thumbnail_size": 4}, {"max_faces": 0}, {"photo": ""}):
        client.send(3, "detect", **{"photo": str(path), **bad})
        error = client.answer(3)["error"]
        assert error["type"] == "RequestError" and next(iter(bad)) in error["message"]


def test_thumbnails_and_surfaces_that_cannot_be_written(start, photo, tmp_path):
    (tmp_path / "file").write_text("in the way")
    client = start()
    client.send(1, "detect", photo=str(photo), thumbnails=str(tmp_path / "file"))
    assert client.answer(1)["error"]["type"] == "OutputError"
    client.send(
        2, "reconstruct", photo=str(photo), out=str(tmp_path / "out"), surfaces=str(tmp_path / "file")
    )
    assert client.answer(2)["error"]["type"] == "OutputError"


def test_several_faces_get_numbered_folders(start, tmp_path, two_faces):
    path = two_faces
    client, progress = start(), []
    surfaces = tmp_path / "surfaces"
    stages = tmp_path / "stages"
    folders = {"out": str(tmp_path / "out"), "surfaces": str(surfaces), "stages": str(stages)}
    client.send(1, "reconstruct", photo=str(path), **folders)
    faces = client.answer(1, progress)["result"]["faces"]
    assert [Path(face["folder"]).name for face in faces] == ["two_1", "two_2"]
    # Surfaces come before the rest of a face's work, and are those of the result.
    steps = [event["step"] for event in progress]
    ready = [event["files"] for event in progress if event["step"] == "surface_ready"]
    names = ("surface_1", "surface_2")
    assert ready == [
        {f"{name}.glb": str(surfaces / f"{name}.glb"), f"{name}.ply": str(stages / f"{name}.ply")}
        for name in names
    ]
    ready = [event["files"] for event in progress if event["step"] == "prior_ready"]
    assert ready == [{name: str(stages / name)} for name in ("prior_1.ply", "prior_2.ply")]
    assert steps.index("prior_ready") < steps.index("network")
    assert steps.index("surface_ready") < steps.index("landmarks") and not progress[-1].get("files")
    for number, face in enumerate(faces, 1):
        early = (surfaces / f"surface_{number}.glb").read_bytes()
        assert early == Path(face["files"]["surface.glb"]).read_bytes()
        early = (stages / f"surface_{number}.ply").read_bytes()
        assert early == Path(face["files"]["surface.ply"]).read_bytes()
        prior, made = (read_ply(stages / f"{name}_{number}.ply") for name in ("prior", "surface"))
        # The same head, the prior far coarser.
        assert len(prior.vertices) < len(made.vertices) / 10
        assert np.abs(prior.vertices.max(0) - made.vertices.max(0)).max() < 0.03
        assert np.abs(prior.vertices.min(0) - made.vertices.min(0))[:2].max() < 0.03
    client.send(2, "reconstruct", photo=str(path), out=str(tmp_path / "out"), max_faces=1)
    assert [Path(face["folder"]).name for face in client.answer(2)["result"]["faces"]] == ["two"]


def test_bad_photos_do_not_stop_it(start, photo, tmp_path):
    client = start()
    folder = tmp_path / "bad"
    folder.mkdir()
    cases = {path: (error.__name__, word) for path, error, word in bad_files(folder).values()}
    blank = folder / "blank.png"
    Image.new("RGB", (300, 200), "gray").save(blank)
    cases[blank] = ("NoFaceError", "No face found in blank.png")
    for number, (path, (kind, word)) in enumerate(cases.items()):
        client.send(number, "reconstruct", photo=str(path), out=str(tmp_path / "out"))
        error = client.answer(number)["error"]
        assert error["type"] == kind and word in error["message"] and path.name in error["message"]
    assert not (tmp_path / "out").exists()
    client.send("good", "reconstruct", photo=str(photo), out=str(tmp_path / "out"))
    assert client.answer("good")["event"] == "result"


def test_folder_that_cannot_be_written(start, photo, tmp_path):
    client = start()
    (tmp_path / "file").write_text("in the way")
    client.send(1, "reconstruct", photo=str(photo), out=str(tmp_path / "file"))
    error = client.answer(1)["error"]
    assert error["type"] == "OutputError" and "choose another folder" in error["message"]


def test_malformed_requests(start, photo, tmp_path):
    client = start("core.worker")
    for line in (
        b"nonsense",
        b"[]",
        b'{"id": 1}',
        b'{"id": [], "method": "hello"}',
        b'{"id": 1, "method": "hello", "params": 3}',
    ):
        client.send_raw(line)
        event = client.event()
        assert event["id"] is None and event["error"]["type"] == "RequestError"
    client.send_raw(b"")
    client.send(1, "sing")
    assert "sing" in client.answer(1)["error"]["message"]
    good = {"photo": str(photo), "out": str(tmp_path)}
    for bad in (
        {"photo": None},
        {"out": ""},
        {"focal_mm": -1},
        {"focal_mm": "50"},
        {"focal_mm": True},
        {"max_faces": 0},
        {"faces": []},
        {"faces": [-1]},
        {"faces": "all"},
        {"surfaces": 3},
    ):
        client.send(2, "reconstruct", **{**good, **bad})
        error = client.answer(2)["error"]
        assert error["type"] == "RequestError" and next(iter(bad)) in error["message"]
    client.send(3, "hello")
    assert client.answer(3)["event"] == "result"


def test_hostile_lines_do_not_stop_it(start, photo, tmp_path):
    client = start("core.worker")
    for line in (
        b"[" * 100_000,
        b'{"id": 1, "method": "hello", "params": ' + b'{"a":' * 50_000,
        b'{"id": true, "method": "hello"}',
        b"x" * 10_000_000,
        b"\xff\xfe\x00",
    ):
        client.send_raw(line)
        event = client.event()
        assert event["id"] is None and event["error"]["type"] == "RequestError"
    for other in ([1], {}, None, 1.5, True):
        client.send("c", "cancel", id=other)
        assert client.answer("c")["result"] == {"cancelled": False}
    good = {"photo": str(photo), "out": str(tmp_path / "out"), "thumbnails": str(tmp_path / "pictures")}
    for name in good:
        for path in ("a\0b", "\ud800", "", 3, ["a"]):
            method = "reconstruct" if name == "out" else "detect"
            client.send(2, method, **{**good, name: path})
            error = client.answer(2)["error"]
            assert error["type"] == "RequestError" and name in error["message"]
    client.send(3, "hello")
    assert client.answer(3)["event"] == "result"
    assert client.close() == 0
    assert "Traceback" not in "".join(client.log)


class Chunks:
    """An unbuffered source that gives what it likes."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = list(chunks)

    def read(self, size: int) -> bytes:
        return self.chunks.pop(0) if self.chunks else b""


def test_lines_are_read_in_whatever_pieces_they_come(monkeypatch):
    assert list(read_lines(Chunks(b"one\ntw", b"o\n\n  \nth", b"ree", b"\nrest"))) == [
        *(b"one", b"two", b"three", b"rest")
    ]
    monkeypatch.setattr("core.worker.server.MAX_LINE_BYTES", 5)
    assert list(read_lines(Chunks(b"1234\n12345\n1", b"2345", b"6789\nok\n12", b"34567"))) == [
        *(b"1234", None, None, b"ok")
    ]


def test_a_reader_that_fails_ends_the_process(monkeypatch):
    """Nobody can reach a worker whose reader is gone: it must not outlive its client."""
    ended = threading.Event()
    monkeypatch.setattr("core.worker.server.ORPHAN_GRACE", 0)
    monkeypatch.setattr("core.worker.server.os._exit", lambda code: ended.set())
    monkeypatch.setattr("core.worker.server.parse_request", lambda line: 1 / 0)
    Worker(Chunks(b"{}\n"), io.BytesIO(), Jobs(None)).run()
    assert ended.wait(PATIENCE_SECONDS)


def test_waiting_requests_are_limited(monkeypatch):
    monkeypatch.setattr("core.worker.server.MAX_OPEN_REQUESTS", 2)
    monkeypatch.setattr("core.worker.server.os._exit", lambda code: None)
    sink = io.BytesIO()
    worker = Worker(Chunks(), sink, Jobs(None))
    for name in (1, 2, 3):
        assert worker._accept(json.dumps({"id": name, "method": "hello"}).encode())
    (answer,) = sink.getvalue().splitlines()
    assert "2 requests" in json.loads(answer)["error"]["message"]
    # What ends the others is not refused.
    assert worker._accept(b'{"id": "c", "method": "cancel", "params": {"id": 2}}')
    assert not worker._accept(b'{"id": "s", "method": "shutdown"}')
    cancelled, stopped = (json.loads(line) for line in sink.getvalue().splitlines()[1:])
    assert cancelled["result"] == {"cancelled": True} and stopped["id"] == "s"


def test_an_id_stands_for_one_request_at_a_time(monkeypatch):
    """Or one id, repeated, would fill the memory past the limit of open requests."""
    monkeypatch.setattr("core.worker.server.os._exit", lambda code: None)
    sink = io.BytesIO()
    worker = Worker(Chunks(), sink, Jobs(None))
    for _ in range(3):
        assert worker._accept(json.dumps({"id": 7, "method": "hello"}).encode())
    answers = [json.loads(line) for line in sink.getvalue().splitlines()]
    assert [answer["event"] for answer in answers] == ["error"] * 2
    assert all("another id" in answer["error"]["message"] for answer in answers)
    assert worker._requests.qsize() == 1


class EndsWhenLookedFor(set):
    """Open requests, of which one ends on another thread just as a cancel has found it."""

    def __contains__(self, name: object) -> bool:
        found = super().__contains__(name)
        self.discard(name)
        return found


def test_a_cancel_that_comes_too_late_stops_no_later_request_of_the_same_id():
    jobs = SimpleNamespace(detect=lambda params, progress, cancelled: {"stopped": cancelled()})
    sink = io.BytesIO()
    worker = Worker(Chunks(), sink, jobs)
    worker._open = EndsWhenLookedFor()
    detect, cancel = b'{"id": 7, "method": "detect"}', b'{"id": 8, "method": "cancel", "params": {"id": 7}}'
    for line in (detect, cancel, detect):
        assert worker._accept(line)
    worker._requests.get()
    worker._serve(worker._requests.get())
    assert json.loads(sink.getvalue().splitlines()[-1])["result"] == {"stopped": False}


def test_bugs_and_full_memory_are_reported(start, photo, tmp_path):
    for what, kind, word in (
        ("bug", "InternalError", "KeyError"),
        ("memory", "OutOfMemory", "memory is full"),
    ):
        client = start(STAND_IN=what)
        client.send(1, "reconstruct", photo=str(photo), out=str(tmp_path / "out"))
        error = client.answer(1)["error"]
        assert error["type"] == kind and word in error["message"]
        client.send(2, "hello")
        assert client.answer(2)["event"] == "result"
        assert client.close() == 0
        assert "Traceback" in "".join(client.log)


def test_cancel(start, photo, tmp_path):
    hold = tmp_path / "hold"
    hold.touch()
    client = start(STAND_IN_HOLD=str(hold))
    for number in (1, 2, 3):
        client.send(number, "reconstruct", photo=str(photo), out=str(tmp_path / str(number)))
    while client.event()["step"] != "detect":
        pass
    client.send("c2", "cancel", id=2)  # waits in the queue
    client.send("c1", "cancel", id=1)  # runs
    client.send("c9", "cancel", id=9)  # nobody
    assert client.answer("c2")["result"] == {"cancelled": True}
    assert client.answer("c1")["result"] == {"cancelled": True}
    assert client.answer("c9")["result"] == {"cancelled": False}
    hold.unlink()  # all of that came at once, not when the step was over
    assert client.answer(1)["error"]["type"] == "Cancelled"
    assert client.answer(2)["error"]["type"] == "Cancelled"
    assert client.answer(3)["event"] == "result"
    assert sorted(path.name for path in tmp_path.glob("[0-9]")) == ["3"]
    client.send("c3", "cancel", id=3)  # done already
    assert client.answer("c3")["result"] == {"cancelled": False}


#: How long a step takes, seconds, during which a busy machine has to bring the end of the worker.
STEP_SECONDS = "4"


@pytest.mark.parametrize("how", ["shutdown", "stdin"])
def test_shutdown_and_closed_stdin_stop_the_running_request(start, photo, tmp_path, how):
    client = start(STAND_IN_SECONDS=STEP_SECONDS)
    client.send(1, "reconstruct", photo=str(photo), out=str(tmp_path / "out"))
    client.send(2, "reconstruct", photo=str(photo), out=str(tmp_path / "out"))
    while client.event()["step"] != "detect":
        pass
    if how == "shutdown":
        client.send(3, "shutdown")
    else:
        client.process.stdin.close()
    assert client.process.wait(PATIENCE_SECONDS) == 0
    assert not (tmp_path / "out").exists()


def test_it_ends_with_its_client_even_if_a_step_never_does(start, photo, tmp_path):
    client = start(STAND_IN_SECONDS="600", STAND_IN_GRACE="0.5")
    client.send(1, "reconstruct", photo=str(photo), out=str(tmp_path / "out"))
    while client.event()["step"] != "detect":
        pass
    client.process.stdin.close()
    assert client.process.wait(PATIENCE_SECONDS) == 1


def test_it_ends_when_nobody_listens(photo, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "tests.core.stand_in_worker"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "STAND_IN_SECONDS": STEP_SECONDS},
    )
    params = {"photo": str(photo), "out": str(tmp_path / "out")}
    process.stdin.write(json.dumps({"id": 1, "method": "reconstruct", "params": params}).encode() + b"\n")
    process.stdin.flush()
    while json.loads(process.stdout.readline())["step"] != "detect":
        pass
    process.stdout.close()
    assert process.wait(PATIENCE_SECONDS) == 0
    assert not (tmp_path / "out").exists()
    process.stdin.close()


@pytest.mark.slow
def test_reconstruct_with_the_trained_models(start, photo, tmp_path):
    """The real engine, weights and all."""
    client = start("core.worker")
    client.send(1, "reconstruct", photo=str(photo), out=str(tmp_path / "out"))
    event = client.answer(1)
    assert event["event"] == "result", event
    (face,) = event["result"]["faces"]
    mesh = trimesh.load(face["files"]["surface.ply"])
    assert mesh.is_watertight and mesh.body_count == 1 and 0.003 < mesh.volume < 0.009
    about = json.loads(Path(face["files"]["face.json"]).read_text(encoding="utf-8"))
    assert (
        abs(about["pose"]["yaw"]) < 15
        and abs(about["pose"]["pitch"]) < 25
        and abs(about["pose"]["roll"]) < 10
    )
    assert about["quality"]["landmarks_on_surface"] >= 470
    assert {"landmark_lifter.safetensors", "volume_network.onnx"} < set(about["models"])
    assert "volume_network.safetensors" not in about["models"]  # it is there, but was not run
    assert client.close() == 0
