"""Previews of corrected heads from a result's folder, by the worker while it does something else."""

import errno
import io
import json
import os
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from core.errors import ModelError, OutputError, RequestError
from core.geometry.frames import FRONTAL, Camera, HeadPose
from core.io.head_npz import head_npz_bytes
from core.lifting.person import USED
from core.lifting.shape_model import FaceShapeModel
from core.runtime.pinned_models import PINNED_MODELS
from core.template.topology import HeadTopology
from core.worker.adjusting import AdjustJobs, DamagedHeadError, with_base_poses
from core.worker.jobs import Jobs
from core.worker.params import MOST_PHOTOS
from core.wrapping.adjuster import BaseHead
from tests.conftest import PATIENCE_SECONDS
from tests.core.head_samples import MODELS, plain_head

CAMERA = Camera(2000.0, 511.5, 511.5)
POSE = HeadPose(FRONTAL, np.array([0.0, 0.0, 0.9]))


@pytest.fixture
def folder(tmp_path):
    """A result's folder, as far as corrections need it."""
    write(tmp_path, plain_head(HeadTopology.load(MODELS)))
    return tmp_path


@pytest.fixture(scope="module")
def jobs():
    """What corrects heads, with its models."""
    return AdjustJobs()


def write(folder: Path, head, base=None, adjustments=None) -> None:
    (folder / "head.npz").write_bytes(head_npz_bytes(head, {}, (), base))
    document = {
        "input": {"width": 1024, "height": 1024},
        "pose": POSE.document(),
        "camera": {"focal_length_px": CAMERA.focal_px, "principal_point_px": [CAMERA.cx, CAMERA.cy]},
    }
    if adjustments:
        pose = {key: document["pose"][key] for key in ("rotation_head_to_camera", "translation_m")}
        document["adjustments"] = {**adjustments, "base_pose": pose}
    (folder / "face.json").write_text(json.dumps(document))


def pixel(vertices, vertex):
    return CAMERA.project(POSE.head_to_camera(vertices[[vertex]].astype(np.float64)))[0]


def corrected(folder, adjustments):
    answer = AdjustJobs().adjust(
        {"folder": str(folder), "out": str(folder / "out.npz"), "adjustments": adjustments}
    )
    with np.load(folder / "out.npz") as arrays:
        return answer, dict(arrays)


def test_nothing_corrected_changes_nothing_and_names_the_points(folder):
    head = plain_head(HeadTopology.load(MODELS))
    answer, arrays = corrected(folder, {})
    assert np.array_equal(arrays["photo"], head.vertices) and np.array_equal(arrays["neutral"], head.neutral)
    assert {"name", "group", "vertex"} <= answer["pins"][0].keys() and answer["errors_px"] == {}


def test_a_pin_is_met_before_and_after_the_head_was_made_with_it(folder):
    topology = HeadTopology.load(MODELS)
    head = plain_head(topology)
    vertex = topology.landmark[1]
    x, y = pixel(head.vertices, vertex) + np.array([6, 9])
    pins = {"pins": [{"name": "nose_tip", "x": float(x), "y": float(y)}], "sliders": {"jaw_width": 0.4}}
    answer, arrays = corrected(folder, pins)
    assert answer["errors_px"]["nose_tip"] < 0.01
    assert np.linalg.norm(pixel(arrays["photo"], vertex) - [x, y]) < 0.01

    # The engine has made the head anew, and has repaired something of it.
    made = plain_head(topology, arrays["neutral"] + np.float32(0.0001))
    base = BaseHead(head.neutral, head.vertices, head.blendshapes, head.expression, POSE)
    write(folder, made, base, pins)
    _, again = corrected(folder, pins)
    assert np.linalg.norm(pixel(again["photo"], vertex) - [x, y]) < 0.05
    assert np.abs(again["photo"] - made.vertices).max() < 0.0005
    # Taken back, it is the photo's alone again, but for the repair.
    _, before = corrected(folder, {})
    assert np.abs(before["neutral"] - head.neutral).max() < 0.0005


def test_a_pin_out_of_reach_stays_behind_as_far_after_the_head_was_made_with_it(folder, jobs):
    topology = HeadTopology.load(MODELS)
    head = plain_head(topology)
    x, y = pixel(head.vertices, topology.landmark[1]) + np.array([0, 300])
    pins = {"pins": [{"name": "nose_tip", "x": float(x), "y": float(y)}]}
    request = {"folder": str(folder), "out": str(folder / "out.npz"), "adjustments": pins}
    before = jobs.adjust(request)
    with np.load(folder / "out.npz") as arrays:
        made = plain_head(topology, arrays["neutral"])
    write(folder, made, BaseHead(head.neutral, head.vertices, head.blendshapes, head.expression, POSE), pins)
    again = jobs.adjust(request)
    with np.load(folder / "out.npz") as arrays:
        assert np.abs(arrays["photo"] - made.vertices).max() < 1e-5
        assert np.abs(arrays["neutral"] - made.neutral).max() < 1e-5
    assert again["errors_px"]["nose_tip"] > 100
    assert abs(again["errors_px"]["nose_tip"] - before["errors_px"]["nose_tip"]) < 0.1


def test_a_pin_far_outside_the_photo_is_refused_as_a_reconstruction_refuses_it(folder, jobs):
    near, far = ({"name": "nose_tip", "x": x, "y": 500.0} for x in (-500.0, -520.0))
    assert jobs.adjust({"folder": str(folder), "adjustments": {"pins": [near]}})["errors_px"]
    with pytest.raises(RequestError, match=r"nose_tip at .* far outside of the photo"):
        jobs.adjust({"folder": str(folder), "adjustments": {"pins": [far]}})


def test_pins_over_photos_that_are_not_there_are_named(folder, jobs):
    document = json.loads((folder / "face.json").read_text())
    document["input"]["name"] = "main.jpg"
    (folder / "face.json").write_text(json.dumps(document))
    own, other = (
        {"name": "chin", "x": 500.0, "y": 600.0, "photo": name} for name in ("main.jpg", "none.jpg")
    )
    answer = jobs.adjust({"folder": str(folder), "adjustments": {"pins": [own, other]}})
    assert "over none.jpg are not used" in answer["unused_corrections"] and answer["errors_px"].keys() == {
        "chin"
    }
    plain = jobs.adjust({"folder": str(folder), "adjustments": {"pins": [{**own, "photo": ""}]}})
    assert plain["errors_px"] == answer["errors_px"] and "unused_corrections" not in plain


def test_a_pin_in_a_further_photo_is_met_there(folder):
    """The same head from the side, with an expression of its own."""
    document = json.loads((folder / "face.json").read_text())
    turn = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
    side = HeadPose(turn @ POSE.rotation, POSE.translation)
    count = len(FaceShapeModel.from_pretrained(MODELS).expression)
    views = [
        {"name": "front.jpg", "verdict": USED, "main": True, "pose": POSE.document()},
        {"name": "side.jpg", "verdict": USED, "main": False, "pose": side.document()},
    ]
    for view, value in zip(views, (0.0, 0.5), strict=True):
        view |= {"camera": document["camera"], "expression": [value] * count, "width": 1024, "height": 1024}
    (folder / "face.json").write_text(json.dumps({**document, "views": views}))
    point = plain_head(HeadTopology.load(MODELS)).vertices[HeadTopology.load(MODELS).landmark[1]]
    wanted = point[None] + np.array([0.0, -0.004, 0.0])
    x, y = CAMERA.project(side.head_to_camera(wanted))[0]
    pin = {"name": "nose_tip", "x": float(x), "y": float(y), "photo": "side.jpg"}
    answer, arrays = corrected(folder, {"pins": [pin]})
    assert answer["errors_px"]["nose_tip"] < 0.1
    # The photo's own expression moves the nose's tip, too: the shape need not go all the way.
    moved = arrays["photo"][HeadTopology.load(MODELS).landmark[1]] - point
    assert moved[1] < -0.001 and abs(moved[0]) < 0.002
    # The head as in that photo, in which the pin is met, too, if it turns the head there.
    turned = {**pin, "x": float(x) + 20, "corrects": "pose"}
    for one in (pin, turned):
        request = {"folder": str(folder), "out": str(folder / "out.npz"), "view": "side.jpg"}
        answer = AdjustJobs().adjust({**request, "adjustments": {"pins": [one]}})
        with np.load(folder / "out.npz") as arrays:
            seen = arrays["view"][[HeadTopology.load(MODELS).landmark[1]]].astype(float)
        rotation, translation = (
            np.array(answer["further_poses"]["side.jpg"][name])
            for name in ("rotation_head_to_camera", "translation_m")
        )
        place = CAMERA.project(HeadPose(rotation, translation).head_to_camera(seen))[0]
        assert np.linalg.norm(place - [one["x"], one["y"]]) < 0.5
        assert answer["pose"] == POSE.document()
    with pytest.raises(RequestError, match=r"far outside of side\.jpg"):
        corrected(folder, {"pins": [{**pin, "x": 1600.0}]})
    with pytest.raises(RequestError, match="further photo"):
        AdjustJobs().adjust({**request, "view": "back.jpg", "adjustments": {}})
    # Once it is in the files, the correction goes on from the pose that the photo alone has.
    corrected_side = {**views[1], "pose": answer["further_poses"]["side.jpg"]}
    base = {"pins": [turned], "base_pose": POSE.document(), "base_poses": {"side.jpg": side.document()}}
    made_with = {**document, "views": [views[0], corrected_side], "adjustments": base}
    (folder / "face.json").write_text(json.dumps(made_with))
    again = AdjustJobs().adjust({**request, "adjustments": {"pins": [turned]}})
    assert again["further_poses"] == answer["further_poses"]
    assert AdjustJobs().adjust({**request, "adjustments": {}})["further_poses"] == {
        "side.jpg": side.document()
    }
    views[1]["expression"] = ["x"]
    (folder / "face.json").write_text(json.dumps({**document, "views": views}))
    with pytest.raises(RequestError, match="reconstruct the photo again"):
        corrected(folder, {"pins": [pin]})


def of_member(damage):
    """Damages the archive's bytes: `damage` gets them, and where the first member's content begins."""

    def damaged(folder):
        path = folder / "head.npz"
        with np.load(path) as arrays:
            found = dict(arrays)
        np.savez_compressed(path, **found)
        data = bytearray(path.read_bytes())
        damage(data)
        path.write_bytes(data)

    return damaged


def damage_deflate(data):
    """Other bytes inside of every member's packed content."""
    with zipfile.ZipFile(io.BytesIO(bytes(data))) as archive:
        for member in archive.infolist():
            start = member.header_offset + 30 + len(member.filename) + 30
            data[start : start + 40] = bytes(byte ^ 255 for byte in data[start : start + 40])


def set_everywhere(central, local, value):
    """Sets a byte of all headers: offsets in the central directory's and in the local ones."""

    def damage(data):
        for magic, offset in ((b"PK\1\2", central), (b"PK\3\4", local)):
            at = data.find(magic)
            while at >= 0:
                data[at + offset] = value
                at = data.find(magic, at + 4)

    return damage


def giant_header(folder):
    """Arrays that would take terabytes, of which only the headers are there."""
    with zipfile.ZipFile(folder / "head.npz", "w") as archive:
        for name in ("neutral", "photo", "units", "expression"):
            header = io.BytesIO()
            about = {"descr": "<f4", "fortran_order": False, "shape": (10**13,)}
            np.lib.format.write_array_header_1_0(header, about)
            archive.writestr(f"{name}.npy", header.getvalue())


def face_json(text):
    return lambda folder: (folder / "face.json").write_text(text)


def huge_number(where):
    """A number of 400 digits in the place of another one."""

    def damage(folder):
        document = json.loads((folder / "face.json").read_text())
        if where == "camera":
            document["camera"]["focal_length_px"] = 10**400
        else:
            document["pose"]["translation_m"][2] = 10**400
        (folder / "face.json").write_text(json.dumps(document))

    return damage


def document_with(change):
    """face.json, changed by a function that gets it."""

    def damage(folder):
        document = json.loads((folder / "face.json").read_text())
        change(document)
        (folder / "face.json").write_text(json.dumps(document))

    return damage


def views(names):
    return document_with(lambda document: document.update(views=[{"name": name} for name in names]))


def pipe(name):
    def damage(folder):
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return pytest.param(
        damage,
        id=f"pipe {name}",
        marks=[
            pytest.mark.timeout(PATIENCE_SECONDS),
            pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here"),
        ],
    )


def sparse(name, size):
    def damage(folder):
        with (folder / name).open("wb") as file:
            file.truncate(size)

    return damage


DAMAGES = {
    "a list": face_json("[]"),
    "no pose": face_json('{"pose": {}, "camera": {}}'),
    "no archive": lambda folder: (folder / "head.npz").write_bytes(b"PK"),
    "no file": lambda folder: (folder / "head.npz").unlink(),
    "brackets": face_json("[" * 200_000),
    "nested objects": face_json('{"camera":' * 100_000),
    "no text": lambda folder: (folder / "face.json").write_bytes(b"\xff\xfe"),
    "huge focal length": huge_number("camera"),
    "huge distance": huge_number("pose"),
    "damaged deflate": of_member(damage_deflate),
    "giant header": giant_header,
    "encrypted": of_member(set_everywhere(8, 6, 1)),
    "unknown compression": of_member(set_everywhere(10, 8, 99)),
    "too large a head": sparse("head.npz", 10**9),
    "too large a document": sparse("face.json", 10**9),
    "more photos than a head is made of": views([f"{k}.jpg" for k in range(MOST_PHOTOS + 1)]),
    "a number for a photo's name": views([7]),
    "no name of a photo": views([None]),
    "a list for a photo's name": views([["a"]]),
    "tiny focal length": document_with(lambda document: document["camera"].update(focal_length_px=1e-300)),
    "no camera": document_with(lambda document: document.update(camera=None)),
    "words for a pose": document_with(lambda document: document["pose"].update(translation_m=["x"] * 3)),
}
#: What Python says of wrong types and damaged archives.
PYTHON_WORDS = r"unhashable|object is not|NoneType|could not convert|Error|codec|There is no item"


@pytest.mark.parametrize(
    "damage",
    [*(pytest.param(one, id=name) for name, one in DAMAGES.items()), pipe("face.json"), pipe("head.npz")],
)
def test_damaged_results_are_named(folder, jobs, damage):
    damage(folder)
    with pytest.raises(RequestError, match="reconstruct the photo again") as refused:
        jobs.adjust({"folder": str(folder), "adjustments": {}})
    assert str(refused.value).startswith("The ") and str(folder.parent) not in str(refused.value)
    assert not re.search(PYTHON_WORDS, str(refused.value).replace(folder.name, ""))


def test_a_full_memory_is_not_taken_for_a_damaged_file(folder, monkeypatch):
    def full(*_):
        raise MemoryError

    monkeypatch.setattr("core.worker.adjusting.read_saved", full)
    with pytest.raises(MemoryError):
        AdjustJobs().adjust({"folder": str(folder), "adjustments": {}})


def test_a_stranger_s_photos_are_counted_before_anything_is_made_of_them():
    many = [{"name": f"{k}.jpg", "verdict": USED, "main": not k} for k in range(MOST_PHOTOS + 1)]
    assert len(with_base_poses(many[1:], None)) == MOST_PHOTOS
    with pytest.raises(DamagedHeadError, match=f"{MOST_PHOTOS} at most"):
        with_base_poses(many, None)


def test_nothing_is_left_of_a_file_that_could_not_be_written(folder, jobs, monkeypatch):
    out = folder / "previews" / "out.npz"
    jobs.adjust({"folder": str(folder), "out": str(out), "adjustments": {}})
    before = out.read_bytes()

    def full(path, data):
        with path.open("wb") as file:
            file.write(data[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="No space left"):
        jobs.adjust({"folder": str(folder), "out": str(out), "adjustments": {"sliders": {"age": 0.5}}})
    monkeypatch.undo()
    assert [path.name for path in out.parent.iterdir()] == ["out.npz"] and out.read_bytes() == before


@pytest.mark.parametrize("x", [1e308, -1e308, "1", None])
def test_a_place_that_no_photo_has_is_refused(folder, jobs, x):
    asked = {"photo": "a.jpg", "x": x, "y": 5, "mask": [8, 8]}
    with pytest.raises(RequestError, match='"segment" has to have'):
        jobs.adjust({"folder": str(folder), "segment": asked, "adjustments": {}})


def test_models_of_another_version_are_refused_before_they_are_used(folder, monkeypatch):
    """Adjusting can be the first request of all, before any reconstructor is loaded."""
    monkeypatch.setitem(PINNED_MODELS, "head_template.npz", "0" * 64)
    jobs = Jobs(lambda _: pytest.fail("adjusting needs no reconstructor"))
    with pytest.raises(ModelError, match=r"head_template\.npz"):
        jobs.adjust({"folder": str(folder), "adjustments": {}})
    monkeypatch.undo()  # repaired, the next request finds them
    assert jobs.adjust({"folder": str(folder), "adjustments": {}})["pins"]
