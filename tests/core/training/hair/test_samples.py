"""Samples of the hair network: what is true of them, their mirror images, the loss, a run's checkpoint."""

import numpy as np
import pytest
import torch

from core.errors import PhotobustError
from core.hair.block import BLOCK, CHANNELS, FLOW_SHAPE
from core.hair.volume_network import FIELD_LIMIT, OUTPUT_SCALE
from core.runtime.backend import HAIR_NAME
from core.runtime.weights import packaged_models, safetensors_arrays
from core.training.hair import samples
from core.training.hair.dataset import HairBatch, HairDataset, stack
from core.training.hair.rendering import with_errors
from core.training.hair.samples import TRUTH_LIMIT, SampleMaker, write_shard
from core.training.hair.trainer import HairTrainer, HairTrainingConfig, hair_loss


@pytest.fixture(scope="module")
def shard(topology, tmp_path_factory):
    """The file of two samples of one groom."""
    path = tmp_path_factory.mktemp("hair") / "train_00000.npz"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(samples, "VIEWS", 2)
        write_shard(path, SampleMaker(topology, []), 4, 2)
    return path


@pytest.fixture(scope="module")
def batch(shard):
    return HairBatch.load(shard)


def test_samples_have_hair_where_the_construction_has_some(batch):
    assert batch.inputs.shape == (2, CHANNELS, *BLOCK[1:]) and batch.flow.shape == (2, *FLOW_SHAPE)
    outside = batch.inputs[:, BLOCK[0] : 2 * BLOCK[0]] > 0
    true, built = (batch.truth > 0) & outside, (batch.inputs[:, : BLOCK[0]] > 0) & outside
    overlap = (true & built).sum() / (true | built).sum()
    assert true.sum() > 500 and overlap > 0.25
    length = np.linalg.norm(batch.flow / 127, axis=1)
    assert length.max() <= 1.02 and (length > 0.5).sum() > 50


def test_a_mirror_image_of_a_mirror_image_is_the_sample(batch):
    one = batch.one(0, True)
    again = stack([one]).one(0, True)
    for name in ("inputs", "truth", "flow"):
        np.testing.assert_array_equal(getattr(again, name), getattr(batch, name)[0])
    assert (one.truth != batch.truth[0]).any()
    # Where cells are and where the camera is are told alike of all samples.
    np.testing.assert_array_equal(one.inputs[-2:], batch.inputs[0, -2:])


def test_the_loss_is_least_for_the_truth(batch):
    field = torch.from_numpy(batch.inputs[:, : BLOCK[0]]).float() * (FIELD_LIMIT / 127)
    truth = torch.from_numpy(batch.truth).float() * (TRUTH_LIMIT / 127)
    true = (truth - field) / OUTPUT_SCALE
    flow = torch.from_numpy(batch.flow).float()
    torch.manual_seed(0)
    losses = [float(hair_loss(part * true, flow, batch)[0]) for part in (1.0, 0.5, 0.0)]
    assert losses[0] < losses[1] < losses[2]
    assert float(hair_loss(true, flow, batch)[3]) < 0.01 < float(hair_loss(true, -flow, batch)[3])


def test_a_run_goes_on_where_it_stopped(batch, shard, tmp_path):
    config = HairTrainingConfig(batch=2)
    trainer = HairTrainer(tmp_path, config)
    dataset = HairDataset(shard.parent)
    first = trainer.train_batch(dataset.batch(np.random.default_rng(0), 2))
    assert len(first) == 4 and np.isfinite(first).all()
    trainer.save()
    again = HairTrainer(tmp_path, config)
    assert again.step == 1
    for a, b in zip(trainer.network.parameters(), again.network.parameters(), strict=True):
        assert torch.equal(a, b)
    with pytest.raises(PhotobustError, match="no shards"):
        HairDataset(tmp_path)


def test_a_new_run_begins_with_given_weights_and_learns(batch, tmp_path):
    shipped = packaged_models() / HAIR_NAME
    trainer = HairTrainer(tmp_path, HairTrainingConfig(batch=2), shipped)
    first = safetensors_arrays(shipped, torch=True)
    state = trainer.network.state_dict()
    for name, value in first.items():
        assert torch.equal(state[name], value.float())
    trainer.train_batch(batch)
    assert not torch.equal(trainer.network.flow.weight, first["flow.weight"].float())


def test_errors_of_the_mask_are_as_large_as_those_of_a_segmentation():
    mask = np.zeros((256, 256), np.float32)
    mask[60:160, 70:190] = 1
    overlaps = []
    for seed in range(12):
        found = with_errors(mask, np.random.default_rng(seed)) > 0.5
        overlaps.append((found & (mask > 0.5)).sum() / (found | (mask > 0.5)).sum())
    assert 0.85 < np.median(overlaps) < 0.995 and min(overlaps) < 0.95
