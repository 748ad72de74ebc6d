"""The face detector on real pictures, rotated and hidden in every way, and the maps between its views."""

import multiprocessing
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage import data

from core.detection.detector import FaceDetector, FaceLandmarks
from core.detection.landmarks import distance, is_plausible, overlap, same_face, scaled
from core.detection.mediapipe_topology import CHIN, FOREHEAD, LEFT_EYE_OUTER, NOSE_TIP, RIGHT_EYE_OUTER
from core.detection.views import (
    CONFIDENCE,
    UNVERIFIED_CONFIDENCE,
    mirrored_view,
    retries,
    rotated,
    tile_levels,
    tiles,
    whole_picture,
)
from core.errors import ModelError
from core.geometry.frames import apply_affine, invert_affine
from core.image.photo import load_photo
from tests.conftest import PATIENCE_SECONDS, run_python

ROOT = Path(__file__).resolve().parents[3]


def test_one_view(face):
    assert face.points.shape == (478, 3) and face.points.dtype == np.float32
    assert face.attempt == "plain"
    points = face.points
    # The astronaut's eyes, by eye: (204, 101) and (247, 103); the subject's right eye is on the left.
    assert np.linalg.norm(points[468, :2] - [203.5, 100.5]) < 2.5
    assert np.linalg.norm(points[473, :2] - [246.5, 103]) < 2.5
    assert points[FOREHEAD, 1] < points[NOSE_TIP, 1] < points[CHIN, 1]
    # Smaller z is nearer.
    assert points[NOSE_TIP, 2] < points[[RIGHT_EYE_OUTER, LEFT_EYE_OUTER], 2].min() - 10


@pytest.mark.parametrize("max_faces", [0, -1])
def test_less_than_one_face_cannot_be_asked_for(detector, max_faces):
    with pytest.raises(ValueError, match=f"not {max_faces}"):
        detector.detect(np.zeros((64, 64, 3), np.uint8), max_faces=max_faces)


def test_thorough_detection_agrees(detector, astronaut, face):
    faces = detector.detect(astronaut)
    assert len(faces) == 1
    assert faces[0].score > 0.8 and distance(face, faces[0]) < 0.01


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_turned_photos(detector, astronaut, face, turns):
    """Also upside down, where the first view shows a wrong, upright face."""
    found = detector.detect(np.ascontiguousarray(np.rot90(astronaut, turns)), max_faces=1)[0]
    expected = face.points.copy()
    for _ in range(turns):  # a quarter turn counterclockwise
        expected[:, :2] = np.stack([expected[:, 1], 511 - expected[:, 0]], 1)
    assert np.linalg.norm(found.points[:, :2] - expected[:, :2], axis=1).mean() < 0.04 * face.size


def test_mirror_image(detector, astronaut, face):
    found = detector.detect(np.ascontiguousarray(astronaut[:, ::-1]), thorough=False)[0]
    points = found.points[detector._mirror]
    points[:, 0] = 511 - points[:, 0]
    assert np.linalg.norm(points[:, :2] - face.points[:, :2], axis=1).mean() < 0.02 * face.size


def test_mirror_table(detector):
    mirror = detector._mirror
    assert sorted(mirror) == list(range(478))
    assert (mirror[mirror] == np.arange(478)).all()
    assert (mirror == np.arange(478)).sum() == 28  # on the midline
    assert (
        mirror[RIGHT_EYE_OUTER] == LEFT_EYE_OUTER
        and mirror[61] == 291
        and mirror[468] == 473
        and mirror[469] == 476
    )


def test_small_face_in_a_big_photo(detector, astronaut, face):
    big = np.full((2200, 3000, 3), 90, np.uint8)
    size = 240
    big[1700 : 1700 + size, 2600 : 2600 + size] = cv2.resize(
        astronaut, (size, size), interpolation=cv2.INTER_AREA
    )
    found = detector.detect(big)
    assert len(found) == 1
    expected = scaled(face, size / 512).points[:, :2] + [2600, 1700]
    assert np.linalg.norm(found[0].points[:, :2] - expected, axis=1).mean() < 2
    assert not detector.detect(big, thorough=False)


def test_several_faces_largest_first(detector, astronaut):
    row = np.full((640, 1500, 3), 60, np.uint8)
    row[100:612, 900:1412] = astronaut
    row[100:400, 50:350] = cv2.resize(astronaut, (300, 300), interpolation=cv2.INTER_AREA)
    found = detector.detect(row)
    assert len(found) == 2
    assert found[0].size > found[1].size and found[0].points[0, 0] > 900 > found[1].points[0, 0]
    only = detector.detect(row, max_faces=1)
    assert len(only) == 1 and found.omitted == 0
    # What was left out is counted, as far as it was found: with one face asked for, none is searched for.
    assert only.omitted <= 1
    assert detector.detect(np.hstack([astronaut, astronaut]), max_faces=1).omitted == 1


def test_small_faces_beside_a_larger_one(detector, astronaut):
    """A group photo: the nearest face covers 0.23 of the short side, the others 0.03."""
    group = np.full((1600, 2400, 3), 110, np.uint8)
    scale = 0.23 * 1600 / detector.detect(astronaut)[0].size
    near = cv2.resize(astronaut[:300, 80:370], None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    group[40 : 40 + near.shape[0], 40 : 40 + near.shape[1]] = near
    small = cv2.resize(astronaut, (256, 256), interpolation=cv2.INTER_AREA)
    for k in range(6):
        group[1300:1556, 60 + 370 * k : 316 + 370 * k] = small
    assert len(detector.detect(group, max_faces=20)) == 7
    some = detector.detect(group, max_faces=4)
    assert (len(some), some.omitted) == (4, 3)


@pytest.mark.parametrize("name", ["coffee", "brick", "grass", "gravel"])
def test_no_face(detector, name):
    picture = getattr(data, name)()
    picture = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, 2)
    assert detector.detect(picture) == []


def test_tiny_and_odd_pictures(detector):
    for shape in ((1, 1, 3), (3, 500, 3), (700, 2, 3)):
        assert detector.detect(np.zeros(shape, np.uint8)) == []


def test_gray_and_dark(detector, astronaut, face):
    gray = np.repeat(astronaut.mean(2, keepdims=True), 3, 2)
    for picture in (gray, gray * 0.25):
        found = detector.detect(picture.astype(np.uint8), max_faces=1)
        assert distance(face, found[0]) < 0.05


def test_wrong_arrays(detector):
    for bad in (np.zeros((10, 10)), np.zeros((10, 10, 4), np.uint8), np.zeros((10, 10, 3), np.float32)):
        with pytest.raises(ValueError, match="uint8"):
            detector.detect(bad)


def test_what_is_not_verified_has_to_be_surer(astronaut, monkeypatch):
    """Training's landmarks: boxes that are sure of little would move them."""
    asked = []
    landmarker = FaceDetector._landmarker

    def noted(self, full_range, confidence):
        asked.append(confidence)
        return landmarker(self, full_range, confidence)

    monkeypatch.setattr(FaceDetector, "_landmarker", noted)
    with FaceDetector.from_pretrained() as detector:
        assert detector.detect(astronaut, max_faces=1, thorough=False)
        assert asked == [UNVERIFIED_CONFIDENCE]
        asked.clear()
        assert detector.detect(astronaut, max_faces=1)
        assert set(asked) == {CONFIDENCE}


def test_missing_models(tmp_path):
    with pytest.raises(ModelError, match="landmark_symmetry"):
        FaceDetector.from_pretrained(tmp_path)


def _count_faces(detector, picture, queue):
    queue.put(len(detector.detect(picture, thorough=False)))


def test_a_graph_that_fails_by_chance(astronaut, face, monkeypatch):
    """It is made anew and asked once more; if it fails again, that is an error."""
    detector, failures = FaceDetector.from_pretrained(), [1]
    make = detector._landmarker

    class Broken:
        def detect(self, image):
            raise RuntimeError("Packet isn't the sole owner of the holder")

    def landmarker(*args):
        return Broken() if failures and failures.pop() else make(*args)

    monkeypatch.setattr(detector, "_landmarker", landmarker)
    (found,) = detector.detect(astronaut, thorough=False)
    np.testing.assert_allclose(found.points, face.points, atol=1e-3)
    failures += [1, 1]
    with pytest.raises(RuntimeError, match="sole owner"):
        detector.detect(astronaut, thorough=False)


def test_detector_works_in_a_forked_process(detector, astronaut):
    detector.detect(astronaut, thorough=False)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=_count_faces, args=(detector, astronaut, queue))
    process.start()
    assert queue.get(timeout=PATIENCE_SECONDS) == 1
    process.join(PATIENCE_SECONDS)
    assert process.exitcode == 0


def test_nothing_on_stdout_and_a_quiet_end():
    code = (
        "from skimage.data import astronaut\nfrom core.detection.detector import FaceDetector\n"
        "d = FaceDetector.from_pretrained()\nassert len(d.detect(astronaut())) == 1\n"
    )
    done = run_python(code)
    assert done.stdout == "" and "Traceback" not in done.stderr


def test_all_portraits_and_scans(detector, data_folder):
    pictures = sorted(data_folder.glob("portraits/*.jpg"))[::5] + sorted(data_folder.glob("scans/*.jpg"))
    missed = [path.name for path in pictures if len(detector.detect(load_photo(path).rgb, max_faces=1)) != 1]
    assert len(pictures) > 20 and missed == []


# Maps between the picture and its views.

points = st.lists(st.tuples(st.floats(-500, 2000), st.floats(-500, 2000)), min_size=1, max_size=5).map(
    np.array
)


@given(
    points,
    st.floats(0.2, 4),
    st.floats(-180, 180),
    st.integers(16, 600),
    st.booleans(),
    st.tuples(st.floats(0, 999), st.floats(0, 999)),
)
def test_views_are_similarities(points, zoom, degrees, side, flip, center):
    view = rotated(np.array(center), zoom, degrees, side, "rotated")
    view = mirrored_view(view) if flip else view
    linear = view.matrix[:, :2]
    np.testing.assert_allclose(linear @ linear.T, np.eye(2) * zoom**2, atol=1e-9)
    assert np.sign(np.linalg.det(linear)) == (-1 if flip else 1)
    back = apply_affine(invert_affine(view.matrix), apply_affine(view.matrix, points))
    np.testing.assert_allclose(back, points, atol=1e-6)
    np.testing.assert_allclose(apply_affine(view.matrix, np.array(center)), (side - 1) / 2, atol=1e-9)


def test_view_shows_what_its_matrix_says(astronaut):
    """A dot in the picture appears where the matrix maps it to."""
    for view in retries((300, 400, 3)):
        if view.attempt == "enlarged":
            continue
        picture = np.zeros((300, 400, 3), np.uint8)
        picture[198:203, 148:153] = 255
        shown = view.render(picture)[..., 0].astype(float)
        shown[shown < 140] = 0  # the gray around the picture
        y, x = np.indices(shown.shape)
        center = np.array([(x * shown).sum(), (y * shown).sum()]) / shown.sum()
        assert shown.shape == view.size[::-1]
        np.testing.assert_allclose(center, apply_affine(view.matrix, np.array([150.0, 200.0])), atol=0.3)


def test_tiles_are_parts_of_the_picture(astronaut):
    """Nothing is resampled where a view is a part of the picture, and nothing differs from resampling."""
    picture = astronaut[:, :480]
    views = [*tiles((1024, 900)), whole_picture(picture.shape, "plain")]
    large = cv2.resize(astronaut, (900, 1024))
    for view, rgb in [*((view, large) for view in views[:-1]), (views[-1], picture)]:
        part = view.render(rgb)
        assert np.shares_memory(part, rgb)
        assert np.array_equal(part, cv2.warpAffine(rgb, view.matrix, view.size))


@given(st.integers(200, 9000), st.integers(200, 9000))
def test_tiles_cover_the_picture(height, width):
    scales = list(tile_levels((height, width, 3)))
    assert len(scales) <= 3 and (not scales or max(height, width) >= 1000)
    for scale in scales:
        shape = (max(1, round(height * scale)), max(1, round(width * scale)), 3)
        seen = np.zeros((shape[0] // 32 + 1, shape[1] // 32 + 1), bool)
        for tile in tiles(shape):
            left, top = -tile.matrix[:, 2]
            assert left >= 0 and top >= 0
            seen[int(top) // 32 : int(top + 512) // 32 + 1, int(left) // 32 : int(left + 512) // 32 + 1] = (
                True
            )
        assert seen.all()


@given(points, st.floats(0.1, 10))
def test_scaling_keeps_pixel_corners(points, factor):
    """The corner (-0.5, -0.5) of a picture stays its corner when it is resized."""
    face = FaceLandmarks(np.column_stack([points, points[:, 0]]).astype(np.float32))
    again = scaled(scaled(face, factor), 1 / factor)
    np.testing.assert_allclose(again.points, face.points, atol=2e-2)
    corner = FaceLandmarks(np.full((1, 3), -0.5, np.float32))
    np.testing.assert_allclose(scaled(corner, factor).points[0, :2], -0.5, atol=1e-5)


def test_plausibility_and_overlap():
    square = np.zeros((478, 3), np.float32)
    square[:, :2] = np.random.default_rng(0).uniform(20, 80, (478, 2))
    face = FaceLandmarks(square)
    assert is_plausible(face, (100, 100, 3))
    assert not is_plausible(FaceLandmarks(square * 0.05), (100, 100, 3))
    assert not is_plausible(FaceLandmarks(square + 70), (100, 100, 3))
    assert not is_plausible(FaceLandmarks(square * np.nan), (100, 100, 3))
    assert overlap(face, face) == pytest.approx(1)
    assert overlap(face, FaceLandmarks(square + 100)) == 0


def test_one_face_and_two():
    points = np.zeros((478, 3), np.float32)
    points[:, :2] = np.random.default_rng(0).uniform(20, 80, (478, 2))
    face = FaceLandmarks(points)
    upside_down = FaceLandmarks(np.array([100, 100, 0], np.float32) - points)
    assert same_face(face, FaceLandmarks(points + 5)) and same_face(face, upside_down)
    assert not same_face(face, FaceLandmarks(points + 20))  # cheek to cheek
    assert not same_face(face, FaceLandmarks(25 + points / 2))  # a child before its mother


def test_a_lying_face_that_is_detected_twice_is_one(detector, data_folder):
    photo = load_photo(data_folder / "portraits" / "male_20.jpg").rgb
    assert len(detector.detect(np.ascontiguousarray(np.rot90(photo)))) == 1
