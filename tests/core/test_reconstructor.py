"""From photo to head with stand-ins for the trained models: everything but the network is real."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import trimesh
from scipy.spatial import cKDTree

from core import errors
from core.detection.mediapipe_topology import CHIN, LEFT_EYE_OUTER, NOSE_TIP, RIGHT_EYE_OUTER
from core.geometry.frames import Camera
from core.image.crop import cut_crop
from core.image.photo import Photo
from core.reconstructor.inputs import camera_of
from core.reconstructor.progress import STEP_SECONDS, step_starts
from tests.conftest import run_python
from tests.core.stand_ins import stand_in_reconstructor

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def reconstructor():
    return stand_in_reconstructor()


@pytest.fixture(scope="module")
def head(reconstructor, astronaut):
    return reconstructor.reconstruct(Photo.from_array(astronaut, "astronaut.png"), keep_volume=True)[0]


def test_a_head_comes_out(head):
    mesh = trimesh.Trimesh(head.surface.vertices, head.surface.faces)
    assert mesh.is_watertight and mesh.volume > 0.003
    low, high = mesh.bounds
    assert (high - low > [0.13, 0.18, 0.2]).all() and (high - low < [0.22, 0.28, 0.32]).all()
    assert len(head.surface.colors) == len(head.surface.confidence) == len(mesh.vertices)
    assert head.volume.shape == (200, 192, 192) and head.crop.shape == (192, 192, 3)
    assert head.camera.source == "default" and head.face_index == 0
    assert set(head.timings) == {
        "detect",
        "guidance",
        "segmentation",
        "network",
        "surface",
        "color",
        "landmarks",
        "quality",
    }


def test_landmarks_are_where_the_lifted_head_has_them(reconstructor, head, astronaut):
    points = head.landmark_points
    found = np.isfinite(points[:, 0])
    assert found.sum() > 460
    places = head.camera.project(head.pose.head_to_camera(points[found].astype(float)))
    lifted = reconstructor.lifter.lift(head.landmarks, head.camera, astronaut)
    expected = head.camera.project(head.pose.head_to_camera(lifted.landmarks[found]))
    off = np.linalg.norm(places - expected, axis=1)
    # Photo pixels; the outline may have moved by two of the crop's.
    assert np.median(off) < 0.05 and off.max() < 2.5
    # Even the average head, fitted to a face of 106 pixels, lies near what the detector saw.
    assert np.median(np.linalg.norm(places - head.landmarks.points[found, :2], axis=1)) < 5
    assert points[NOSE_TIP, 1] < points[[RIGHT_EYE_OUTER, LEFT_EYE_OUTER], 1].min() - 0.01
    assert points[LEFT_EYE_OUTER, 0] > 0.03 and points[RIGHT_EYE_OUTER, 0] < -0.03 and points[CHIN, 2] < -0.08
    # Voxels are 1.5 mm wide: on the surface, there is always a vertex nearer than that.
    assert cKDTree(head.surface.vertices).query(points[found])[0].max() < 1.5e-3
    assert head.landmark68.shape == (68, 3) and np.isfinite(head.landmark68[:, 0]).sum() > 60
    assert np.linalg.norm(head.landmark68[30] - points[NOSE_TIP]) < 0.012  # the tip of the nose in both


def test_colors_are_the_photos(head, astronaut):
    surface = head.surface
    places = head.camera.project(head.pose.head_to_camera(surface.vertices.astype(float)))
    seen = surface.confidence > 0.95
    x, y = places[seen].round().astype(int).T
    difference = np.abs(surface.colors[seen].astype(float) - astronaut[y, x])
    assert seen.sum() > 3000 and np.median(difference) < 6


def test_two_faces_are_told_apart(reconstructor, astronaut):
    row = np.full((600, 1200, 3), 90, np.uint8)
    row[44:556, 20:532] = astronaut
    row[150:450, 700:1000] = cv2.resize(astronaut[:, ::-1], (300, 300), interpolation=cv2.INTER_AREA)
    steps = []
    heads = reconstructor.reconstruct(row, progress=lambda *step: steps.append(step))
    assert [h.face_index for h in heads] == [0, 1]
    assert heads[0].landmarks.size > heads[1].landmarks.size
    assert heads[0].landmarks.points[:, 0].max() < 600 < heads[1].landmarks.points[:, 0].min()
    assert heads[0].timings["detect"] == heads[1].timings["detect"]
    fractions = [fraction for _, fraction, _ in steps]
    assert fractions == sorted(fractions) and fractions[0] == 0 and fractions[-1] < 1
    assert any("2 of 2" in message for _, _, message in steps)
    assert len(reconstructor.reconstruct(row, max_faces=1)) == 1


def test_one_failing_face_does_not_cost_the_others(astronaut):
    reconstructor = stand_in_reconstructor()
    predict, volumes = reconstructor.predictor.predict, []

    def fail_at_first(crop, guidance):
        volumes.append(predict(crop, guidance))
        return volumes[-1] * (len(volumes) > 1)

    reconstructor.predictor.predict = fail_at_first
    (head,) = reconstructor.reconstruct(np.concatenate([astronaut, astronaut], 1))
    assert head.face_index == 1
    volumes.clear()
    with pytest.raises(errors.ReconstructionError, match="no head"):
        reconstructor.reconstruct(astronaut)


def test_no_face(reconstructor):
    with pytest.raises(errors.NoFaceError, match=r"No face found in wall\.png: try"):
        reconstructor.reconstruct(Photo.from_array(np.full((300, 300, 3), 120, np.uint8), "wall.png"))


def test_face_too_small(reconstructor, astronaut):
    photo = np.full((500, 500, 3), 120, np.uint8)
    photo[200:350, 200:350] = cv2.resize(astronaut, (150, 150), interpolation=cv2.INTER_AREA)
    with pytest.raises(errors.FaceTooSmallError, match=r"only 3\d pixels high, 40 are needed"):
        reconstructor.reconstruct(photo)


def test_cancelling_between_steps(reconstructor, astronaut):
    for stop_at in ("detect", "guidance", "network", "surface", "color"):
        seen: list[str] = []
        calls = reconstructor.predictor.calls
        with pytest.raises(errors.Cancelled):
            reconstructor.reconstruct(
                astronaut,
                progress=lambda step, *_, seen=seen: seen.append(step),
                cancelled=lambda stop_at=stop_at, seen=seen: seen[-1:] == [stop_at],
            )
        assert seen[-1] == stop_at
        assert reconstructor.predictor.calls == calls + (stop_at not in ("detect", "guidance"))
    with pytest.raises(errors.Cancelled):
        reconstructor.reconstruct(astronaut, cancelled=lambda: True)


def test_focal_length(reconstructor, astronaut):
    photo = Photo.from_array(astronaut, focal_mm35=85)
    assert camera_of(photo, None) == Camera.from_focal_mm(85, 512, 512, "exif")
    assert camera_of(photo, 35) == Camera.from_focal_mm(35, 512, 512, "option")
    assert camera_of(Photo.from_array(astronaut), None) == Camera.from_focal_mm(50, 512, 512, "default")
    for bad in (0, -5, 1e6):
        with pytest.raises(ValueError, match="focal length"):
            camera_of(photo, bad)
    near = reconstructor.reconstruct(astronaut, focal_mm=24)[0]
    far = reconstructor.reconstruct(astronaut, focal_mm=100)[0]
    assert far.frame.distance == pytest.approx(near.frame.distance * 100 / 24, rel=1e-6)


def test_crop_shows_the_face_upright_and_in_place(head, astronaut):
    """The eyes' whites and the collar are where the frame's matrix puts them."""
    landmarks = head.frame.photo_to_crop(head.landmarks.points[:, :2].astype(float))
    right, left = landmarks[468], landmarks[473]  # the irises
    for iris in (right, left):
        x, y = iris.round().astype(int)
        around = head.crop[y - 12 : y + 13, x - 12 : x + 13].astype(float).mean(2)
        assert around[11:14, 11:14].mean() < around.mean() - 15  # dark on light
    assert landmarks[CHIN, 1] > right[1] + 30 and abs(left[1] - right[1]) < 4
    double = cut_crop(astronaut, head.frame, 384)
    assert double.shape == (384, 384, 3)
    small = cv2.resize(double, (192, 192), interpolation=cv2.INTER_AREA).astype(float)
    assert np.abs(small - head.crop).mean() < 6


def test_importing_core_is_cheap():
    code = "import sys, core; assert not {'torch', 'mediapipe', 'cv2', 'skimage'} & set(sys.modules)"
    run_python(code)
    code = "import core; from core import Reconstructor, load_photo, Photo; core.nothing"
    done = run_python(code, check=False)
    assert "has no attribute 'nothing'" in done.stderr


def test_missing_weights_are_named(tmp_path):
    from core import Reconstructor

    with pytest.raises(errors.ModelError, match=str(tmp_path)):
        Reconstructor.from_pretrained(tmp_path)


def test_progress_is_shared_out_by_time():
    starts = step_starts(head=True, texture=True, hair=True)
    assert list(starts) == list(STEP_SECONDS) and starts["guidance"] == 0.0
    values = list(starts.values())
    assert values == sorted(values) and values[-1] < 1.0
    # The steps that take longest have the longest stretches of the bar.
    assert starts["texture"] - starts["head"] > 0.4 and 1.0 - starts["texture"] > 0.2
    assert list(step_starts(head=False, texture=False, hair=False)) == list(STEP_SECONDS)[:7]
