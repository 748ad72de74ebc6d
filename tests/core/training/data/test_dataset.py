"""What the network is trained on is what it will be shown at inference, and its target is the true head."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from core.detection.detector import FaceLandmarks
from core.geometry.frames import crop_frame_around
from core.lifting.lifter import HeadPrior
from core.runtime.backend import WEIGHTS_NAME
from core.training.data.dataset import (
    DropRates,
    ShardDataset,
    TargetBuilder,
    compiled_guidance_maps,
    true_head_in_volume,
)
from core.training.data.shards import write_shard
from core.training.evaluation.methods import Case
from core.training.face_models.heads import ICT, MAKEHUMAN
from core.training.fitting.trainer import TrainConfig, Trainer, export_weights
from core.volume.guidance import TEMPLATE_LOGIT, build_guidance
from core.volume.torch_predictor import TorchPredictor
from tests.core.training.conftest import projected_sample
from tests.core.volume.test_network import SMALL


@pytest.mark.parametrize("source", [ICT, MAKEHUMAN])
def test_compiled_guidance_is_the_one_of_inference(heads, lifter, source):
    sample = projected_sample(heads, source, 1)
    points = sample.landmarks.astype(np.float64)
    lifted = lifter.lift(FaceLandmarks(sample.landmarks), sample.scene.assumed_camera, sample.picture)
    plain = build_guidance(points, lifted, lifter)
    maps, template = compiled_guidance_maps(points, lifted, lifter)
    assert (np.abs(maps - plain.maps) > 0.01).mean() < 1e-3
    logits = (template.transpose(2, 0, 1) / 255 * 2 - 1) * TEMPLATE_LOGIT
    assert (np.abs(logits - plain.template_logits) > 0.1).mean() < 1e-3


def test_a_head_lifted_without_error_is_its_own_target(heads, lifter):
    """Where the lifter is right, the target is nothing but the perspective image of the head."""
    sample = projected_sample(heads, MAKEHUMAN, 2)
    scene = replace(sample.scene, assumed_focal_px=sample.scene.camera.focal_px)
    vertices = heads.vertices(MAKEHUMAN, sample.identity, sample.expression)
    frame = crop_frame_around(scene.camera, scene.pose)
    lifted = HeadPrior(frame, scene.pose, vertices, lifter.template.landmarks(vertices))
    points, triangles = true_head_in_volume(replace(sample, scene=scene), lifted, heads)
    solid, _ = heads.solid(MAKEHUMAN, vertices.astype(np.float64))
    np.testing.assert_allclose(points, frame.camera_to_volume(scene.pose.head_to_camera(solid)), atol=0.01)
    assert triangles is heads.template.solid_triangles


@pytest.mark.parametrize("factor", [0.7, 1.4])
def test_target_is_where_the_photo_shows_the_face(heads, lifter, factor):
    """Whatever lifter and assumed focal length get wrong, the middle of the face stays on its pixel."""
    sample = projected_sample(heads, ICT, 2, noise=0.3)
    scene = replace(sample.scene, assumed_focal_px=sample.scene.camera.focal_px * factor)
    sample = replace(sample, scene=scene)
    lifted = lifter.lift(FaceLandmarks(sample.landmarks), scene.assumed_camera, sample.picture)
    points, _ = true_head_in_volume(sample, lifted, heads)
    vertices = heads.vertices(ICT, sample.identity, sample.expression)
    shown = lifted.frame.photo_to_crop(scene.camera.project(scene.pose.head_to_camera(vertices)))
    face = heads.model.landmarks68
    np.testing.assert_allclose(points[face, :2].mean(0), shown[face].mean(0), atol=2.5)
    nose = face[27:36]
    # Depth is in the same unit as width: the head's own proportions, not the assumed camera's.
    turned = np.linalg.norm(points[nose[0]] - points[nose[3]])
    true = np.linalg.norm(vertices[nose[0]] - vertices[nose[3]])
    across = heads.model.landmarks68[[36, 45]]
    wide = (
        np.linalg.norm(points[across[0]] - points[across[1]]),
        np.linalg.norm(vertices[across[0]] - vertices[across[1]]),
    )
    assert turned / wide[0] == pytest.approx(true / wide[1], rel=0.1)


def test_withheld_inputs(heads, lifter):
    sample = projected_sample(heads, ICT, 4)
    targets = TargetBuilder(heads, lifter, DropRates(picture=1, mesh=1)).build(
        sample, np.random.default_rng(0)
    )
    assert not targets["inputs"][:7].any() and targets["inputs"][7:].any()
    targets = TargetBuilder(heads, lifter).build(sample, np.random.default_rng(0))
    assert targets["inputs"][:7].any(axis=(1, 2)).all()
    assert targets["rays"].min() == 1 and targets["rays"].max() > 1


@pytest.mark.slow
def test_training_goes_down_and_on(heads, lifter, tmp_path):
    """A few steps on a few heads lower the loss; a stopped run goes on where it was; its weights make a
    predictor.
    """
    for worker in range(2):
        samples = [projected_sample(heads, ICT, 10 * worker + i) for i in range(4)]
        write_shard(tmp_path / f"train_{worker:05d}.npz", samples)
    dataset = ShardDataset(tmp_path, TargetBuilder(heads, lifter), seed=0)
    stream = iter(torch.utils.data.DataLoader(dataset, 2))
    batch = next(stream)
    config = TrainConfig(hours=1.0, batch=2, rate=1e-2, warmup=0.0, network=SMALL)
    trainer = Trainer(tmp_path / "run", config)
    losses = [trainer.train_batch(batch)[0] for _ in range(16)]
    assert np.mean(losses[-3:]) < 0.97 * losses[0]
    trainer.seconds = 100.0
    trainer.save()
    again = Trainer(tmp_path / "run", config)
    assert (again.step, again.seconds) == (16, 100.0)
    assert again.train_batch(batch)[0] == pytest.approx(trainer.train_batch(batch)[0], rel=1e-2)
    export_weights(tmp_path / "run" / "checkpoint.pt", tmp_path / WEIGHTS_NAME)
    predictor = TorchPredictor.from_pretrained(tmp_path)
    sample = projected_sample(heads, ICT, 1)
    start = Case(sample.picture, sample.landmarks, sample.scene.assumed_camera, lifter).start
    assert predictor.predict(start.crop, start.guidance).shape == (200, 192, 192)
