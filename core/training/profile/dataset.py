"""Windows of pictures about as the profile network gets them: of faces from the side, and of what is none."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ...detection.profile_frame import (
    PROFILE_CENTER,
    PROFILE_SIZE,
    PX_PER_RADIUS,
    points_in_frame,
    profile_frame,
)
from ...geometry.frames import AffineFrame, compose_affine
from ...geometry.reflection import load_landmark_symmetry
from ..data.shards import Shard, require_shards
from ..paths import DataPaths
from ..synthesis.backgrounds import background, foliage
from ..synthesis.lighting import LightLibrary
from ..synthesis.texture_library import Split, TextureLibrary
from .pictures import has_face

#: Fraction of the windows that show no face, beside the backs of heads.
EMPTY_FRACTION = 0.22
#: Of these, how many are cut beside faces; the others are of backgrounds.
BESIDE_FRACTION = 0.5
#: Fraction of the windows that are placed roughly, as those are in which a face is searched for.
ROUGH_FRACTION = 0.5
#: Pictures of backgrounds that are drawn once, and their side, pixels.
BACKGROUNDS = 600
BACKGROUND_SIZE = 256
FOLIAGE_FRACTION = 0.15


@dataclass(frozen=True)
class Placement:
    """How far windows are off: limits of the logarithm of the scale, of the shift as a fraction of the side,
    and of the roll, degrees.
    """

    smaller: float
    larger: float
    shift: float
    roll: float

    def matrix(self, rng: np.random.Generator) -> np.ndarray:
        """(2, 3) similarity: picture in its frame -> the same badly placed."""
        scale = np.exp(rng.uniform(self.smaller, self.larger))
        angle = np.radians(rng.uniform(-self.roll, self.roll))
        linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        shift = rng.uniform(-self.shift, self.shift, 2) * PROFILE_SIZE
        return np.column_stack([linear, PROFILE_CENTER + shift - linear @ np.full(2, PROFILE_CENTER)])


#: Faces that were found once already, and those that are searched for.
FINE = Placement(-0.15, 0.12, 0.07, 10.0)
ROUGH = Placement(-0.75, 0.25, 0.22, 30.0)


@dataclass(frozen=True)
class Batch:
    """Windows.

    Attributes:
        pictures: (B, 128, 128, 3) uint8, RGB.
        landmarks: (B, 478, 3) float32, pixels of the window; zeros where there is no face.
        face: (B,) float32, 1 or 0.
    """

    pictures: np.ndarray
    landmarks: np.ndarray
    face: np.ndarray


class ProfileDataset:
    """Random windows of all shards of a split that are there."""

    def __init__(
        self, folder: Path, models_dir: Path, backgrounds: Sequence[np.ndarray], split: Split = "train"
    ) -> None:
        """Read the shards.

        Args:
            folder: of the shards.
            models_dir: with the symmetry of the landmarks.
            backgrounds: (256, 256, 3) uint8 each, pictures without a face.
            split: whose shards are read.
        """
        self._folder, self._split, self._backgrounds = folder, split, backgrounds
        self._shards: dict[Path, Shard] = {}
        self._mirror = load_landmark_symmetry(models_dir)
        self.refresh()

    @classmethod
    def from_paths(cls, paths: DataPaths, split: Split = "train") -> "ProfileDataset":
        """The dataset of the usual folders, with random backgrounds."""
        rng = np.random.default_rng([17, split == "eval"])
        lights, textures = LightLibrary.load(paths.panoramas), TextureLibrary.load(paths.textures)
        backgrounds = [
            foliage(rng, BACKGROUND_SIZE)
            if rng.random() < FOLIAGE_FRACTION
            else background(rng, BACKGROUND_SIZE, split, lights, textures)
            for _ in range(BACKGROUNDS)
        ]
        return cls(paths.profile_shards, paths.models, backgrounds, split)

    def refresh(self) -> int:
        """Read shards that were made since; the number of pictures."""
        for path in require_shards(self._folder, self._split):
            if path not in self._shards:
                self._shards[path] = Shard(path)
        self._index = [(shard, k) for shard in self._shards.values() for k in range(len(shard))]
        return len(self._index)

    def __len__(self) -> int:
        return len(self._index)

    def batch(self, rng: np.random.Generator, size: int, rough: float = ROUGH_FRACTION) -> Batch:
        """Random windows.

        Args:
            rng: random numbers.
            size: of the batch.
            rough: fraction of the faces that are placed roughly.
        """
        windows = [self._window(rng, rough) for _ in range(size)]
        pictures, landmarks, face = zip(*windows, strict=True)
        return Batch(np.stack(pictures), np.stack(landmarks), np.array(face, np.float32))

    def mean_and_basis(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The linear model of upright faces of one size, of both sides.

        Args:
            count: components that are kept.

        Returns:
            (1434,) mean and (count, 1434) components times their deviations, radii.
        """
        faces = []
        for shard in self._shards.values():
            for k in range(len(shard)):
                sample = shard.sample(k, picture=False)
                if has_face(sample):
                    points = sample.landmarks.astype(np.float64)
                    upright = points_in_frame(points, profile_frame(points))
                    upright[:, :2] -= PROFILE_CENTER
                    upright[:, 2] -= upright[:, 2].mean()
                    faces.append(upright / PX_PER_RADIUS)
        x = np.stack(faces)
        mirrored = x[:, self._mirror] * [-1, 1, 1]
        x = np.concatenate([x, mirrored]).reshape(2 * len(x), -1)
        mean = x.mean(0)
        values, vectors = np.linalg.eigh((x - mean).T @ (x - mean) / len(x))
        top = np.argsort(values)[::-1][:count]
        return mean, vectors[:, top].T * np.sqrt(values[top])[:, None]

    def _window(self, rng: np.random.Generator, rough: float) -> tuple[np.ndarray, np.ndarray, float]:
        nothing = np.zeros((len(self._mirror), 3), np.float32)
        empty = rng.random() < EMPTY_FRACTION
        if empty and rng.random() > BESIDE_FRACTION:
            picture = self._backgrounds[rng.integers(len(self._backgrounds))]
            side = PROFILE_SIZE * np.exp(rng.uniform(-0.7, 0.68))
            at = rng.uniform(0, BACKGROUND_SIZE - side, 2) if side < BACKGROUND_SIZE else np.zeros(2)
            scale = PROFILE_SIZE / side
            matrix = np.array([[scale, 0, -at[0] * scale], [0, scale, -at[1] * scale]])
            return _finished(rng, _cut(rng, picture, matrix)), nothing, 0.0
        shard, k = self._index[rng.integers(len(self._index))]
        sample = shard.sample(k)
        points = sample.landmarks.astype(np.float64)
        frame = profile_frame(points)
        placement = ROUGH if rng.random() < rough else FINE
        matrix = compose_affine(placement.matrix(rng), frame.matrix)
        if empty:
            matrix = _beside(rng, matrix)
        window = AffineFrame(matrix)
        picture = _cut(rng, sample.picture, matrix)
        if empty or not has_face(sample):
            return _finished(rng, picture), nothing, 0.0
        found = points_in_frame(points, window)
        found[:, 2] -= found[:, 2].mean()
        if rng.random() < 0.5:
            picture = picture[:, ::-1]
            found = found[self._mirror]
            found[:, 0] = PROFILE_SIZE - 1 - found[:, 0]
        return _finished(rng, picture), found.astype(np.float32), 1.0


def _beside(rng: np.random.Generator, matrix: np.ndarray) -> np.ndarray:
    """A window moved so far that the face is out of it, or so near that it shows a part of it."""
    if rng.random() < 0.25:
        scale = np.exp(rng.uniform(1.0, 1.6))
        shift = PROFILE_CENTER * (1 - scale) + rng.uniform(-0.5, 0.5, 2) * PROFILE_SIZE
        return compose_affine(np.array([[scale, 0, shift[0]], [0, scale, shift[1]]]), matrix)
    angle = rng.uniform(0, 2 * np.pi)
    away = rng.uniform(0.75, 1.3) * PROFILE_SIZE * np.array([np.cos(angle), np.sin(angle)])
    return compose_affine(np.array([[1.0, 0, away[0]], [0, 1.0, away[1]]]), matrix)


def _cut(rng: np.random.Generator, picture: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    gray = rng.random() < 0.3
    border: Sequence[int] = (128, 128, 128)
    mode = cv2.BORDER_CONSTANT if gray else cv2.BORDER_REPLICATE
    size = (PROFILE_SIZE, PROFILE_SIZE)
    return cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=mode, borderValue=border)


def _finished(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Another exposure, and in a few another contrast, more blur or gray."""
    x = np.arange(256)[:, None] / 255
    y = np.clip(x * np.exp(rng.normal(0, 0.25)) * np.exp(rng.normal(0, 0.06, 3)), 0, 1)
    y = y ** np.exp(rng.normal(0, 0.25))
    picture = cv2.LUT(np.ascontiguousarray(picture), (y * 255 + 0.5).astype(np.uint8).reshape(1, 256, 3))
    if rng.random() < 0.15:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.6))
    if rng.random() < 0.08:
        picture = np.repeat(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None], 3, 2)
    return picture
