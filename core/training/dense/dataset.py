"""Windows about as the network for dense landmarks gets them, with where the points truly are."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ...errors import PhotobustError
from ...geometry.frames import AffineFrame
from ...image.crop import CropVariation
from ...lifting.dense_window import (
    DENSE_CENTER,
    DENSE_SIZE,
    cut_window,
    dense_frame,
    points_in_window,
)
from ...lifting.lifter import POSE_OUTPUTS, LandmarkLifter
from .observations import LiftedFaces

#: Fraction of the lifted head's error that windows are placed without, at most: those of further looks lie
#: nearer to the truth.
LARGEST_CORRECTION = 0.5
#: Deviations of how windows vary: logarithm of the scale, turn in radians, shift as a fraction of the side.
SCALE_DEVIATION = 0.025
TURN_DEVIATION = 0.025
SHIFT_DEVIATION = 0.012
#: Fraction of the windows with another exposure and contrast, and the deviations of their logarithms, and of
#: that of each channel.
CHANGED_FRACTION = 0.7
TONE_DEVIATION = 0.15
CHANNEL_DEVIATION = 0.04
#: Faces that the linear model of points is made of.
MODEL_FACES = 4000
#: Components that are computed beyond those kept, for the precision of the others.
SPARE_COMPONENTS = 64


@dataclass(frozen=True)
class Batch:
    """Windows.

    Attributes:
        pictures: (B, 160, 160, 3) uint8, RGB.
        points: (B, P, 3) float32, cm from the window's middle (`points_in_window`).
        shapes: (B, K) float32, normalized coefficients.
        weight: (B,) float32, how much each counts.
    """

    pictures: np.ndarray
    points: np.ndarray
    shapes: np.ndarray
    weight: np.ndarray


class DenseDataset:
    """Random windows of the lifted faces of a folder."""

    def __init__(self, files: Sequence[Path], lifter: LandmarkLifter) -> None:
        """Read the faces.

        Args:
            files: That `write_lifted_faces` wrote.
            lifter: That lifted them.

        Raises:
            PhotobustError: there are none.
        """
        if not files:
            raise PhotobustError(
                "There are no lifted faces. Make some with scripts/training/dense_network.py faces first."
            )
        self._lifter = lifter
        self._shards = [LiftedFaces.read(path) for path in files]
        self._index = [(shard, k) for shard in self._shards for k in range(len(shard))]

    def __len__(self) -> int:
        return len(self._index)

    def batch(self, rng: np.random.Generator, size: int) -> Batch:
        """Random windows, varied.

        Args:
            rng: random numbers.
            size: of the batch.
        """
        rows = rng.integers(len(self._index), size=size)
        return self._stacked([self._window(row, rng) for row in rows])

    def unvaried(self, rows: Sequence[int]) -> Batch:
        """Windows as they are, of the faces of some rows."""
        return self._stacked([self._window(row, None) for row in rows])

    def mean_and_basis(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The linear model of the points in varied windows: principal components.

        Args:
            count: components that are kept.

        Returns:
            (P * 3,) mean and (count, P * 3) components times their deviations, cm.
        """
        rng = np.random.default_rng(0)
        some = rng.permutation(len(self._index))[:MODEL_FACES]
        x = np.stack([self._window(row, rng)[1].ravel() for row in some])
        mean = x.mean(0)
        x -= mean
        # Randomized (N. Halko et al., "Finding structure with randomness", SIAM Review 2011).
        probes = rng.normal(size=(x.shape[1], min(count + SPARE_COMPONENTS, len(x)))).astype(np.float32)
        span = np.linalg.qr(x.T @ np.linalg.qr(x @ probes)[0])[0]
        _, deviations, components = np.linalg.svd(x @ span, full_matrices=False)
        basis = (components @ span.T)[:count] * (deviations[:count, None] / np.sqrt(len(x)))
        return mean, np.pad(basis, [(0, count - len(basis)), (0, 0)])

    @staticmethod
    def _stacked(windows: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray, float]]) -> Batch:
        pictures, points, shapes, weight = zip(*windows, strict=True)
        return Batch(np.stack(pictures), np.stack(points), np.stack(shapes), np.array(weight, np.float32))

    def _window(
        self, row: int, rng: np.random.Generator | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        """Picture, points, shape and weight of the face of a row."""
        shard, k = self._index[row]
        pose, camera = shard.pose(k), shard.assumed_camera(k)
        placed_by = shard.lifted[k]
        if rng is not None:
            correction = np.float32(rng.uniform(0, LARGEST_CORRECTION))
            placed_by = placed_by + correction * (shard.truth[k] - placed_by)
        window = dense_frame(self._lifter.lifted_points(pose, placed_by).pose)
        if rng is not None:
            window = varied(window, rng)
        true = self._lifter.lifted_points(pose, shard.truth[k])
        picture = cut_window(shard.crops[k, 0], shard.crop_frame(k, 0), window)
        if rng is not None and rng.random() < CHANGED_FRACTION:
            picture = with_other_tones(picture, rng)
        points = points_in_window(true.points, true.pose, camera, window)
        return picture, points, shard.truth[k, POSE_OUTPUTS:], float(shard.weight[k])


def varied(window: AffineFrame, rng: np.random.Generator) -> AffineFrame:
    """A window of another size, turned and moved a little."""
    scale, turn = np.exp(rng.normal(0, SCALE_DEVIATION)), rng.normal(0, TURN_DEVIATION)
    right, down = DENSE_SIZE * rng.normal(0, SHIFT_DEVIATION, 2)
    return CropVariation(scale, turn, right, down).of(window, DENSE_CENTER)


def with_other_tones(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another contrast, exposure and white balance.

    Args:
        picture: (H, W, 3) uint8.
        rng: random numbers.

    Returns:
        (H, W, 3) uint8.
    """
    levels = (np.arange(256)[:, None] / 255) ** np.exp(rng.normal(0, TONE_DEVIATION))
    gains = np.exp(rng.normal(0, TONE_DEVIATION) + rng.normal(0, CHANNEL_DEVIATION, 3))
    table = (np.clip(levels * gains, 0, 1) * 255 + 0.5).astype(np.uint8)
    return cv2.LUT(picture, table.reshape(1, 256, 3))
