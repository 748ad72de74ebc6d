"""scripts/batch.py with the real engine and a real Blender: all steps, on a real photo."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import skimage.data
from PIL import Image

from scripts.benchmark.batch import children, kind_of
from tests.conftest import PATIENCE_SECONDS, wait_for

ROOT = Path(__file__).resolve().parents[2]
BATCH = ROOT / "scripts/batch.py"
#: Small, so that a test does not take longer than it has to. Retopology has tests of its own.
STEPS = (
    *("--texture", "1024", "--preview-size", "64", "--render", "front,side", "--picture-size", "64"),
    *("--turntable", "4", "--turntable-size", "64", "--lods", "0.5", "--export", "glb,fbx"),
)
MADE = {
    *("surface.ply", "surface.glb", "landmarks.json", "photo.png", "preview.png", "view.js"),
    *(
        "head.glb",
        "head.npz",
        "head.ply",
        "albedo.png",
        "albedo_mask.png",
        "head.fbx",
        "lod0.glb",
        "lod0.fbx",
    ),
    *("render_front.png", "render_side.png", "turntable/000.png", "turntable/003.png", "turntable.mp4"),
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    path = tmp_path_factory.mktemp("photo") / "astronaut.png"
    Image.fromarray(skimage.data.astronaut()).save(path)
    return path


@pytest.mark.long
def test_all_steps_in_bpy_and_in_blender(run_in_blender, photo, tmp_path):
    out, library = tmp_path / "heads", tmp_path / "library"
    arguments = [photo, "--out", out, *STEPS, "--asset-library", library, "--engine-python", sys.executable]
    done = run_in_blender(BATCH, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    face = json.loads((out / "astronaut/face.json").read_text())
    assert set(face["files"]) >= MADE
    for name, about in face["files"].items():
        assert (out / "astronaut" / name).stat().st_size == about["bytes"], name
    (record,) = json.loads((out / "batch.json").read_text())["photos"]
    (head,) = record["heads"]
    assert sorted(head["files"]) == sorted({*face["files"], "face.json"})
    assert [path.name for path in library.glob("*.blend")] == [head["steps"]["asset"]["facts"]["file"]]
    assert head["quality"]["verdict"] in ("good", "check", "poor")
    assert not list(out.glob(".*"))
    # The same again does nothing, another option only what depends on it.
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.*") if "astronaut/" in str(path)}
    done = run_in_blender(BATCH, *arguments)
    assert "1 of 1 photo done (1 before)" in done.stdout, done.stdout + done.stderr
    assert before == {path: path.stat().st_mtime_ns for path in before}
    done = run_in_blender(BATCH, *arguments, "--preview-size", "128")
    assert done.returncode == 0
    changed = {path.name for path, time in before.items() if path.stat().st_mtime_ns != time}
    assert changed == {"preview.png", "face.json"}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("victim", ["engine", "Blender"])
def test_killed_in_the_middle_it_is_started_again(photo, tmp_path, victim):
    pytest.importorskip("bpy")
    command = [sys.executable, BATCH, photo, "--out", tmp_path / "heads", "--surface", "--no-page"]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, encoding="utf-8")
    # The first hidden folder is for temporary files. When there is one for the photo, too, both have said
    # hello, and the engine is at work; when the head is there, Blender is.
    sign = "heads/.photobust-*/head-1/face.json" if victim == "Blender" else "heads/.photobust-*"
    wait_for(lambda: len(list(tmp_path.glob(sign))) == (1 if victim == "Blender" else 2))
    # Not further down: what Blender has just started has Blender's command line until it is another program.
    wait_for(lambda: len([pid for pid in children(process.pid) if kind_of(pid) == victim]) == 1)
    (pid,) = (pid for pid in children(process.pid) if kind_of(pid) == victim)
    os.kill(pid, signal.SIGKILL)
    output, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, output
    (record,) = json.loads((tmp_path / "heads/batch.json").read_text())["photos"]
    assert record["error"] is None
    assert record["attempts"] == (2 if victim == "engine" else 1)
