"""Random scenes, poses, and shards on disk."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.geometry.frames import HEAD_CENTER, HeadPose
from core.geometry.pose import WeakPerspectivePose, fit_pose, mean_pose, rotation_matrix, umeyama
from core.training.data.shards import Shard, read_samples, shard_paths, write_shard
from core.training.fitting.lifter import pose_correction
from core.training.synthesis.cameras import PICTURE_SIZE, head_rotation, sample_scene
from core.training.synthesis.sample import Sample

seeds = st.integers(0, 10_000)


def cloud(rng: np.random.Generator, count: int = 60) -> np.ndarray:
    return rng.uniform(-0.1, 0.1, (count, 3)) + HEAD_CENTER


@given(seeds)
def test_apparent_pose_and_pose_are_inverse(seed):
    scene = sample_scene(np.random.default_rng(seed))
    back = WeakPerspectivePose.of(scene.pose, scene.camera).in_camera(scene.camera)
    np.testing.assert_allclose(back.rotation, scene.pose.rotation, atol=1e-9)
    np.testing.assert_allclose(back.translation, scene.pose.translation, atol=1e-9)


@given(seeds)
def test_correction_leads_to_the_truth(seed):
    rng = np.random.default_rng(seed)
    one, two = (
        WeakPerspectivePose.of(s.pose, s.camera) for s in (sample_scene(rng, 40), sample_scene(rng, 40))
    )
    c = pose_correction(one, two)
    moved = one.corrected(rotation_matrix(c[:3]), c[3:5], float(c[5]))
    np.testing.assert_allclose(moved.rotation, two.rotation, atol=1e-7)
    np.testing.assert_allclose(moved.center, two.center, atol=1e-6)
    assert moved.scale == pytest.approx(two.scale)


@given(seeds, st.floats(0, 1))
def test_mean_pose_lies_between(seed, fraction):
    rng = np.random.default_rng(seed)
    one, turn = WeakPerspectivePose.of((s := sample_scene(rng)).pose, s.camera), rng.normal(0, 0.15, 3)
    other = one.corrected(rotation_matrix(turn), np.array([0.01, -0.02]), 0.1)
    mean = mean_pose([one, other], [1 - fraction, fraction])
    offset = np.array([0.01, -0.02]) * fraction
    wanted = one.corrected(rotation_matrix(turn * fraction), offset, 0.1 * fraction)
    np.testing.assert_allclose(mean.rotation, wanted.rotation, atol=0.02 * np.linalg.norm(turn))
    np.testing.assert_allclose(mean.rotation @ mean.rotation.T, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(mean.center, wanted.center, atol=1e-6 * one.scale)
    assert mean.scale == pytest.approx(wanted.scale)


def test_share_of_far_turned_views():
    rng = np.random.default_rng(0)
    yaw = {far: [abs(sample_scene(rng, far=far).pose.angles[0]) for _ in range(2000)] for far in (0, 0.5)}
    turned = {far: np.mean(np.array(angles) > 45) for far, angles in yaw.items()}
    # 0.7 of the others are spread evenly over -90..90 degrees.
    assert turned[0] == pytest.approx(0.36, abs=0.04)
    assert turned[0.5] == pytest.approx(0.5 + 0.5 * 0.36, abs=0.04)


@given(seeds)
def test_fit_pose_finds_a_similarity(seed):
    rng = np.random.default_rng(seed)
    canonical, scene = cloud(rng), sample_scene(rng)
    seen = WeakPerspectivePose.of(scene.pose, scene.camera)
    points = (canonical - HEAD_CENTER) @ seen.rotation.T * seen.scale + np.append(seen.center, 0)
    found = fit_pose(points, canonical)
    np.testing.assert_allclose(found.rotation, seen.rotation, atol=1e-7)
    np.testing.assert_allclose(found.center, seen.center, atol=1e-5)
    assert found.scale == pytest.approx(seen.scale)
    scale, _, _ = umeyama(points, canonical)
    assert scale == pytest.approx(1 / seen.scale)


@pytest.mark.parametrize("yaw", [-80, -30, 0, 45])
def test_angles_of_a_turned_head(yaw):
    angles = HeadPose(head_rotation(yaw, 0, 0), np.zeros(3)).angles
    assert angles == pytest.approx((yaw, 0, 0), abs=1e-9)
    assert HeadPose(head_rotation(0, 20, 0), np.zeros(3)).angles == pytest.approx((0, 20, 0), abs=1e-9)
    assert HeadPose(head_rotation(0, 0, 15), np.zeros(3)).angles == pytest.approx((0, 0, 15), abs=1e-9)


def test_shards_come_back(tmp_path):
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 255, PICTURE_SIZE).astype(np.uint8)
    samples = []
    for i in range(3):
        picture = np.repeat(np.repeat(ramp[None, :, None], PICTURE_SIZE, 0), 3, 2) // (i + 1)
        coefficients = rng.normal(size=100), rng.random(57)
        landmarks = rng.normal(size=(478, 3)).astype(np.float32)
        samples.append(Sample(picture, landmarks, "ict", *coefficients, sample_scene(rng)))
    write_shard(tmp_path / "train_00000.npz", samples)
    (tmp_path / "train_00001.tmp.npz").write_bytes(b"half a shard")
    assert [p.name for p in shard_paths(tmp_path, "train")] == ["train_00000.npz"]
    assert shard_paths(tmp_path, "eval") == []
    for sample, back in zip(samples, read_samples(tmp_path, "train"), strict=True):
        assert np.abs(back.picture.astype(int) - sample.picture).mean() < 2
        np.testing.assert_array_equal(back.landmarks, sample.landmarks)
        np.testing.assert_allclose(back.identity, sample.identity, atol=2e-3)
        np.testing.assert_array_equal(back.scene.pose.rotation, sample.scene.pose.rotation)
        assert back.scene.camera.focal_px == sample.scene.camera.focal_px
    assert Shard(tmp_path / "train_00000.npz").sample(1, picture=False).picture.size == 0
