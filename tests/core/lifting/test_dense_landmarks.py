"""Dense landmarks: what the network is shown, and what becomes of what it sees."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ModelError
from core.geometry.frames import Camera
from core.geometry.pose import WeakPerspectivePose, fit_pose, rotation_matrix
from core.image.crop import UNVARIED
from core.lifting.dense_landmarks import (
    DENSE_LIFTER_NAME,
    DenseLandmarks,
    DenseModel,
    LiftedPoints,
    OnnxDense,
    TorchDense,
    load_dense_landmarks,
)
from core.lifting.dense_window import (
    DENSE_CENTER,
    DENSE_PX_PER_CM,
    DENSE_SIZE,
    WINDOW_OFFSET,
    cut_window,
    dense_frame,
    points_in_window,
)
from core.lifting.lifter import CROPS, POSE_OUTPUTS, LandmarkLifter
from core.runtime.backend import DENSE_NAME, DENSE_ONNX_NAME
from core.runtime.weights import safetensors_arrays
from tests.core.head_samples import MODELS

CAMERA = Camera(900.0, 256.0, 256.0)
poses = st.builds(
    lambda x, y, z, right, down, scale: WeakPerspectivePose(
        rotation_matrix(np.array([0, 0, z])) @ rotation_matrix(np.array([np.pi / 2 + x, 0, y])),
        np.array([right, down]),
        scale,
    ),
    *(st.floats(-0.6, 0.6), st.floats(-1.5, 1.5), st.floats(-3, 3)),
    *(st.floats(100, 400), st.floats(100, 400), st.floats(300, 3000)),
)


@pytest.fixture(scope="module")
def lifter() -> LandmarkLifter:
    return LandmarkLifter.from_pretrained(MODELS, shaded=False)


@pytest.fixture(scope="module")
def seen(astronaut, detector, lifter):
    """(points, pose fitted to them, camera, the astronaut's picture)."""
    points = detector.detect(astronaut, max_faces=1)[0].points.astype(float)
    size = astronaut.shape[1], astronaut.shape[0]
    return points, fit_pose(points, lifter.canonical), Camera.from_focal_mm(50, *size), astronaut


class SeesExactly:
    """A network that sees what it was told."""

    def __init__(self, components: np.ndarray, shape: np.ndarray) -> None:
        self.told, self.pictures = (components, shape), []

    def run(self, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.pictures.append(picture)
        return self.told


@settings(max_examples=40, deadline=None)
@given(poses)
def test_the_window_is_upright_of_one_size_and_centered_on_the_face(pose):
    window = dense_frame(pose)
    assert window.scale == pytest.approx(100 * DENSE_PX_PER_CM / pose.scale)
    looked_at = pose.center + pose.scale * (pose.rotation @ WINDOW_OFFSET)[:2]
    np.testing.assert_allclose(window.photo_to_crop(looked_at), DENSE_CENTER, atol=1e-6)
    if np.linalg.norm(pose.up) > 0.1:
        up = window.photo_to_crop(pose.center + pose.up) - window.photo_to_crop(pose.center)
        assert up[1] < 0 and abs(up[0]) < 1e-6


@settings(max_examples=20, deadline=None)
@given(poses, st.floats(-0.1, 0.1))
def test_points_in_the_window_are_centimeters_about_its_middle(pose, further):
    """A point that is looked at along the ray lies in the middle, as deep as it is."""
    window = dense_frame(pose)
    head = pose.in_camera(CAMERA)
    ray = np.append((window.crop_to_photo(np.full(2, DENSE_CENTER)) - [CAMERA.cx, CAMERA.cy]) / 900.0, 1.0)
    depth = CAMERA.focal_px / pose.scale + further
    on_ray = (ray * depth - head.translation) @ head.rotation
    (found,) = points_in_window(on_ray[None], pose, CAMERA, window)
    np.testing.assert_allclose(found, [0, 0, 100 * further], atol=2e-3)


def test_the_points_are_landmarks_and_sites_of_the_shaped_head(lifter):
    z = np.random.default_rng(0).normal(size=len(lifter.weights["output_mean"]))
    coefficients = lifter.outputs(z)[POSE_OUTPUTS:]
    head = lifter.shape(coefficients)
    wanted = np.concatenate([lifter.template.landmarks(head), head[lifter.sites.vertices]])
    np.testing.assert_allclose(lifter.point_model(coefficients), wanted, atol=1e-6)


def test_weights_of_components_are_found_again():
    rng = np.random.default_rng(1)
    model = DenseModel(rng.normal(size=60).astype(np.float32), rng.normal(size=(8, 60)).astype(np.float32))
    weights = rng.normal(size=8)
    points = (model.mean + weights @ model.basis).reshape(20, 3)
    np.testing.assert_allclose(model.weights(points), weights, atol=1e-4)


def test_the_window_shows_the_crop_where_it_is(astronaut):
    """A crop's pixel lies where both frames say."""
    pose = WeakPerspectivePose(rotation_matrix(np.array([np.pi / 2, 0, 0.3])), np.array([90.0, 100.0]), 720.0)
    window = dense_frame(pose)
    crop = np.zeros((192, 192, 3), np.uint8)
    crop[80:83, 60:63] = 255
    picture = cut_window(crop, dense_frame(replace(pose, center=pose.center + 5)), window)
    assert picture.shape == (DENSE_SIZE, DENSE_SIZE, 3)
    rows, columns = np.nonzero(picture[..., 0] > 128)
    np.testing.assert_allclose([columns.mean(), rows.mean()], [61 + 5, 81 + 5], atol=1.0)


class SeesTheHead(SeesExactly):
    """A network that sees the head where it was drawn last, `further` to the right, cm."""

    def __init__(self, dense: DenseLandmarks, camera: Camera, further: float = 0.0) -> None:
        super().__init__(np.zeros(0), np.zeros(0))
        self.dense, self.camera, self.further, self.heads = dense, camera, further, []

    def drawn(self, head: LiftedPoints) -> LiftedPoints:
        placed = points_in_window(head.points, head.pose, self.camera, dense_frame(head.pose))
        shifted = placed + np.array([self.further, 0, 0], np.float32)
        self.told = self.dense.model.weights(shifted), head.z[POSE_OUTPUTS:]
        self.heads.append(head)
        return head


def test_a_network_that_sees_the_lifted_head_corrects_nothing(lifter, seen):
    points, pose, camera, picture = seen
    dense = lifter.dense
    assert dense is not None
    crops = lifter.features(picture, points, pose, None, CROPS)
    z = np.random.default_rng(2).normal(0, 0.3, 6 + len(lifter.weights["basis"])).astype(np.float32)
    network = SeesTheHead(dense, camera)
    stages = tuple(
        replace(stage, mean=np.zeros_like(stage.mean), bias=np.zeros_like(stage.bias))
        for stage in dense.stages
    )
    looks = DenseLandmarks(network, dense.model, stages)
    corrected = looks.corrected(z, lambda z: network.drawn(lifter.lifted_points(pose, z)), camera, crops)
    np.testing.assert_allclose(corrected, z, atol=1e-4)
    # Each crop is looked at; all windows show the same.
    first, *others = (one.astype(float) for one in network.pictures)
    assert len(others) == len(CROPS) - 1
    assert all(0 < np.abs(one - first).mean() < 12 for one in others)


def test_each_look_begins_where_the_one_before_has_placed_the_head(lifter, seen):
    points, pose, camera, picture = seen
    dense = lifter.dense
    assert dense is not None
    crops = lifter.features(picture, points, pose, None, CROPS)
    z = np.zeros(6 + len(lifter.weights["basis"]), np.float32)
    network = SeesTheHead(dense, camera, 0.5)
    looks = DenseLandmarks(network, dense.model, dense.stages)
    results = [
        looks.corrected(z, lambda z: network.drawn(lifter.lifted_points(pose, z)), camera, crops[:count])
        for count in range(len(crops) + 1)
    ]
    assert np.array_equal(results[0], z) and len(network.heads) == 1 + 2 + 3
    last = network.heads[-3:]
    for head, result in zip(last, results, strict=False):
        np.testing.assert_array_equal(head.z, result)
    # Only the first look corrects the shape.
    assert not np.array_equal(results[1][POSE_OUTPUTS:], z[POSE_OUTPUTS:])
    for result in results[2:]:
        np.testing.assert_array_equal(result[POSE_OUTPUTS:], results[1][POSE_OUTPUTS:])
        assert not np.array_equal(result[:POSE_OUTPUTS], results[1][:POSE_OUTPUTS])


def test_what_the_network_sees_moves_the_head(lifter, seen):
    """Points that lie three millimeters further right move the head there, by a part of it."""
    points, pose, camera, picture = seen
    dense = lifter.dense
    assert dense is not None
    crops = lifter.features(picture, points, pose, None, [UNVARIED])
    z = np.zeros(6 + len(lifter.weights["basis"]), np.float32)
    moved = []
    for right in (0.0, 0.3):
        network = SeesTheHead(dense, camera, right)
        looks = DenseLandmarks(network, dense.model, dense.stages)
        after = looks.corrected(z, lambda z, n=network: n.drawn(lifter.lifted_points(pose, z)), camera, crops)
        moved.append(lifter.outputs(after)[3])
    assert 0.02 * 0.003 < moved[1] - moved[0] < 1.2 * 0.003


def test_both_backends_see_the_same(lifter, seen):
    pytest.importorskip("torch")
    points, pose, _, picture = seen
    (crop,) = lifter.features(picture, points, pose, None, [UNVARIED])
    window = cut_window(crop.picture, crop.frame, dense_frame(pose))
    one, other = OnnxDense(MODELS / DENSE_ONNX_NAME).run(window), TorchDense(MODELS / DENSE_NAME).run(window)
    assert one[0].shape == (96,) and np.ptp(one[0]) > 0.5
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-3)


def test_heads_are_lifted_by_it(astronaut, detector, lifter):
    (face,) = detector.detect(astronaut, max_faces=1)
    camera = Camera.from_focal_mm(50, astronaut.shape[1], astronaut.shape[0])
    without = LandmarkLifter(
        {**lifter.weights, "mesh": lifter.mesh}, lifter.template, lifter.network, lifter.mirror
    )
    assert without.stages and without.dense is None
    heads = [one.lift(face, camera, astronaut) for one in (lifter, without)]
    moved = np.linalg.norm(heads[0].vertices - heads[1].vertices, axis=1)
    assert 5e-5 < moved.mean() < 3e-3
    assert all(head.follows(face.points) for head in heads)


def test_files_of_another_lifter_or_damaged_ones_are_refused(tmp_path):
    arrays = safetensors_arrays(MODELS / DENSE_LIFTER_NAME)
    fingerprint = arrays["fitted_to"]
    assert load_dense_landmarks(tmp_path, fingerprint) is None
    shutil.copy(MODELS / DENSE_LIFTER_NAME, tmp_path)
    with pytest.raises(ModelError, match="belongs to another version of the lifter"):
        load_dense_landmarks(tmp_path, np.zeros(32, np.uint8))
    with pytest.raises(ModelError, match=r"dense_network\.onnx is missing"):
        load_dense_landmarks(tmp_path, fingerprint, "onnx")
    (tmp_path / DENSE_LIFTER_NAME).write_bytes(b"no arrays")
    with pytest.raises(ModelError, match="is damaged"):
        load_dense_landmarks(tmp_path, fingerprint)
