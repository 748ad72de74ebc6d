"""Reads models/head_sliders.npz, the sculptor's sliders; `scripts/build/head_sliders.py` makes it. No bpy."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..engine.locate import PROJECT_ROOT
from ..errors import HeadFileError
from .checked_arrays import checked_floats, checked_indices, checked_names, parse_result_file

FILE_NAME = "head_sliders.npz"
MAX_FILE_BYTES = 4_000_000
#: Offsets of a head's vertex that make sense, meters.
MAX_OFFSET = 0.2
#: More vertices than any template has.
MAX_VERTICES = 1_000_000


@dataclass(frozen=True)
class SliderFile:
    """The sliders.

    Attributes:
        names: Such as "nose_width".
        groups: Of each, such as "nose".
        starts: (2 S + 1,) int32, where the rows of each direction begin: more (2 s) and less (2 s + 1).
        vertices: (N,) int32, of the head.
        offsets: (N, 3) float32, head frame, meters, at 1 and at -1.
    """

    names: tuple[str, ...]
    groups: tuple[str, ...]
    starts: np.ndarray
    vertices: np.ndarray
    offsets: np.ndarray

    def offset(self, values: Mapping[str, float], count: int) -> np.ndarray:
        """What sliders do to a head.

        Args:
            values: -1 to 1, by name.
            count: Vertices of the head.

        Returns:
            (count, 3) float64, head frame, meters; nothing for heads of another template.
        """
        total = np.zeros((count, 3))
        if len(self.vertices) and self.vertices.max() >= count:
            return total
        for number, name in enumerate(self.names):
            value = values.get(name, 0.0)
            if value:
                direction = 2 * number + (value < 0)
                rows = slice(self.starts[direction], self.starts[direction + 1])
                total[self.vertices[rows]] += abs(value) * self.offsets[rows].astype(np.float64)
        return total


@lru_cache(maxsize=1)
def sliders() -> SliderFile:
    """The sliders that came with the add-on; none if its models are elsewhere."""
    for folder in (PROJECT_ROOT / "models", PROJECT_ROOT / "photobust" / "models"):
        if (folder / FILE_NAME).is_file():
            return read_sliders(folder / FILE_NAME)
    nothing = np.zeros(0, np.int32)
    return SliderFile((), (), np.zeros(1, np.int32), nothing, np.zeros((0, 3), np.float32))


def read_sliders(path: Path) -> SliderFile:
    """Read a file of sliders. Raises HeadFileError."""
    return parse_result_file(path, "sliders", MAX_FILE_BYTES, _parse)


def _parse(data: bytes) -> SliderFile:
    import io

    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        arrays = {name: file[name] for name in ("names", "groups", "starts", "vertices", "offsets")}
    names = checked_names("names", arrays)
    groups = tuple(str(group) for group in arrays["groups"])
    rows = len(arrays["vertices"])
    found = SliderFile(
        names,
        groups,
        checked_indices("starts", arrays, (2 * len(names) + 1,), rows + 1),
        checked_indices("vertices", arrays, (rows,), MAX_VERTICES),
        checked_floats("offsets", arrays, (rows, 3), MAX_OFFSET),
    )
    if len(groups) != len(names) or (np.diff(found.starts) < 0).any():
        raise HeadFileError("its sliders are in no order")
    return found
