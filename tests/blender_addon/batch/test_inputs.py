"""Which files are taken for photos, and which are not."""

import os

import pytest

from blender_addon.batch.inputs import MOST_VIEWS, PHOTO_SUFFIXES, UNREAD_SUFFIXES, collect, collect_people
from blender_addon.batch.pending import views_hash
from blender_addon.batch.record import PhotoRecord
from core.image import formats, photo


@pytest.fixture
def folder(tmp_path):
    """A folder of photos with an older result in it."""
    folder = tmp_path / "photos"
    for name in ("a.jpg", "deeper/b.png", "old/a/preview.png", "old/a/face.json", "old/batch.json", "c.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


def names(found, folder):
    return [os.path.relpath(item.path, folder) for item in found.photos]


def test_older_results_are_no_photos(folder, tmp_path):
    found = collect([folder], tmp_path / "heads")
    assert names(found, folder) == ["a.jpg", "deeper/b.png"]
    # An output whose record is lost is known by its heads.
    (folder / "old/batch.json").unlink()
    assert names(collect([folder], tmp_path / "heads"), folder) == ["a.jpg", "deeper/b.png"]


def test_a_folder_may_be_input_and_output(folder, tmp_path, monkeypatch):
    (folder / "batch.json").write_text("{}")
    (folder / "x").mkdir()
    (folder / "x/face.json").write_text("{}")
    (folder / "x/photo.png").write_bytes(b"x")
    monkeypatch.chdir(folder)
    assert names(collect(["."], folder), folder) == ["a.jpg", "deeper/b.png"]


def test_a_folder_named_as_a_result_makes_no_head_of_the_one_around_it(folder, tmp_path):
    """As photos called face.json.jpg gave in version 0.3.0 and before."""
    (folder / "face.json").mkdir()
    (folder / "face.json/face.json").write_text("{}")
    assert names(collect([folder], folder), folder) == ["a.jpg", "deeper/b.png"]


def test_an_output_that_is_reached_through_a_link_is_no_input(folder, tmp_path):
    (folder / "heads/lost").mkdir(parents=True)
    (folder / "heads/lost/preview.png").write_bytes(b"x")
    (tmp_path / "link").symlink_to(folder)
    for out in (tmp_path / "link/heads", folder / "heads"):
        assert names(collect([folder], out), folder) == ["a.jpg", "deeper/b.png"]
        assert len(collect([tmp_path / "link"], out).photos) == 2


def test_a_head_named_as_a_folder_of_photos_is_refused(folder, tmp_path):
    (item,) = collect([folder / "old/a"], tmp_path / "heads").photos
    assert "a head that was made" in item.problem


def test_a_result_named_by_itself_is_a_photo(folder, tmp_path):
    (item,) = collect([folder / "old/a/preview.png"], tmp_path / "heads").photos
    assert item.problem is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_devices_and_pipes_are_named_and_never_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "lost.png").symlink_to("nowhere")
    found = collect([tmp_path], tmp_path / "heads")
    problems = {item.path.name: item.problem for item in found.photos}
    assert "a device, a pipe" in problems["pipe.jpg"] and "a device, a pipe" in problems["zero.png"]
    assert "leads nowhere" in problems["lost.png"]
    (named,) = collect([tmp_path / "pipe.jpg"], tmp_path / "heads").photos
    assert named.problem == problems["pipe.jpg"]


def test_files_that_no_engine_reads_are_named_and_never_opened(tmp_path):
    """Hashing /proc/kcore, or a file full of nothing, takes for ever."""
    with (tmp_path / "huge.jpg").open("wb") as file:
        file.truncate(photo.MAX_FILE_BYTES + 1)
    with (tmp_path / "large.jpg").open("wb") as file:
        file.truncate(photo.MAX_FILE_BYTES)
    huge, large = collect([tmp_path], tmp_path / "heads").photos
    assert "500 MB" in huge.problem and large.problem is None


@pytest.mark.parametrize("name", ["a\0b.jpg", "\ud800.jpg"])
def test_names_that_no_file_can_have(tmp_path, name):
    (item,) = collect([name], tmp_path).photos
    assert item.problem


def test_every_kind_of_photo_is_taken_or_named(tmp_path):
    for suffix in PHOTO_SUFFIXES | UNREAD_SUFFIXES:
        (tmp_path / f"photo{suffix}").write_bytes(b"x")
    (tmp_path / "notes.txt").write_bytes(b"x")
    found = collect([tmp_path], tmp_path / "heads")
    assert {item.path.suffix for item in found.photos} == PHOTO_SUFFIXES
    assert {path.suffix for path in found.unread} == UNREAD_SUFFIXES
    assert "Not read:" in found.note() and "and 19 more" in found.note()
    wanted = ".mpo .j2k .jpx .pnm .pbm .dib .apng .hif .heics .jxl .dng .psd"
    assert set(wanted.split(" ")) <= PHOTO_SUFFIXES | UNREAD_SUFFIXES


def test_the_engines_formats_are_known():
    drawings = {suffix for suffix, kind in formats.UNREADABLE.items() if kind == "drawing"}
    assert {
        *formats.readable_suffixes(),
        *formats.unreadable_suffixes(),
    } - drawings == PHOTO_SUFFIXES | UNREAD_SUFFIXES
    assert not UNREAD_SUFFIXES & set(formats.readable_suffixes())


def test_a_folder_of_raw_photos_says_that_they_are_not_read(tmp_path):
    (tmp_path / "a.dng").write_bytes(b"x")
    found = collect([tmp_path], tmp_path / "heads")
    assert "no photos that can be read" in found.photos[0].problem
    assert "a.dng" in found.note()


def test_a_folder_is_a_person_or_each_folder_in_it_is(folder, tmp_path):
    (person,) = collect_people([folder], tmp_path / "heads").photos
    assert person.path == folder and names(collect([folder], tmp_path / "heads"), folder) == [
        os.path.relpath(view, folder) for view in person.views
    ]
    each = collect_people([folder], tmp_path / "heads", each_folder=True)
    assert names(each, folder) == [".", "deeper"]
    assert [[view.name for view in item.views] for item in each.photos] == [["a.jpg"], ["b.png"]]


def test_what_is_no_persons_folder_says_so(folder, tmp_path):
    found = collect_people([folder / "a.jpg", folder / "nobody", folder], tmp_path / "heads").photos
    assert [item.views != () for item in found] == [False, False, True]
    assert found[1].problem == "there is no such file or folder."
    for number in range(MOST_VIEWS):
        (folder / f"more-{number}.jpg").write_bytes(b"x")
    assert "are the most" in collect_people([folder], tmp_path / "heads").photos[0].problem


def test_a_persons_photos_have_one_hash(folder, tmp_path):
    """It changes with any photo's content or name, and is not computed again for what has not changed."""
    (person,) = collect_people([folder], tmp_path / "heads").photos
    digest, size, changed = views_hash(person.views)
    assert size == 2 and views_hash(person.views)[1:] == (size, changed)
    known = PhotoRecord(str(folder), "photos", "known", size=size, mtime_ns=changed)
    assert views_hash(person.views, known)[0] == "known"
    assert views_hash(person.views, known, verify=True)[0] == digest
    (folder / "a.jpg").write_bytes(b"y")
    assert views_hash(person.views)[0] not in (digest, None)
    assert views_hash((*person.views, folder / "gone.jpg")) == (None, -1, -1)
