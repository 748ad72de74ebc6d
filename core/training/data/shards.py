"""Training pictures on disk: shards of a few hundred samples, one .npz each, written once and read in any
order.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from ...errors import PhotobustError
from ...geometry.frames import Camera, HeadPose
from ..files import write_arrays
from ..synthesis.sample import Sample, Scene

JPEG_QUALITY = 93


def write_shard(path: Path, samples: Sequence[Sample]) -> None:
    """Write samples under a temporary name and move them into place.

    Args:
        path: the shard's file.
        samples: pictures are stored as JPEG, coefficients in half precision.
    """
    pictures = [
        cv2.imencode(".jpg", s.picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
        for s in samples
    ]
    arrays = {
        "jpeg": np.concatenate(pictures),
        "jpeg_end": np.cumsum([len(p) for p in pictures]),
        "landmarks": np.stack([s.landmarks for s in samples]).astype(np.float32),
        "source": np.array([s.source for s in samples]),
        "turned": np.array([s.turned for s in samples]),
        "identity": np.stack([s.identity for s in samples]).astype(np.float16),
        "expression": np.stack([s.expression for s in samples]).astype(np.float16),
        "camera": np.array(
            [[s.scene.camera.focal_px, s.scene.camera.cx, s.scene.camera.cy] for s in samples]
        ),
        "rotation": np.stack([s.scene.pose.rotation for s in samples]),
        "translation": np.stack([s.scene.pose.translation for s in samples]),
        "assumed_focal": np.array([s.scene.assumed_focal_px for s in samples]),
    }
    write_arrays(path, arrays, compressed=False)


class Shard:
    """One shard in memory (about 15 MB for 500 samples); pictures are decoded when asked for."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as data:
            self.data = {name: data[name] for name in data.files}

    def __len__(self) -> int:
        return len(self.data["landmarks"])

    def scene(self, i: int) -> Scene:
        """Camera and pose of sample i."""
        d = self.data
        pose = HeadPose(d["rotation"][i], d["translation"][i])
        focal, cx, cy = (float(v) for v in d["camera"][i])
        return Scene(Camera(focal, cx, cy), pose, float(d["assumed_focal"][i]))

    def sample(self, i: int, picture: bool = True) -> Sample:
        """Sample i; without its picture (an empty array) if that is not needed."""
        d = self.data
        start = int(d["jpeg_end"][i - 1]) if i else 0
        image: np.ndarray = np.zeros((0, 0, 3), np.uint8)
        if picture:
            image = cv2.imdecode(d["jpeg"][start : int(d["jpeg_end"][i])], cv2.IMREAD_COLOR)[..., ::-1]
        return Sample(
            image,
            d["landmarks"][i],
            str(d["source"][i]),
            d["identity"][i].astype(np.float32),
            d["expression"][i].astype(np.float32),
            self.scene(i),
            bool(d["turned"][i]),
        )


def shard_paths(folder: Path, split: str) -> list[Path]:
    """Finished shards of a split, in order."""
    return sorted(p for p in Path(folder).glob(f"{split}_*.npz") if ".tmp" not in p.name)


def require_shards(folder: Path, split: str) -> list[Path]:
    """`shard_paths`, of which there has to be one.

    Raises:
        PhotobustError: there is none; says how to make some.
    """
    paths = shard_paths(folder, split)
    if not paths:
        raise PhotobustError(
            f"There are no pictures of the split {split!r} in {folder}. Make some with "
            f"scripts/training/make_shards.py --split {split} first."
        )
    return paths


def read_samples(folder: Path, split: str, picture: bool = True) -> Iterator[Sample]:
    """All samples of a split in order.

    Args:
        folder: Of the shards.
        split: "train" or "eval".
        picture: Whether the pictures are decoded, too.
    """
    for path in shard_paths(folder, split):
        shard = Shard(path)
        for i in range(len(shard)):
            yield shard.sample(i, picture)
