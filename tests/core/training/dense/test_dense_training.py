"""What the network for dense landmarks learns from: lifted faces, windows, the loss; and the regression."""

import shutil
from dataclasses import fields, replace
from functools import partial

import numpy as np
import pytest
import torch

from core.errors import PhotobustError
from core.lifting.dense_landmarks import DENSE_LIFTER_NAME, DenseModel
from core.lifting.dense_network import COMPONENTS, DenseNetwork, load_dense_network
from core.lifting.dense_window import DENSE_CENTER, DENSE_PX_PER_CM, DENSE_SIZE, dense_frame
from core.lifting.face_features import FaceFeatures
from core.lifting.lifter import CROPS, POSE_OUTPUTS, LandmarkLifter
from core.runtime.backend import DENSE_NAME, FEATURES_NAME
from core.runtime.weights import safetensors_arrays
from core.training.data.shards import write_shard
from core.training.dense import lifting
from core.training.dense.dataset import Batch, DenseDataset, with_other_tones
from core.training.dense.lifting import WRONGLY_LIFTED, fit_dense_stage, train_dense_lifter
from core.training.dense.observations import LiftedFaces, lifted_faces, write_lifted_faces
from core.training.dense.trainer import (
    FIXED_BLOCKS,
    MODEL_NAME,
    DenseConfig,
    DenseTrainer,
    dense_loss,
)
from core.training.fitting.cascade import StageData
from tests.core.head_samples import MODELS
from tests.core.training.conftest import projected_sample


@pytest.fixture(scope="module")
def shard(heads, tmp_path_factory):
    """A shard of six faces."""
    path = tmp_path_factory.mktemp("dense") / "train_00000.npz"
    write_shard(path, [projected_sample(heads, "ict", seed, noise=0.5) for seed in range(6)])
    return path


@pytest.fixture(scope="module")
def faces(shard, training_run) -> LiftedFaces:
    return lifted_faces(training_run.paths, shard, CROPS, training=False)


@pytest.fixture(scope="module")
def dataset(faces, shard, lifter) -> DenseDataset:
    path = shard.with_name("faces.npz")
    write_lifted_faces(path, faces)
    return DenseDataset([path], lifter)


def test_lifted_faces_are_read_as_written(faces, shard):
    path = shard.with_name("again.npz")
    write_lifted_faces(path, faces)
    again = LiftedFaces.read(path)
    assert len(again) == 6 and not list(path.parent.glob("*.tmp*"))
    for field in fields(LiftedFaces):
        assert np.array_equal(getattr(again, field.name), getattr(faces, field.name)), field.name


def test_lifted_faces_of_an_earlier_version_are_refused(tmp_path):
    np.savez(tmp_path / "old.npz", crop=np.zeros(3), yaw=np.zeros(3))
    with pytest.raises(PhotobustError, match=r"old\.npz has no camera, center, crops.*remove it"):
        LiftedFaces.read(tmp_path / "old.npz")


def test_the_truth_is_where_the_landmarks_are(faces, shard, lifter, heads):
    """The true outputs give the true head's points: in each crop they lie on the landmarks there."""
    from core.training.data.shards import Shard

    found = Shard(shard)
    assert (faces.yaw >= -20).all() and faces.lifted.shape == faces.truth.shape
    for k in range(len(faces)):
        head = lifter.lifted_points(faces.pose(k), faces.truth[k])
        camera = faces.assumed_camera(k)
        points = camera.project(head.pose.in_camera(camera).head_to_camera(head.points.astype(float)))[:478]
        size = np.ptp(points, axis=0).max()
        if found.scene(k).pose.angles[0] > 0 and faces.yaw[k] > 0:  # not mirrored
            away = np.linalg.norm(points - found.sample(k, picture=False).landmarks[:, :2], axis=1)
            assert np.median(away) < 0.03 * size


def test_windows_show_where_the_points_are(dataset, faces, lifter):
    batch = dataset.unvaried(range(len(dataset)))
    assert batch.pictures.shape == (6, DENSE_SIZE, DENSE_SIZE, 3) and (batch.weight > 0).all()
    for k in range(6):
        pose, camera = faces.pose(k), faces.assumed_camera(k)
        true = lifter.lifted_points(pose, faces.truth[k])
        window = dense_frame(lifter.lifted_points(pose, faces.lifted[k]).pose)
        pixels = window.photo_to_crop(
            camera.project(true.pose.in_camera(camera).head_to_camera(true.points.astype(float)))
        )
        shown = DENSE_CENTER + DENSE_PX_PER_CM * batch.points[k, :, :2]
        np.testing.assert_allclose(shown, pixels, atol=0.01)
        np.testing.assert_array_equal(batch.shapes[k], faces.truth[k, 6:])


def test_varied_windows_vary_a_little_and_lie_nearer_to_the_truth(dataset):
    rng = np.random.default_rng(0)
    rows = np.zeros(60, int)  # many windows of one face
    windows = dataset._stacked([dataset._window(row, rng) for row in rows])
    spread = windows.points[..., :2].mean(1).std(0)
    assert 0.05 < spread.max() < 1.5
    unvaried = dataset.unvaried([0]).points[0, :, :2].mean(0)
    assert np.linalg.norm(windows.points[..., :2].mean((0, 1)) - unvaried) < 1.0
    batches = [dataset.batch(np.random.default_rng(0), 40) for _ in range(2)]
    for field in fields(Batch):
        assert np.array_equal(*(getattr(batch, field.name) for batch in batches))


def test_other_tones_keep_black_and_order():
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, 2)
    for seed in range(20):
        other = with_other_tones(ramp, np.random.default_rng(seed))
        assert (other[:, 0] == 0).all() and (np.diff(other.astype(int), axis=1) >= 0).all()


def test_the_model_of_points_spans_the_faces(dataset):
    mean, basis = dataset.mean_and_basis(COMPONENTS)
    assert basis.shape == (COMPONENTS, mean.size) and mean.size == dataset.unvaried([0]).points[0].size
    assert np.abs(basis[6:]).max() < 1e-3 * np.abs(basis[0]).max()  # six faces: five components


def test_the_loss_is_nothing_for_the_truth(dataset):
    batch = dataset.unvaried(range(3))
    points, shapes = torch.from_numpy(batch.points), torch.from_numpy(batch.shapes)
    assert [float(part) for part in dense_loss(points, shapes, batch)] == [0, 0, 0]
    _, of_points, of_shapes = dense_loss(points + torch.tensor([1.0, 0, 0]), shapes, batch)
    assert float(of_points) == pytest.approx(1 - 0.15, abs=1e-5) and float(of_shapes) == 0
    # What counts nothing teaches nothing.
    batch = Batch(batch.pictures, batch.points, batch.shapes, np.array([1, 0, 0], np.float32))
    points[1:] += 5
    assert float(dense_loss(points, shapes, batch)[0]) == 0


def test_training_goes_on_where_it_stopped(dataset, tmp_path):
    config = DenseConfig(hours=1.0, batch=4, rate=2e-3)
    trainer = DenseTrainer(tmp_path, config, MODELS / FEATURES_NAME, dataset)
    assert isinstance(trainer.network, DenseNetwork) and (tmp_path / MODEL_NAME).is_file()
    trainer.seconds = 0.1 * trainer.planned_seconds  # at the very first the rate is nothing
    batches = trainer.random_batches(dataset)
    losses = [trainer.train_batch(next(batches))[0] for _ in range(12)]
    assert losses[-1] < losses[0]
    trainer.save()
    again = DenseTrainer(tmp_path, config, MODELS / FEATURES_NAME, dataset)
    assert again.step == 12
    for one, other in zip(trainer.network.parameters(), again.network.parameters(), strict=True):
        assert torch.equal(one, other)


def test_fine_tuning_begins_with_a_network_and_leaves_its_first_layers(dataset, tmp_path):
    shipped = load_dense_network(MODELS / DENSE_NAME).state_dict()
    config = DenseConfig(hours=1.0, batch=4)
    trainer = DenseTrainer(tmp_path, config, MODELS / FEATURES_NAME, dataset, pretrained=MODELS)
    assert all(torch.equal(value, shipped[name]) for name, value in trainer.network.state_dict().items())
    with np.load(tmp_path / MODEL_NAME) as points:
        expected = safetensors_arrays(MODELS / DENSE_LIFTER_NAME)["points_basis"]
        np.testing.assert_array_equal(points["basis"], expected)
    trainer.seconds = 0.1 * trainer.planned_seconds  # at the very first the rate is nothing
    batches = trainer.random_batches(dataset)
    trainer.train_batch(next(batches))
    trainer.save()
    again = DenseTrainer(tmp_path, config, MODELS / FEATURES_NAME, dataset, pretrained=MODELS)
    again.train_batch(next(batches))
    changed = {
        name for name, value in again.network.state_dict().items() if not torch.equal(value, shipped[name])
    }
    fixed = ("encoder.stem", "encoder.act", *(f"encoder.blocks.{k}." for k in range(FIXED_BLOCKS)))
    assert changed == {name for name in shipped if not name.startswith(fixed)}


def test_without_faces_it_says_how_to_make_some(lifter):
    with pytest.raises(PhotobustError, match=r"dense_network\.py faces"):
        DenseDataset([], lifter)


def test_the_regression_finds_a_linear_relation_and_leaves_wrong_faces_out(monkeypatch):
    monkeypatch.setattr(lifting, "POSE_PENALTY", 1e-4)
    monkeypatch.setattr(lifting, "SHAPE_PENALTY", 1e-4)
    rng = np.random.default_rng(0)
    inputs = rng.normal(2, 3, (400, 8)).astype(np.float32)
    z = rng.normal(size=(400, 9)).astype(np.float32)
    truth = z + inputs @ rng.normal(0, 0.05, (8, 9)) + 0.3
    truth[:20] += 10 * WRONGLY_LIFTED
    data = StageData(inputs, z, truth.astype(np.float32), np.zeros(400), np.ones(400, np.float32))
    stage = fit_dense_stage(data, with_shape=True)
    after = z + ((inputs - stage["mean"]) / stage["scale"]) @ stage["weight"].T + stage["bias"]
    np.testing.assert_allclose(after[20:], truth[20:], atol=5e-3)
    of_pose = fit_dense_stage(data, with_shape=False)
    for name in ("weight", "bias"):
        np.testing.assert_array_equal(of_pose[name][:POSE_OUTPUTS], stage[name][:POSE_OUTPUTS])
        assert not of_pose[name][POSE_OUTPUTS:].any()


def test_regressions_are_fitted_look_by_look(faces, shard, training_run, lifter, tmp_path):
    """What they are written as is what corrects the heads that they were fitted to."""
    models = tmp_path / "models"
    shutil.copytree(MODELS, models)
    paths = replace(training_run.paths, models=models)
    kept = tmp_path / "kept.npz"
    write_lifted_faces(kept, faces)
    weights = safetensors_arrays(MODELS / DENSE_LIFTER_NAME)
    model = DenseModel(*(np.float32(weights[name]) for name in ("points_mean", "points_basis")))
    report = list(train_dense_lifter(paths, model, [kept], [kept], processes=1))
    assert [line.split()[0] for line in report] == ["6", "stages", "look", "look", "look"]
    dense = LandmarkLifter.from_pretrained(models, shaded=False).dense
    assert dense is not None and len(dense.stages) == len(CROPS)
    assert dense.stages[0].weight[POSE_OUTPUTS:].any()
    assert not any(stage.weight[POSE_OUTPUTS:].any() for stage in dense.stages[1:])
    before, after = [], []
    for k in range(len(faces)):
        crops = [
            FaceFeatures(faces.crop_frame(k, i), faces.crops[k, i], (), np.zeros(0))
            for i in range(len(CROPS))
        ]
        points = partial(lifter.lifted_points, faces.pose(k))
        z = dense.corrected(faces.lifted[k], points, faces.assumed_camera(k), crops)
        before.append(np.square(faces.lifted[k] - faces.truth[k])[:POSE_OUTPUTS].sum())
        after.append(np.square(z - faces.truth[k])[:POSE_OUTPUTS].sum())
    # Six faces are fewer than the inputs: they are learned nearly by heart.
    assert np.mean(after) < 0.5 * np.mean(before)
