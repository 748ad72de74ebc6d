"""What scripts/batch.py makes again and what not, with a fake engine and a fake Blender worker."""

import json
import shutil

import pytest

FULL = ("--turntable", "4", "--render", "front,side", "--export", "fbx")
NAMES = ("a.jpg", "two.jpg")


@pytest.fixture(scope="session")  # a worker may come back to this module
def finished(lasting_fake_batch):
    """(folder of NAMES, folder of what was made of them with FULL); for all to read."""
    folder = lasting_fake_batch.folder / "photos"
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_bytes(name.encode())
    assert lasting_fake_batch.run(folder, *FULL).returncode == 0
    return folder, lasting_fake_batch.out


@pytest.fixture
def finished_batch(finished, fake_batch):
    """A batch that has been there before, and its photos, which are others' too."""
    shutil.copytree(finished[1], fake_batch.out)
    fake_batch.photos = finished[0]
    return fake_batch


def steps(batch):
    """Names of the steps that the Blender worker has run, once each."""
    return sorted({line.split()[0] for line in batch.blender_steps})


def test_by_default_surface_head_preview_and_page(fake_batch, photos):
    done = fake_batch.run(photos("a.jpg", "two.jpg"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert steps(fake_batch) == ["preview"]
    assert sorted(p.name for p in (fake_batch.out / "two_1").iterdir()) == [
        "face.json", "head.npz", "landmarks.json", "preview.png", "surface.ply", "view.js",
    ]  # fmt: skip
    face = json.loads((fake_batch.out / "a/face.json").read_text())
    assert face["files"]["preview.png"]["bytes"] == (fake_batch.out / "a/preview.png").stat().st_size
    assert face["steps"] == {"preview": {"fake": "preview"}}
    assert (fake_batch.out / "index.html").is_file()
    (head,) = fake_batch.record()["a.jpg"]["heads"]
    assert sorted(head["steps"]) == ["head", "preview", "surface", "view"]


def test_the_same_again_does_nothing(finished_batch):
    before = finished_batch.tree()
    for arguments in ([], ["--resume", "--jobs", "2"]):
        done = finished_batch.run(finished_batch.photos, *FULL, *arguments)
        assert done.returncode == 0
        assert finished_batch.engine == finished_batch.blender_steps == []
        assert "2 of 2 photos done (2 before), 3 heads" in done.stdout
        assert finished_batch.tree() == before


def test_fresh_makes_everything_again(finished_batch):
    assert finished_batch.run(finished_batch.photos, *FULL, "--fresh").returncode == 0
    assert finished_batch.engine == list(NAMES)
    assert steps(finished_batch) == ["export", "preview", "render", "turntable"]


@pytest.mark.parametrize(
    ("more", "engine", "expected"),
    [
        (["--lods", "0.5"], False, ["lods"]),
        (["--preview-size", "64"], False, ["preview"]),
        (["--texture", "1024"], True, ["export", "preview", "render", "turntable"]),
        (["--focal-mm", "85"], True, ["export", "preview", "render", "turntable"]),
        (["--no-preview", "--timeout", "100", "--jobs", "2"], False, []),
        (["--turntable", "3"], False, ["turntable"]),
        (["--preset", "web,unity"], False, ["preset"]),
        (["--bone-names", "vrm"], False, ["export"]),
    ],
)
def test_a_changed_option_makes_only_what_depends_on_it(finished_batch, more, engine, expected):
    done = finished_batch.run(finished_batch.photos, *FULL, *more)
    assert done.returncode == 0, done.stdout
    assert bool(finished_batch.engine) is engine
    assert steps(finished_batch) == expected


@pytest.mark.parametrize("more", [["--texture", "1024"], ["--focal-mm", "85"], ["--turntable", "3"]])
def test_a_changed_batch_ends_as_one_made_so_from_the_start(finished_batch, tmp_path, more):
    finished_batch.run(finished_batch.photos, *FULL, *more)
    changed = finished_batch.tree()
    assert finished_batch.run(finished_batch.photos, *FULL, *more).returncode == 0
    assert finished_batch.engine == finished_batch.blender_steps == []
    finished_batch.out = tmp_path / "fresh"
    finished_batch.run(finished_batch.photos, *FULL, *more)
    assert changed == finished_batch.tree()


def test_a_head_that_is_not_asked_for_any_more_stays_while_it_fits(finished_batch):
    out = finished_batch.out
    assert finished_batch.run(finished_batch.photos, "--surface", "--no-page").returncode == 0
    assert finished_batch.engine == []
    assert steps(finished_batch) == ["preview"], "it shows what is asked for: now the surface"
    assert (out / "a/head.fbx").is_file() and (out / "a/head.npz").is_file()
    assert finished_batch.run(finished_batch.photos, "--surface", "--no-page").returncode == 0
    assert finished_batch.engine == finished_batch.blender_steps == []
    finished_batch.run(finished_batch.photos, "--surface", "--no-page", "--focal-mm", "85")
    assert not (out / "a/head.npz").exists() and not (out / "a/turntable").exists()


def test_another_photo_of_the_same_name_is_noticed(fake_batch, photos):
    folder = photos("a.jpg", "b.jpg")
    fake_batch.run(folder)
    (folder / "a.jpg").write_bytes(b"someone else")
    fake_batch.run(folder)
    assert fake_batch.engine == ["a.jpg"]
    assert fake_batch.blender_steps == ["preview a.jpg"]


@pytest.mark.parametrize(
    ("gone", "engine", "expected"),
    [
        (["preview.png"], False, ["preview"]),
        (["turntable/002.png"], False, ["turntable"]),
        (["surface.ply"], True, []),
        (["face.json"], True, ["export", "preview", "render", "turntable"]),
        (["head.npz", "view.js"], True, []),
    ],
)
def test_files_that_are_gone_are_made_again(finished_batch, gone, engine, expected):
    before = finished_batch.tree()
    for name in gone:
        (finished_batch.out / "two_2" / name).unlink()
    finished_batch.run(finished_batch.photos, *FULL)
    assert bool(finished_batch.engine) is engine
    assert steps(finished_batch) == expected
    assert finished_batch.tree() == before


def test_a_head_whose_face_json_is_damaged_is_made_anew(finished_batch):
    before = finished_batch.tree()
    (finished_batch.out / "a/face.json").write_text("{")
    (finished_batch.out / "a/preview.png").unlink()
    assert finished_batch.run(finished_batch.photos, *FULL).returncode == 0
    assert finished_batch.engine == ["a.jpg"]
    assert finished_batch.tree() == before


def test_fewer_frames_leave_none_of_the_old_ones(finished_batch):
    finished_batch.run(finished_batch.photos, "--turntable", "3")
    frames = sorted(p.name for p in (finished_batch.out / "a/turntable").iterdir())
    assert frames == ["000.png", "001.png", "002.png"]
    listed = json.loads((finished_batch.out / "a/face.json").read_text())["files"]
    assert "turntable/002.png" in listed and "turntable/003.png" not in listed


def test_heads_that_are_no_longer_of_a_photo_go_but_not_what_the_user_put_there(finished_batch):
    out = finished_batch.out
    (out / "two_1/notes.txt").write_text("mine")
    finished_batch.run(finished_batch.photos, "--max-faces", "1")
    assert sorted(p.name for p in out.iterdir() if p.is_dir()) == ["a", "index_files", "two", "two_1"]
    assert [p.name for p in (out / "two_1").iterdir()] == ["notes.txt"]


def test_asset_is_named_as_the_head_and_made_again_if_it_is_gone(fake_batch, photos, tmp_path):
    folder, library = photos("two.jpg"), tmp_path / "library"
    arguments = ["--asset-library", library, "--author", "Ada", "--tags", "head, cc0"]
    assert fake_batch.run(folder, *arguments).returncode == 0
    assert sorted(p.name for p in library.iterdir()) == ["two_1.blend", "two_2.blend"]
    (library / "two_2.blend").unlink()
    assert fake_batch.run(folder, *arguments).returncode == 0
    assert fake_batch.blender_steps == ["asset two.jpg"]
    assert sorted(p.name for p in library.iterdir()) == ["two_1.blend", "two_2.blend"]


def test_fail_below(fake_batch, photos):
    folder = photos("a good.jpg", "a poor.jpg", "a check.jpg")
    assert fake_batch.run(folder).returncode == 0
    done = fake_batch.run(folder, "--fail-below", "check")
    assert done.returncode == 2
    assert fake_batch.engine == []
    told = done.stdout.split("Below 'check':\n")[1]
    assert "a poor: poor: It is poor." in told
    assert "a check" not in told and "a good" not in told
    assert "a check: check: It is check." in fake_batch.run(folder, "--fail-below", "good").stdout


def test_a_record_of_the_version_before_is_read(fake_batch, photos):
    folder = photos("a.jpg")
    fake_batch.run(folder)
    document = json.loads((fake_batch.out / "batch.json").read_text())
    for name in ("studio", "inputs"):
        document.pop(name)
    document["schema"] = 1
    for photo in document["photos"]:
        for name in ("size", "mtime_ns", "attempts", "tried"):
            photo.pop(name)
        for head in photo["heads"]:
            head.pop("steps"), head.pop("quality")
    (fake_batch.out / "batch.json").write_text(json.dumps(document))
    assert fake_batch.run(folder).returncode == 0
    assert fake_batch.engine == ["a.jpg"]
    assert (fake_batch.out / "a").is_dir() and not (fake_batch.out / "a-photos").exists()
