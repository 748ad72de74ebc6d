import json

import numpy as np
import pytest

from blender_addon.errors import SurfaceFileError
from blender_addon.heads.face_document import FaceDocument

DOCUMENT = {
    "schema_version": 1,
    "input": {"name": "a.jpg", "width": 600, "height": 400, "orientation": 6},
    "detection": {"landmarks_photo_px": [[1.0, 2.0, 3.0]] * 478},
    "camera": {"focal_length_px": 500.0, "principal_point_px": [299.5, 199.5]},
    "pose": {
        "rotation_head_to_camera": [[1, 0, 0], [0, 0, -1], [0, 1, 0]],
        "translation_m": [0.0, 0.0, 0.5],
    },
    "landmarks": {"mediapipe478": [[0.1, 0.2, 0.3], None], "ibug68": []},
    "quality": {"seen_share": 0.4},
    "timings": {"network": 0.1},
}


def test_the_camera_projects_as_the_photo_does():
    camera = FaceDocument(DOCUMENT).camera
    # The head frame's origin is 0.5 m before the camera, on its axis; 1 cm up is 10 px up.
    np.testing.assert_allclose(
        camera.project(np.array([[0, 0, 0], [0, 0, 0.01]])), [[299.5, 199.5], [299.5, 189.5]]
    )


def test_what_is_kept_in_a_blend_is_enough_and_small():
    text = FaceDocument(DOCUMENT).compact()
    kept = FaceDocument.parse(text)
    assert "detection" not in kept.document and len(text) < 1000
    assert kept.camera is not None and kept.orientation == 6
    assert kept.quality == {"seen_share": 0.4} and kept.timings == {"network": 0.1}
    np.testing.assert_array_equal(kept.landmarks("mediapipe478"), [[0.1, 0.2, 0.3], [np.nan] * 3])
    assert kept.landmarks("ibug68").shape == (0, 3)


def test_each_photo_of_a_person_has_its_camera_or_a_reason():
    used = {"name": "a.jpg", "verdict": "used", "main": True, "width": 600, "height": 400, "orientation": 6}
    used |= {part: DOCUMENT[part] for part in ("camera", "pose")}
    views = [{"name": "b.jpg", "verdict": "unusable", "reason": "It is dark."}, used]
    record = FaceDocument.parse(FaceDocument({**DOCUMENT, "views": views}).compact())
    other, main = record.views
    assert record.main_view == 1 and not other.used and other.camera is None
    assert other.reason == "b.jpg: It is dark." and (main.camera.focal_px, main.orientation) == (500.0, 6)
    assert FaceDocument(DOCUMENT).views == () and FaceDocument(DOCUMENT).main_view is None
    for wrong in ({"a": 1}, "ab", [1]):
        with pytest.raises(ValueError, match="no list of photos"):
            FaceDocument.parse(json.dumps({"views": wrong}))


@pytest.mark.parametrize("part", ["input", "camera", "pose"])
def test_a_record_without_its_parts_has_no_camera(part):
    assert FaceDocument({k: v for k, v in DOCUMENT.items() if k != part}).camera is None
    assert FaceDocument({**DOCUMENT, part: {}}).camera is None


@pytest.mark.parametrize("orientation", [0, 9, "6", None])
def test_orientations_that_do_not_exist_turn_nothing(orientation):
    assert FaceDocument({"input": {"orientation": orientation}}).orientation == 1


def test_files_that_cannot_be_used_are_told(tmp_path):
    path = tmp_path / "face.json"
    with pytest.raises(SurfaceFileError, match=r"face\.json cannot be read"):
        FaceDocument.read(path)
    for text in ("", "[1, 2]", '{"input": '):
        path.write_text(text)
        with pytest.raises(SurfaceFileError, match="Reconstruct the photo again"):
            FaceDocument.read(path)
    path.write_text(json.dumps(DOCUMENT), "utf-8")
    assert FaceDocument.read(path).document == DOCUMENT


def test_what_somebody_has_said_is_known():
    record = FaceDocument({"camera": {"focal_length_mm35": 85, "focal_length_source": "option"}})
    assert record.chosen_focal_mm == 85.0 and not record.is_confirmed
    exif = {"focal_length_mm35": 85, "focal_length_source": "exif"}
    for camera in ({}, exif, {"focal_length_source": "option"}):
        assert FaceDocument({"camera": camera}).chosen_focal_mm is None
    views = [{"verdict": "used", "identity_confirmed": True} for _ in range(2)]
    assert FaceDocument({"views": views}).is_confirmed
    assert not FaceDocument(
        {"views": [views[0], {"verdict": "used", "identity_confirmed": False}]}
    ).is_confirmed
