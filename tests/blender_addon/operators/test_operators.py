"""The add-on in the bpy module, Debian's Blender, and the bpys that PHOTOBUST_BPY_PYTHONS names."""

import os
import sys
from pathlib import Path

import pytest

from tests.conftest import wait_for

SCRIPT = Path(__file__).with_name("inside_operators.py")

pytestmark = pytest.mark.slow


@pytest.fixture
def check(run_in_blender, tmp_path):
    def run(name, *arguments, engine):
        done = run_in_blender(SCRIPT, "--check", name, tmp_path, *arguments, PHOTOBUST_PYTHON=str(engine))
        assert done.returncode == 0, done.stdout + done.stderr
        assert all(f"{one} passed" in done.stdout for one in name.split(","))

    return run


def test_with_a_stand_in_for_the_engine(check, fake_engine_python):
    names = ("registration", "errors", "results_and_undo", "turned_photos", "setup")
    names += ("placement", "messages", "results_folder")
    check(",".join(names), engine=fake_engine_python)


def test_photo_to_head_with_the_real_engine(check, tmp_path):
    data = pytest.importorskip("skimage.data")
    image = pytest.importorskip("PIL.Image")
    photo = tmp_path / "astronaut.jpg"
    image.fromarray(data.astronaut()).save(photo, quality=95)
    check("real", photo, engine=sys.executable)


def test_no_engine_outlives_a_blender_that_is_killed(run_in_blender, tmp_path, fake_engine_python):
    done = run_in_blender(SCRIPT, "--check", "orphan", tmp_path, PHOTOBUST_PYTHON=str(fake_engine_python))
    line = next(line for line in done.stdout.splitlines() if line.startswith("pids"))
    engine = int(line.split()[2])
    assert done.returncode != 0
    wait_for(lambda: not alive(engine), "the end of the engine")


def alive(pid):
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
