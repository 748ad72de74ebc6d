"""The shards of samples that the hair network learns from, drawn at random."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import PhotobustError
from ...hair.block import BLOCK, PICTURES

#: Shards that are kept in memory, and after how many batches one is exchanged.
POOL = 16
EXCHANGE_BATCHES = 3
#: Channels that change their sign when a head is mirrored: the block's width direction says where they are.
_PICTURES = 2 * BLOCK[0]
SINE_CHANNEL = _PICTURES + 5
CAMERA_CHANNEL = _PICTURES + PICTURES
WIDTH_CHANNEL = CAMERA_CHANNEL + 4


@dataclass(frozen=True)
class HairBatch:
    """Samples as `samples.pack` makes them: inputs, truth, flow, int8 with a leading axis of samples."""

    inputs: np.ndarray
    truth: np.ndarray
    flow: np.ndarray

    @classmethod
    def load(cls, path: Path) -> "HairBatch":
        """Read a shard's file."""
        with np.load(path) as data:
            return cls(data["inputs"], data["truth"], data["flow"])

    def one(self, index: int, mirrored: bool) -> "HairBatch":
        """One sample, as it is or in a mirror.

        Args:
            index: Which.
            mirrored: Whether to swap left and right.

        Returns:
            The sample, without the leading axis.
        """
        parts = (self.inputs[index], self.truth[index], self.flow[index])
        if not mirrored:
            return HairBatch(*parts)
        inputs, truth, flow = (np.ascontiguousarray(part[..., ::-1]) for part in parts)
        for channel in (SINE_CHANNEL, CAMERA_CHANNEL, WIDTH_CHANNEL):
            inputs[channel] = -inputs[channel]
        flow[2] = -flow[2]
        return HairBatch(inputs, truth, flow)


def stack(samples: list[HairBatch]) -> HairBatch:
    """A batch of single samples."""
    return HairBatch(
        np.stack([sample.inputs for sample in samples]),
        np.stack([sample.truth for sample in samples]),
        np.stack([sample.flow for sample in samples]),
    )


class HairDataset:
    """Random samples of the shards in a folder; those that are made meanwhile come to be used, too."""

    def __init__(self, folder: Path, split: str = "train") -> None:
        """Look for the shards.

        Args:
            folder: Of them.
            split: The beginning of their names.

        Raises:
            PhotobustError: There are none.
        """
        self.folder, self.split = folder, split
        if not self.files():
            raise PhotobustError(f"There are no shards in {folder}. Run `hair.py shards` first.")
        self._pool: list[HairBatch] = []
        self._batches = 0

    def files(self) -> list[Path]:
        """The shards that are there."""
        return sorted(self.folder.glob(f"{self.split}_*.npz"))

    def batch(self, rng: np.random.Generator, size: int) -> HairBatch:
        """Random samples.

        Args:
            rng: Random numbers.
            size: How many.

        Returns:
            The batch.
        """
        files = self.files()
        while len(self._pool) < min(POOL, len(files)):
            self._pool.append(HairBatch.load(files[rng.integers(len(files))]))
        if self._batches % EXCHANGE_BATCHES == EXCHANGE_BATCHES - 1:
            self._pool[rng.integers(len(self._pool))] = HairBatch.load(files[rng.integers(len(files))])
        self._batches += 1
        drawn = []
        for _ in range(size):
            shard = self._pool[rng.integers(len(self._pool))]
            drawn.append(shard.one(int(rng.integers(len(shard.inputs))), bool(rng.random() < 0.5)))
        return stack(drawn)
