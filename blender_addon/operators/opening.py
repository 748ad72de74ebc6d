"""Has the system open a file or a folder. Needs bpy."""

from pathlib import Path

import bpy

from ..errors import AddonError


def open_path(path: Path) -> None:
    """Show a file or a folder in the program that the system has for it. Raises AddonError if it has none."""
    try:
        bpy.ops.wm.path_open(filepath=str(path))
    except RuntimeError as error:
        raise AddonError(f"Your system has no program for {path}: open it yourself.") from error
