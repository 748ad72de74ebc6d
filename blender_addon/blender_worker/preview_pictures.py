"""Pictures inside the light model of a head. Needs bpy."""

import os
import tempfile
from pathlib import Path

import bpy
import numpy as np

from ..blender.images import load_picture
from ..errors import RenderError
from .preview_glb import Picture

Window = tuple[int, int, int, int]


def load_texture(path: str | os.PathLike) -> np.ndarray:
    """A square texture: (S, S, 4) uint8 sRGB, top row first. Raises RenderError."""
    texture = load_picture(path)
    if texture.shape[0] != texture.shape[1]:
        raise RenderError(f"The texture {path} is not square. Reconstruct the photo again.")
    return texture


def shrunk(texture: np.ndarray, side: int) -> np.ndarray:
    """(S, S, C) uint8 -> at most about (side, side, C): means of blocks of whole pixels."""
    step = max(texture.shape[0] // side, 1)
    size = texture.shape[0] // step
    blocks = texture[: size * step, : size * step].reshape(size, step, size, step, -1)
    return np.rint(blocks.mean((1, 3))).astype(np.uint8)


def jpeg(texture: np.ndarray) -> Picture:
    """The texture's colours as a JPEG."""
    solid = texture.copy()
    solid[..., 3] = 255  # Blender would darken what is see-through
    return Picture(_encoded(solid, "JPEG", ".jpg"), "image/jpeg")


def png(texture: np.ndarray) -> Picture:
    """The texture with its alpha as a PNG."""
    return Picture(_encoded(texture, "PNG", ".png"), "image/png")


def _encoded(rgba: np.ndarray, kind: str, suffix: str) -> bytes:
    """(H, W, 4) uint8 as a picture file of Blender's."""
    height, width = rgba.shape[:2]
    image = bpy.data.images.new("photobust picture", width, height, alpha=kind == "PNG")
    try:
        image.alpha_mode = "CHANNEL_PACKED"  # colours stay as they are where the alpha is 0
        image.pixels.foreach_set((rgba[::-1].astype(np.float32) / 255.0).ravel())
        with tempfile.TemporaryDirectory(prefix="photobust-") as folder:
            path = Path(folder, "picture" + suffix)
            image.filepath_raw = str(path)
            image.file_format = kind
            image.save()
            return path.read_bytes()
    except (OSError, RuntimeError) as error:
        raise RenderError(f"A picture for the page cannot be written: {error}.") from error
    finally:
        bpy.data.images.remove(image)
