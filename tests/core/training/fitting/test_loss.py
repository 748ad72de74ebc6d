"""The fused loss against torch's own operations and against finite differences."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from core.training.fitting.loss import LossWeights, volume_loss
from core.volume.guidance import TEMPLATE_LOGIT

RAYS = torch.ones(1, 192, 192)


@pytest.fixture(scope="module")
def ball() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A soft ball of 40 voxels as target, one of 43 as template, and small random corrections."""
    y, x, z = np.mgrid[:192, :192, :200].astype(np.float32)
    distance = np.sqrt((y - 95.5) ** 2 + (x - 95.5) ** 2 + (z - 99.5) ** 2)
    target = np.clip((40.5 - distance) / 3 + 0.5, 0, 1)
    template = np.clip((43.0 - distance) / 12 + 0.5, 0, 1)
    rng = np.random.default_rng(0)
    delta = rng.normal(0, 0.5, (1, 200, 192, 192)).astype(np.float32)
    byte = [torch.from_numpy(np.round(v * 255).astype(np.uint8))[None] for v in (template, target)]
    return torch.from_numpy(delta), *byte


def test_cross_entropy_equals_torch(ball: tuple[torch.Tensor, ...]) -> None:
    delta, template, target = ball
    _, parts = volume_loss(delta, template, target, RAYS, LossWeights())
    logits = delta.permute(0, 2, 3, 1) + (template.float() / 255 * 2 - 1) * TEMPLATE_LOGIT
    expected = (
        functional.binary_cross_entropy_with_logits(logits, target.float() / 255, reduction="sum") / 60000
    )
    assert float(parts[0]) == pytest.approx(float(expected), rel=1e-4)


def test_depth_error_is_in_voxels(ball: tuple[torch.Tensor, ...]) -> None:
    """A ball of radius 43 instead of 40.5 stands 2.5 voxels too near in the middle and more toward its
    rim.
    """
    y, x = np.mgrid[:192, :192]
    r2 = (y - 95.5) ** 2 + (x - 95.5) ** 2
    flat = r2 < 0.8 * 40.5**2
    expected = np.mean(np.sqrt(43**2 - r2[flat]) - np.sqrt(40.5**2 - r2[flat]))
    delta, template, target = ball
    _, parts = volume_loss(torch.zeros_like(delta), template, target, RAYS, LossWeights())
    assert float(parts[1]) == pytest.approx(expected, rel=0.25)


@pytest.mark.parametrize(
    "weights", [LossWeights(1, 0, 0), LossWeights(0, 1, 0), LossWeights(0, 0, 1), LossWeights()]
)
def test_gradient_matches_finite_differences(ball: tuple[torch.Tensor, ...], weights: LossWeights) -> None:
    delta, template, target = ball
    delta = delta.clone().requires_grad_()
    loss, _ = volume_loss(delta, template, target, RAYS, weights)
    loss.backward()
    # Along the gradient itself the loss must grow by step * |gradient|²: one number that all voxels fraction
    # in.
    gradient = delta.grad
    assert gradient is not None
    scale = 0.2 / float(gradient.abs().max())
    with torch.no_grad():
        up, _ = volume_loss(delta + scale * gradient, template, target, RAYS, weights)
        down, _ = volume_loss(delta - scale * gradient, template, target, RAYS, weights)
    slope = float(up - down) / (2 * scale)
    # Pairs of rays at the rim are counted from one side only: the gradient of the normal term is a little off
    # there.
    assert slope == pytest.approx(float(gradient.square().sum()), rel=0.1)
