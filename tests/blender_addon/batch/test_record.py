"""batch.json, its journal, and what is concluded from them."""

import json
import os
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blender_addon.batch import record as batch_record
from blender_addon.batch.options import parse
from blender_addon.batch.pending import PendingWork, pending_work, photo_hash, views_hash
from blender_addon.batch.plan import make_plan
from blender_addon.batch.record import (
    FILE_NAME,
    INTERRUPTED,
    JOURNAL_NAME,
    BatchRecord,
    HeadRecord,
    PhotoRecord,
    StepRecord,
)
from blender_addon.errors import BatchError

HEAD = HeadRecord(
    "a",
    ["face.json", "preview.png", "surface.ply"],
    10,
    20,
    {"surface": StepRecord("s1", ["surface.ply"]), "preview": StepRecord("p1", ["preview.png"], seconds=0.5)},
    {"verdict": "good"},
)
PHOTO = PhotoRecord("/photos/a.jpg", "a.jpg", "00", heads=[HEAD], size=3, mtime_ns=4)


def test_saved_and_loaded(tmp_path):
    record = BatchRecord(
        {"version": "1"}, {"blender": "2"}, ["/photos"], {"head": True}, "then", "now", {"e": 1.0}
    )
    record.photos[PHOTO.path] = PHOTO
    record.save(tmp_path)
    assert BatchRecord.load(tmp_path) == record


def test_the_journal_has_what_was_not_saved(tmp_path):
    record = BatchRecord()
    record.save(tmp_path)
    record.finish(tmp_path, PHOTO)
    assert BatchRecord.load(tmp_path).photos == {PHOTO.path: PHOTO}
    record.save(tmp_path)
    assert not (tmp_path / JOURNAL_NAME).exists()
    assert BatchRecord.load(tmp_path).photos == {PHOTO.path: PHOTO}


def test_what_was_being_filed_away_counts_as_not_made(tmp_path):
    record = BatchRecord()
    record.finish(tmp_path, PHOTO)
    newer = replace(HEAD, files=[*HEAD.files, "extra.png"], steps={"preview": StepRecord("p2")})
    record.begin(tmp_path, PHOTO, [newer])
    loaded = BatchRecord.load(tmp_path).photos[PHOTO.path]
    assert record.photos[PHOTO.path] == loaded
    assert loaded.error_kind == INTERRUPTED
    (head,) = loaded.heads
    assert head.steps == {"surface": HEAD.steps["surface"]}
    assert "extra.png" in head.files and "preview.png" in head.files
    assert BatchRecord.load(tmp_path).owners().keys() == {"a"}
    record.finish(tmp_path, PHOTO)
    assert BatchRecord.load(tmp_path).photos == {PHOTO.path: PHOTO}


@given(cut=st.integers(0, 2000))
def test_a_journal_that_was_cut_short_loses_its_last_line_only(tmp_path_factory, cut):
    folder = tmp_path_factory.mktemp("journal")
    record = BatchRecord()
    photos = [replace(PHOTO, path=f"/photos/{n}.jpg") for n in range(3)]
    for photo in photos:
        record.finish(folder, photo)
    journal = folder / JOURNAL_NAME
    whole = journal.read_bytes()
    journal.write_bytes(whole[: len(whole) - cut])
    left = BatchRecord.load(folder).photos
    count = whole[: len(whole) - cut].count(b"\n")
    assert list(left)[:count] == [photo.path for photo in photos[:count]]
    # What comes after is not swallowed by the rest of the line.
    BatchRecord().finish(folder, PHOTO)
    assert BatchRecord.load(folder).photos[PHOTO.path] == PHOTO


@pytest.mark.parametrize(
    "text", ["", "{", '{"schema": 99, "photos": []}', '{"schema": 2, "photos": 1}', "[]"]
)
def test_a_record_that_cannot_be_read_is_an_empty_one(tmp_path, text):
    (tmp_path / FILE_NAME).write_text(text)
    assert BatchRecord.load(tmp_path) == BatchRecord()


@pytest.mark.parametrize("name", [FILE_NAME, JOURNAL_NAME])
def test_more_values_than_a_batch_has_are_refused(tmp_path, monkeypatch, name):
    BatchRecord().save(tmp_path)
    monkeypatch.setattr(batch_record, "MAX_VALUES", 1000)
    (tmp_path / name).write_text('{"photos": [' + "{}," * 1000 + "{}]}")
    with pytest.raises(BatchError, match="larger than the record of a batch: move it"):
        BatchRecord.load(tmp_path)
    with pytest.raises(SystemExit):
        parse(["--resume", "--out", str(tmp_path)], "", "")


def test_a_journal_of_nothing_is_read_no_further(tmp_path):
    BatchRecord().finish(tmp_path, PHOTO)
    written = (tmp_path / JOURNAL_NAME).read_bytes()
    (tmp_path / JOURNAL_NAME).write_bytes(b"\n" * 1000 + written)
    assert BatchRecord.load(tmp_path).photos == {PHOTO.path: PHOTO}
    (tmp_path / JOURNAL_NAME).write_bytes(b"\n" * 2000 + written)
    assert not BatchRecord.load(tmp_path).photos


def plan(*options):
    return make_plan(parse(["a.jpg", "--out", "x", *options], "", ""))


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ([], ["surface", "head", "view", "preview"]),
        (["--surface", "--no-page"], ["surface", "preview"]),
        (["--no-preview", "--no-page", "--export", "glb"], ["surface", "head"]),
        (["--surface", "--retopo", "5000", "--export", "fbx", "--no-page"], ["surface", "preview", "retopo"]),
        (["--surface", "--export", "fbx", "--no-page"], ["surface", "head", "preview", "export"]),
    ],
)
def test_steps_of_options(options, steps):
    assert list(plan(*options).names) == steps


ENGINE = {"version": "1", "models": {"n": "1"}}
BLENDER = {"version": "1", "blender": "4"}
FULL = ("--turntable", "--lods", "0.5", "--retopo", "500", "--export", "fbx")


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        ({"photo": "other"}, "surface head preview export retopo lods turntable view"),
        ({"engine": {**ENGINE, "models": {}}}, "surface head preview export retopo lods turntable view"),
        ({"blender_worker": {**BLENDER, "blender": "5"}}, "preview export retopo lods turntable"),
        ({"options": ["--texture", "4096"]}, "head preview export lods turntable view"),
        ({"options": ["--keep-light"]}, "head preview export lods turntable view"),
        ({"options": ["--no-beard"]}, "head preview export lods turntable view"),
        ({"options": ["--no-maps"]}, "head preview export lods turntable view"),
        ({"options": ["--uv", "makehuman"]}, "head preview export lods turntable view"),
        ({"options": ["--fps", "12"]}, "turntable"),
        ({"options": ["--export", "glb"]}, "export retopo lods"),
        ({"options": ["--jobs", "3", "--timeout", "5", "--author", "A", "--asset-library", "/l"]}, "asset"),
        ({"engine": {**ENGINE, "pid": 7, "python": "3.12"}}, ""),
    ],
)
def test_fingerprints_tell_what_depends_on_what(change, changed):
    def prints(photo="photo", engine=ENGINE, blender_worker=BLENDER, options=()):
        return plan(*FULL, *options).fingerprints(photo, engine, blender_worker)

    one, other = prints(), prints(**change)
    assert {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)} == set(
        changed.split()
    )


def test_failures_that_are_the_photos_own_are_not_tried_again(tmp_path):
    wanted = plan("--surface", "--no-preview", "--no-page")
    prints = wanted.fingerprints("00", ENGINE, BLENDER)
    failed = PhotoRecord("/a.jpg", "a.jpg", error="no", error_kind="NoFaceError", tried="x")

    def todo(outcome, **options):
        return pending_work(outcome, wanted, prints, tmp_path, tried=("x", "x-300"), **options)

    again = PendingWork(reconstruct=True)
    assert todo(failed) is None
    assert todo(failed, retry_failed=True) == again
    assert todo(replace(failed, tried="y")) == again
    assert todo(replace(failed, tried="x-300", error_kind="EngineTimeoutError")) is None
    assert todo(replace(failed, tried=None)) == again
    for kind in ("OutputError", "EngineStartError", "ModelError", "PayloadError", INTERRUPTED):
        assert todo(replace(failed, error_kind=kind)) == again
    assert todo(None) == again


def test_a_photo_is_read_again_only_if_it_looks_changed(tmp_path):
    photo = tmp_path / "a.jpg"
    photo.write_bytes(b"abc")
    digest, size, mtime_ns = photo_hash(photo)
    known = PhotoRecord(str(photo), "a.jpg", "what was noted", size=size, mtime_ns=mtime_ns)
    assert photo_hash(photo, known)[0] == "what was noted"
    assert photo_hash(photo, replace(known, mtime_ns=1))[0] == digest
    assert photo_hash(tmp_path / "none.jpg") == (None, -1, -1)


def test_photos_of_a_person_that_changed_names_are_read_again(tmp_path):
    views = [tmp_path / "a.jpg", tmp_path / "b.jpg"]
    for path, data in zip(views, (b"abc", b"cba"), strict=True):
        path.write_bytes(data)
        os.utime(path, ns=(5, 5))
    digest, size, stamp = views_hash(views)
    known = PhotoRecord(str(tmp_path), "person", "what was noted", size=size, mtime_ns=stamp)
    assert views_hash(views, known)[0] == "what was noted"
    assert views_hash(views, known, verify=True)[0] == digest
    views[0].rename(tmp_path / "c.jpg")
    assert views_hash([tmp_path / "c.jpg", views[1]], known)[0] not in ("what was noted", digest)


def test_record_is_json_that_others_can_read(tmp_path):
    record = BatchRecord()
    record.photos[PHOTO.path] = PHOTO
    document = json.loads(record.save(tmp_path).read_text())
    assert document["schema"] == 2
    assert document["photos"][0]["heads"][0]["steps"]["preview"]["seconds"] == 0.5
