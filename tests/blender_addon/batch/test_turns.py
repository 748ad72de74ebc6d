"""Two photos in one pair of programs: one in the engine, the one before it in Blender or being committed."""

import io
import threading
from pathlib import Path

import pytest

from blender_addon.batch.console import Console
from blender_addon.batch.inputs import collect
from blender_addon.batch.local_processor import LocalProcessor
from blender_addon.batch.plan import BatchPlan, StepPlan
from blender_addon.batch.record import BatchRecord
from blender_addon.batch.runner import BatchRunner, BatchSettings
from blender_addon.batch.workspace import Workspace
from blender_addon.errors import BatchError, JobFailedError

from .fault_injection import describe

#: Seconds after which a test gives up waiting for another thread.
PATIENCE_S = 60.0
NAMES = ("a", "b", "c", "d")


class Program:
    """Stands in for a client: runs one request after the other, and says so if two come at once."""

    pid = 1

    def __init__(self, work):
        self._work = work
        self._busy = threading.Lock()

    def submit_reconstruct(self, photo, folder, **_):
        return self._request(Path(photo).stem, Path(folder))

    def submit(self, _, step, folder, options):
        return self._request((Path(folder) / "surface.ply").read_text(), Path(folder))

    def kill(self):
        pass

    def _request(self, *arguments):
        program = self

        class Request:
            def wait(self, *_):
                assert program._busy.acquire(blocking=False), "two requests at once"
                try:
                    return program._work(*arguments)
                finally:
                    program._busy.release()

        return Request()


def make_head(stem, folder):
    head = folder / stem
    head.mkdir(parents=True)
    (head / "surface.ply").write_text(stem)
    describe(head, ("surface.ply",))
    return {"faces": [{"folder": str(head.absolute()), "vertices": 1, "faces": 2}]}


def make_preview(stem, folder):
    (folder / "preview.png").write_text(stem)
    describe(folder, ("preview.png",))
    return {"files": {"preview.png": ""}, "facts": {}}


class Lines(Console):
    """Keeps the names of the photos that are done."""

    def __init__(self):
        super().__init__(io.StringIO(), io.StringIO())
        self.names = []

    def lines(self, lines):
        self.names.append(Path(lines[0].split("] ")[1].split(".jpg")[0]).name)


@pytest.fixture
def run(tmp_path):
    """Runs a batch of the photos a to d with two functions as engine and Blender worker."""
    photos, out = tmp_path / "photos", tmp_path / "heads"
    photos.mkdir()
    for name in NAMES:
        (photos / f"{name}.jpg").write_text(name)
    console = Lines()

    def run(engine, blender_worker):
        processor = LocalProcessor(None, None)
        processor.engine, processor.blender_worker = Program(engine), Program(blender_worker)
        plan = BatchPlan(engine={}, steps=(StepPlan("preview", {}, ("surface",)),))
        with Workspace(out) as workspace:
            record = BatchRecord.load(out)
            record.engine = record.blender_worker = {"version": "1"}
            runner = BatchRunner(workspace, plan, BatchSettings(), console, record, [processor])
            runner.run(collect([photos], out).photos)

    run.out, run.console = out, console
    return run


def test_the_engine_has_the_next_photo_while_blender_has_one_and_both_are_filed_in_order(run):
    reconstructed = {name: threading.Event() for name in NAMES}
    in_blender = []

    def engine(stem, folder):
        answer = make_head(stem, folder)
        reconstructed[stem].set()
        return answer

    def blender_worker(stem, folder):
        # All before it are in their place, and the next one gets through the engine meanwhile.
        assert [(run.out / name / "preview.png").exists() for name in in_blender] == [True] * len(in_blender)
        in_blender.append(stem)
        following = NAMES[NAMES.index(stem) + 1 :]
        assert not following or reconstructed[following[0]].wait(PATIENCE_S)
        assert not any(reconstructed[name].is_set() for name in following[1:])
        return make_preview(stem, folder)

    run(engine, blender_worker)
    assert in_blender == list(NAMES) == run.console.names


def test_a_photo_that_fails_at_once_is_filed_after_the_one_before_it(run):
    failed = threading.Event()

    def engine(stem, folder):
        if stem == "b":
            failed.set()
            raise JobFailedError("NoFaceError", "none")
        return make_head(stem, folder)

    def blender_worker(stem, folder):
        assert failed.wait(PATIENCE_S)
        return make_preview(stem, folder)

    run(engine, blender_worker)
    assert run.console.names == list(NAMES)


def test_a_photo_is_filed_though_the_batch_cannot_go_on_after_it(run):
    full = threading.Event()

    def engine(stem, folder):
        if stem == "b":
            full.set()
            raise JobFailedError("OutputError", "No space left on device")
        return make_head(stem, folder)

    def blender_worker(stem, folder):
        assert full.wait(PATIENCE_S)
        return make_preview(stem, folder)

    with pytest.raises(BatchError, match="full"):
        run(engine, blender_worker)
    assert run.console.names == ["a"] and (run.out / "a/preview.png").is_file()
    assert not (run.out / "c").exists()
