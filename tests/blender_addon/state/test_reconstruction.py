import contextlib
import sys
import threading
import time
from concurrent import futures
from pathlib import Path

import numpy as np
import pytest

from blender_addon.engine.locate import Engine
from blender_addon.errors import (
    AddonError,
    EngineDiedError,
    JobCancelledError,
    JobFailedError,
    SurfaceFileError,
)
from blender_addon.heads.ply import display_colors
from blender_addon.state.reconstruction import (
    ProgressEstimate,
    ReconstructionRequest,
    ReconstructionRun,
    parse_faces,
)
from blender_addon.state.session import AddonSession, EngineChoice
from tests.conftest import PATIENCE_SECONDS


@pytest.fixture
def order(tmp_path):
    def make(stem, **more):
        path = tmp_path / f"{stem}.jpg"
        path.write_bytes(b"a photo")
        return ReconstructionRequest(path, tmp_path / "out", **more)

    return make


def test_heads_are_read(client, order, tmp_path):
    progress = []
    run = ReconstructionRun(client, order("two"))
    heads = run.wait(progress.append)
    assert [head.name for head in heads] == ["two_1", "two_2"]
    assert all(head.folder.parent == tmp_path / "out" for head in heads)
    assert len(heads[0].surface.vertices) > 1000
    assert (heads[0].surface.colors[:, 1] > heads[1].surface.colors[:, 1]).mean() > 0.9
    assert heads[0].record.document["input"]["name"] == "two.jpg"
    assert not run.restarted and run.seconds > 0
    assert np.all(np.diff([p.fraction for p in progress]) >= 0)


@pytest.mark.parametrize("stem", ["one", "damaged"])
def test_heads_can_be_looked_at_on_the_way(client, order, tmp_path, stem):
    run = ReconstructionRun(client, order(stem, stages=tmp_path / "stages"))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not run.poll(0.05) or (stem == "one" and run.stage is None):
        assert time.monotonic() < deadline
    assert len(run.heads()) == 1  # whatever there was to look at
    if stem == "one":
        assert run.stage.colors[0].tolist() in ([10, 20, 30], [10, 20, 31])
        np.testing.assert_allclose(display_colors(run.stage)[0, :2], [10 / 255, 20 / 255], atol=1e-6)
    else:
        assert run.stage is None


def test_polling_never_waits(client, order, monkeypatch):
    run = ReconstructionRun(client, order("slow"))
    with recorded_waits(monkeypatch, run) as waits:
        for _ in range(10):
            assert not run.poll()
        assert waits == []
        run.poll(0.01)
        assert waits == [0.01]  # it would have been noticed
    run.cancel()
    assert run.progress.message == "Cancelling"
    with pytest.raises(JobCancelledError):
        run.wait()


def test_polling_never_waits_for_files(client, order, monkeypatch):
    waits, wait = [], futures.wait

    def recorded(reading, timeout=None):
        waits.append(timeout)
        return wait(reading, timeout)

    monkeypatch.setattr(futures, "wait", recorded)
    run = ReconstructionRun(client, order("one"))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not run.poll():
        assert time.monotonic() < deadline
        time.sleep(0.001)
    assert waits and set(waits) == {0.0} and len(run.heads()) == 1


@contextlib.contextmanager
def recorded_waits(monkeypatch, run):
    """The seconds for which this thread waits for the engine's events, or for anything else."""
    waits, own, wait = [], threading.get_ident(), threading.Condition.wait

    class Events:
        def __init__(self, events):
            self.put, self.get_nowait, self._events = events.put, events.get_nowait, events

        def get(self, block=True, timeout=None):
            if block:
                waits.append(timeout)
            return self._events.get(block, timeout)

    def recorded(condition, timeout=None):
        if threading.get_ident() == own and timeout != 0:
            waits.append(timeout)
        return wait(condition, timeout)

    with monkeypatch.context() as patched:
        patched.setattr(threading.Condition, "wait", recorded)
        patched.setattr(run._job, "events", Events(run._job.events))
        yield waits


def test_focal_length_and_faces_reach_the_engine(client, order):
    heads = ReconstructionRun(client, order("one", focal_mm=35.0, faces=(0, 2))).wait()
    params = heads[0].record.document["params"]
    assert params["focal_mm"] == 35.0 and list(params["faces"]) == [0, 2]


@pytest.mark.parametrize(
    ("stem", "error"), [("noface", JobFailedError), ("crash", EngineDiedError), ("broken", SurfaceFileError)]
)
def test_what_goes_wrong_comes_with_the_heads(client, order, stem, error, monkeypatch):
    if stem == "broken":
        monkeypatch.setattr(
            "blender_addon.heads.loaded.read_ply", lambda path: _raise(SurfaceFileError("damaged"))
        )
    run = ReconstructionRun(client, order(stem))
    while not run.poll(0.05):
        pass
    with pytest.raises(error):
        run.heads()


def _raise(error):
    raise error


def test_a_restart_is_noticed(client, order):
    run = ReconstructionRun(client, order("once"))
    assert len(run.wait()) == 1
    assert run.restarted


@pytest.mark.parametrize(
    ("text", "faces"), [("", None), (" ", None), ("1", (0,)), ("1, 3", (0, 2)), ("3 1 3", (0, 2))]
)
def test_numbers_of_faces(text, faces):
    assert parse_faces(text) == faces


@pytest.mark.parametrize("text", ["0", "first", "1;2", "-1", ","])
def test_what_are_no_numbers_of_faces(text):
    with pytest.raises(AddonError, match="the largest face is 1"):
        parse_faces(text)


def test_session_keeps_one_engine_and_ends_it(fake_engine, order, tmp_path):
    lines = []
    session = AddonSession(lines.append, tmp_path / "log")
    client = session.client(fake_engine)
    ReconstructionRun(client, order("one")).wait()
    first = session.engine_pid
    assert session.client(fake_engine) is client and session.engine_pid == first
    other = Engine(Path(sys.executable).resolve(), fake_engine.root)
    ReconstructionRun(session.client(other), order("one")).wait()
    assert session.engine_pid not in (None, first)
    scratch = session.scratch()
    assert scratch.is_dir() and session.scratch() == scratch
    session.close()
    assert session.engine_pid is None and not scratch.exists()
    assert "fake engine up" in lines


def test_an_engine_is_checked_once_and_again_on_demand(tmp_path):
    session = AddonSession(lambda line: None, tmp_path / "log")
    assert session.engine_state is None
    choice = EngineChoice(explicit=str(tmp_path / "no python"))
    check = session.check_engine(choice)
    state = check.wait()
    assert state is not None and not state.ready and "no python" in state.message
    assert session.check_engine(choice) is check and session.engine_state is state
    assert session.check_engine(choice, again=True) is not check
    assert session.check_engine(EngineChoice(explicit=str(tmp_path / "another"))).choice != choice


def test_progress_goes_on_within_a_step():
    estimate = ProgressEstimate()
    said = [(0.05, second) for second in (1, 2)] + [(0.4, second) for second in range(3, 60)]
    shown = [estimate.at(known, float(second)) for known, second in said]
    assert shown == sorted(shown) and shown[-1] < 1.0
    assert shown[3] > shown[2] >= 0.4, "it moves though the engine says nothing new"
    assert all(value >= known for value, (known, _) in zip(shown, said, strict=True))
    assert estimate.at(1.0, 61.0) == 1.0
