"""What travels between a batch and a cluster: data, and nothing that leads out of a folder."""

import json
import os
import pickle
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blender_addon.batch.local_processor import PhotoTask, StepOutcome
from blender_addon.batch.payload import (
    LENGTH,
    TaskResult,
    decode_result,
    decode_task,
    encode_result,
    encode_task,
    pack_task,
    unpack_result,
    unpack_task,
)
from blender_addon.batch.plan import StepPlan
from blender_addon.errors import AddonError, PayloadError
from core.io.preview_glb import preview_script
from tests.blender_addon.batch.payload_samples import FAILED, FILES, PACKED, PLAN, RESULT, TASK


@pytest.mark.parametrize(
    "packed", [PACKED, replace(PACKED, photo=None, kept=(), task=replace(TASK, kept=()))]
)
def test_tasks_arrive_as_they_were(packed):
    assert decode_task(encode_task(packed)) == packed


def test_a_persons_photos_travel_whatever_their_names(tmp_path):
    """Two of one name from two folders arrive as two files, under their own name."""
    for folder, content in (("a", b"first"), ("b", b"second")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "me.jpg").write_bytes(content)
    views = tuple(str(tmp_path / folder / "me.jpg") for folder in "ab")
    sent = decode_task(encode_task(pack_task(PhotoTask(str(tmp_path), PLAN, views=views), {}, "r", "i")))
    assert sent.photo is None
    there = unpack_task(sent, tmp_path / "worker")
    assert [Path(view).read_bytes() for view in there.views] == [b"first", b"second"]
    assert {Path(view).name for view in there.views} == {"me.jpg"}
    assert there.request["photos"] == list(there.views) and "photos" not in TASK.request


@pytest.mark.parametrize("result", [RESULT, FAILED, TaskResult()])
def test_results_arrive_as_they_were(result):
    assert decode_result(encode_result(result)) == result


def changed(edit, data=None):
    """A result's bytes after `edit` has changed its JSON."""
    data = data or encode_result(RESULT)
    (length,) = LENGTH.unpack_from(data)
    document = json.loads(data[LENGTH.size : LENGTH.size + length])
    edit(document)
    text = json.dumps(document).encode()
    return LENGTH.pack(len(text)) + text + data[LENGTH.size + length :]


def head(document):
    return document["heads"][0]


@pytest.mark.parametrize(
    "edit",
    [
        lambda d: head(d).update(name="../victim"),
        lambda d: head(d).update(name="/victim"),
        lambda d: head(d).update(name="a/b"),
        lambda d: head(d)["files"].update({"../victim": [0, 1]}),
        lambda d: head(d)["files"].update({"/victim": [0, 1]}),
        lambda d: head(d)["files"].update({"x": [0, 10**6]}),
        lambda d: head(d)["files"].update({"x": [-1, 1]}),
        lambda d: head(d)["files"].update({"x": [True, 1]}),
        lambda d: head(d)["steps"]["preview"]["files"].append("../victim"),
        lambda d: head(d)["steps"]["preview"].update(seconds="1"),
        lambda d: head(d)["engine"].update(vertices=[1]),
        lambda d: head(d)["engine"].update(quality=3),
        lambda d: d.update(heads=3),
        lambda d: d.update(failed=[1, 2, 3]),
        lambda d: d.update(failed=["a"]),
        lambda d: d.update(timings={"a": "b"}),
        lambda d: d.pop("attempts"),
    ],
)
def test_results_that_mean_harm_are_refused(edit):
    with pytest.raises(PayloadError):
        decode_result(changed(edit))


@pytest.mark.parametrize(
    "data", [b"", b"1234567", LENGTH.pack(9) + b"{}", pickle.dumps(RESULT), None, RESULT, 3]
)
def test_what_is_no_payload_is_refused(data):
    with pytest.raises(PayloadError):
        decode_result(data)


@settings(max_examples=300)
@given(at=st.integers(0, 10**6), value=st.integers(0, 255), task=st.booleans())
def test_a_changed_byte_is_refused_or_harmless(tmp_path_factory, at, value, task):
    data = bytearray(encode_task(PACKED) if task else encode_result(RESULT))
    data[at % len(data)] = value
    folder = tmp_path_factory.mktemp("payload")
    staging = folder / "staging"
    staging.mkdir()
    try:
        if task:
            unpack_task(decode_task(bytes(data)), staging)
        else:
            unpack_result(decode_result(bytes(data)), PACKED, staging)
    except (AddonError, OSError):
        pass
    assert [path.name for path in folder.iterdir()] == ["staging"]


def test_heads_without_their_files_are_refused(tmp_path):
    short = replace(RESULT, heads=[replace(RESULT.heads[0], files={"face.json": b"{}"})])
    with pytest.raises(PayloadError, match="without the files"):
        unpack_result(short, PACKED, tmp_path)
    again = replace(PACKED, task=replace(TASK, reconstruct=False))
    with pytest.raises(PayloadError, match="other heads"):
        unpack_result(replace(RESULT, heads=RESULT.heads * 2), again, tmp_path)
    with pytest.raises(PayloadError, match="without the files"):
        unpack_result(replace(RESULT, heads=RESULT.heads * 2), PACKED, tmp_path)


def test_the_same_bytes_under_many_names_do_not_fill_the_disk():
    with pytest.raises(PayloadError, match="too short"):
        decode_result(changed(lambda d: head(d)["files"].update({f"{n}.png": [0, 2] for n in range(9)})))


def test_steps_and_heads_that_nobody_asked_for_are_refused(tmp_path):
    """A step's fingerprint is looked up by its name, and steps that write elsewhere run on this machine."""
    late = StepPlan("asset", {"library": "/library"}, ("surface",), late=True)
    packed = replace(PACKED, task=replace(TASK, plan=replace(PLAN, steps=(*PLAN.steps, late))))
    for name in ("foreign", "asset", "../preview"):
        steps = {**RESULT.heads[0].steps, name: StepOutcome([], {"file": "../../victim"}, 0.0)}
        foreign = replace(RESULT, heads=[replace(RESULT.heads[0], steps=steps)])
        with pytest.raises(PayloadError, match="other steps"):
            unpack_result(foreign, packed, tmp_path)
    many = replace(RESULT, heads=[replace(RESULT.heads[0], name=f"h{n}") for n in range(4)])
    with pytest.raises(PayloadError, match="other heads"):
        unpack_result(many, packed, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        *(
            (name, b"")
            for name in ("a.html", "a.svg", "a.exe", "a.desktop", "a.blend", "x/run", ".png", "a.PY")
        ),
        ("other.js", b'photobustView({"version": 1, "model": "AA=="});'),
        ("view.js", b'photobustView({"version": 1, "model": "AA=="});alert(1)'),
        ("view.js", b'photobustView({"version": 1, "model": ""+alert(1)+""});'),
        ("view.js", b""),
    ],
)
def test_what_would_run_is_refused(tmp_path, name, content):
    """The page loads view.js as a script, and whoever looks at heads opens what lies beside them."""
    files = {**FILES, name: content}
    with pytest.raises(PayloadError, match="no data"):
        unpack_result(replace(RESULT, heads=[replace(RESULT.heads[0], files=files)]), PACKED, tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_pages_own_models_arrive(tmp_path):
    files = {**FILES, "view.js": preview_script(b"glTF and more")}
    result = replace(RESULT, heads=[replace(RESULT.heads[0], files=files)])
    (staged,) = unpack_result(result, PACKED, tmp_path).heads
    assert (staged.folder / "view.js").read_bytes() == files["view.js"]


@pytest.mark.skipif(os.name == "nt", reason="no permissions of that kind")
def test_copies_on_a_worker_are_private(tmp_path):
    task = unpack_task(PACKED, tmp_path / "scratch")
    for path in (tmp_path / "scratch").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    assert (tmp_path / "scratch/photo/a.jpg").read_bytes() == b"photo"
    assert (tmp_path / "scratch/kept-0/a/face.json").read_bytes() == b"{}"
    assert task.photo == str(tmp_path / "scratch/photo/a.jpg")
    result = unpack_result(RESULT, PACKED, tmp_path)
    umask = os.umask(0)
    os.umask(umask)
    mode = stat.S_IMODE((result.heads[0].folder / "turntable/0.png").stat().st_mode)
    assert mode == 0o666 & ~umask


def test_a_name_that_is_none_elsewhere_is_changed(tmp_path):
    photo = tmp_path / os.fsdecode(b"a\\b\xe9.jpg")
    photo.write_bytes(b"x")
    packed = pack_task(PhotoTask(str(photo), PLAN), {}, "r", "i")
    assert packed.name == "a_b\ufffd.jpg"
    assert decode_task(encode_task(packed)).name == packed.name
