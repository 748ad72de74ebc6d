"""A batch in which every write, rename, removal and fsync fails once, is cut off, or is the last thing done.

PHOTOBUST_FAULTS sets how many faults are tried (200); all there are is about 1,000.
"""

import hashlib
import json
import os
import random
import sys

import pytest

from blender_addon.batch.record import BatchRecord

from .fault_injection import ENDED, FAILED, KILLED, BatchForks, Fault, copy, tree

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs fork and /proc")

FAULTS = int(os.environ.get("PHOTOBUST_FAULTS", "200"))
#: Tests that share them, so that they can run beside one another.
SHARDS = 4
MODES = ("error", "cut", "full", "kill")
PHOTOS = {"a": b"face a", "changed": b"face 1", "two": b"face face", "noface": b"", "z": b"face z"}


@pytest.fixture(scope="module")
def run():
    with BatchForks() as forks:
        yield forks.run


@pytest.fixture(scope="module")
def start(run, tmp_path_factory):
    """A finished batch whose photos and options have changed since: one photo is another, one
    has fewer faces, one is new; the turntables have fewer frames.

    Gives it, what an undisturbed run makes of it, and how many calls that takes.
    """
    folder = tmp_path_factory.mktemp("start")
    finished, undisturbed, photos = folder / "finished", folder / "undisturbed", folder / "photos"
    finished.mkdir(), photos.mkdir()
    for name, content in PHOTOS.items():
        (photos / f"{name}.jpg").write_bytes(content)
    assert run(finished, photos, frames=3)[0] == ENDED
    (photos / "changed.jpg").write_bytes(b"another face")
    (photos / "two.jpg").write_bytes(b"only one face")
    (photos / "new.jpg").write_bytes(b"face new")
    copy(finished, undisturbed)
    code, count, log = run(undisturbed, photos, frames=2)
    assert code == ENDED and count > 150
    engine = {line for line in log if line.startswith("engine")}
    assert engine == {"engine changed.jpg", "engine two.jpg", "engine new.jpg"}
    return finished, photos, tree(undisturbed / "heads"), count


def is_whole(out, head, step):
    """Whether the files of a step that the record calls done are what face.json says."""
    files = json.loads((out / head.folder / "face.json").read_text())["files"]
    for name in step.files:
        data = (out / head.folder / name).read_bytes()
        if len(data) != files[name]["bytes"] or hashlib.sha256(data).hexdigest() != files[name]["sha256"]:
            return False
    return True


@pytest.mark.long
@pytest.mark.parametrize("shard", range(SHARDS))
def test_nothing_is_lost_and_nothing_half_done_is_called_done(start, run, tmp_path, shard):
    finished, photos, expected, count = start
    faults = [Fault(mode, at) for at in range(1, count + 1) for mode in MODES]
    chosen = random.Random(0).sample(faults, min(FAULTS, len(faults)))
    ends = set()
    for n, fault in list(enumerate(chosen))[shard::SHARDS]:
        copied = tmp_path / "copy"
        copy(finished, copied)
        out = copied / "heads"
        code, _, log = run(copied, photos, 2, fault, jobs=1 + n % 2)
        ends.add(code)
        assert code in (ENDED, FAILED, KILLED), fault
        done = {line.split()[1] for line in log if line.startswith("done")}
        for photo in BatchRecord.load(out).photos.values():
            for head in photo.heads:
                for step in head.steps.values():
                    assert is_whole(out, head, step), (fault, head.folder)
        code, _, log = run(copied, photos, 2)
        assert code == ENDED, fault
        again = {line.split()[1] for line in log if line.startswith("engine")}
        assert not again & done, (fault, again, done)
        assert not again & {"a.jpg", "z.jpg", "noface.jpg"}, (fault, again)
        assert tree(out) == expected, fault
        assert not [path.name for path in out.iterdir() if path.name.startswith(".")], fault
    assert ends == {ENDED, FAILED, KILLED}, "each kind of fault shows"


def test_a_half_written_record_would_show(start, run, tmp_path):
    """The test above can fail: of a record that is cut, photos are lost."""
    finished, photos, _, _ = start
    copy(finished, tmp_path / "copy")
    record = tmp_path / "copy/heads/batch.json"
    record.write_bytes(record.read_bytes()[:100])
    code, _, log = run(tmp_path / "copy", photos, 2)
    assert code == ENDED and "engine a.jpg" in log


def test_faults_are_injected_where_they_are_wanted(start, run, tmp_path):
    finished, photos, expected, _ = start
    for fault, end in (
        (Fault("kill", 1), KILLED),
        (Fault("full", 1), FAILED),
        (Fault("error", 10**6), ENDED),
    ):
        copy(finished, tmp_path / "copy")
        assert run(tmp_path / "copy", photos, 2, fault)[0] == end
    assert tree(tmp_path / "copy/heads") == expected
