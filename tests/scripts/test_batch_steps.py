"""What scripts/batch.py makes again and what not, with an engine and a studio that answer to order."""

import json

import pytest

FULL = ("--turntable", "4", "--render", "front,side", "--export", "fbx")


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


def test_the_same_again_does_nothing(studio_batch, photos):
    folder = photos("a.jpg", "two.jpg", "noface.jpg")
    assert studio_batch.run(folder, *FULL).returncode == 2
    before = studio_batch.tree()
    for arguments in ([], ["--resume"], ["--jobs", "2"]):
        done = studio_batch.run(folder, *FULL, *arguments)
        assert done.returncode == 2
        assert studio_batch.engine == studio_batch.studio == []
        assert "2 of 3 photos done (2 before), 3 heads" in done.stdout
        assert "noface.jpg: No face found" in done.stdout
        assert studio_batch.tree() == before


def test_fresh_makes_everything_again(studio_batch, photos):
    folder = photos("a.jpg")
    studio_batch.run(folder)
    assert studio_batch.run(folder, "--fresh").returncode == 0
    assert studio_batch.engine == ["a.jpg"]
    assert steps(studio_batch) == ["preview", "view"]


@pytest.mark.parametrize(
    ("more", "engine", "expected"),
    [
        (["--turntable", "4"], False, ["turntable"]),
        (["--preview-size", "64"], False, ["preview"]),
        (["--texture", "1024"], True, ["view"]),
        (["--focal-mm", "85"], True, ["preview", "view"]),
        (["--surface"], False, ["view"]),
        (["--no-preview", "--timeout", "100", "--jobs", "2"], False, []),
        (["--retopo", "5000"], False, ["retopo"]),
    ],
)
def test_a_changed_option_makes_only_what_depends_on_it(studio_batch, photos, more, engine, expected):
    folder = photos("a.jpg", "two.jpg")
    studio_batch.run(folder)
    done = studio_batch.run(folder, *more)
    assert done.returncode == 0, done.stdout
    assert bool(studio_batch.engine) is engine
    assert steps(studio_batch) == expected
    assert studio_batch.run(folder, *more).returncode == 0
    assert studio_batch.engine == studio_batch.studio == []


@pytest.mark.parametrize("more", [["--texture", "1024"], ["--focal-mm", "85"], ["--turntable", "3"]])
def test_a_changed_batch_ends_as_one_made_so_from_the_start(studio_batch, photos, tmp_path, more):
    folder = photos("a.jpg", "two.jpg")
    studio_batch.run(folder, *FULL)
    studio_batch.run(folder, *FULL, *more)
    changed = studio_batch.tree()
    studio_batch.out = tmp_path / "fresh"
    studio_batch.run(folder, *FULL, *more)
    assert changed == studio_batch.tree()


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
        (["face.json"], True, ["preview", "turntable", "view"]),
        (["head.npz", "view.js"], True, ["view"]),
    ],
)
def test_files_that_are_gone_are_made_again(studio_batch, photos, gone, engine, expected):
    folder = photos("two.jpg")
    studio_batch.run(folder, "--turntable", "4")
    before = studio_batch.tree()
    for name in gone:
        (studio_batch.out / "two_2" / name).unlink()
    studio_batch.run(folder, "--turntable", "4")
    assert bool(studio_batch.engine) is engine
    assert steps(studio_batch) == expected
    assert studio_batch.tree() == before


def test_fewer_frames_leave_none_of_the_old_ones(studio_batch, photos):
    folder = photos("a.jpg")
    studio_batch.run(folder, "--turntable", "5")
    studio_batch.run(folder, "--turntable", "3")
    frames = sorted(p.name for p in (studio_batch.out / "a/turntable").iterdir())
    assert frames == ["000.png", "001.png", "002.png"]
    listed = json.loads((studio_batch.out / "a/face.json").read_text())["files"]
    assert "turntable/002.png" in listed and "turntable/004.png" not in listed


def test_heads_that_are_no_longer_of_a_photo_are_removed_but_not_what_the_user_put_there(
    studio_batch, photos
):
    folder = photos("two.jpg")
    studio_batch.run(folder)
    (studio_batch.out / "two_1/notes.txt").write_text("mine")
    studio_batch.run(folder, "--max-faces", "1")
    assert sorted(p.name for p in studio_batch.out.iterdir() if p.is_dir()) == ["index_files", "two", "two_1"]
    assert [p.name for p in (studio_batch.out / "two_1").iterdir()] == ["notes.txt"]


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
