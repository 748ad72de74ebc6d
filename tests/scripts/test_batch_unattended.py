"""scripts/batch.py among hanging programs, kills, full disks and other runs."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts.benchmark.batch import descendants
from tests.conftest import HANGING_LIMIT_SECONDS, PATIENCE_SECONDS, wait_for

ROOT = Path(__file__).resolve().parents[2]


def left_behind(out):
    return [path.name for path in out.rglob("*") if path.name.startswith(".") or path.name.endswith(".part")]


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 3])
def test_a_blender_worker_that_hangs_or_crashes_costs_one_step_of_one_head(fake_batch, photos, jobs):
    names = [
        "a.jpg",
        "segv-preview.jpg",
        "flaky-render.jpg",
        "stall-render.jpg",
        "refuse-preview.jpg",
        "z.jpg",
    ]
    limits = ["--jobs", jobs, "--blender-timeout", HANGING_LIMIT_SECONDS]
    done = fake_batch.run(photos(*names), "--render", "front", *limits)
    assert done.returncode == 2, done.stdout + done.stderr
    record = fake_batch.record()
    failed = {name: photo["error"] for name, photo in record.items() if photo["error"]}
    assert sorted(failed) == ["refuse-preview.jpg", "segv-preview.jpg", "stall-render.jpg"]
    assert "signal 11" in failed["segv-preview.jpg"]
    assert f"no answer in {HANGING_LIMIT_SECONDS} seconds" in failed["stall-render.jpg"]
    assert "take another" in failed["refuse-preview.jpg"]
    # Tried twice what hung or crashed, once what was refused.
    for step, photo, times in (
        ("preview", "segv-preview.jpg", 2),
        ("render", "stall-render.jpg", 2),
        ("render", "flaky-render.jpg", 2),
        ("preview", "refuse-preview.jpg", 1),
    ):
        assert fake_batch.blender_steps.count(f"{step} {photo}") == times
    for name in names:  # the head and the other step's file are there
        files = {path.name for path in (fake_batch.out / Path(name).stem).iterdir()}
        assert {"surface.ply", "face.json"} <= files and files & {"preview.png", "render_front.png"}
    assert not left_behind(fake_batch.out)


@pytest.mark.long
@pytest.mark.slow
def test_an_engine_that_hangs_or_crashes_is_tried_once_more_and_passed_over(fake_batch, photos):
    folder = photos("a.jpg", "crash.jpg", "hang.jpg", "once.jpg", "noface.jpg")
    done = fake_batch.run(folder, "--timeout", HANGING_LIMIT_SECONDS)
    assert done.returncode == 2, done.stdout + done.stderr
    counts = {name: fake_batch.engine.count(name) for name in fake_batch.engine}
    assert counts == {"a.jpg": 1, "crash.jpg": 2, "hang.jpg": 2, "once.jpg": 2, "noface.jpg": 1}
    record = fake_batch.record()
    assert [name for name, photo in record.items() if not photo["error"]] == ["a.jpg", "once.jpg"]
    assert (record["once.jpg"]["attempts"], record["crash.jpg"]["attempts"]) == (2, 2)
    # They are not tried again and again, unless that is asked for, or they are given another time: less of it
    # here, which makes no difference to what hangs.
    done = fake_batch.run(folder, "--timeout", HANGING_LIMIT_SECONDS)
    assert fake_batch.engine == []
    assert "--retry-failed tries them again" in done.stdout
    fake_batch.run(folder, "--timeout", "0.5")
    assert fake_batch.engine == ["hang.jpg"] * 2
    (folder / "hang.jpg").unlink()
    fake_batch.run(folder, "--retry-failed")
    assert sorted(set(fake_batch.engine)) == ["crash.jpg", "noface.jpg"]


def test_results_do_not_depend_on_the_number_of_jobs(fake_batch, photos, tmp_path):
    folder = photos("a.jpg", "two.jpg", "x/a.jpg", "y/a.jpg", "y/two.jpg", "two_1.jpg", "b.jpg")
    trees = []
    for jobs in (1, 4):
        fake_batch.out = tmp_path / f"heads-{jobs}"
        assert fake_batch.run(folder, "--jobs", jobs).returncode == 0
        trees.append(fake_batch.tree())
    assert trees[0].keys() == trees[1].keys()
    assert {**trees[0], "batch.json": None} == {**trees[1], "batch.json": None}


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on(fake_batch, photos, tmp_path):
    rng = random.Random(6)
    names = [f"{stem}{n}.jpg" for n in range(4) for stem in ("a", "two", "noface")]
    folder, options = photos(*names), ["--jobs", "2", "--turntable", "3"]
    fake_batch.out = tmp_path / "undisturbed"
    assert fake_batch.run(folder, *options).returncode == 2
    undisturbed = fake_batch.tree()
    fake_batch.out = tmp_path / "killed"
    finished = 0
    for kill in range(5):
        process = fake_batch.start(folder, *options, FAKE_BLENDER_WORKER_SECONDS="0.02")
        time.sleep(0.3 + rng.random() * 1.2)
        process.kill()
        process.communicate()
        # What stands there under its name is whole, and no less than before the kill.
        whole = [path.parent for path in fake_batch.out.glob("*/face.json")]
        assert len(whole) >= finished - 4, kill  # the photos in work, two heads each
        finished = len(whole)
        for folder_ in whole:
            for name, about in json.loads((folder_ / "face.json").read_text())["files"].items():
                assert (folder_ / name).stat().st_size == about["bytes"]
    done = fake_batch.run(folder, *options, "--resume")
    assert done.returncode == 2, done.stdout
    assert fake_batch.tree() == undisturbed
    assert not left_behind(fake_batch.out)
    assert not (fake_batch.out / "batch.journal").exists()


def test_a_kill_loses_nothing_that_was_finished(fake_batch, photos):
    folder = photos("a.jpg", "b.jpg", "stall-preview.jpg")
    process = fake_batch.start(folder)
    wait_for(lambda: "preview stall-preview.jpg" in fake_batch.blender_steps)
    process.kill()
    process.communicate()
    (folder / "stall-preview.jpg").unlink()
    (folder / "c.jpg").write_bytes(b"c")
    fake_batch.run(folder)
    assert fake_batch.engine == ["c.jpg"]


def test_a_killed_batch_of_people_goes_on_with_the_person_in_work(fake_batch, photos):
    folder = photos("ada/a.jpg", "ada/b.jpg", "bob/hang.jpg", "bob/c.jpg")
    process = fake_batch.start(folder, "--person-per-folder")
    journal = fake_batch.out / "batch.journal"
    wait_for(lambda: journal.exists() and '{"photo"' in journal.read_text() and "bob" in fake_batch.engine)
    process.kill()
    process.communicate()
    finished = (fake_batch.out / "ada/face.json").stat().st_mtime_ns
    (folder / "bob/hang.jpg").rename(folder / "bob/d.jpg")
    done = fake_batch.run(folder, "--person-per-folder", "--resume")
    assert done.returncode == 0, done.stdout
    assert len(fake_batch.engine) == 1 and "2 of 2 people done (1 before)" in done.stdout
    assert (fake_batch.out / "ada/face.json").stat().st_mtime_ns == finished
    assert [view["name"] for view in fake_batch.record()["bob"]["views"]] == ["c.jpg", "d.jpg"]


def test_resume_takes_photos_and_options_from_the_record(fake_batch, photos):
    folder = photos("a.jpg", "b.jpg")
    fake_batch.run(folder, "--turntable", "3", "--texture", "1024")
    (fake_batch.out / "b/turntable/001.png").unlink()
    done = fake_batch.run("--resume")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 of 2 photos done" in done.stdout
    assert (fake_batch.engine, fake_batch.blender_steps) == ([], ["turntable b.jpg"])
    # What the command line says wins.
    assert fake_batch.run("--resume", "--turntable", "2").returncode == 0
    assert sorted({line.split()[0] for line in fake_batch.blender_steps}) == ["turntable"]


def test_resume_without_a_record_asks_for_photos(fake_batch):
    done = fake_batch.run("--resume")
    assert done.returncode == 1
    assert "name the photos" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_by_a_signal(fake_batch, photos, number):
    folder = photos("a.jpg", "stall-preview.jpg", "z.jpg")
    process = fake_batch.start(folder)
    wait_for(lambda: "preview stall-preview.jpg" in fake_batch.blender_steps)
    process.send_signal(number)
    output, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130, output
    assert "Stopped. What was finished is in place" in output
    assert not left_behind(fake_batch.out)
    assert [name for name, photo in fake_batch.record().items() if photo["heads"]] == ["a.jpg"]


def test_a_second_run_on_the_same_folder_is_refused(fake_batch, photos):
    folder = photos("stall-preview.jpg", "a.jpg")
    process = fake_batch.start(folder)
    try:
        wait_for(lambda: "preview stall-preview.jpg" in fake_batch.blender_steps)
        staging = [path for path in fake_batch.out.glob(".photobust-*") if path.is_dir()]
        done = fake_batch.run(folder / "a.jpg")
        assert done.returncode == 1
        assert f"another run is writing to {fake_batch.out} (process {process.pid}" in done.stdout
        assert staging and all(path.is_dir() for path in staging)  # it has not tidied up there
    finally:
        process.kill()
        process.communicate()
    # The one that was killed stands in nobody's way.
    assert fake_batch.run(folder / "a.jpg").returncode == 0
    assert not left_behind(fake_batch.out)


def test_a_step_that_finds_the_disk_full_stops_the_batch_and_leaves_what_was_there(fake_batch, photos):
    folder = photos("a.jpg")
    fake_batch.run(folder)
    before = fake_batch.tree()
    photos("full-preview.jpg", "y.jpg", "z.jpg")
    done = fake_batch.run(folder)
    assert done.returncode == 1
    assert "is full: make room" in done.stdout and "Traceback" not in done.stdout + done.stderr
    # While Blender works at one photo, the engine may have the next already, but not the one after.
    assert "full-preview.jpg" in fake_batch.engine and "z.jpg" not in fake_batch.engine
    assert not (fake_batch.out / "y").exists()
    assert not left_behind(fake_batch.out)
    after = fake_batch.tree()
    assert {name: after[name] for name in before if "." not in Path(name).parts[0]} == {
        name: content for name, content in before.items() if "." not in Path(name).parts[0]
    }
    assert not (fake_batch.out / "full-preview").exists()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 40 MB."""
    folder = tmp_path / "small disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_full_disk(fake_batch, photos, small_disk):
    fake_batch.out = small_disk / "heads"
    folder = photos("a.jpg", "b.jpg")
    assert fake_batch.run(folder).returncode == 0
    before = fake_batch.tree()
    filler = os.open(small_disk / "filler", os.O_WRONLY | os.O_CREAT)
    with pytest.raises(OSError, match="No space"):
        while True:
            os.write(filler, bytes(1 << 12))
    os.close(filler)
    photos("c.jpg", "d.jpg")
    done = fake_batch.run(folder)
    assert done.returncode == 1, done.stdout
    assert "full" in done.stdout or "No space left" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert {name: content for name, content in fake_batch.tree().items() if name in before} == before
    assert not left_behind(fake_batch.out)
    (small_disk / "filler").unlink()
    assert fake_batch.run(folder).returncode == 0
    assert fake_batch.engine == ["c.jpg", "d.jpg"]


@pytest.fixture
def frozen():
    """Takes the permission to write to a folder away, also from root; gives it back at the end."""
    chattr = shutil.which("chattr")
    folders = []

    def freeze(folder):
        if not chattr or subprocess.run([chattr, "+i", folder], capture_output=True, check=False).returncode:
            pytest.skip("no folder can be made immutable here (needs chattr, root, ext4 or the like)")
        folders.append(folder)

    def thaw():
        while folders:
            subprocess.run([chattr, "-i", folders.pop()], check=True)

    freeze.thaw = thaw
    yield freeze
    thaw()


@pytest.mark.slow
def test_lost_permission(fake_batch, photos, frozen):
    folder = photos("a.jpg", "stall-preview.jpg", "z.jpg")
    process = fake_batch.start(folder, "--blender-timeout", HANGING_LIMIT_SECONDS)
    try:
        wait_for(lambda: "preview stall-preview.jpg" in fake_batch.blender_steps)
        frozen(fake_batch.out)
        output, _ = process.communicate(timeout=PATIENCE_SECONDS)
    finally:
        process.kill()
    frozen.thaw()
    assert process.returncode == 1, output
    assert "cannot be written any more: Operation not permitted" in output
    assert "Traceback" not in output
    assert (fake_batch.out / "a/face.json").is_file()
    fake_batch.run(folder, "--blender-timeout", "1")
    assert fake_batch.engine == ["stall-preview.jpg", "z.jpg"]
    assert not left_behind(fake_batch.out)


def test_a_head_that_may_not_be_replaced_fails_alone(fake_batch, photos):
    folder = photos("a.jpg", "b.jpg")
    fake_batch.run(folder)
    # A folder stands where a file has to go: so it fails for root as well.
    (fake_batch.out / "a/preview.png").unlink()
    (fake_batch.out / "a/preview.png/mine").mkdir(parents=True)
    done = fake_batch.run(folder, "--preview-size", "64")
    assert done.returncode == 2, done.stdout
    assert [name for name, photo in fake_batch.record().items() if photo["error"]] == ["a.jpg"]
    shutil.rmtree(fake_batch.out / "a/preview.png")
    assert fake_batch.run(folder, "--preview-size", "64").returncode == 0
    assert fake_batch.blender_steps == ["preview a.jpg"]


def test_a_damaged_record_is_no_obstacle(fake_batch, photos):
    folder = photos("a.jpg")
    fake_batch.run(folder)
    (fake_batch.out / "batch.json").write_text('{"schema": 2, "photos": [')
    (fake_batch.out / "batch.journal").write_bytes(b'{"photo": {"path"\n\xff\n')
    assert fake_batch.run(folder).returncode == 0
    assert fake_batch.engine == ["a.jpg"]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_engine_and_blender_worker_end_with_a_killed_batch(fake_batch, photos):
    process = fake_batch.start(photos("stall-preview.jpg"))
    wait_for(lambda: "preview stall-preview.jpg" in fake_batch.blender_steps)
    wait_for(lambda: len(descendants(process.pid)) == 3)  # engine, blender_worker, and what that has started
    pids = descendants(process.pid)
    process.kill()
    process.communicate()
    wait_for(lambda: not any(running(pid) for pid in pids))


def running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform == "win32", reason="no niceness")
def test_threads_are_shared_among_the_jobs(fake_batch, photos):
    engine = fake_batch.folder / "fake-engine-python"
    engine.write_text(engine.read_text().replace("exec", f'echo "$@" >> {fake_batch.folder}/args\nexec', 1))
    fake_batch.run(photos("a.jpg", "b.jpg"), "--jobs", "2")
    threads = max(1, len(os.sched_getaffinity(0)) // 2)
    for line in (fake_batch.folder / "args").read_text().splitlines():
        assert line.endswith(f"--threads {threads}")
