"""The lifter's stages: MediaPipe's features where a head's vertices are, if they face the camera."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.detection.landmarks import FaceLandmarks
from core.geometry.frames import FRONTAL, Camera, HeadPose, apply_affine
from core.geometry.pose import WeakPerspectivePose, fit_pose, rotation_matrix
from core.geometry.reflection import mirrored_camera, mirrored_picture, mirrored_pose
from core.image.crop import face_frame
from core.lifting.cascade import FeatureSites, Stage
from core.lifting.face_features import FaceFeatures, OnnxFeatures, TorchFeatures, extract_features, sample_map
from core.lifting.lifter import CROPS, FRONTAL_YAW_DEG, LandmarkLifter, unflipped_weight

MODELS = Path(__file__).resolve().parents[3] / "models"


@pytest.fixture(scope="module")
def lifter() -> LandmarkLifter:
    return LandmarkLifter.from_pretrained(MODELS)


@pytest.fixture(scope="module")
def face(astronaut, detector):
    return detector.detect(astronaut, max_faces=1)[0]


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 191), st.floats(0, 191), st.sampled_from([24, 48, 96]))
def test_interpolation_is_exact_on_a_slope(x, y, size):
    """A map that grows evenly gives at each place what the place says; beyond its last pixels it stays."""
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    got = sample_map(np.stack([columns, rows]), np.array([[x, y]]))[0]
    wanted = np.clip((np.array([x, y]) + 0.5) * size / 192 - 0.5, 0, size - 1)
    np.testing.assert_allclose(got, wanted, atol=1e-3)


def test_interpolation_is_torchs():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    channels, places = rng.normal(size=(5, 24, 24)).astype(np.float32), rng.uniform(-20, 210, (40, 2))
    grid = torch.from_numpy(((places + 0.5) / 192 * 2 - 1).astype(np.float32))[None, None]
    wanted = torch.nn.functional.grid_sample(
        torch.from_numpy(channels)[None], grid, align_corners=False, padding_mode="border"
    )[0, :, 0].T.numpy()
    np.testing.assert_allclose(sample_map(channels, places), wanted, atol=1e-4)


def test_both_backends_see_the_same(astronaut, face, lifter):
    pytest.importorskip("torch")
    points = face.points.astype(float)
    seen = fit_pose(points, lifter.canonical)
    networks = (
        OnnxFeatures(MODELS / "face_features.onnx"),
        TorchFeatures(MODELS / "face_features.safetensors"),
    )
    one, other = (extract_features(network, astronaut, points, seen) for network in networks)
    for a, b in zip([*one.maps, one.global_features], [*other.maps, other.global_features], strict=True):
        assert a.shape == b.shape and np.ptp(a) > 1
        np.testing.assert_allclose(a, b, atol=2e-4)


def test_the_face_lies_in_the_middle_of_its_picture_upright(astronaut, face, lifter):
    """However the photo is turned."""
    size = len(astronaut) - 1
    for turned in (False, True):
        points = face.points.astype(float)
        if turned:
            points = np.column_stack([size - points[:, 1], points[:, 0], points[:, 2]])
        placed = face_frame(points, fit_pose(points, lifter.canonical)).photo_to_crop(points[:, :2])
        middle = (placed.min(0) + placed.max(0)) / 2
        np.testing.assert_allclose(middle, 95.5, atol=0.5)
        forehead, chin = placed[10], placed[152]
        assert chin[1] - forehead[1] > 90 and abs(chin[0] - forehead[0]) < 15


def test_what_looks_away_is_not_seen():
    """A tetrahedron: the corner that points at the camera is looked at, the one behind is not."""
    corners = np.array([[0, 0, -1], [1, 1, 1], [-1, 1, 1], [0, -1.5, 1.0]]) * 0.1
    triangles = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]])
    center = corners.mean(0)
    normal = np.cross(corners[triangles[0, 1]] - corners[0], corners[triangles[0, 2]] - corners[0])
    if normal @ (corners[triangles[0]].mean(0) - center) < 0:
        triangles = triangles[:, ::-1]
    frame = face_frame(np.random.default_rng(0).uniform(0, 192, (478, 3)), fit_pose(np.eye(3), np.eye(3)))
    maps = [np.ones((c, 24, 24), np.float32) for c in (16, 32, 64)]
    features = FaceFeatures(frame, np.zeros((192, 192, 3), np.uint8), maps, np.zeros(4608))
    sites = FeatureSites.of(np.array([0, 1]), triangles)
    pose = HeadPose(np.eye(3), np.array([0, 0, 2.0]))
    around = corners[sites.used]
    got = sites.sample_around([features], around, pose, Camera(200.0, 96, 96)).reshape(2, 112)
    assert (got[0] == 1).all() and (got[1] == 0).all()


def test_a_stage_is_a_linear_map():
    rng = np.random.default_rng(3)
    weights = {"stage1.mean": rng.normal(size=5), "stage1.scale": np.full(5, 2.0)}
    weights |= {"stage1.weight": rng.normal(size=(3, 5)), "stage1.bias": rng.normal(size=3)}
    x = rng.normal(size=5)
    wanted = weights["stage1.weight"] @ (x - weights["stage1.mean"]) / 2 + weights["stage1.bias"]
    np.testing.assert_allclose(Stage.read(weights, 1)(x), wanted)


def test_the_picture_counts(astronaut, face, lifter):
    """The head of the same landmarks without the picture is another, and the stages place it near the
    landmarks.
    """
    camera = Camera.from_focal_mm(50, astronaut.shape[1], astronaut.shape[0])
    blind = LandmarkLifter({**lifter.weights, "mesh": lifter.mesh}, lifter.template)
    assert len(lifter.stages) >= 2 and not blind.stages
    heads = [one.lift(face, camera, astronaut) for one in (lifter, blind)]
    away = [
        np.linalg.norm(
            camera.project(h.pose.head_to_camera(h.landmarks.astype(float))) - face.points[:, :2], axis=1
        )
        for h in heads
    ]
    assert np.abs(heads[0].vertices - heads[1].vertices).max() > 5e-4
    assert away[0].mean() < 0.03 * face.size
    again = lifter.lift(face, camera, astronaut)
    assert np.array_equal(again.vertices, heads[0].vertices)


def test_a_mirrored_photo_shows_the_mirrored_head(astronaut, face, lifter):
    """But for the canonical face, which is not symmetrical to the last tenth of a millimeter."""
    width = astronaut.shape[1]
    camera = Camera.from_focal_mm(50, width, astronaut.shape[0])
    mirror = lifter.mirror
    twin = FaceLandmarks(mirror.points(face.points.astype(float), width).astype(np.float32))
    head = lifter.lift(face, camera, astronaut)
    other = lifter.lift(twin, mirrored_camera(camera, width), mirrored_picture(astronaut))
    assert np.abs(mirror.head(other.vertices) - head.vertices).max() < 5e-4
    np.testing.assert_allclose(mirrored_pose(other.pose).rotation, head.pose.rotation, atol=5e-3)
    np.testing.assert_allclose(mirrored_pose(other.pose).translation, head.pose.translation, atol=5e-3)


@given(st.floats(-180, 180))
@settings(max_examples=12, deadline=None)
def test_a_turned_photo_gives_the_same_head(astronaut, face, lifter, degrees):
    """To 0.1 % of the face's height, whatever the roll; the pose turns with the photo, to 0.2 degrees."""
    height, width = astronaut.shape[:2]
    camera = Camera.from_focal_mm(50, width, height)
    head = lifter.lift(face, camera, astronaut)
    # Turned about the principal point, onto a canvas that has room for it at any angle.
    side = int(np.hypot(height, width)) + 2
    middle = np.full(2, (side - 1) / 2)
    angle = np.radians(degrees)
    linear = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.column_stack([linear, middle - linear @ [camera.cx, camera.cy]])
    picture = cv2.warpAffine(
        astronaut, matrix, (side, side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    points = face.points.astype(np.float64)
    points[:, :2] = apply_affine(matrix, points[:, :2])
    other = lifter.lift(FaceLandmarks(points.astype(np.float32)), Camera(camera.focal_px, *middle), picture)
    face_height = np.ptp(head.landmarks[:, 2])
    assert np.linalg.norm(other.vertices - head.vertices, axis=1).mean() < 0.001 * face_height
    turn = np.eye(3)
    turn[:2, :2] = linear
    np.testing.assert_allclose(other.pose.rotation, turn @ head.pose.rotation, atol=3.5e-3)
    np.testing.assert_allclose(other.pose.translation, turn @ head.pose.translation, atol=2e-3)


def turned(yaw: float) -> np.ndarray:
    """(3, 3) head -> camera of a face turned to the picture's right by `yaw` degrees."""
    return FRONTAL @ rotation_matrix(np.array([0.0, 0.0, np.radians(yaw)]))


@given(st.floats(-90, 90))
def test_the_flipped_estimate_takes_over_gradually(yaw):
    def weight(degrees: float) -> float:
        return unflipped_weight(WeakPerspectivePose(turned(degrees), np.zeros(2), 1.0))

    assert weight(yaw) + weight(-yaw) == pytest.approx(1)
    assert abs(weight(yaw + 1) - weight(yaw)) < 0.6 / FRONTAL_YAW_DEG
    assert weight(FRONTAL_YAW_DEG + 1) == 1 and weight(-FRONTAL_YAW_DEG - 1) == 0


def test_refined_heads_depend_less_on_where_the_face_is_cut_out(astronaut, face, lifter):
    """The photo a little smaller, with the same landmarks: other pixels of the same face."""
    small = cv2.resize(astronaut, None, fx=0.83, fy=0.83, interpolation=cv2.INTER_AREA)
    factor = np.array([small.shape[1] / astronaut.shape[1], small.shape[0] / astronaut.shape[0]])
    points = face.points * np.array([*factor, factor[0]], np.float32)
    points[:, :2] += (factor - 1) / 2
    unshaded = LandmarkLifter.from_pretrained(MODELS, shaded=False)
    photos = ((astronaut, face), (small, replace(face, points=points)))
    away = []
    for refined in (False, True):
        heads = [
            unshaded.lift(landmarks, Camera.from_focal_mm(50, *rgb.shape[1::-1]), rgb, refined)
            for rgb, landmarks in photos
        ]
        away.append(np.linalg.norm(heads[0].vertices - heads[1].vertices, axis=1).mean())
    assert 0 < away[1] < away[0]


def test_an_unrefined_lift_looks_once(astronaut, face, lifter, monkeypatch):
    """Of a frontal face: refined, both ways and at each crop."""
    network, pictures = lifter.network, []

    class Counting:
        def run(self, picture):
            pictures.append(picture)
            return network.run(picture)

    monkeypatch.setattr(lifter, "network", Counting())
    looks = []
    for refined in (False, True):
        lifter.lift(face, Camera.from_focal_mm(50, *astronaut.shape[1::-1]), astronaut, refined)
        looks.append(len(pictures))
    assert looks == [1, 1 + 2 * len(CROPS)]
