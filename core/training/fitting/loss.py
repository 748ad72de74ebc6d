"""Loss of the volume: soft cross-entropy, and the front surface's depth and normals along the camera's rays.

Written as one pass over memory in numba with its own gradient: a volume has 7.4 million voxels, and the same
in torch's elementwise operations takes longer than the network itself.
`tests/core/training/fitting/test_loss.py` checks the gradient against finite differences.
"""

from dataclasses import dataclass
from typing import Any

import numba as nb
import numpy as np
import torch

from ...geometry.frames import CROP_SIZE
from ...volume.guidance import TEMPLATE_LOGIT

#: Voxels below the front surface from which the occupancy is summed to give its depth, at full size.
SUM_DEPTH = 8
#: Voxels of a head, at full size, in the band where anything is to be learned: scale of the cross-entropy.
BAND_VOXELS = 60000
#: Neighboring front depths further apart than this, voxels, are an edge of the picture, not a slope.
STEEP = 3.0


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms; see `volume_loss`. narrow: voxels where template and target are both fully
    inside, or both fully outside, are left alone.
    """

    occupancy: float = 0.25
    depth: float = 1.0
    normal: float = 3.0
    narrow: bool = False


@nb.njit(cache=True, fastmath=True, parallel=True)
def _loss_and_gradient(  # noqa: C901, PLR0913 (one nest of loops for numba, which takes flat arguments)
    delta: np.ndarray,
    template: np.ndarray,
    target: np.ndarray,
    ray_weight: np.ndarray,
    w_occupancy: np.float32,
    w_depth: np.float32,
    w_normal: np.float32,
    narrow: float,
    voxels: float,
    below: int,
    grad: np.ndarray,
    sums: np.ndarray,
) -> None:
    """All (B, H, W, D); delta float32, template and target uint8. below: SUM_DEPTH at this size. Fills grad;
    sums (B, H, 5) per row.
    """
    batch, height, width, depth = delta.shape
    logit_scale = np.float32(2 * TEMPLATE_LOGIT / 255)
    inv = np.float32(1 / 255)
    band = np.float32(w_occupancy / (voxels * batch))
    for b in range(batch):
        error = np.zeros((height, width), np.float32)
        start = np.full((height, width), -1, np.int32)
        top = np.zeros((height, width), np.float32)
        for y in nb.prange(height):
            total = np.float32(0.0)
            for x in range(width):
                first = -1
                for z in range(depth - 1, -1, -1):
                    if target[b, y, x, z] > 127:
                        first = z
                        break
                for z in range(depth):
                    base = template[b, y, x, z]
                    if narrow and base == target[b, y, x, z] and (base == 0 or base == 255):
                        grad[b, y, x, z] = 0.0
                        continue
                    v = delta[b, y, x, z] + template[b, y, x, z] * logit_scale - np.float32(TEMPLATE_LOGIT)
                    t = target[b, y, x, z] * inv
                    e = np.exp(-abs(v))
                    p = np.float32(1.0) / (np.float32(1.0) + e)
                    if v < 0:
                        p = np.float32(1.0) - p
                    total += max(v, np.float32(0.0)) - v * t + np.log(np.float32(1.0) + e)
                    grad[b, y, x, z] = p - t
                if first >= 0:
                    bottom = first
                    while bottom > 0 and first - bottom < below and target[b, y, x, bottom - 1] > 127:
                        bottom -= 1
                    e_sum = np.float32(0.0)
                    t_sum = np.float32(0.0)
                    for z in range(bottom, depth):
                        t = target[b, y, x, z] * inv
                        e_sum += grad[b, y, x, z]
                        t_sum += t
                    error[y, x] = e_sum
                    top[y, x] = bottom + t_sum
                    start[y, x] = bottom
            sums[b, y, 0] = total
        # Derivative of the depth and normal terms with respect to each ray's depth error.
        slope = np.zeros((height, width), np.float32)
        for y in nb.prange(1, height - 1):
            for x in range(1, width - 1):
                if start[y, x] < 0:
                    continue
                flat = np.float32(1.0)
                for k in range(4):
                    yy = y + (k == 0) - (k == 1)
                    xx = x + (k == 2) - (k == 3)
                    if start[yy, xx] < 0 or abs(top[yy, xx] - top[y, x]) > STEEP:
                        flat = np.float32(0.0)
                if flat == 0:
                    continue
                e = error[y, x]
                w = ray_weight[b, y, x]
                size = np.float32(np.sqrt(e * e + 0.01))
                sums[b, y, 1] += size * w
                sums[b, y, 2] += abs(e) * w
                sums[b, y, 4] += w
                g = w_depth * w * e / size
                for k in range(4):
                    yy = y + (k == 0) - (k == 1)
                    xx = x + (k == 2) - (k == 3)
                    d = e - error[yy, xx]
                    size = np.float32(np.sqrt(d * d + 0.0025))
                    # Each pair of rays is met from both sides.
                    g += w_normal * np.float32(0.5) * (w + ray_weight[b, yy, xx]) * d / size
                    sums[b, y, 3] += size * np.float32(0.5) * w
                slope[y, x] = g
        rays = np.float32(0.0)
        for y in range(height):
            rays += sums[b, y, 4]
        fraction = np.float32(1.0) / (max(rays, np.float32(1.0)) * batch)
        for y in nb.prange(height):
            for x in range(width):
                pull = slope[y, x] * fraction
                for z in range(depth):
                    difference = grad[b, y, x, z]
                    value = difference * band
                    if pull != 0 and z >= start[y, x]:
                        p = difference + target[b, y, x, z] * inv
                        value += pull * p * (np.float32(1.0) - p)
                    grad[b, y, x, z] = value


class _VolumeLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        delta: torch.Tensor,
        template: torch.Tensor,
        target: torch.Tensor,
        rays: torch.Tensor,
        weights: LossWeights,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        columns = delta.detach().permute(0, 2, 3, 1).contiguous().float()
        grad = torch.empty_like(columns)
        batch, size = columns.shape[:2]
        sums = np.zeros((batch, size, 5), np.float32)
        band_voxels = BAND_VOXELS * (size / CROP_SIZE) ** 3
        _loss_and_gradient(
            columns.numpy(),
            template.numpy(),
            target.numpy(),
            rays.numpy(),
            np.float32(weights.occupancy),
            np.float32(weights.depth),
            np.float32(weights.normal),
            weights.narrow,
            band_voxels,
            max(round(SUM_DEPTH * size / CROP_SIZE), 1),
            grad.numpy(),
            sums,
        )
        ctx.save_for_backward(grad)
        ctx.dtype = delta.dtype
        counted = np.maximum(sums[..., 4].sum(1), 1)
        occupancy = float(sums[..., 0].sum() / band_voxels / batch)
        depth, absolute, normal = ((sums[..., i].sum(1) / counted).mean() for i in (1, 2, 3))
        loss = weights.occupancy * occupancy + weights.depth * depth + weights.normal * normal
        return torch.tensor(loss), torch.tensor([occupancy, absolute, normal])

    @staticmethod
    def backward(
        ctx: Any, grad_loss: torch.Tensor, grad_parts: torch.Tensor
    ) -> tuple[torch.Tensor | None, ...]:
        (grad,) = ctx.saved_tensors
        return (grad * grad_loss).permute(0, 3, 1, 2).to(ctx.dtype), None, None, None, None


def volume_loss(
    delta: torch.Tensor,
    template: torch.Tensor,
    target: torch.Tensor,
    rays: torch.Tensor,
    weights: LossWeights,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Loss of the logits `template + delta` against a soft target.

    All arrays may be smaller by the same factor; voxels are then larger.

    Args:
        delta: (B, 200, 192, 192) logits, [z, y, x], volume frame.
        template: (B, 192, 192, 200) uint8 columns [y, x, z] from `core.training.rasterize`; 0..255 stands for
            -TEMPLATE_LOGIT..TEMPLATE_LOGIT.
        target: (B, 192, 192, 200) uint8 columns [y, x, z], 255 = solid.
        rays: (B, 192, 192) float32, how much each ray counts in the depth and normal terms.
        weights: of the terms.

    Returns:
        The loss and its parts (3,): cross-entropy per BAND_VOXELS, mean absolute error of the front depth in
        voxels, error of the depth's differences between neighboring rays.
    """
    return _VolumeLoss.apply(delta, template, target, rays, weights)
