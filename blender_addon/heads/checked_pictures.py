"""Pictures in a result's folder, which may come from anybody, before Blender decodes them. No bpy."""

from pathlib import Path

from ..blender.png_header import png_size
from ..errors import HeadFileError

#: Larger pictures are refused: Blender takes up to 20 bytes a pixel. The engine's have 4096 at most.
MAX_PICTURE_SIDE = 8192


def check_picture(path: Path) -> None:
    """Refuse a picture that Blender would fill the memory with.

    Args:
        path: The file.

    Raises:
        HeadFileError: It is missing, no PNG, or too large.
    """
    size = png_size(path)
    if size is None or max(size) > MAX_PICTURE_SIDE:
        raise HeadFileError(
            f"The texture {path} is no PNG of at most {MAX_PICTURE_SIDE} pixels a side. Reconstruct the "
            "photo again."
        )
