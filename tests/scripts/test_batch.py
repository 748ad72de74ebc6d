"""scripts/batch.py with an engine that answers to order, in plain Python, in bpy and in Debian's Blender."""

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import HANGING_LIMIT_SECONDS, PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[2]
BATCH = ROOT / "scripts/batch.py"


@pytest.fixture
def batch(tmp_path, fake_engine_python):
    """Runs batch.py in plain Python without previews; gives the finished process."""

    def run(*arguments, out=tmp_path / "heads", timeout=PATIENCE_SECONDS):
        options = ["--out", str(out), "--engine-python", str(fake_engine_python)]
        options += ["--no-preview", "--no-page"]
        return subprocess.run(
            [sys.executable, str(BATCH), *map(str, arguments), *options],
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=timeout,
            check=False,
            cwd=tmp_path,
        )

    run.out = tmp_path / "heads"
    return run


def folders(out):
    return sorted(p.name for p in out.iterdir() if p.is_dir())


def record(out):
    return {Path(p["path"]).name: p for p in json.loads((out / "batch.json").read_text())["photos"]}


def png_size(path):
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">2I", data[16:24])


def test_all_done(batch, photos):
    done = batch(photos("a.jpg", "two.PNG", "deeper/Zoë tür.webp", "notes.txt", ".hidden.jpg", ".git/x.jpg"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert folders(batch.out) == ["Zoë tür", "a", "two_1", "two_2"]
    assert sorted(p.name for p in (batch.out / "a").iterdir()) == [
        "face.json",
        "head.npz",
        "landmarks.json",
        "surface.ply",
    ]
    assert "3 of 3 photos done, 4 heads" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr  # no bar where there is no terminal
    assert not list(batch.out.glob(".*"))


def test_record_tells_inputs_results_and_timings(batch, photos):
    batch(photos("a.jpg", "noface.jpg"), "--focal-mm", "85")
    data = json.loads((batch.out / "batch.json").read_text())
    assert data["engine"]["version"] == "fake"
    assert data["options"]["focal_mm"] == 85
    good, bad = record(batch.out)["a.jpg"], record(batch.out)["noface.jpg"]
    # printf a.jpg | sha256sum
    assert good["sha256"] == "509b0d4641a7c3ba088ffa28559d1f57207ea980447bc1773b1d406d788386ee"
    assert [h["folder"] for h in good["heads"]] == ["a"]
    assert good["error"] is None
    assert good["timings"]["network"] > 0
    assert bad["error_kind"] == "NoFaceError"
    assert json.loads((batch.out / "a/face.json").read_text())["params"]["focal_mm"] == 85


def test_the_engine_is_told_of_the_head_that_is_wanted(batch, photos):
    batch(photos("a.jpg"), "--export", "glb", "--texture", "1024", "--keep-light")
    params = json.loads((batch.out / "a/face.json").read_text())["params"]
    assert params["head"] is True and params["texture"] == 1024 and params["delight"] is False


@pytest.mark.parametrize(
    ("arguments", "head"),
    [
        ([], True),
        (["--surface"], False),
        (["--head"], True),
        (["--surface", "--head"], True),
        (["--surface", "--export", "glb"], True),
    ],
)
def test_surface_alone_asks_for_no_head(batch, photos, arguments, head):
    batch(photos("a.jpg"), *arguments)
    assert ("head" in json.loads((batch.out / "a/face.json").read_text())["params"]) is head


def test_formats_that_do_not_exist_are_refused(batch, photos):
    done = batch(photos("a.jpg"), "--export", "fbx,blend")
    assert done.returncode == 1
    assert "glb, fbx, obj, usd" in done.stderr


def test_each_failure_is_named_and_the_rest_goes_on(batch, photos):
    folder = photos("a.jpg", "crash.jpg", "noface.jpg", "z.jpg")
    done = batch(folder, "missing.jpg")
    assert done.returncode == 2
    assert folders(batch.out) == ["a", "z"]
    failed = done.stdout.split("Failed:\n")[1].split("Look at:")[0].splitlines()
    assert [Path(line.split(":")[0].strip()).name for line in failed] == [
        "crash.jpg",
        "noface.jpg",
        "missing.jpg",
    ]
    assert "something broke deep inside" in failed[0]
    assert "try a closer one" in failed[1]
    assert "no such file or folder" in failed[2]
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.long
@pytest.mark.slow
def test_photo_that_hangs_is_timed_out(batch, photos):
    done = batch(photos("hang.jpg", "a.jpg"), "--timeout", HANGING_LIMIT_SECONDS)
    assert done.returncode == 2
    assert folders(batch.out) == ["a"]
    assert f"no answer in {HANGING_LIMIT_SECONDS} seconds" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing here"], "no such file or folder"),
        (["."], "there are no photos in this folder"),
        (["noface.jpg"], "No face found"),
        (["a.jpg", "--focal-mm", "-3"], "must be greater than 0"),
        (["a.jpg", "--no-such-option"], "unrecognized arguments"),
        ([], "the following arguments are required"),
    ],
)
def test_nothing_done(batch, tmp_path, arguments, words):
    if arguments and arguments[0].endswith(".jpg"):
        (tmp_path / arguments[0]).touch()
    if arguments == ["."]:
        arguments = [tmp_path / "empty"]
        arguments[0].mkdir()
    done = batch(*arguments)
    assert done.returncode == 1
    assert words in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_engine_that_cannot_start(batch, photos, fake_engine_python):
    fake_engine_python.write_text("#!/bin/sh\necho 'no such luck' >&2\nexit 3\n")
    done = batch(photos("a.jpg"))
    assert done.returncode == 1
    assert "could not start (exit code 3" in done.stdout
    assert "no such luck" in done.stdout


def test_output_folder_that_cannot_be_written(batch, photos, tmp_path):
    (tmp_path / "file").touch()
    done = batch(photos("a.jpg"), out=tmp_path / "file/heads")
    assert done.returncode == 1
    assert "cannot be written" in done.stdout
    assert "--out" in done.stdout


def test_same_names_do_not_overwrite_each_other_within_a_run_or_later(batch, photos):
    folder = photos("a/x.jpg", "b/x.jpg", "b/x.png", "c/X.jpg", "x_1.jpg", "d/x two.jpg", "e/x two.jpg")
    assert batch(folder / "a", folder / "b", folder).returncode == 0
    first = folders(batch.out)
    assert len(first) == 9  # two photos have two faces
    assert {"x", "x-b", "x-b-png", "X-c", "x_1", "x two_1", "x two_2"} <= set(first)
    sources = {h["folder"]: p["path"] for p in record_list(batch.out) for h in p["heads"]}
    # Another photo of that name in a run of its own, then all in another order: each keeps its place.
    assert batch(photos("f/x.jpg") / "f").returncode == 0
    assert batch(folder / "c", folder / "b", folder / "e", folder).returncode == 0
    assert folders(batch.out) == sorted([*first, "x-f"])
    later = {h["folder"]: p["path"] for p in record_list(batch.out) for h in p["heads"]}
    assert {**later, **sources} == later


def record_list(out):
    return json.loads((out / "batch.json").read_text())["photos"]


def test_what_is_the_users_own_is_left_alone(batch, photos):
    mine = batch.out / "a"
    mine.mkdir(parents=True)
    (mine / "surface.ply").write_text("my own")
    assert batch(photos("a.jpg")).returncode == 0
    assert (mine / "surface.ply").read_text() == "my own"
    assert folders(batch.out) == ["a", "a-photos"]


def test_second_run_replaces_the_first_and_leaves_nothing_stale(batch, photos):
    folder = photos("a.jpg")
    batch(folder)
    stale = batch.out / "a/preview.png"
    stale.touch()
    data = json.loads((batch.out / "batch.json").read_text())
    data["photos"][0]["heads"][0]["files"].append("preview.png")
    (batch.out / "batch.json").write_text(json.dumps(data))
    (batch.out / "a/notes.txt").write_text("the user's")
    assert batch(folder, "--fresh").returncode == 0
    assert not stale.exists()
    assert (batch.out / "a/notes.txt").exists()


def test_photos_in_the_output_folder_are_not_taken_for_photos(batch, photos, tmp_path):
    folder = photos("a.jpg")
    out = folder / "heads"
    (out / "old").mkdir(parents=True)
    (out / "old/preview.png").touch()
    assert batch(folder, out=out).returncode == 0
    assert folders(out) == ["a", "old"]


@pytest.mark.skipif(sys.platform != "linux", reason="file names are text elsewhere")
def test_file_name_that_is_no_text(batch, photos):
    folder = photos("a.jpg")
    os.rename(folder / "a.jpg", os.fsencode(folder) + b"/caf\xe9.jpg")
    done = batch(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    # Blender and face.json take text only.
    assert folders(batch.out) == ["caf_"]


def test_bar_on_a_terminal(photos, tmp_path, fake_engine_python):
    pty = pytest.importorskip("pty")
    try:
        leader, follower = pty.openpty()
    except OSError as error:
        pytest.skip(f"no terminals here: {error}")
    options = ["--out", tmp_path / "heads", "--engine-python", fake_engine_python]
    options += ["--no-preview", "--no-page"]
    with subprocess.Popen(
        [sys.executable, BATCH, photos("a.jpg", "b.jpg"), *options],
        stdout=follower,
        stderr=follower,
        stdin=follower,
    ) as process:
        os.close(follower)
        shown = b""
        try:
            while chunk := os.read(leader, 4096):
                shown += chunk
        except OSError:  # how a terminal says that nobody is there any more
            pass
        os.close(leader)
    assert process.returncode == 0
    text = shown.decode()
    assert "] 0/2  a.jpg: Doing network" in text
    # The second photo may be through before the first one's files are written: no bar need say 1/2.
    assert "  b.jpg: Doing network" in text
    # The bar is wiped before each line, so none of it stays.
    assert "\x1b[K[1/2] " in text


@pytest.mark.slow
@pytest.mark.parametrize("opengl", [True, False], ids=["opengl", "no-opengl"])
def test_previews_in_bpy_and_in_blender(run_in_blender, photos, tmp_path, fake_engine_python, opengl):
    folder = photos("a b.jpg", "two ü.png", "noface.jpg")
    out = tmp_path / "heads"
    extra = (
        {} if opengl else {"LIBGL_DRIVERS_PATH": "/nonexistent", "__EGL_VENDOR_LIBRARY_DIRS": "/nonexistent"}
    )
    done = run_in_blender(
        BATCH, folder, "--out", out, "--engine-python", fake_engine_python, "--preview-size", "64",
        "--surface", "--no-page", **extra,
    )  # fmt: skip
    assert done.returncode == 2, done.stdout + done.stderr
    assert folders(out) == ["a b", "two ü_1", "two ü_2"]
    for name in folders(out):
        assert sorted(p.name for p in (out / name).iterdir()) == [
            "face.json", "landmarks.json", "preview.png", "surface.ply",
        ]  # fmt: skip
        assert png_size(out / name / "preview.png") == (192, 64)
    assert ("no OpenGL" in done.stdout) is not opengl
    assert "noface.jpg: No face found" in done.stdout
    assert "Saved:" not in done.stdout  # the renderer's chatter


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["a.jpg"], 0),
        (["a.jpg", "noface.jpg"], 2),
        (["noface.jpg"], 1),
        (["missing.jpg"], 1),
        (["a.jpg", "--bad"], 1),
    ],
)
def test_exit_codes_come_through(run_in_blender, photos, tmp_path, fake_engine_python, arguments, code):
    folder = photos("a.jpg", "noface.jpg")
    arguments = [folder / a if a.endswith(".jpg") else a for a in arguments]
    done = run_in_blender(
        BATCH, *arguments, "--out", tmp_path / "heads", "--engine-python", fake_engine_python, "--no-preview",
        "--no-page",
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr


@pytest.mark.slow
def test_unexpected_exception_is_no_success(run_in_blender, photos, tmp_path, fake_engine_python):
    out = tmp_path / "heads"
    (out / "batch.json").mkdir(parents=True)  # cannot be replaced by a file
    (out / "batch.json.part").mkdir()
    done = run_in_blender(
        BATCH,
        photos("a.jpg"),
        "--out",
        out,
        "--engine-python",
        fake_engine_python,
        "--no-preview",
        "--no-page",
    )
    assert done.returncode == 1, done.stdout + done.stderr
