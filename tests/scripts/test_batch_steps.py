"""What scripts/batch.py makes again and what not, with an engine and a studio that answer to order."""

import json
import shutil

import pytest

FULL = ("--turntable", "4", "--render", "front,side", "--export", "fbx")
NAMES = ("a.jpg", "two.jpg")


@pytest.fixture(scope="module")
def finished(lasting_studio_batch):
    """(folder of NAMES, folder of what was made of them with FULL); for all to read."""
    folder = lasting_studio_batch.folder / "photos"
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_bytes(name.encode())
    assert lasting_studio_batch.run(folder, *FULL).returncode == 0
    return folder, lasting_studio_batch.out


@pytest.fixture
def finished_batch(finished, studio_batch):
    """A batch that has been there before, and its photos, which are others' too."""
    shutil.copytree(finished[1], studio_batch.out)
    studio_batch.photos = finished[0]
    return studio_batch


def steps(batch):
    """Names of the steps that the studio has run, once each."""
    return sorted({line.split()[0] for line in batch.studio})


def test_by_default_surface_head_preview_and_page(studio_batch, photos):
    done = studio_batch.run(photos("a.jpg", "two.jpg"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert steps(studio_batch) == ["preview", "view"]
    assert sorted(p.name for p in (studio_batch.out / "two_1").iterdir()) == [
        "face.json", "head.npz", "landmarks.json", "preview.png", "surface.ply", "view.js",
    ]  # fmt: skip
    face = json.loads((studio_batch.out / "a/face.json").read_text())
    assert face["files"]["preview.png"]["bytes"] == (studio_batch.out / "a/preview.png").stat().st_size
    assert face["steps"] == {"preview": {"fake": "preview"}, "view": {"fake": "view"}}
    assert (studio_batch.out / "index.html").is_file()
    (head,) = studio_batch.record()["a.jpg"]["heads"]
    assert sorted(head["steps"]) == ["head", "preview", "surface", "view"]


def test_the_same_again_does_nothing(finished_batch):
    before = finished_batch.tree()
    for arguments in ([], ["--resume", "--jobs", "2"]):
        done = finished_batch.run(finished_batch.photos, *FULL, *arguments)
        assert done.returncode == 0
        assert finished_batch.engine == finished_batch.studio == []
        assert "2 of 2 photos done (2 before), 3 heads" in done.stdout
        assert finished_batch.tree() == before


def test_fresh_makes_everything_again(finished_batch):
    assert finished_batch.run(finished_batch.photos, *FULL, "--fresh").returncode == 0
    assert finished_batch.engine == list(NAMES)
    assert steps(finished_batch) == ["export", "preview", "render", "turntable", "view"]


@pytest.mark.parametrize(
    ("more", "engine", "expected"),
    [
        (["--lods", "0.5"], False, ["lods"]),
        (["--preview-size", "64"], False, ["preview"]),
        (["--texture", "1024"], True, ["export", "render", "turntable", "view"]),
        (["--focal-mm", "85"], True, ["export", "preview", "render", "turntable", "view"]),
        (["--no-preview", "--timeout", "100", "--jobs", "2"], False, []),
        (["--turntable", "3"], False, ["turntable"]),
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
    assert finished_batch.engine == finished_batch.studio == []
    finished_batch.out = tmp_path / "fresh"
    finished_batch.run(finished_batch.photos, *FULL, *more)
    assert changed == finished_batch.tree()


def test_a_head_that_is_not_asked_for_any_more_stays_while_it_fits(finished_batch):
    out = finished_batch.out
    assert finished_batch.run(finished_batch.photos, "--surface", "--no-page").returncode == 0
    assert finished_batch.engine == finished_batch.studio == []
    assert (out / "a/head.fbx").is_file()
    finished_batch.run(finished_batch.photos, "--surface", "--no-page", "--focal-mm", "85")
    assert not (out / "a/head.npz").exists() and not (out / "a/turntable").exists()


def test_another_photo_of_the_same_name_is_noticed(studio_batch, photos):
    folder = photos("a.jpg", "b.jpg")
    studio_batch.run(folder)
    (folder / "a.jpg").write_bytes(b"someone else")
    studio_batch.run(folder)
    assert studio_batch.engine == ["a.jpg"]
    assert studio_batch.studio == ["preview a.jpg", "view a.jpg"]


@pytest.mark.parametrize(
    ("gone", "engine", "expected"),
    [
        (["preview.png"], False, ["preview"]),
        (["turntable/002.png"], False, ["turntable"]),
        (["surface.ply"], True, []),
        (["face.json"], True, ["export", "preview", "render", "turntable", "view"]),
        (["head.npz", "view.js"], True, ["view"]),
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


def test_asset_is_named_as_the_head_and_made_again_if_it_is_gone(studio_batch, photos, tmp_path):
    folder, library = photos("two.jpg"), tmp_path / "library"
    arguments = ["--asset-library", library, "--author", "Ada", "--tags", "head, cc0"]
    assert studio_batch.run(folder, *arguments).returncode == 0
    assert sorted(p.name for p in library.iterdir()) == ["two_1.blend", "two_2.blend"]
    (library / "two_2.blend").unlink()
    assert studio_batch.run(folder, *arguments).returncode == 0
    assert studio_batch.studio == ["asset two.jpg"]
    assert sorted(p.name for p in library.iterdir()) == ["two_1.blend", "two_2.blend"]


def test_fail_below(studio_batch, photos):
    folder = photos("a good.jpg", "a poor.jpg", "a check.jpg")
    assert studio_batch.run(folder).returncode == 0
    done = studio_batch.run(folder, "--fail-below", "check")
    assert done.returncode == 2
    assert studio_batch.engine == []
    told = done.stdout.split("Below 'check':\n")[1]
    assert "a poor: poor: It is poor." in told
    assert "a check" not in told and "a good" not in told
    assert "a check: check: It is check." in studio_batch.run(folder, "--fail-below", "good").stdout


def test_a_record_of_the_version_before_is_read(studio_batch, photos):
    folder = photos("a.jpg")
    studio_batch.run(folder)
    document = json.loads((studio_batch.out / "batch.json").read_text())
    for name in ("studio", "inputs"):
        document.pop(name)
    document["schema"] = 1
    for photo in document["photos"]:
        for name in ("size", "mtime_ns", "attempts", "tried"):
            photo.pop(name)
        for head in photo["heads"]:
            head.pop("steps"), head.pop("quality")
    (studio_batch.out / "batch.json").write_text(json.dumps(document))
    assert studio_batch.run(folder).returncode == 0
    assert studio_batch.engine == ["a.jpg"]
    assert (studio_batch.out / "a").is_dir() and not (studio_batch.out / "a-photos").exists()
