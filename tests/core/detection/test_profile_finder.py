"""Faces from the side: the frame that they are looked at in, the search, the network in both backends."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.detection.detector import FaceDetector
from core.detection.landmarks import FaceLandmarks, roll
from core.detection.mediapipe_topology import CHIN, FOREHEAD, LEFT_EYE_OUTER
from core.detection.profile_finder import (
    LEAST_INSIDE,
    LEAST_OFFSET,
    MOST_WINDOWS_BESIDE,
    PROFILE_ATTEMPT,
    ProfileFinder,
    _cut_small,
    landmark_yaw,
    load_profile_model,
    search_windows,
    window_at,
    windows_beside,
)
from core.detection.profile_frame import (
    PROFILE_CENTER,
    PROFILE_SIZE,
    mirrored_frame,
    points_in_frame,
    points_in_photo,
    profile_frame,
)
from core.geometry.frames import HEAD_CENTER, Camera, HeadPose
from core.geometry.mesh import vertex_normals
from core.geometry.pose import rotation_matrix
from core.geometry.rasterize import fragments, interpolate, z_buffer
from core.image.crop import cut_crop
from core.lifting.lifter import (
    AGREEING_TURN_DEG,
    CONTRADICTING_TURN_DEG,
    FIRST_DOUBT_YAW,
    FIRST_SIDE_YAW,
    FULL_DOUBT_YAW,
    FULL_SIDE_YAW,
    LandmarkLifter,
    profile_weight,
)
from core.runtime.backend import PROFILE_NAME, PROFILE_ONNX_NAME
from core.template.template import HeadTemplate
from core.training.synthesis.cameras import head_rotation
from tests.core.head_samples import MODELS

SIDE = 320
CAMERA = Camera(1000.0, (SIDE - 1) / 2, (SIDE - 1) / 2, "exif")


def pose_at(yaw: float) -> HeadPose:
    """A head 1.2 m away that is turned to the picture's right."""
    rotation = head_rotation(yaw, 0.0, 0.0)
    return HeadPose(rotation, np.array([0.0, 0.0, 1.2]) - rotation @ HEAD_CENTER)


@pytest.fixture(scope="module")
def template() -> HeadTemplate:
    return HeadTemplate.load(MODELS)


def clay_head(template: HeadTemplate, yaw: float) -> tuple[np.ndarray, np.ndarray]:
    """A picture of the average head in clay, and its true landmarks (478, 3), px."""
    pose = pose_at(yaw)
    points = pose.head_to_camera(template.solid(template.vertices).astype(np.float64))
    triangles = template.solid_triangles
    screen = CAMERA.project(points)
    triangle, pixel, bary, _ = fragments(screen, triangles, SIDE)
    lit = vertex_normals(points, triangles) @ np.array([0.3, -0.5, -0.8])
    brightness = 0.25 + 0.6 * np.clip(interpolate(lit, triangles, triangle, bary), 0, 1)
    depth = interpolate(points[:, 2], triangles, triangle, bary)
    index, shown = z_buffer(pixel, -depth, brightness, size=SIDE)
    picture = np.where(index >= 0, shown, 0.7).reshape(SIDE, SIDE)
    rgb = (picture[..., None] * np.array([210, 180, 160])).astype(np.uint8)
    landmarks = pose.head_to_camera(template.landmarks(template.vertices).astype(np.float64))
    z = (landmarks[:, 2] - landmarks[:, 2].mean()) * CAMERA.focal_px / landmarks[:, 2].mean()
    return rgb, np.column_stack([CAMERA.project(landmarks), z])


def error_of(face: FaceLandmarks, landmarks: np.ndarray) -> float:
    """Mean distance of landmarks from the true ones, in sizes of the face."""
    distances = np.linalg.norm(face.points[:, :2] - landmarks[:, :2], axis=1)
    return float(distances.mean() / np.ptp(landmarks[:, :2], axis=0).max())


@pytest.mark.parametrize("yaw", [80.0, -88.0])
def test_a_head_from_the_side_is_found_and_lifted(detector, template, yaw):
    rgb, landmarks = clay_head(template, yaw)
    assert not FaceDetector(MODELS, profile=False).detect(rgb, max_faces=1, thorough=False)
    (face,) = detector.detect(rgb, max_faces=1)
    assert face.attempt == PROFILE_ATTEMPT
    assert error_of(face, landmarks) < 0.08
    assert landmark_yaw(face.points) == pytest.approx(yaw, abs=12)
    prior = LandmarkLifter.from_pretrained(MODELS, template).lift(face, CAMERA, rgb)
    assert prior.pose.angles[0] == pytest.approx(yaw, abs=10)
    # It is the average head, in clay.
    assert np.linalg.norm(prior.vertices - template.vertices, axis=1).mean() < 0.005
    assert CAMERA.project(prior.pose.head_to_camera(HEAD_CENTER)) == pytest.approx([159.5, 159.5], abs=12)


@pytest.mark.parametrize("quarters", [1, 3])
def test_the_profile_of_a_person_who_lies_is_found(detector, template, quarters):
    rgb, _ = clay_head(template, 80.0)
    (face,) = detector.detect(np.ascontiguousarray(np.rot90(rgb, quarters)), max_faces=1)
    assert face.attempt == PROFILE_ATTEMPT
    # Counterclockwise by numpy's convention.
    assert roll(face) == pytest.approx({1: -90, 3: 90}[quarters], abs=10)
    assert landmark_yaw(face.points) == pytest.approx(80.0, abs=12)


def beside(astronaut: np.ndarray, head: np.ndarray) -> np.ndarray:
    """A photo of her and of a head to the right of her, in the background's gray."""
    canvas = np.full((512, 512 + SIDE, 3), 178, np.uint8)
    canvas[:, :512] = astronaut
    canvas[100 : 100 + SIDE, 512:] = head
    return canvas


def test_a_profile_beside_a_frontal_face_is_found(detector, template, astronaut):
    head, landmarks = clay_head(template, 85.0)
    faces = detector.detect(beside(astronaut, head))
    assert len(faces) == 2
    (profile,) = [face for face in faces if face.attempt == PROFILE_ATTEMPT]
    assert error_of(profile, landmarks + np.array([512, 100, 0])) < 0.08


def test_nothing_is_found_beside_a_frontal_face_where_nobody_is(detector, astronaut):
    assert len(detector.detect(beside(astronaut, np.full((SIDE, SIDE, 3), 178, np.uint8)))) == 1


def test_groups_of_small_faces_are_not_searched(detector, template, astronaut):
    (face,) = detector.detect(astronaut, max_faces=1)
    small = FaceLandmarks(face.points * np.float32(0.1))
    assert len(windows_beside(astronaut.shape, [small])) > MOST_WINDOWS_BESIDE
    assert ProfileFinder.from_pretrained(MODELS).beside(astronaut, [small]) == []


def test_the_network_is_not_even_loaded_where_a_face_leaves_no_room(astronaut, monkeypatch):
    monkeypatch.setattr(ProfileFinder, "from_pretrained", lambda *_: pytest.fail("it was loaded"))
    with FaceDetector(MODELS) as alone:
        (face,) = alone.detect(np.ascontiguousarray(astronaut[20:220, 130:330]))
    assert face.attempt == "plain"


@given(scale=st.floats(0.3, 1.5), x=st.floats(0, 800), y=st.floats(0, 600), angle=st.floats(0, 2 * np.pi))
def test_windows_lie_beside_faces_and_in_the_photo(scale, x, y, angle):
    points = np.random.default_rng(0).normal(0, 40, (478, 3)) * scale + [x, y, 0]
    face = FaceLandmarks(points.astype(np.float32))
    frames = windows_beside((600, 800), [face])
    centers = np.array([frame.crop_to_photo(np.full((1, 2), PROFILE_CENTER))[0] for frame in frames])
    sides = np.array([PROFILE_SIZE / frame.scale for frame in frames])
    assert np.ptp(sides) < 1e-6
    assert (np.linalg.norm(centers - points[:, :2].mean(0), axis=1) > LEAST_OFFSET * sides - 1e-3).all()
    sticking_out = np.maximum(
        sides[:, None] / 2 - 0.5 - centers, centers + sides[:, None] / 2 + 0.5 - [800, 600]
    )
    # Windows larger than the photo have it in their middle.
    fits = sides[:, None] * (2 * LEAST_INSIDE - 1) < [800, 600]
    assert (sticking_out <= (1 - LEAST_INSIDE) * sides[:, None] + 1e-3)[fits].all()


def test_a_window_is_turned_with_the_head():
    frame = window_at(np.array([50.0, 80.0]), 256.0, 90.0)
    # What points to the right in the photo is up in the window.
    at = frame.photo_to_crop(np.array([[50.0, 80.0], [82.0, 80.0]]))
    np.testing.assert_allclose(at, [[PROFILE_CENTER] * 2, [PROFILE_CENTER, PROFILE_CENTER - 16]], atol=1e-9)


def test_a_face_from_the_side_is_redetected(detector, template):
    rgb, _ = clay_head(template, 80.0)
    (face,) = detector.detect(rgb, max_faces=1)
    redetections = detector.redetect(rgb, face)
    assert len(redetections) == 2
    assert all(distance < 0.04 and again.attempt == PROFILE_ATTEMPT for distance, again in redetections)


def test_a_face_turned_far_has_both_landmarks_and_is_lifted_by_them(detector, template):
    """MediaPipe's count less the further it is turned."""
    rgb, landmarks = clay_head(template, 72.0)
    side = ProfileFinder.from_pretrained(MODELS).find(rgb)
    # MediaPipe would show less of the yaw.
    less = landmarks.astype(np.float32) * np.float32([1, 1, 0.7])
    face = detector.with_profile_points(rgb, FaceLandmarks(less))
    assert error_of(FaceLandmarks(face.profile_points), landmarks) < 0.08
    np.testing.assert_array_equal(face.points, less)
    lifter = LandmarkLifter.from_pretrained(MODELS, template)
    faces = (FaceLandmarks(less), face, side)
    yaws = [lifter.lift(one, CAMERA, rgb, refined=False).pose.angles[0] for one in faces]
    assert min(yaws[0], yaws[2]) < yaws[1] < max(yaws[0], yaws[2])


@pytest.mark.parametrize(("sizes", "same"), [(0.2, True), (0.4, False)])
def test_misplaced_landmarks_are_still_of_the_same_face(detector, template, monkeypatch, sizes, same):
    """Those of another head, which cannot be that near, are not."""
    rgb, landmarks = clay_head(template, 75.0)
    finder = detector._profile_finder()
    true = finder.at(rgb, FaceLandmarks(landmarks.astype(np.float32)))
    monkeypatch.setattr(finder, "at", lambda _rgb, _face: true)
    moved = true.points.copy()
    moved[:, 0] += sizes * true.size
    face = detector.with_profile_points(rgb, FaceLandmarks(moved))
    assert (face.profile_points is not None) == same


@pytest.mark.parametrize(("backend", "name"), [("onnx", PROFILE_ONNX_NAME), ("torch", PROFILE_NAME)])
def test_only_the_file_of_the_backend_counts(tmp_path, template, backend, name):
    pytest.importorskip("torch")
    (tmp_path / name).symlink_to(MODELS / name)
    (tmp_path / "landmark_symmetry.npz").symlink_to(MODELS / "landmark_symmetry.npz")
    other = {"onnx": "torch", "torch": "onnx"}[backend]
    assert ProfileFinder.has_model(tmp_path, backend) and not ProfileFinder.has_model(tmp_path, other)
    rgb, landmarks = clay_head(template, 80.0)
    face = FaceLandmarks(landmarks.astype(np.float32))
    assert FaceDetector(tmp_path, other).with_profile_points(rgb, face) is face
    assert FaceDetector(tmp_path, backend).with_profile_points(rgb, face).profile_points is not None


def test_the_mirror_image_is_found_mirrored(template):
    rgb, _ = clay_head(template, 75.0)
    finder = ProfileFinder.from_pretrained(MODELS)
    face, mirrored = finder.find(rgb), finder.find(np.ascontiguousarray(rgb[:, ::-1]))
    assert face and mirrored
    assert landmark_yaw(mirrored.points) == pytest.approx(-landmark_yaw(face.points), abs=2)
    assert mirrored.size == pytest.approx(face.size, rel=0.06)


def test_frontal_faces_stay_as_they_are(detector, astronaut):
    (face,) = detector.detect(astronaut, max_faces=1)
    assert face.attempt == "plain" and face.profile_points is None
    found = ProfileFinder.from_pretrained(MODELS).at(astronaut, face)
    assert found is None  # it may see her, but not from the side


def test_both_backends_give_the_same_landmarks(astronaut):
    pytest.importorskip("torch")
    picture = np.ascontiguousarray(astronaut[20:148, 150:278])
    points, logits = zip(
        *(load_profile_model(MODELS, name).run(picture) for name in ("onnx", "torch")), strict=True
    )
    np.testing.assert_allclose(points[0], points[1], atol=1e-3)
    assert logits[0] == pytest.approx(logits[1], abs=1e-4)
    assert points[0].shape == (478, 3)


@pytest.mark.parametrize("yaw", [0.0, 35.0, 80.0, 100.0, -60.0, -95.0])
def test_yaw_of_landmarks(template, yaw):
    landmarks = pose_at(yaw).head_to_camera(template.landmarks(template.vertices).astype(np.float64))
    assert landmark_yaw(landmarks) == pytest.approx(yaw, abs=4)


@given(yaw=st.floats(-100, 100), turn=st.floats(0, 40), axis=st.tuples(*[st.floats(-1, 1)] * 3))
def test_the_profile_networks_landmarks_count_from_the_side_and_where_mediapipes_contradict(yaw, turn, axis):
    points = np.zeros((478, 3))
    points[FOREHEAD, 1], points[CHIN, 1] = -1, 1
    points[LEFT_EYE_OUTER] = [np.cos(np.radians(yaw)), 0, np.sin(np.radians(yaw))]
    assert landmark_yaw(points) == pytest.approx(yaw, abs=1e-6)
    axis = np.array(axis) + np.array([0, 0, 2])
    vector = axis / np.linalg.norm(axis) * np.radians(turn)
    one, other = rotation_matrix(np.array([0.3, -0.2, 0.5])), rotation_matrix(vector)
    weight = profile_weight(points, one, other @ one)
    side = np.interp(abs(yaw), [FIRST_SIDE_YAW, FULL_SIDE_YAW], [0, 1])
    assert profile_weight(points, one, one) == pytest.approx(side, abs=1e-6)
    if turn < AGREEING_TURN_DEG or abs(yaw) < FIRST_DOUBT_YAW:
        assert weight == pytest.approx(side, abs=1e-6)
    elif turn > CONTRADICTING_TURN_DEG and abs(yaw) > FULL_DOUBT_YAW:
        assert weight == 1
    else:
        assert side - 1e-6 <= weight <= 1


def test_landmarks_of_mediapipe_that_contradict_the_profile_networks_do_not_count(template):
    rgb, landmarks = clay_head(template, 75.0)
    finder = ProfileFinder.from_pretrained(MODELS)
    side = finder.find(rgb)
    lifter = LandmarkLifter.from_pretrained(MODELS, template)
    # As if the face looked to the other side.
    wrong = FaceLandmarks(landmarks.astype(np.float32) * np.float32([1, 1, -0.5]))
    both = lifter.lift(replace(wrong, profile_points=side.points), CAMERA, rgb)
    assert both.pose.angles[0] == pytest.approx(lifter.lift(side, CAMERA, rgb).pose.angles[0], abs=1.5)
    assert abs(lifter.lift(wrong, CAMERA, rgb).pose.angles[0] - 75) > 15


@given(scale=st.floats(0.1, 10), roll=st.floats(-3.1, 3.1), x=st.floats(-500, 500), y=st.floats(-500, 500))
def test_a_face_looks_the_same_in_its_frame_wherever_it_is(scale, roll, x, y):
    points = np.random.default_rng(0).normal(0, 40, (478, 3)) * [1, 1.4, 1]
    upright = points_in_frame(points, profile_frame(points))
    turn = scale * np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    moved = np.column_stack([points[:, :2] @ turn.T + [x, y], points[:, 2] * scale])
    frame = profile_frame(moved)
    np.testing.assert_allclose(points_in_frame(moved, frame), upright, atol=1e-6)
    np.testing.assert_allclose(points_in_photo(points_in_frame(moved, frame), frame), moved, atol=1e-6)
    assert upright[:, :2].mean(0) == pytest.approx(PROFILE_CENTER)
    mirrored = mirrored_frame(frame).photo_to_crop(moved[:, :2])
    np.testing.assert_allclose(mirrored[:, 0], PROFILE_SIZE - 1 - upright[:, 0], atol=1e-6)


@given(
    height=st.integers(40, 3000), width=st.integers(40, 3000), at=st.tuples(st.floats(0, 1), st.floats(0, 1))
)
def test_every_place_is_near_the_middle_of_some_window(height, width, at):
    point = np.array([at[0] * (width - 1), at[1] * (height - 1)])
    windows = list(search_windows((height, width, 3)))
    assert len(windows) < 120
    away = np.abs(np.stack([w.photo_to_crop(point) for w in windows]) - PROFILE_CENTER).max(1)
    smallest = max(w.scale for w in windows)
    inner = np.minimum(point, np.array([width - 1, height - 1]) - point).min() * smallest
    assert away.min() <= max(0.21 * PROFILE_SIZE, PROFILE_SIZE / 2 - inner + 1)


@pytest.mark.parametrize("shrink", [1, 2, 3])
def test_windows_of_a_smaller_photo_show_the_same(shrink):
    rng = np.random.default_rng(shrink)
    waves = rng.uniform(0.004, 0.012, (3, 2))
    y, x = np.mgrid[:500, :701]  # no multiples of 3
    picture = [127 + 120 * np.sin(u * x + v * y + k) for k, (u, v) in enumerate(waves)]
    rgb = np.round(np.stack(picture, -1)).astype(np.uint8)
    windows = [window_at(np.array([300.0, 240.0]), 400.0), window_at(np.array([420.0, 260.0]), 384.0, 30.0)]
    for frame, small in _cut_small(rgb, windows, shrink):
        exact = cut_crop(rgb, frame, PROFILE_SIZE, PROFILE_SIZE)
        assert np.abs(small.astype(int) - exact).max() <= 3
