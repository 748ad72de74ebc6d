"""The photo as an image that Blender can lay behind a camera's view. Needs bpy."""

import hashlib
import os
import struct
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import bpy
import numpy as np

from ..blender.images import pack
from ..errors import AddonError

#: Photos that lie on their side are turned pixel by pixel; larger ones are made smaller first, to be quick.
TURNED_SIZE = 2048
#: Property of a packed image: hash of the path of its photo.
SOURCE = "photobust_source"
#: Hexadecimal digits of that.
SOURCE_DIGITS = 32


class BackdropError(AddonError):
    """The photo cannot be shown."""


def load_backdrop(photo: Path, orientation: int) -> bpy.types.Image:
    """Load the photo, upright.

    Blender ignores EXIF: a photo that needs turning becomes an image of its own, packed into the .blend.

    Args:
        photo: The file.
        orientation: EXIF's number, 1..8, for how the photo lies in its file; 1 is upright.

    Raises:
        BackdropError: The file is gone, or Blender cannot read it.
    """
    if not photo.is_file():
        raise BackdropError(f"The photo {photo} is not there any more: put it back, or reconstruct it anew.")
    existing = _packed(photo)
    if existing is not None:
        return existing
    if orientation == 1:
        image = bpy.data.images.load(str(photo), check_existing=True)
        _check(image, photo)
        return image
    source = bpy.data.images.load(str(photo))
    try:
        _check(source, photo)
        image = _turned(source, orientation, f"{photo.stem} upright")
    finally:
        bpy.data.images.remove(source)
    pack_backdrop(image, photo)
    return image


def pack_backdrop(image: bpy.types.Image, photo: Path) -> None:
    """Keep a photo's image inside the .blend; `load_backdrop` finds it again."""
    pack(image, photo.name)
    image[SOURCE] = _source(photo)


def _packed(photo: Path) -> bpy.types.Image | None:
    """The image of a photo that is packed already."""
    wanted = _source(photo)
    return next((i for i in bpy.data.images if i.packed_file and i.get(SOURCE) == wanted), None)


def _source(photo: Path) -> str:
    """What tells photos apart without naming their folder."""
    return hashlib.sha256(os.fsencode(photo)).hexdigest()[:SOURCE_DIGITS]


def turn_upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turn a picture upright (CIPA DC-008, tag 0x0112).

    Args:
        pixels: (H, W, C) as stored, row 0 on top.
        orientation: EXIF's number, 1..8.

    Returns:
        (H', W', C), upright; a view of the same pixels.
    """
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def unflip_tiff(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Undo what libtiff's TIFFReadRGBAImage does to a picture.

    It flips rows and columns by the first row and column that the orientation names, and never exchanges
    them.

    Args:
        pixels: (H, W, C) as libtiff gives them, row 0 on top.
        orientation: TIFF's number, 1..8.

    Returns:
        (H, W, C) as stored in the file; a view of the same pixels.
    """
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


@lru_cache(maxsize=1)
def _flips_tiff() -> bool:
    """Whether this Blender reads TIFFs through libtiff's TIFFReadRGBAImage, as 3.4 does: tried out."""
    # Width, height, bits, compression, gray, offset, mirrored, samples, rows, bytes (TIFF 6.0).
    tags = (256, 257, 258, 259, 262, 273, 274, 277, 278, 279)
    fields = list(zip(tags, (2, 1, 8, 1, 1, 8, 2, 1, 1, 2), strict=True))
    entries = b"".join(struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in fields)
    # Two pixels, white and black.
    data = b"II*\0" + struct.pack("<I", 10) + b"\xff\0" + struct.pack("<H", len(fields)) + entries + bytes(4)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "probe.tif"
        path.write_bytes(data)
        image = bpy.data.images.load(str(path))
        try:
            return bool(image.size[0]) and image.pixels[0] < 0.5
        finally:
            bpy.data.images.remove(image)


def _check(image: bpy.types.Image, photo: Path) -> None:
    if not image.size[0]:
        raise BackdropError(f"Blender cannot show {photo.name}: save it as JPEG, and reconstruct that.")


def _turned(source: bpy.types.Image, orientation: int, name: str) -> bpy.types.Image:
    longest = max(source.size)
    if longest > TURNED_SIZE:
        source.scale(*(max(1, round(side * TURNED_SIZE / longest)) for side in source.size))
    width, height = source.size
    values = np.empty(width * height * 4, np.float32)
    source.pixels.foreach_get(values)
    # Blender's first row is the lowest.
    stored = values.reshape(height, width, 4)[::-1]
    if source.file_format == "TIFF" and _flips_tiff():
        stored = unflip_tiff(stored, orientation)
    upright = turn_upright(stored, orientation)[::-1]
    image = bpy.data.images.new(name, upright.shape[1], upright.shape[0], alpha=False)
    image.pixels.foreach_set(np.ascontiguousarray(upright).ravel())
    image.update()
    return image
