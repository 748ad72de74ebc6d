"""Checks arrays from anybody's files before Blender, which crashes on wrong indices, gets them. No bpy."""

import io
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np

from ..blender.regular_file import read_regular
from ..errors import HeadFileError

Parsed = TypeVar("Parsed")

#: Blender's limit for the names of shapes, groups and materials, bytes.
MAX_NAME_BYTES = 63
#: A head has some 60 arrays, hair as many.
MAX_ARRAYS = 1000


def checked_floats(
    name: str, arrays: dict[str, np.ndarray], shape: tuple[int, ...], most: float, least: float | None = None
) -> np.ndarray:
    """An array as float32.

    Args:
        name: The array's.
        arrays: Name -> array.
        shape: That it has to have.
        most: Its greatest number.
        least: Its least number; None for -most.

    Raises:
        ValueError: It is another one.
    """
    values = arrays[name]
    if values.dtype.kind != "f" or values.shape != shape:
        raise ValueError(f"{name} is {values.dtype} {values.shape} instead of floating point {shape}")
    least = -most if least is None else least
    if not ((values >= least) & (values <= most)).all():  # false for NaN, too
        raise ValueError(f"{name} has numbers that make no sense")
    return np.ascontiguousarray(values, np.float32)


def checked_indices(
    name: str, arrays: dict[str, np.ndarray], shape: tuple[int, ...], count: int, least: int = 0
) -> np.ndarray:
    """An array as int32.

    Args:
        name: The array's.
        arrays: Name -> array.
        shape: That it has to have.
        count: Its numbers are less than this.
        least: Its least number.

    Raises:
        ValueError: It is another one.
    """
    values = arrays[name]
    if values.dtype.kind not in "iu" or values.shape != shape:
        raise ValueError(f"{name} is {values.dtype} {values.shape} instead of whole numbers {shape}")
    if not ((values >= least) & (values < count)).all():
        raise ValueError(f"{name} has indices that do not exist")
    return np.ascontiguousarray(values, np.int32)


def checked_names(name: str, arrays: dict[str, np.ndarray]) -> tuple[str, ...]:
    """An array of different texts that Blender can have as names."""
    values = arrays[name]
    if values.dtype.kind != "U" or values.ndim != 1 or not len(values):
        raise ValueError(f"{name} is {values.dtype} {values.shape} instead of texts")
    texts = tuple(str(value) for value in values)
    if len(set(texts)) < len(texts) or not all(
        is_text(text) and len(text.encode()) <= MAX_NAME_BYTES for text in texts
    ):
        raise ValueError(f"{name} has texts that cannot be names")
    return texts


def is_text(value: str) -> bool:
    """Whether a text can be handed to Blender: not empty, without NUL, and Unicode."""
    if not value or "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def parse_result_file(
    path: str | os.PathLike, noun: str, most: int, parse: Callable[[bytes], Parsed]
) -> Parsed:
    """Read a file of the engine's that may come from anybody.

    Args:
        path: The file.
        noun: What it has, "a head" or "hair".
        most: The most bytes that it may have.
        parse: Makes of its content what is wanted; may raise whatever damaged content makes it raise.

    Returns:
        What `parse` returns.

    Raises:
        HeadFileError: The file is missing, damaged, or of another version.
    """
    path = Path(path)
    where = f"{path.name} in the folder {path.parent.name}"
    try:
        return parse(read_regular(path, most))
    except FileNotFoundError as error:
        raise HeadFileError(f"There is no file {where}. Reconstruct the photo again, with {noun}.") from error
    except Exception as error:  # zip files and numpy's headers can be damaged in all kinds of ways
        raise HeadFileError(
            f"The file {where} is no {noun.removeprefix('a ')} written by this version's engine, or damaged "
            f"({error}). Reconstruct the photo again."
        ) from error


@contextmanager
def opened_npz(data: bytes, most: int, version: int) -> Iterator[np.lib.npyio.NpzFile]:
    """The arrays of an .npz file that has a `format_version`; they take at most `most` bytes, unpacked."""
    file = io.BytesIO(data)
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if len(members) > MAX_ARRAYS:
            raise ValueError(f"it has more than {MAX_ARRAYS} arrays")
        if sum(member.file_size for member in members) > most:
            raise ValueError("its arrays are too large")
    with np.load(file, allow_pickle=False) as arrays:
        found = int(arrays["format_version"])
        if found != version:
            raise ValueError(f"format {found} instead of {version}")
        yield arrays
