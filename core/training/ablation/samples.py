"""Samples at half size, made once, so that many networks can be compared within minutes.

A file holds what one shard became: `train_00000.npz` has the samples of the shard of that name. Columns are
kept compressed: 0.15 MB instead of 1.8 MB a sample, and 5 ms to unpack them.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numba as nb
import numpy as np

from ...geometry.frames import CROP_SIZE, VOLUME_SHAPE
from ...lifting.lifter import HeadPrior, LandmarkLifter
from ..data.dataset import FACE_WEIGHT, TargetBuilder
from ..data.shards import Shard
from ..face_models.heads import HeadSource
from ..files import write_arrays

#: Side of the crop at half size, pixels.
HALF_SIZE = CROP_SIZE // 2
#: Slices of the volume at half size.
HALF_SLICES = VOLUME_SHAPE[0] // 2
#: The templates that a network can start from: fitted to the landmarks, or the average head in the same pose.
FITTED = "fitted"
RIGID = "rigid"


class RigidLifter(LandmarkLifter):
    """A lifter's poses with the average shape for everybody."""

    def __init__(self, lifter: LandmarkLifter) -> None:
        vars(self).update(vars(lifter))

    def lift(self, *args: Any, **options: Any) -> HeadPrior:
        """See `LandmarkLifter.lift`."""
        mean = self.weights["mean"]
        return replace(super().lift(*args, **options), vertices=mean, landmarks=self.template.landmarks(mean))


@nb.njit(cache=True)
def halve_columns(columns: np.ndarray) -> np.ndarray:
    """Means of 2 x 2 x 2 voxels.

    Args:
        columns: (H, W, D) uint8.

    Returns:
        (H / 2, W / 2, D / 2) uint8.
    """
    height, width, depth = columns.shape
    out = np.zeros((height // 2, width // 2, depth // 2), np.uint8)
    for y in range(height // 2):
        for x in range(width // 2):
            for z in range(depth // 2):
                total = np.int32(4)
                for dy in range(2):
                    for dx in range(2):
                        for dz in range(2):
                            total += columns[2 * y + dy, 2 * x + dx, 2 * z + dz]
                out[y, x, z] = total >> 3
    return out


def halve_maps(maps: np.ndarray) -> np.ndarray:
    """Means of 2 x 2 pixels.

    Args:
        maps: (C, H, W).

    Returns:
        (C, H / 2, W / 2).
    """
    c, h, w = maps.shape
    return maps.reshape(c, h // 2, 2, w // 2, 2).mean((2, 4))


@dataclass(frozen=True)
class SmallSample:
    """One sample at half size or less: inputs (10, H, W) float32; template and target (H, W, D) uint8 columns
    [y, x, z]; rays (H, W) float32, their weights in the loss; yaw_bin 0, 30 or 60.
    """

    inputs: np.ndarray
    template: np.ndarray
    target: np.ndarray
    rays: np.ndarray
    yaw_bin: int

    def halved(self) -> "SmallSample":
        """The same at half of this size."""
        inputs = halve_maps(self.inputs)
        columns = halve_columns(self.template), halve_columns(self.target)
        return SmallSample(inputs, *columns, ray_weights(inputs), self.yaw_bin)

    def without(self, channels: tuple[int, ...]) -> "SmallSample":
        """The same with some of the inputs withheld; the rays are still those of the detector's mesh."""
        inputs = self.inputs.copy()
        inputs[list(channels)] = 0
        return replace(self, inputs=inputs)


def ray_weights(inputs: np.ndarray) -> np.ndarray:
    """Weights of the rays in the loss, as `TargetBuilder` weighs them.

    Args:
        inputs: (10, H, W) of the network.

    Returns:
        (H, W) float32.
    """
    return np.where(np.abs(inputs[3:6]).sum(0) > 0, np.float32(FACE_WEIGHT), np.float32(1))


def pack(columns: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Compress columns, one after the other.

    Args:
        columns: (H, W, D) uint8 each.

    Returns:
        Bytes (N,) uint8, and (n,) int where each of them ends.
    """
    packed = [zlib.compress(np.ascontiguousarray(c).data, 1) for c in columns]
    return np.frombuffer(b"".join(packed), np.uint8), np.cumsum([len(p) for p in packed])


class SmallShard:
    """One prepared file in memory, with one of the templates."""

    def __init__(self, path: Path, template: str = FITTED) -> None:
        names = ("picture", "mesh", "yaw_bin", *(f"{template}_{n}" for n in STORED))
        with np.load(path) as data:
            self._data = {name.removeprefix(f"{template}_"): data[name] for name in names}

    def __len__(self) -> int:
        return len(self._data["picture"])

    def __getitem__(self, i: int) -> SmallSample:
        d = self._data
        picture = d["picture"][i].astype(np.float32) / 127.5 - 1
        inputs = np.concatenate([picture, d["mesh"][i].astype(np.float32), d["maps"][i].astype(np.float32)])
        columns = self._columns("template", i), self._columns("target", i)
        return SmallSample(inputs, *columns, ray_weights(inputs), int(d["yaw_bin"][i]))

    def _columns(self, name: str, i: int) -> np.ndarray:
        ends = self._data[f"{name}_end"]
        packed = self._data[name][ends[i - 1] if i else 0 : ends[i]]
        return np.frombuffer(zlib.decompress(packed.data), np.uint8).reshape(
            HALF_SIZE, HALF_SIZE, HALF_SLICES
        )


#: What is kept of a sample for each template.
STORED = ("maps", "template", "template_end", "target", "target_end")


def prepare_shard(shard: Shard, builders: dict[str, TargetBuilder], path: Path, turned: bool = True) -> int:
    """Write the samples of a shard at half size.

    Args:
        shard: The shard.
        builders: By the variant's name, what makes its maps and targets.
        path: The file.
        turned: Whether portraits that were turned in 3D are among them.

    Returns:
        How many were written.
    """
    rng = np.random.default_rng(0)  # nothing is withheld, so nothing is drawn
    rows: dict[str, list] = {"picture": [], "mesh": [], "yaw_bin": []}
    for name in builders:
        rows |= {f"{name}_maps": [], f"{name}_template": [], f"{name}_target": []}
    for i in range(len(shard)):
        sample = shard.sample(i)
        if sample.turned and not turned:
            continue
        for name, builder in builders.items():
            targets = builder.build(sample, rng)
            inputs = halve_maps(targets["inputs"])
            rows[f"{name}_maps"].append(inputs[7:].astype(np.float16))
            for kind in ("template", "target"):
                rows[f"{name}_{kind}"].append(halve_columns(targets[kind]))
        rows["picture"].append(np.round((inputs[:3] + 1) * 127.5).astype(np.uint8))
        rows["mesh"].append(inputs[3:7].astype(np.float16))
        rows["yaw_bin"].append(sample.yaw_bin)
    arrays = {}
    for key, values in rows.items():
        if key.endswith(("template", "target")):
            arrays[key], arrays[f"{key}_end"] = pack(values)
        else:
            arrays[key] = np.array(values)
    write_arrays(path, arrays, compressed=False)
    return len(rows["picture"])


def prepare(
    shards: list[Path], folder: Path, heads: HeadSource, lifter: LandmarkLifter, turned: bool = True
) -> Iterator[str]:
    """Prepare shards that are not prepared yet; a line for each."""
    folder.mkdir(parents=True, exist_ok=True)
    builders = {FITTED: TargetBuilder(heads, lifter), RIGID: TargetBuilder(heads, RigidLifter(lifter))}
    for path in shards:
        if not (folder / path.name).exists():
            yield f"{path.name}: {prepare_shard(Shard(path), builders, folder / path.name, turned)} samples"
