"""What completes skin is compared on parts that are hidden."""

import cv2
import numpy as np
import pytest
import torch

from core.image.color import linear_to_bytes
from core.runtime.weights import models_folder
from core.template.regions import Regions
from core.template.topology import SKIN, HeadTopology
from core.texture.albedo import COMPLETED, OBSERVED
from core.texture.albedo_model import AlbedoModel
from core.training.ablation.skin_completion import (
    SIDE,
    Completions,
    InpaintingNetwork,
    ObservedSkin,
    random_holes,
    train,
)

TONE = np.log([0.5, 0.3, 0.2]).astype(np.float32)


@pytest.fixture(scope="module")
def topology():
    return HeadTopology.load(models_folder())


@pytest.fixture(scope="module")
def plain(topology):
    return Regions.of(topology).plain


def written(folder, shade=0.0, seen=True):
    """A head's texture that is of one color but for its lower half, and what the photo shows of it."""
    logs = np.tile(TONE, (256, 256, 1))
    logs[128:] += shade
    cv2.imwrite(str(folder / "albedo.png"), linear_to_bytes(np.exp(logs))[..., ::-1])
    cv2.imwrite(
        str(folder / "albedo_mask.png"), np.full((256, 256), OBSERVED if seen else COMPLETED, np.uint8)
    )
    return folder


def test_a_head_s_skin_is_read_beside_its_tone(tmp_path, topology, plain):
    skin = ObservedSkin.read(written(tmp_path, -0.5), topology, plain)
    assert skin.observed[topology.vertices_of(SKIN)].all() and (skin.mask == 1).all()
    beside = skin.logs[skin.observed] - skin.tone
    assert np.ptp(beside, axis=0) == pytest.approx(0.5, abs=0.03)
    assert np.median(beside[plain[skin.observed] > 0.9], axis=0) == pytest.approx(0, abs=1e-6)
    assert np.ptp(skin.picture.mean(0)) == pytest.approx(0.5, abs=0.05)


def test_a_head_of_which_nothing_was_seen_is_none(tmp_path, topology, plain):
    assert ObservedSkin.read(written(tmp_path, seen=False), topology, plain) is None


def test_holes_differ_and_leave_something():
    masks = random_holes(40, np.random.default_rng(0))
    assert masks.shape == (40, 1, SIDE, SIDE) and set(np.unique(masks)) == {0.0, 1.0}
    shown = masks.mean((1, 2, 3))
    assert shown.min() < 0.5 < shown.max() < 1 and len(np.unique(shown)) > 20


def test_a_network_learns_what_is_hidden_from_it(tmp_path, topology, plain):
    skins = []
    for k, shade in enumerate((-0.6, -0.6, -0.6)):
        (tmp_path / str(k)).mkdir()
        skins.append(ObservedSkin.read(written(tmp_path / str(k), shade), topology, plain))
    (network, steps, _) = list(train(skins, 12.0))[-1]
    assert steps > 3
    picture, mask = torch.from_numpy(skins[0].picture[None]), torch.ones(1, 1, SIDE, SIDE)
    mask[..., 20:30, 20:30] = 0
    untrained = InpaintingNetwork().eval()
    errors = []
    for one in (untrained, network):
        with torch.no_grad():
            errors.append(float((one(picture, mask) - picture)[..., 20:30, 20:30].abs().mean()))
    assert errors[1] < 0.7 * errors[0]


def test_what_is_of_one_color_is_completed_by_diffusion_exactly(tmp_path, topology, plain):
    skin = ObservedSkin.read(written(tmp_path), topology, plain)
    completions = Completions(topology, AlbedoModel.load(models_folder()), InpaintingNetwork())
    hidden = topology.vertices[:, 2] > 0.03
    found = completions.differences(skin, hidden)
    assert set(found) == {"diffusion", "albedo model", "network"}
    assert found["diffusion"] < 0.5
    assert found["albedo model"] > found["diffusion"]  # people are not of one color
    assert completions.differences(skin, np.zeros(len(hidden), bool)) is None
    assert completions.differences(skin, np.ones(len(hidden), bool)) is None
