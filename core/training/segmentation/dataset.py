"""Shards of labeled pictures, and the augmented samples that training draws from them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ...errors import PhotobustError
from ...segmentation.segments import SEGMENT_SIZE, SEGMENT_WIDTH_CM
from ..files import write_arrays
from ..paths import DataPaths
from ..synthesis.degradations import degrade_picture
from ..synthesis.texture_library import Split
from .portraits import load_portraits
from .scenes import SCENE_SIZE, LabeledPicture, SceneSource
from .teacher import IGNORED, WIDE_WIDTH_CM

#: Labeled pictures of a shard.
SHARD_SIZE = 200
JPEG_QUALITY = 93
#: Pixels of the labeled picture per pixel of the segment frame.
SCENE_SCALE = (SCENE_SIZE / WIDE_WIDTH_CM) / (SEGMENT_SIZE / SEGMENT_WIDTH_CM)
#: Standard deviations of what the pose errs by: roll, degrees; log of the size; offset, pixels.
ROLL_ERROR = 5.0
SCALE_ERROR = 0.07
OFFSET_ERROR = 5.0


@dataclass(frozen=True)
class LabeledShard:
    """Labeled pictures, compressed: pictures as JPEG, labels as PNG, directions (N, 3) float32."""

    pictures: list[bytes]
    labels: list[bytes]
    directions: np.ndarray

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> LabeledPicture:
        picture = cv2.imdecode(np.frombuffer(self.pictures[index], np.uint8), cv2.IMREAD_COLOR)
        labels = cv2.imdecode(np.frombuffer(self.labels[index], np.uint8), cv2.IMREAD_GRAYSCALE)
        return LabeledPicture(np.ascontiguousarray(picture[..., ::-1]), labels, self.directions[index])

    @classmethod
    def of(cls, pictures: list[LabeledPicture]) -> "LabeledShard":
        """Compress labeled pictures."""
        quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        return cls(
            [cv2.imencode(".jpg", entry.picture[..., ::-1], quality)[1].tobytes() for entry in pictures],
            [cv2.imencode(".png", entry.labels)[1].tobytes() for entry in pictures],
            np.stack([entry.direction for entry in pictures]),
        )

    @classmethod
    def load(cls, path: Path) -> "LabeledShard":
        """Read a shard's file."""
        with np.load(path) as data:
            parts = {}
            for name in ("pictures", "labels"):
                flat, ends = data[name].tobytes(), data[f"{name}_ends"]
                parts[name] = [flat[a:b] for a, b in zip([0, *ends[:-1]], ends, strict=True)]
            return cls(parts["pictures"], parts["labels"], data["directions"])

    def save(self, path: Path) -> None:
        """Write the file in one go."""
        arrays = {"directions": self.directions}
        for name, values in (("pictures", self.pictures), ("labels", self.labels)):
            arrays[name] = np.frombuffer(b"".join(values), np.uint8)
            arrays[f"{name}_ends"] = np.cumsum([len(value) for value in values])
        write_arrays(path, arrays, compressed=False)


def shard_path(paths: DataPaths, split: Split, index: int) -> Path:
    """Where a shard lies."""
    return paths.segmentation_shards / f"{split}_{index:04d}.npz"


def make_shards(
    paths: DataPaths, split: Split, first: int, count: int, size: int = SHARD_SIZE
) -> Iterator[str]:
    """Make the shards that are not there.

    Args:
        paths: of the data.
        split: "train", rendered heads and dressed portraits, or "eval", rendered heads alone.
        first: index of the first shard.
        count: of shards.
        size: pictures of a shard.

    Yields:
        Lines of progress.
    """
    cv2.setNumThreads(1)
    train = split == "train"
    source = SceneSource(paths, split, load_portraits(paths.segmentation_portraits, split) if train else [])
    paths.segmentation_shards.mkdir(parents=True, exist_ok=True)
    for index in range(first, first + count):
        path = shard_path(paths, split, index)
        if path.is_file():
            continue
        rng = np.random.default_rng([int(train), index])
        LabeledShard.of([source.sample(rng, 0.4 if train else 1.0) for _ in range(size)]).save(path)
        yield f"{path.name}: {size} pictures"


def augment(
    shown: LabeledPicture, rng: np.random.Generator | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A labeled picture in the segment frame as a photo might show it.

    Args:
        shown: in the wide frame.
        rng: random numbers; without them the picture is only cut out.

    Returns:
        (256, 256, 3) uint8 picture, (256, 256) uint8 labels, (3,) float32 direction to the camera.
    """
    angle, zoom, flip = 0.0, 1.0, 1.0
    offset = np.zeros(2)
    if rng is not None:
        angle = np.radians(rng.normal(0, ROLL_ERROR))
        zoom = float(np.exp(rng.normal(0, SCALE_ERROR)))
        flip = -1.0 if rng.random() < 0.5 else 1.0
        offset = rng.normal(0, OFFSET_ERROR, 2)
    # Segment frame -> labeled picture, about the middles.
    cos, sin = np.cos(angle) * SCENE_SCALE / zoom, np.sin(angle) * SCENE_SCALE / zoom
    linear = np.array([[cos * flip, -sin], [sin * flip, cos]])
    middle = np.full(2, (SEGMENT_SIZE - 1) / 2)
    matrix = np.column_stack([linear, (SCENE_SIZE - 1) / 2 - linear @ (middle + offset)])
    size = (SEGMENT_SIZE, SEGMENT_SIZE)
    picture = cv2.warpAffine(
        shown.picture,
        matrix,
        size,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    labels = cv2.warpAffine(
        shown.labels,
        matrix,
        size,
        flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(IGNORED,),
    )
    direction = shown.direction * np.array([flip, 1, 1], np.float32)
    if rng is not None:
        picture = degrade_picture(_expose(picture, rng), rng)
    return picture, labels, direction.astype(np.float32)


def _expose(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Photos too dark, too bright, in colored light or of little contrast."""
    if rng.random() > 0.5:
        return picture
    x = np.arange(256)[:, None] / 255
    linear = x**2.2 * np.exp(rng.normal(0, 0.7)) * np.exp(rng.normal(0, 0.22, 3))
    y = np.clip(linear, 0, 1) ** (1 / 2.2)
    if rng.random() < 0.25:
        low, high = rng.uniform(0, 0.25), rng.uniform(0.6, 1.0)
        y = low + (high - low) * y
    return cv2.LUT(picture, (y * 255 + 0.5).astype(np.uint8).reshape(1, 256, 3))


class SegmentationDataset:
    """Augmented samples of all shards of a split that are there."""

    def __init__(self, paths: DataPaths, split: Split = "train") -> None:
        self._folder, self._split = paths.segmentation_shards, split
        self._shards: dict[Path, LabeledShard] = {}
        self.refresh()
        if not self._shards:
            raise PhotobustError(
                f"There are no shards in {self._folder}: run `scripts/training/segmentation.py shards` first."
            )

    def refresh(self) -> int:
        """Read shards that were made since; the number of pictures."""
        for path in sorted(self._folder.glob(f"{self._split}_[0-9][0-9][0-9][0-9].npz")):
            if path not in self._shards:
                self._shards[path] = LabeledShard.load(path)
        self._index = [(shard, k) for shard in self._shards.values() for k in range(len(shard))]
        return len(self._index)

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, index: int) -> LabeledPicture:
        shard, k = self._index[index]
        return shard[k]

    def batch(self, rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Random augmented samples.

        Args:
            rng: random numbers.
            size: of the batch.

        Returns:
            (B, 256, 256, 3) uint8, (B, 256, 256) uint8, (B, 3) float32.
        """
        chosen = rng.integers(len(self._index), size=size)
        pictures, labels, directions = zip(*(augment(self[int(k)], rng) for k in chosen), strict=True)
        return np.stack(pictures), np.stack(labels), np.stack(directions)
