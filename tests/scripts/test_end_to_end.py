"""The real engine with the real weights, through the scripts that people call; fails without weights."""

import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from blender_addon.engine.client import WorkerClient
from blender_addon.engine.locate import Engine
from blender_addon.errors import JobCancelledError, JobFailedError
from blender_addon.heads.ply import read_ply
from core.detection.mediapipe_topology import LEFT_EYE_OUTER, NOSE_TIP, RIGHT_EYE_OUTER
from tests.conftest import PATIENCE_SECONDS, wait_for

ROOT = Path(__file__).resolve().parents[2]
BATCH = ROOT / "scripts/batch.py"
FILES = ["face.json", "landmarks.json", "photo.png", "preview.png", "surface.glb", "surface.ply"]
#: What is made by default: also the head, its hair, and its light model for the page.
MAPS = ["albedo.png", "albedo_mask.png", "normal.png", "roughness.png", "occlusion.png", "thickness.png"]
CARDS = ["hair_cards.png", "hair_cards_id.png", "hair_cards_normal.png"]
HAIR = ["hair.glb", "hair.npz", "hair_shell.png", *CARDS]
ALL_FILES = sorted([*FILES, *MAPS, *HAIR, "head.glb", "head.npz", "head.ply", "view.js"])

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def engine():
    return Engine(Path(sys.executable), ROOT)


@pytest.fixture(scope="module")
def astronaut(tmp_path_factory):
    path = tmp_path_factory.mktemp("photo") / "astronaut.png"
    Image.fromarray(skimage.data.astronaut()).save(path)
    return path


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """What scripts/demo.py says, and the folder it filled."""
    out = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts/demo.py"), "--out", str(out)],
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=2 * PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, out / "astronaut"


def test_demo_says_what_it_did_and_where_to_look(demo):
    said, folder = demo
    assert "1 of 1 photo done, 1 head" in said
    for step in ("loading the models", "detect", "network", "surface", "preview"):
        assert re.search(rf"\b{step} \d+\.\d\d\b", said), step
    assert "astronaut/preview.png" in said
    assert sorted(p.name for p in folder.iterdir()) == ALL_FILES


def test_demo_surface_is_a_colored_head_of_natural_size(demo):
    trimesh = pytest.importorskip("trimesh")
    surface = read_ply(demo[1] / "surface.ply")
    size = np.ptp(surface.vertices, axis=0)
    assert 0.13 < size[0] < 0.28, size
    assert 0.17 < size[1] < 0.30, size
    assert 0.20 < size[2] < 0.32, size
    mesh = trimesh.Trimesh(surface.vertices, surface.faces, process=False)
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.volume > 0.002  # outward
    assert mesh.body_count == 1
    assert 0 <= surface.confidence.min() < 0.2  # the back of the head was not seen
    assert 0.8 < surface.confidence.max() <= 1
    # Skin in front: reddish, and far from gray.
    front = surface.colors[surface.vertices[:, 1] < 0.0].astype(float).mean(0)
    assert front[0] > front[2] + 25, front


def test_demo_glb_is_the_same_surface(demo):
    trimesh = pytest.importorskip("trimesh")
    surface = read_ply(demo[1] / "surface.ply")
    scene = trimesh.load(demo[1] / "surface.glb", process=False)
    (mesh,) = scene.geometry.values()
    assert len(mesh.faces) == len(surface.faces)
    x, y, z = surface.vertices.T
    np.testing.assert_allclose(np.asarray(mesh.vertices), np.stack([x, z, -y], 1), atol=1e-6)  # glTF is y up
    data = (demo[1] / "surface.glb").read_bytes()
    (length,) = struct.unpack_from("<I", data, 12)
    (part,) = json.loads(data[20 : 20 + length])["meshes"][0]["primitives"]
    assert {"POSITION", "COLOR_0", "_CONFIDENCE"} <= set(part["attributes"])


def test_demo_landmarks_lie_on_the_surface_where_they_should(demo):
    surface = read_ply(demo[1] / "surface.ply")
    points = json.loads((demo[1] / "landmarks.json").read_text())["points"]
    assert len(points) == 478
    assert sum(p is None for p in points) < 10
    right, left, nose = (np.array(points[k]) for k in (RIGHT_EYE_OUTER, LEFT_EYE_OUTER, NOSE_TIP))
    assert left[0] > right[0] + 0.06
    assert np.abs((left + right) / 2).max() < 0.015  # the origin is between the eyes
    assert nose[1] < -0.015  # the face looks along -y
    assert -0.07 < nose[2] < -0.02
    for point in (right, left, nose):
        assert np.linalg.norm(surface.vertices - point, axis=1).min() < 0.003


def test_demo_preview_shows_photo_and_three_views(demo):
    preview = np.asarray(Image.open(demo[1] / "preview.png").convert("RGB")).astype(int)
    assert preview.shape == (512, 2048, 3)
    photo = np.asarray(Image.open(demo[1] / "photo.png").convert("RGB")).astype(int)
    assert np.abs(preview[:, :512] - photo).max() <= 2
    background = preview[2, 520]
    for k in (1, 2, 3):
        view = preview[:, 512 * k : 512 * (k + 1)]
        covered = (np.abs(view - background).max(2) > 12).mean()
        assert 0.2 < covered < 0.75, (k, covered)


def test_a_face_detector_finds_the_face_in_front_and_turned_in_the_three_quarter_view(demo):
    from core.detection.detector import FaceDetector

    preview = np.asarray(Image.open(demo[1] / "preview.png").convert("RGB"))
    detector = FaceDetector.from_pretrained()
    turned = []
    for k in (1, 2):
        (face,) = detector.detect(np.ascontiguousarray(preview[:, 512 * k : 512 * (k + 1)]))
        right, left, nose = (face.points[n, :2] for n in (RIGHT_EYE_OUTER, LEFT_EYE_OUTER, NOSE_TIP))
        assert left[0] > right[0] + 40
        assert np.abs((left + right) / 2 - 256).max() < 120
        assert nose[1] > right[1] + 20
        turned.append(abs((nose[0] - right[0]) / (left[0] - right[0]) - 0.5))
    assert turned[0] < 0.12
    assert turned[1] > 0.2


def test_face_json_points_to_its_own_folder_only(demo):
    text = (demo[1] / "face.json").read_text()
    assert ".photobust-" not in text
    data = json.loads(text)
    assert data["input"]["name"] == "astronaut.png"
    assert sorted([*data["files"], "face.json"]) == ALL_FILES
    for name, about in data["files"].items():
        assert about["bytes"] == (demo[1] / name).stat().st_size
        assert about["licence"]


def bad_inputs(folder):
    """Every kind of photo that cannot be done, by name."""
    rng = np.random.default_rng(1)
    face = skimage.data.astronaut()
    folder.mkdir()
    (folder / "text.jpg").write_text("I am not a photo.")
    (folder / "empty.png").touch()
    Image.fromarray(face).save(folder / "whole.jpg")
    (folder / "cut.jpg").write_bytes((folder / "whole.jpg").read_bytes()[:600])
    (folder / "whole.jpg").unlink()
    noise = rng.integers(0, 255, (300, 300, 3), np.uint8)
    Image.fromarray(noise).save(folder / "no face.png")
    tiny = np.full((600, 600, 3), 128, np.uint8)
    tiny[300:350, 300:350] = np.asarray(Image.fromarray(face).resize((50, 50)))
    Image.fromarray(tiny).save(folder / "tiny.png")
    return folder


def test_same_results_and_exit_codes_in_bpy_and_in_blender(run_in_blender, engine, tmp_path, demo, astronaut):
    bad = bad_inputs(tmp_path / "bad ü")
    good = tmp_path / "good one.png"
    good.write_bytes(astronaut.read_bytes())
    out = tmp_path / "heads"
    options = ["--surface", "--no-page", "--engine-python", engine.python]
    done = run_in_blender(BATCH, good, bad, "--out", out, *options)
    assert done.returncode == 2, done.stdout + done.stderr
    assert sorted(p.name for p in out.iterdir()) == ["batch.json", "good one"]
    assert sorted(p.name for p in (out / "good one").iterdir()) == FILES
    for name in ("surface.ply", "surface.glb", "landmarks.json"):
        assert (out / "good one" / name).read_bytes() == (demo[1] / name).read_bytes(), name
    failed = done.stdout.split("Failed:\n")[1].split("Look at:")[0].splitlines()
    assert sorted(Path(line.split(": ")[0].strip()).name for line in failed) == sorted(
        p.name for p in bad.iterdir()
    )
    reasons = [line.split(": ", 1)[1] for line in failed]
    assert all(len(reason) > 20 for reason in reasons), reasons
    assert "Traceback" not in done.stdout + done.stderr


def test_corrections_saved_in_blender_make_the_same_head_in_a_batch(demo, astronaut, tmp_path):
    folder = shutil.copytree(demo[1], tmp_path / "applied" / "astronaut")
    saved, out = tmp_path / "corrections.json", tmp_path / "batch"
    inside = [sys.executable, str(Path(__file__).with_name("inside_corrections.py"))]
    batch = [sys.executable, str(BATCH), astronaut, "--out", out, "--texture", "1024", "--hair", "none"]
    for command in ([*inside, folder, astronaut, saved], [*batch, "--pins", saved]):
        done = subprocess.run(
            list(map(str, command)),
            env={**os.environ, "PHOTOBUST_PYTHON": sys.executable},
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=2 * PATIENCE_SECONDS,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    (corrections,) = json.loads(saved.read_text())
    assert corrections["pins"] and corrections["sliders"] and corrections["ignored_png"]
    applied, repeated = (one / "head.npz" for one in (folder, out / "astronaut"))
    assert applied.read_bytes() == repeated.read_bytes()
    assert applied.read_bytes() != (demo[1] / "head.npz").read_bytes()


def test_client_and_engine_understand_each_other(engine, astronaut, tmp_path):
    steps = []
    with WorkerClient(engine) as client:
        hello = client.start()
        assert hello
        result = client.submit_reconstruct(astronaut, tmp_path / "out").wait(on_progress=steps.append)
        assert [p.fraction for p in steps] == sorted(p.fraction for p in steps)
        assert len({p.step for p in steps}) >= 4
        (face,) = result["faces"]
        assert len(read_ply(face["files"]["surface.ply"]).vertices) == face["vertices"]
        with pytest.raises(JobFailedError) as info:
            client.submit_reconstruct(tmp_path / "nothing.jpg", tmp_path / "out").wait()
        assert "nothing.jpg" in str(info.value)


def test_cancelled_between_steps(engine, astronaut, tmp_path):
    with WorkerClient(engine) as client:
        client.start()
        pid = client.pid
        job = client.submit_reconstruct(astronaut, tmp_path / "out")
        while not job.poll(0.1):
            pass
        job.cancel(PATIENCE_SECONDS)
        with pytest.raises(JobCancelledError):
            job.wait(PATIENCE_SECONDS)
        assert client.pid == pid
        assert client.submit_reconstruct(astronaut, tmp_path / "out").wait()["faces"]


def test_killed_in_the_middle_it_is_started_again(engine, astronaut, tmp_path):
    with WorkerClient(engine) as client:
        client.start()
        job = client.submit_reconstruct(astronaut, tmp_path / "out")
        while not job.poll(0.1):
            pass
        os.kill(client.pid, signal.SIGKILL)
        steps = []
        assert job.wait(2 * PATIENCE_SECONDS, steps.append)["faces"]
        assert "restart" in [p.step for p in steps]


def test_engine_ends_with_its_client_in_the_middle_of_a_job(engine, astronaut, tmp_path):
    process = subprocess.Popen(
        engine.command(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=engine.root,
        env=engine.environment(os.environ),
    )
    params = {"photo": str(astronaut), "out": str(tmp_path), "focal_mm": None, "max_faces": 1}
    request = {"id": 1, "method": "reconstruct", "params": params}
    process.stdin.write(json.dumps(request).encode() + b"\n")
    process.stdin.flush()
    assert b"progress" in process.stdout.readline()
    process.stdin.close()
    wait_for(lambda: process.poll() is not None, "the end of an engine that nobody talks to")
    process.stdout.close()
