"""What the profile network learns from: windows, the model of landmarks, the loss; the lifter's dual fit."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from core.detection.face_encoder import FaceNetwork
from core.detection.profile_frame import (
    PROFILE_CENTER,
    PROFILE_SIZE,
    PX_PER_RADIUS,
    points_in_frame,
    profile_frame,
)
from core.detection.profile_network import COMPONENTS, ProfileNetwork, load_profile_network
from core.errors import PhotobustError
from core.training.data.shards import write_shard
from core.training.fitting.cascade import NormalEquations, StageData, normal_equations
from core.training.fitting.run import export_averaged_weights
from core.training.paths import DataPaths
from core.training.profile.dataset import Batch, ProfileDataset
from core.training.profile.lifting import fit_stage_dual
from core.training.profile.pictures import has_face
from core.training.profile.trainer import profile_loss
from tests.core.head_samples import MODELS
from tests.core.training.conftest import projected_sample

BEHIND = [np.full((256, 256, 3), 60, np.uint8)]


@pytest.fixture(scope="module")
def dataset(heads, tmp_path_factory) -> ProfileDataset:
    """Windows of six faces, one of them seen from behind."""
    folder = tmp_path_factory.mktemp("profile")
    samples = [projected_sample(heads, "ict", seed, noise=0) for seed in range(6)]
    pose = samples[0].scene.pose
    back = replace(pose, rotation=pose.rotation @ np.diag([-1.0, -1.0, 1.0]))
    samples[0] = replace(samples[0], scene=replace(samples[0].scene, pose=back))
    assert [has_face(sample) for sample in samples] == [False, *[True] * 5]
    write_shard(folder / "train_00000.npz", samples)
    return ProfileDataset(folder, MODELS, BEHIND)


def test_windows_show_where_the_landmarks_are(dataset):
    batch = dataset.batch(np.random.default_rng(0), 60)
    assert batch.pictures.shape == (60, PROFILE_SIZE, PROFILE_SIZE, 3)
    assert 0.45 < batch.face.mean() < 0.85
    faces = batch.face > 0
    assert (batch.landmarks[~faces] == 0).all()
    centers = batch.landmarks[faces][..., :2].mean(1)
    assert (np.abs(centers - PROFILE_SIZE / 2) < 0.4 * PROFILE_SIZE).all()
    assert np.abs(batch.landmarks[faces][..., 2].mean(1)).max() < 1e-3
    across = batch.landmarks[faces][:, 263, 0] - batch.landmarks[faces][:, 33, 0]
    assert (across > 0).mean() > 0.9  # mirrored ones, too, as their landmarks change sides


def test_the_model_of_landmarks_knows_the_faces(dataset, heads):
    """Five faces and their mirror images are in the span of nine components."""
    mean, basis = dataset.mean_and_basis(COMPONENTS)
    assert basis.shape == (COMPONENTS, 478 * 3)
    assert np.abs(basis[9:]).max() < 1e-3 * np.abs(basis[0]).max()
    points = projected_sample(heads, "ict", 3, noise=0).landmarks.astype(np.float64)
    upright = (points_in_frame(points, profile_frame(points)) - PROFILE_CENTER) / PX_PER_RADIUS
    upright[:, 2] -= upright[:, 2].mean()
    offset = upright.ravel() - mean
    weights = np.linalg.lstsq(basis[:9].T, offset, rcond=None)[0]
    np.testing.assert_allclose(weights @ basis[:9], offset, atol=1e-4)


def test_the_loss_asks_for_landmarks_of_faces_alone():
    torch.manual_seed(0)
    true = np.random.default_rng(0).normal(64, 10, (2, 478, 3)).astype(np.float32)
    true[..., 2] -= true[..., 2].mean(1, keepdims=True)
    batch = Batch(np.zeros((2, 1, 1, 3), np.uint8), true, np.array([1, 0], np.float32))
    points = torch.from_numpy(true + 0.0)
    points[..., 2] += 7  # depth has no zero
    points[1] += 30  # nothing is there
    _, landmarks, _ = profile_loss(points, torch.tensor([9.0, -9.0]), batch)
    assert float(landmarks) == pytest.approx(0, abs=1e-6)
    points[0, :, 0] += PX_PER_RADIUS
    assert float(profile_loss(points, torch.tensor([9.0, -9.0]), batch)[1]) == pytest.approx(0.975, abs=1e-3)
    right, wrong = (profile_loss(points, torch.tensor([s, -s]), batch)[2] for s in (3.0, -3.0))
    assert float(right) < 0.1 < float(wrong)


def test_exported_weights_are_the_averaged_ones(tmp_path):
    network = ProfileNetwork()
    state = {f"module.{name}": value for name, value in network.state_dict().items()}
    state["n_averaged"] = torch.tensor(3)
    torch.save({"averaged": state, "step": 3, "seconds": 60.0}, tmp_path / "checkpoint.pt")
    export_averaged_weights([tmp_path / "checkpoint.pt"], tmp_path / "network.safetensors")
    found = load_profile_network(tmp_path / "network.safetensors")
    assert isinstance(found.encoder, FaceNetwork)
    picture = torch.rand(1, 3, PROFILE_SIZE, PROFILE_SIZE)
    with torch.inference_mode():
        for one, other in zip(found(picture), network.eval()(picture), strict=True):
            torch.testing.assert_close(one, other, atol=0.05, rtol=1e-2)


def test_the_dual_fit_is_the_ridge_regression():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(40, 60)).astype(np.float16)
    truth = rng.normal(size=(40, 3)).astype(np.float32)
    weight = rng.choice([0.15, 1.0], 40).astype(np.float32)
    train = StageData(inputs, np.zeros_like(truth), truth, np.zeros(40, np.float32), weight)
    penalty = rng.choice([0.2, 2.0], 60).astype(np.float32)
    stage = fit_stage_dual(train, penalty)
    residual = truth - stage["bias"]
    equations = normal_equations(inputs, residual, weight, stage["mean"], stage["scale"], len(penalty))
    assert isinstance(equations, NormalEquations)
    expected = equations.solved(torch.from_numpy(penalty)).numpy().T
    np.testing.assert_allclose(stage["weight"], expected, atol=1e-4)


def test_missing_shards_are_named(tmp_path):
    paths = DataPaths(tmp_path, tmp_path, MODELS)
    with pytest.raises(PhotobustError, match="no pictures of the split 'train'"):
        ProfileDataset(paths.profile_shards, MODELS, BEHIND)
