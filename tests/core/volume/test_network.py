"""The volume network: its shape, its price, and that inference does what training saw."""

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from core.volume.guidance import MAPS, Guidance
from core.volume.network import INPUT_CHANNELS, NetworkConfig, VolumeRegressionNetwork
from core.volume.predictor import TEMPERATURE, network_input
from core.volume.torch_predictor import TorchPredictor, fold_normalization

SMALL = NetworkConfig(channels=(8, 12, 16, 16), down=(1, 1, 1, 1), up=(1, 1, 1), features=8)


@pytest.fixture
def guidance() -> Guidance:
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(MAPS, 192, 192)).astype(np.float32)
    return Guidance(maps, rng.normal(0, 3, (200, 192, 192)).astype(np.float32))


@pytest.fixture
def crop() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (192, 192, 3), dtype=np.uint8)


def lively(network: VolumeRegressionNetwork) -> VolumeRegressionNetwork:
    """Give a fresh network weights and statistics as if it had been trained."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.weight, 1.0, 0.1)
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    torch.nn.init.normal_(network.head.weight, 0, 0.1)
    return network.eval()


def test_untrained_network_answers_with_the_template(crop, guidance):
    volume = TorchPredictor(VolumeRegressionNetwork(SMALL).eval()).predict(crop, guidance)
    assert volume.shape == (200, 192, 192) and volume.dtype == np.float32
    np.testing.assert_allclose(volume, 1 / (1 + np.exp(-guidance.template_logits / TEMPERATURE)), atol=1e-6)


def test_folding_the_normalization_changes_nothing(crop, guidance):
    network = lively(VolumeRegressionNetwork(SMALL))
    inputs = torch.from_numpy(network_input(crop, guidance))[None]
    with torch.no_grad():
        before = network(inputs)
        after = fold_normalization(network)(inputs)
    assert float(before.std()) > 0.01
    torch.testing.assert_close(before, after, atol=1e-4, rtol=1e-4)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in network.modules())


def test_same_input_same_bytes(crop, guidance):
    predictor = TorchPredictor(lively(VolumeRegressionNetwork(SMALL)))
    assert predictor.predict(crop, guidance).tobytes() == predictor.predict(crop, guidance).tobytes()


def test_budget():
    """Design: at most 15 GFLOP a forward pass and 25 MB of half-precision weights."""
    network = VolumeRegressionNetwork().eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, INPUT_CHANNELS, 192, 192))
    assert counter.get_total_flops() <= 15e9
    assert sum(p.numel() for p in network.parameters()) * 2 <= 25e6
