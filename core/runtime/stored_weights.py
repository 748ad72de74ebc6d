"""Weights of regressions, read when they are needed: most of them only while a photo is lifted."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np

from ..errors import ModelError
from .weights import readable_safetensors


class StoredFile:
    """A .safetensors file that is read again and again."""

    def __init__(self, path: Path) -> None:
        """Read nothing yet.

        Args:
            path: The file.

        Raises:
            ModelError: It is missing.
        """
        self.path = path
        #: Arrays that stay in memory, as stored, by name: they tell whether it is still the same file.
        self.kept: dict[str, np.ndarray] = {}
        with readable_safetensors(path):
            self._version = _version(path)

    def read(self, name: str) -> np.ndarray:
        """One of its arrays, as stored. Raises ModelError if the file has others by now."""
        from safetensors import safe_open

        with readable_safetensors(self.path):
            version = _version(self.path)
            with safe_open(self.path, "np") as file:
                if version != self._version:
                    known = self.kept.keys() & set(file.keys())
                    self._check({other: file.get_tensor(other) for other in known})
                    self._version = version
                return np.asarray(file.get_tensor(name))

    def _check(self, found: Mapping[str, np.ndarray]) -> None:
        """Refuse a file that was written anew with other arrays; the same ones, put back, are welcome."""
        if any(not np.array_equal(found.get(name, ()), array) for name, array in self.kept.items()):
            raise ModelError(f"{self.path} has changed since the program began: start it again")


class StoredArray:
    """An array in half precision of a .safetensors file, in single precision from its first use to `release`.

    To read and widen one of 2.3 million numbers takes a millisecond; kept, a lifter's take 48 MB.
    """

    def __init__(self, file: StoredFile, name: str, shape: tuple[int, ...]) -> None:
        """Read nothing yet.

        Args:
            file: The file.
            name: Of the array in it.
            shape: Of the array.
        """
        self.file, self.name, self.shape = file, name, shape
        self._value: np.ndarray | None = None

    @property
    def value(self) -> np.ndarray:
        """The array, float32. Raises ModelError if its file is another one by now."""
        value = self._value
        if value is None:
            value = self._value = widened(self.file.read(self.name))
        return value

    def release(self) -> None:
        """Let go of the array until its next use."""
        self._value = None


#: What an array of `StoredWeights` is.
Entry: TypeAlias = np.ndarray | StoredArray


class StoredWeights(Mapping[str, np.ndarray]):
    """Arrays by name, all float32."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        """Take arrays.

        Args:
            entries: By name; arrays of any type, or what reads them.
        """
        if isinstance(entries, StoredWeights):
            entries = entries._entries
        self._entries: dict[str, Entry] = {
            name: entry if isinstance(entry, StoredArray) else np.asarray(entry, np.float32)
            for name, entry in entries.items()
        }

    @classmethod
    def of_file(cls, path: Path) -> "StoredWeights":
        """The arrays of a .safetensors file; those of half precision are only read when they are needed.

        Args:
            path: The file.

        Raises:
            ModelError: The file is missing or damaged.
        """
        from safetensors import safe_open

        path, entries = Path(path), dict[str, Entry]()
        stored = StoredFile(path)
        with readable_safetensors(path), safe_open(path, "np") as file:
            for name in file.keys():  # noqa: SIM118 (it cannot be iterated over)
                part = file.get_slice(name)
                shape = tuple(part.get_shape())
                if part.get_dtype() == "F16" and len(shape) > 1:
                    entries[name] = StoredArray(stored, name, shape)
                else:
                    entries[name] = stored.kept[name] = file.get_tensor(name)
        return cls(entries)

    def __getitem__(self, name: str) -> np.ndarray:
        """The array of a name, float32."""
        entry = self._entries[name]
        return entry.value if isinstance(entry, StoredArray) else entry

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self._entries)

    def __len__(self) -> int:
        """How many arrays there are."""
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        """Whether there is an array of that name; reads none."""
        return name in self._entries

    def only(self, wanted: Callable[[str], bool]) -> "StoredWeights":
        """Those of the arrays whose names are wanted; reads none."""
        return StoredWeights({name: entry for name, entry in self._entries.items() if wanted(name)})

    def joined(self, other: "StoredWeights") -> "StoredWeights":
        """These arrays, and others in place of those of the same names; reads none."""
        return StoredWeights(self._entries | other._entries)

    def dimensions(self, name: str) -> int:
        """How many dimensions an array has; reads none."""
        return len(self._entries[name].shape)

    def release(self) -> None:
        """Let go of all arrays that can be read again."""
        for entry in self._entries.values():
            if isinstance(entry, StoredArray):
                entry.release()


def widened(half: np.ndarray) -> np.ndarray:
    """Numbers in half precision as such in single precision; OpenCV takes a tenth of numpy's time.

    Args:
        half: (N, ...) float16.

    Returns:
        (N, ...) float32, the same numbers.
    """
    rows = np.ascontiguousarray(half).view(np.int16).reshape(len(half), -1)
    return cv2.convertFp16(rows).reshape(half.shape)


def _version(path: Path) -> tuple[int, int]:
    """What changes when a file does: its size, bytes, and when it was written, nanoseconds."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns
