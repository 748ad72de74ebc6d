"""Picture files as numpy arrays, through Blender: its Python has no imaging library. Needs bpy."""

import os
from pathlib import Path

import bpy
import numpy as np

from ..errors import RenderError
from .atomic_file import written_atomically
from .png_file import png_bytes
from .srgb import linear_to_bytes

#: The longest path that Blender keeps for an image, bytes.
LONGEST_PATH = 1023


def load_picture(path: str | os.PathLike, size: int | None = None) -> np.ndarray:
    """Picture file -> (H, W, 4) uint8, top row first, values as stored; scaled to (size, size) if given."""
    try:
        image = bpy.data.images.load(str(path))
    except RuntimeError as error:
        raise RenderError(f"Blender cannot read the picture {path}.") from error
    try:
        width, height = image.size
        if not width or not height:  # loading only notes the name; the pixels come on first use
            raise RenderError(f"Blender cannot read the picture {path}.")
        if size and (width, height) != (size, size):
            image.scale(size, size)
        return _bytes(_values(image))
    finally:
        bpy.data.images.remove(image)


def is_painted(image: bpy.types.Image) -> bool:
    """Whether an image shows what no file has: it was painted on, or made in Blender, and is not saved."""
    unsaved = image.source == "GENERATED" or (image.source == "FILE" and image.is_dirty)
    return unsaved and all(image.size)


def stored_pixels(image: bpy.types.Image) -> np.ndarray:
    """An image's pixels as a file of 8 bits a channel has them.

    Args:
        image: With pixels.

    Returns:
        (H, W, 4) uint8, top row first, straight alpha: sRGB, or values that are no colors as they are.
    """
    values = _values(image)
    pixels = _bytes(values)
    if image.is_float and image.colorspace_settings.name != "Non-Color":
        pixels[..., :3] = linear_to_bytes(values[..., :3])  # Blender keeps floats as linear light
    return pixels


def _values(image: bpy.types.Image) -> np.ndarray:
    """(H, W, 4) float32, top row first, an image's pixels as Blender keeps them."""
    width, height = image.size
    values = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(values)
    return values.reshape(height, width, 4)[::-1]


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(values, 0.0, 1.0) * 255.0).astype(np.uint8)


def block_means(image: bpy.types.Image, step: int) -> np.ndarray:
    """An image's pixels, averaged in blocks.

    Args:
        image: Whose sides are multiples of `step`.
        step: Side of the blocks, pixels.

    Returns:
        (H, W, 4) float32, bottom row first, values as stored, 0..1.
    """
    return means_of_blocks(_values(image)[::-1], step)


def means_of_blocks(picture: np.ndarray, step: int) -> np.ndarray:
    """A picture averaged in blocks.

    Args:
        picture: (H, W, C) float32, whose sides are multiples of `step`.
        step: Side of the blocks, pixels.

    Returns:
        (H / step, W / step, C) float32.
    """
    # Added up by slices, which is ten times as quick as a mean over axes.
    parts = [picture[y::step, x::step] for y in range(step) for x in range(step)]
    return np.asarray(sum(parts[1:], start=parts[0]) / np.float32(step * step))


def two_thirds(picture: np.ndarray) -> np.ndarray:
    """A picture reduced to two thirds of its sides: pixels are means of what they cover.

    Args:
        picture: (H, W, C) float32, whose sides are multiples of 3.

    Returns:
        (2 H / 3, 2 W / 3, C) float32.
    """
    return _two_thirds(_two_thirds(picture).swapaxes(0, 1)).swapaxes(0, 1)


def _two_thirds(picture: np.ndarray) -> np.ndarray:
    """The same along the first axis alone."""
    third = np.float32(1 / 3)
    # Arrays of the same order in memory, in which colors of a channel may lie together.
    reduced = np.empty_like(picture, shape=(len(picture) // 3 * 2, *picture.shape[1:]))
    halves = picture[1::3] * third
    for k, outer in enumerate((picture[0::3], picture[2::3])):
        np.multiply(outer, 2 * third, out=reduced[k::2])
        reduced[k::2] += halves
    return reduced


def pack(image: bpy.types.Image, name: str) -> None:
    """Keep an image inside the .blend, without the folder of this computer that it came from.

    Args:
        image: With pixels.
        name: The file name that unpacking gives it.
    """
    if image.packed_file is None:
        image.pack()
    # Blender keeps the path beside the packed bytes, and once more with them; what a shorter one does not
    # cover of a longer one stays in the file.
    for path in ("/" * LONGEST_PATH, f"//{name}"):
        image.filepath_raw = path
        for packed in image.packed_files:
            packed.filepath = path


def save_png(path: str | os.PathLike, rgb: np.ndarray) -> Path:
    """Write a picture as a PNG; it appears under its name only when it is complete.

    Args:
        path: The file.
        rgb: (H, W, 3) or, with straight alpha, (H, W, 4) uint8 sRGB, row 0 on top.

    Returns:
        The file.

    Raises:
        RenderError: It cannot be written.
    """
    path = Path(path)
    try:
        with written_atomically(path) as partial:
            partial.write_bytes(png_bytes(rgb))
    except OSError as error:
        raise RenderError(f"The picture {path} cannot be written: {error}.") from error
    return path
