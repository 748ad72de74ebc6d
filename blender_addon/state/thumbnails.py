"""Small pictures in panels: of the photo, and of the faces that were found in it. Needs bpy."""

from pathlib import Path

import bpy
import bpy.utils.previews

_previews: bpy.utils.previews.ImagePreviewCollection | None = None


def register() -> None:
    """Make room for pictures."""
    global _previews
    _previews = bpy.utils.previews.new()


def unregister() -> None:
    """Let go of the pictures."""
    global _previews
    if _previews is not None:
        bpy.utils.previews.remove(_previews)
        _previews = None


def photo_icon(photo: Path | None) -> int:
    """Number of a photo's picture for the layout, 0 if there is none."""
    if photo is None or _previews is None or not photo.is_file():  # Blender would wait for a pipe for ever
        return 0
    try:
        # Another photo under the same name gets another picture.
        key = f"{photo}:{photo.stat().st_mtime_ns}"
        preview = _previews[key] if key in _previews else _previews.load(key, str(photo), "IMAGE")
    except (OSError, ValueError, KeyError):
        return 0
    return int(preview.icon_id)


def add_face(index: int, picture: str) -> None:
    """Take a face's picture from a file, in the place of an earlier photo's."""
    if _previews is not None:
        _forget(_face_key(index))
        _previews.load(_face_key(index), picture, "IMAGE", True)


def face_icon(index: int) -> int:
    """Number of a face's picture for the layout, 0 if it has none."""
    preview = _previews.get(_face_key(index)) if _previews is not None else None
    return int(preview.icon_id) if preview else 0


def forget_faces() -> None:
    """Let go of the faces' pictures."""
    for key in [key for key in _previews or () if key.startswith(_face_key(""))]:
        _forget(key)


def _face_key(index: int | str) -> str:
    return f"face:{index}"


def _forget(key: str) -> None:
    if _previews is not None and key in _previews:
        del _previews[key]
