"""How far the front of a face lies from the truth, and how it is turned, at half size."""

from dataclasses import asdict, dataclass

import numba as nb
import numpy as np

from ...volume.guidance import TEMPLATE_LOGIT
from ..fitting.loss import STEEP

#: Errors of depth count at most so many voxels of the full volume: a ray that meets nothing, or a floating
#: part, is wrong, but by no particular amount.
MOST = 20.0


@dataclass(frozen=True)
class HeadMeasure:
    """Of one head, over the rays that meet its face. depth: mean distance of front surfaces along the ray,
    voxels of the full volume; shape: the same once the mean offset is removed; normal: mean angle, degrees;
    iou: of the whole head.
    """

    depth: float
    shape: float
    normal: float
    iou: float

    def to_dict(self) -> dict[str, float]:
        """Measure -> value, as rows of tables have it."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


@nb.njit(cache=True, fastmath=False)
def _fronts(
    delta: np.ndarray, template: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int, int]:
    """(H, W, D) logits' correction float32, template and target uint8 -> front depths of prediction and
    target (H, W) float32, NaN where there is none; voxels in both and in either.
    """
    height, width, depth = delta.shape
    scale = np.float32(2 * TEMPLATE_LOGIT / 255)
    found = np.full((height, width), np.nan, np.float32)
    true = np.full((height, width), np.nan, np.float32)
    both, either = 0, 0
    for y in range(height):
        for x in range(width):
            nearer = np.float32(-TEMPLATE_LOGIT)
            true_nearer = np.float32(-127.5)
            for z in range(depth - 1, -1, -1):
                v = delta[y, x, z] + template[y, x, z] * scale - np.float32(TEMPLATE_LOGIT)
                t = np.float32(target[y, x, z]) - np.float32(127.5)
                both += int(v > 0 and t > 0)
                either += int(v > 0 or t > 0)
                if v > 0 and np.isnan(found[y, x]):
                    found[y, x] = z + v / (v - nearer)
                if t > 0 and np.isnan(true[y, x]):
                    true[y, x] = z + t / (t - true_nearer)
                nearer = min(v, np.float32(0.0))
                true_nearer = min(t, np.float32(0.0))
    return found, true, both, either


def _neighbors(depth: np.ndarray) -> np.ndarray:
    """(H, W) -> (4, H - 2, W - 2): the rays below, above, right, left of the inner ones."""
    return np.stack([depth[2:, 1:-1], depth[:-2, 1:-1], depth[1:-1, 2:], depth[1:-1, :-2]])


def _normals(depth: np.ndarray) -> np.ndarray:
    """(H, W) depths -> (H - 2, W - 2, 3) unit normals, from central differences."""
    below, above, right, left = _neighbors(depth)
    normal = np.stack([(left - right) / 2, (above - below) / 2, np.ones_like(left)], -1)
    return normal / np.linalg.norm(normal, axis=-1, keepdims=True)


def measure(delta: np.ndarray, template: np.ndarray, target: np.ndarray, rays: np.ndarray) -> HeadMeasure:
    """Compare a prediction with the truth.

    Args:
        delta: (H, W, D) float32, what is added to the template's logits.
        template: (H, W, D) uint8 columns [y, x, z].
        target: (H, W, D) uint8 columns [y, x, z].
        rays: (H, W) weights, greater than 1 on the face.

    Returns:
        The errors, at full size.
    """
    found, true, both, either = _fronts(np.ascontiguousarray(delta), template, target)
    steps = np.abs(_neighbors(true) - true[1:-1, 1:-1]).max(0)
    with np.errstate(invalid="ignore"):
        face = (rays[1:-1, 1:-1] > 1) & (steps <= STEEP)  # not so where a neighbor is NaN
    factor = 192 / len(true)
    error = (found - true)[1:-1, 1:-1][face] * factor
    error = np.clip(np.where(np.isnan(error), MOST, error), -MOST, MOST)
    cosine = (_normals(found) * _normals(true)).sum(-1)[face]
    cosine = np.where(np.isnan(cosine), 0, cosine)  # a right angle where nothing was met
    angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    return HeadMeasure(
        float(np.abs(error).mean()),
        float(np.abs(error - error.mean()).mean()),
        float(angle.mean()),
        both / max(either, 1),
    )
