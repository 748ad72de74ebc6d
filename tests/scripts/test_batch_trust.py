"""scripts/batch.py on records, folders and files that mean harm or are damaged."""

import json
import os
import shutil
import stat
from pathlib import Path

import pytest

from tests.conftest import PATIENCE_SECONDS, wait_for


@pytest.fixture
def made(fake_batch, photos):
    """A finished batch of one photo; gives its folder, the photos' and a function that changes the record."""
    folder = photos("a.jpg")
    assert fake_batch.run(folder).returncode == 0

    def change(edit):
        path = fake_batch.out / "batch.json"
        document = json.loads(path.read_text())
        edit(document)
        path.write_text(json.dumps(document))

    return folder, change


def head_of(document):
    return document["photos"][0]["heads"][0]


@pytest.mark.parametrize("part", ["files", "step files", "folder", "journal"])
@pytest.mark.parametrize("absolute", [False, True])
def test_a_record_cannot_have_files_elsewhere_removed(fake_batch, made, tmp_path, part, absolute):
    folder, change = made
    victim = tmp_path / "victim/face.json"
    victim.parent.mkdir()
    victim.write_text("mine")
    (victim.parent / "surface.ply").write_text("mine, too")
    name = str(victim) if absolute else "../../victim/face.json"

    def edit(document):
        head = head_of(document)
        if part == "files":
            head["files"].append(name)
        elif part == "step files":
            head["steps"]["preview"]["files"].append(name)
        elif part == "folder":
            head["folder"] = str(victim.parent) if absolute else "../victim"
        else:
            entry = {**document["photos"][0], "heads": [{**head, "files": [name], "folder": head["folder"]}]}
            (fake_batch.out / "batch.journal").write_text(json.dumps({"begin": entry}) + "\n")

    change(edit)
    for options in (["--fresh"], [], ["--preview-size", "64"]):
        done = fake_batch.run(folder, *options)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr
    assert victim.read_text() == "mine" and (victim.parent / "surface.ply").read_text() == "mine, too"


def test_links_do_not_lead_a_batch_elsewhere(fake_batch, made, tmp_path):
    folder, _ = made
    elsewhere = tmp_path / "elsewhere"
    shutil.move(fake_batch.out / "a", elsewhere)
    (fake_batch.out / "a").symlink_to(elsewhere)
    before = {path: path.read_bytes() for path in elsewhere.rglob("*") if path.is_file()}
    done = fake_batch.run(folder, "--fresh", "--turntable", "2")
    assert done.returncode == 0, done.stdout
    assert before == {path: path.read_bytes() for path in elsewhere.rglob("*") if path.is_file()}
    assert (fake_batch.out / "a-photos/turntable/001.png").is_file()
    # A link inside of a head.
    shutil.rmtree(fake_batch.out / "a-photos/turntable")
    (fake_batch.out / "a-photos/turntable").symlink_to(elsewhere)
    done = fake_batch.run(folder, "--turntable", "3")
    assert done.returncode != 0 and "leads out" in done.stdout
    assert before == {path: path.read_bytes() for path in elsewhere.rglob("*") if path.is_file()}


def test_the_batchs_own_files_are_written_through_no_link(fake_batch, photos, tmp_path):
    folder = photos("a.jpg")
    fake_batch.out.mkdir()
    victims = {}
    for name in (".photobust.lock", "batch.json", "batch.journal", "index.html"):
        victims[name] = tmp_path / f"victim{len(victims)}"
        victims[name].write_text("mine")
        (fake_batch.out / name).unlink(missing_ok=True)
        (fake_batch.out / name).symlink_to(victims[name])
        done = fake_batch.run(folder, "--fresh")
        refused = name in (".photobust.lock", "batch.journal")
        assert (f"{name} is a link" in done.stdout) == refused and done.returncode == int(refused)
        (fake_batch.out / name).unlink(missing_ok=True)
    assert [path.read_text() for path in victims.values()] == ["mine"] * 4
    assert fake_batch.run(folder).returncode == 0


def test_resume_starts_no_program_that_a_record_names(fake_batch, made, tmp_path):
    _, change = made
    evil = tmp_path / "evil"
    evil.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\nexit 1\n")
    evil.chmod(0o755)
    victim = tmp_path / "victim.txt"
    victim.write_text("mine")

    def edit(document):
        document["options"] |= {
            "engine_python": str(evil), "blender": str(evil), "engine_log": str(victim),
            "blender_log": str(victim), "studio_log": str(victim), "scheduler": "tcp://127.0.0.1:9",
            "config": str(victim), "out": str(tmp_path / "other"),
        }  # fmt: skip

    change(edit)
    done = fake_batch.run("--resume")
    assert done.returncode == 0, done.stdout + done.stderr
    assert victim.read_text() == "mine"
    assert not (tmp_path / "started").exists() and not (tmp_path / "other").exists()


def test_resume_writes_assets_only_where_the_command_line_says(fake_batch, photos, tmp_path):
    folder = photos("a.jpg")
    inside, outside = fake_batch.out / "library", tmp_path / "library"
    assert fake_batch.run(folder, "--asset-library", inside).returncode == 0
    (inside / "a.blend").unlink()
    assert fake_batch.run("--resume").returncode == 0
    assert (inside / "a.blend").is_file()
    assert fake_batch.run(folder, "--asset-library", outside).returncode == 0
    (outside / "a.blend").unlink()
    done = fake_batch.run("--resume")
    assert done.returncode == 1 and "name the folder again with --asset-library" in done.stderr
    assert not (outside / "a.blend").exists()
    assert fake_batch.run("--resume", "--asset-library", outside).returncode == 0
    assert (outside / "a.blend").is_file()
    (outside / "a.blend").write_bytes(b"cut")
    assert fake_batch.run("--resume", "--asset-library", outside).returncode == 0
    assert fake_batch.blender_steps == ["asset a.jpg"]
    (outside / "a.blend").write_bytes(bytes((outside / "a.blend").stat().st_size))
    assert fake_batch.run("--resume", "--asset-library", outside, "--verify").returncode == 0
    assert fake_batch.blender_steps == ["asset a.jpg"]


@pytest.mark.parametrize(
    ("name", "damage", "engine"),
    [
        ("surface.ply", lambda data: data[:-1], True),
        ("head.npz", lambda data: b"", True),
        ("preview.png", lambda data: data + b"x", False),
        ("face.json", lambda data: b"\0" * len(data), True),
        ("face.json", lambda data: b"[]", True),
        ("face.json", lambda data: b'{"files": {"surface.ply": 1}}', True),
        ("face.json", lambda data: b"[" * 100000, True),
    ],
)
def test_damaged_results_are_made_again(fake_batch, made, name, damage, engine):
    folder, _ = made
    path = fake_batch.out / "a" / name
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    done = fake_batch.run(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert path.read_bytes() == whole or name == "face.json"
    assert json.loads((fake_batch.out / "a/face.json").read_text())["files"]
    assert fake_batch.engine == (["a.jpg"] if engine else [])
    assert fake_batch.run(folder).returncode == 0 and fake_batch.engine == fake_batch.blender_steps == []


def test_verify_finds_what_has_the_right_size(fake_batch, made):
    folder, _ = made
    path = fake_batch.out / "a/surface.ply"
    whole = path.read_bytes()
    path.write_bytes(bytes(len(whole)))
    fake_batch.run(folder)
    assert fake_batch.engine == [] and path.read_bytes() != whole
    fake_batch.run(folder, "--verify")
    assert fake_batch.engine == ["a.jpg"] and path.read_bytes() == whole
    fake_batch.run(folder, "--verify")
    assert fake_batch.engine == []
    # face.json itself, though it is sound and what it lists is there.
    path = fake_batch.out / "a/face.json"
    whole = path.read_text()
    path.write_text(whole.replace("a.jpg", "b.jpg"))
    fake_batch.run(folder)
    assert fake_batch.engine == []
    fake_batch.run(folder, "--verify")
    assert fake_batch.engine == ["a.jpg"] and "b.jpg" not in path.read_text()
    # Another photo of the same size and time.
    photo = folder / "a.jpg"
    status = photo.stat()
    photo.write_bytes(b"b.jpg")
    os.utime(photo, ns=(status.st_atime_ns, status.st_mtime_ns))
    fake_batch.run(folder)
    assert fake_batch.engine == []
    fake_batch.run(folder, "--verify")
    assert fake_batch.engine == ["a.jpg"]


def test_names_of_the_batchs_own_files_are_no_obstacle(fake_batch, photos):
    names = ["batch.json.part.jpg", "index.html.part.jpg", "batch.journal.jpg", "batch.json.jpg"]
    folder = photos(
        *names, f"x/{'n' * 250}.jpg", f"y/{'n' * 250}.jpg", f"x/{'顔' * 80}.jpg", f"y/{'顔' * 80}.jpg"
    )
    hidden = folder / ".photobust-x.jpg"
    hidden.write_bytes(b"hidden")
    for _ in range(2):
        done = fake_batch.run(folder, hidden)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "9 of 9 photos done" in done.stdout
    assert fake_batch.engine == []
    assert len(list(fake_batch.out.glob("*/face.json"))) == 9


def test_a_batch_in_the_folder_of_its_photos(fake_batch, photos):
    folder = photos("a.jpg", ".photobust-x.jpg", "batch.json.part.jpg", "face.json.jpg")
    for _ in range(3):
        done = fake_batch.run(folder, folder / ".photobust-x.jpg", "--turntable", "2", out=folder)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "4 of 4 photos done" in done.stdout
    assert {path.name for path in folder.iterdir() if path.is_file()} == {
        *("a.jpg", ".photobust-x.jpg", "batch.json.part.jpg", "face.json.jpg", "batch.json", "index.html"),
    }


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_pipes_and_devices_stop_nothing(fake_batch, photos):
    folder = photos("a.jpg")
    os.mkfifo(folder / "pipe.jpg")
    (folder / "zero.jpg").symlink_to("/dev/zero")
    done = fake_batch.run(folder, timeout=PATIENCE_SECONDS)
    assert done.returncode == 2
    assert "1 of 3 photos done" in done.stdout
    # Where the batch notes what it does, they are named before anything is done.
    for name in (".photobust.lock", "batch.journal"):
        os.mkfifo(fake_batch.out / name)
        done = fake_batch.run(folder / "a.jpg", timeout=PATIENCE_SECONDS)
        assert done.returncode == 1 and fake_batch.engine == []
        assert f"{name} is a pipe or a device" in done.stdout and "remove it" in done.stdout
        (fake_batch.out / name).unlink()
    # Nor where the batch's own files should be.
    for name in ("batch.json", "a/face.json", "a/preview.png"):
        (fake_batch.out / name).unlink()
        os.mkfifo(fake_batch.out / name)
    done = fake_batch.run(folder / "a.jpg", timeout=PATIENCE_SECONDS)
    assert done.returncode == 0, done.stdout


def test_what_cannot_be_read_is_named(fake_batch, photos):
    done = fake_batch.run(photos("a.jpg", "b.psd", "c.jxl", "d.dng"))
    assert done.returncode == 0
    assert sorted(fake_batch.engine) == ["a.jpg", "b.psd", "c.jxl"]
    assert "Not read:" in done.stdout and "d.dng" in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="no permissions of that kind")
def test_temporary_files_are_private_and_do_not_outlive_the_next_run(fake_batch, photos):
    engine = Path(fake_batch._programs[1])
    note = f'touch "$TMPDIR/face.png"; echo "$TMPDIR" >> {fake_batch.folder}/temporary'
    engine.write_text(engine.read_text().replace("exec", f"{note}\nPYTHONUNBUFFERED=1 exec", 1))
    process = fake_batch.start(photos("stall-preview.jpg"))
    wait_for(lambda: "preview stall-preview.jpg" in fake_batch.blender_steps)
    process.kill()
    process.communicate()
    (temporary,) = set((fake_batch.folder / "temporary").read_text().splitlines())
    assert Path(temporary).parent == fake_batch.out and (Path(temporary) / "face.png").exists()
    for folder in [path for path in fake_batch.out.iterdir() if path.name.startswith(".") and path.is_dir()]:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert fake_batch.run(photos("a.jpg") / "a.jpg").returncode == 0
    assert not [path.name for path in fake_batch.out.iterdir() if path.name.startswith(".")]
