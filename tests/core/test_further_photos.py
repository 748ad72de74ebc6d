"""Photos of a person that have one name, as those of two cameras may, are not taken for one another."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from core.errors import NoFaceError
from core.geometry.frames import FRONTAL, Camera, HeadPose
from core.image.photo import Photo
from core.lifting.lifter import HeadPrior
from core.lifting.person import UNUSABLE, USED, PhotoView
from core.lifting.shape_model import FaceShapeModel
from core.reconstructor.further_photos import corrected_task, corrections_of_person, views_for_pins
from core.reconstructor.person_photos import PersonReader
from core.reconstructor.results import FaceTask, FurtherPhoto
from core.runtime.timing import Stopwatch
from core.worker.adjusting import AdjustJobs
from core.wrapping.adjustments import Adjustments
from core.wrapping.pin_solver import Pin
from tests.core.head_samples import MODELS, plain_head
from tests.core.worker.test_adjusting import CAMERA, POSE, write

VERTICES = np.zeros((3, 3), np.float32)


def pose_at(distance: float) -> HeadPose:
    return HeadPose(FRONTAL, np.array([0.0, 0.0, distance]))


def view(name: str, distance: float, main: bool = False) -> PhotoView:
    prior = HeadPrior(None, pose_at(distance), VERTICES, VERTICES)
    return PhotoView(name, "", (9, 9), USED, main=main, camera=Camera(9.0, 4.0, 4.0), prior=prior)


def further(seen: PhotoView) -> FurtherPhoto:
    return FurtherPhoto(seen.name, None, seen.prior, None, None)


HEAD = SimpleNamespace(vertices=VERTICES, topology=SimpleNamespace(origin=np.arange(3)))


def test_pins_move_no_other_photo_of_the_same_name():
    views = (view("a.jpg", 1.0, main=True), view("a.jpg", 2.0), view("b.jpg", 3.0))
    seen = views_for_pins(views, HEAD, VERTICES)
    assert {name: one.pose.translation[2] for name, one in seen.items()} == {"a.jpg": 2.0, "b.jpg": 3.0}
    moved = SimpleNamespace(further={"a.jpg": replace(seen["a.jpg"], pose=pose_at(2.5))})
    task = FaceTask(None, None, None, 0, "", views=views, further=tuple(map(further, views[1:])))
    made = corrected_task(task, moved)
    assert [one.prior.pose.translation[2] for one in made.views] == [1.0, 2.5, 3.0]
    assert [photo.pose.translation[2] for photo in made.further] == [2.5, 3.0]


def test_further_photos_of_one_name_keep_their_own_poses_and_pins_over_them_are_named():
    views = (view("main.jpg", 1.0, main=True), view("a.jpg", 2.0), view("a.jpg", 3.0), view("b.jpg", 4.0))
    assert views_for_pins(views, HEAD, VERTICES).keys() == {"b.jpg"}
    photo = Photo.from_array(np.zeros((9, 9, 3), np.uint8), "main.jpg")
    pins = Adjustments((Pin("chin", 1, 2, photo="a.jpg"), Pin("chin", 1, 2, photo="b.jpg")))
    others = [(one.name, photo) for one in views[1:]]
    corrections, said = corrections_of_person(photo, others, {"main.jpg": pins})
    assert corrections is pins and "over a.jpg are not used" in said and "of several" in said


@pytest.fixture
def folder(tmp_path, topology):
    """The result of several photos, two of which are named as others."""
    write(tmp_path, plain_head(topology))
    document = json.loads((tmp_path / "face.json").read_text())
    count = len(FaceShapeModel.from_pretrained(MODELS).expression)
    about = {"pose": POSE.document(), "camera": document["camera"], "expression": [0.0] * count}
    size = {"width": 1024, "height": 1024}
    document["views"] = [
        {"name": "main.jpg", "verdict": USED, "main": True, **about, **size},
        *({"name": name, "verdict": USED, "main": False, **about, **size} for name in ("a.jpg", "b.jpg")),
        {"name": "a.jpg", "verdict": UNUSABLE, "main": False, "width": 0, "height": 0},
        {"name": "b.jpg", "verdict": USED, "main": False, **about, **size},
    ]
    (tmp_path / "face.json").write_text(json.dumps(document))
    return tmp_path


def test_such_a_head_can_be_adjusted(folder):
    x, y = CAMERA.cx, CAMERA.cy
    pins = [{"name": "chin", "x": x, "y": y, "photo": name} for name in ("a.jpg", "b.jpg")]
    answer = AdjustJobs().adjust({"folder": str(folder), "adjustments": {"pins": pins}})
    assert answer["further_poses"].keys() == {"a.jpg"}
    assert "over b.jpg are not used" in answer["unused_corrections"]


def test_arrays_have_names_of_their_own():
    detector = SimpleNamespace(detect=lambda *_, **__: [])
    reader = PersonReader(detector, None, None, None)
    walls = [np.zeros((9, 9, 3), np.uint8)] * 2
    with pytest.raises(NoFaceError, match=r"found in photo 1: .*; No face found in photo 2: "):
        reader.solve(walls, None, Stopwatch())
