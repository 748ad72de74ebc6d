"""The refiner is trained on what it will be shown, and its answer leads to the true head."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from core.detection import FaceLandmarks
from core.lifter import POSE_OUTPUTS
from core.pose import SeenPose
from core.refiner import HeadRefiner, refiner_maps, torch_session
from core.refiner_network import RefinerConfig, RefinerNetwork
from core.training.heads import ICT, MAKEHUMAN
from core.training.loop import export_weights
from core.training.mirror import Mirror
from core.training.refiner import RefinerSamples, RefinerTrainer, RefinerTraining, compiled_maps, refiner_loss
from tests.core.training.conftest import MODELS, projected_sample

SMALL = RefinerConfig(channels=(8, 8, 8, 8), blocks=(1, 1, 1, 1), flat=4, hidden=32)


@pytest.fixture(scope="module")
def mirror():
    return Mirror.load(MODELS)


@pytest.fixture(scope="module")
def maker(heads, lifter, mirror):
    return RefinerSamples(heads, lifter, mirror)


def lift(lifter, sample):
    return lifter.lift(FaceLandmarks(sample.landmarks), sample.scene.assumed_camera)


def test_compiled_maps_are_those_of_inference(heads, lifter):
    sample = projected_sample(heads, ICT, 1)
    lifted = lift(lifter, sample)
    plain = refiner_maps(sample.landmarks.astype(np.float64), lifted, lifter)
    fast = compiled_maps(sample.landmarks.astype(np.float64), lifted, lifter)
    assert (np.abs(plain - fast) > 0.01).mean() < 1e-3
    assert (plain[3] != 0).mean() > 0.05


@pytest.mark.parametrize("source", [ICT, MAKEHUMAN])
def test_the_right_answer_leads_to_the_true_head(heads, lifter, maker, source):
    sample = projected_sample(heads, source, 3)
    scene = replace(sample.scene, assumed_focal_px=sample.scene.camera.focal_px)
    sample = replace(sample, scene=scene)
    item = maker.make(sample, np.random.default_rng(0), shaken=False)
    found = lifter.corrected(lift(lifter, sample), item["target"] * maker.scale)
    np.testing.assert_allclose(found.pose.rotation, scene.pose.rotation, atol=1e-4)
    np.testing.assert_allclose(found.pose.translation, scene.pose.translation, rtol=1e-3, atol=1e-4)
    true = heads.template_of(source, sample.identity, sample.expression)
    before = np.abs(lift(lifter, sample).vertices - true).mean()
    assert np.abs(found.vertices - true).mean() < 0.6 * before


def test_mirrored_sample_shows_the_mirrored_head(heads, mirror):
    sample = projected_sample(heads, ICT, 4, noise=0)
    twin = mirror.sample(sample)
    head = mirror.head(heads.template_of(ICT, sample.identity, sample.expression))
    marks = heads.template.landmarks(head)
    seen = twin.scene.camera.project(twin.scene.pose.head_to_camera(marks))
    error = np.linalg.norm(seen - twin.landmarks[:, :2], axis=1)
    assert np.median(error) < 0.5  # the template's landmarks are not symmetrical to the last tenth of a pixel
    again = mirror.sample(twin)
    np.testing.assert_allclose(again.landmarks, sample.landmarks, atol=1e-3)
    np.testing.assert_array_equal(again.picture, sample.picture)
    assert twin.scene.pose.angles[0] == pytest.approx(-sample.scene.pose.angles[0])


def test_untrained_network_leaves_the_lifted_head_alone(heads, lifter):
    sample = projected_sample(heads, ICT, 5)
    lifted = lift(lifter, sample)
    refiner = HeadRefiner(lifter, torch_session(RefinerNetwork(SMALL)))
    refined = refiner.refine(sample.picture, sample.landmarks.astype(np.float64), lifted)
    np.testing.assert_allclose(refined.vertices, lifted.vertices, atol=1e-6)
    np.testing.assert_allclose(refined.pose.translation, lifted.pose.translation, atol=1e-6)


def test_an_answer_moves_the_head_as_it_says(heads, lifter):
    sample = projected_sample(heads, ICT, 6)
    lifted = lift(lifter, sample)
    answer = np.zeros((1, 106))
    answer[0, 3] = 0.002 / lifter.weights["output_scale"][3]
    answer[0, POSE_OUTPUTS] = 1.0
    refined = HeadRefiner(lifter, lambda images, state: answer, looks=2).refine(
        sample.picture, sample.landmarks.astype(np.float64), lifted
    )
    camera = sample.scene.assumed_camera
    before, after = SeenPose.of(lifted.pose, camera), SeenPose.of(refined.pose, camera)
    np.testing.assert_allclose((after.centre - before.centre) / before.scale, [0.004, 0], atol=1e-6)
    step = lifter.weights["output_scale"][POSE_OUTPUTS]
    assert refined.coefficients[0] - lifted.coefficients[0] == pytest.approx(2 * step)


def test_training_learns_resumes_and_exports(heads, maker, lifter, tmp_path):
    samples = [projected_sample(heads, ICT, seed) for seed in range(4)]
    rng = np.random.default_rng(0)
    items = [maker.make(sample, rng, shaken=False) for sample in samples]
    batch = {k: torch.from_numpy(np.stack([item[k] for item in items])) for k in items[0]}
    config = RefinerTraining(network=SMALL, warmup=0.0, rate=3e-3, average=0.5)
    trainer = RefinerTrainer(tmp_path, config)
    trainer.network.train()
    first = trainer.train_batch(batch)
    for _ in range(40):
        last = trainer.train_batch(batch)
    assert last < 0.7 * first
    trainer.save()
    again = RefinerTrainer(tmp_path, config)
    assert again.step == 41
    export_weights(again.checkpoint, tmp_path / "head_refiner.safetensors")
    from core.refiner import load_refiner_network

    network = load_refiner_network(tmp_path / "head_refiner.safetensors")
    again.averaged.eval()
    with torch.no_grad():
        expected = again.averaged(batch["images"], batch["state"])
        torch.testing.assert_close(network(batch["images"], batch["state"]), expected, rtol=0.02, atol=0.02)


def test_loss_counts_what_it_is_told():
    target = torch.zeros(2, 10)
    output = torch.zeros(2, 10)
    output[0, 0], output[1, 8] = 3.0, 4.0
    nothing = refiner_loss(output, target, torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
    assert float(nothing) == pytest.approx(0.02, abs=0.011)
    everything = refiner_loss(output, target, torch.ones(2, 2))
    assert float(everything) == pytest.approx(3.5, abs=0.05)
