"""Checks arrays from anybody's files before Blender, which crashes on wrong indices, gets them. No bpy."""

import numpy as np

#: Blender's limit for the names of shapes, groups and materials, bytes.
MAX_NAME_BYTES = 63


def checked_floats(
    name: str, arrays: dict[str, np.ndarray], shape: tuple[int, ...], most: float, least: float | None = None
) -> np.ndarray:
    """An array as float32. Its numbers have to lie between `least` (default: -most) and `most`."""
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
    """An array as int32. Its numbers have to lie between `least` and `count`, which is left out."""
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
        is_text(one) and len(one.encode()) <= MAX_NAME_BYTES for one in texts
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
