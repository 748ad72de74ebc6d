"""What has to be forgotten or restored when a .blend file is opened or saved or a step undone. Needs bpy."""

import bpy
from bpy.app.handlers import persistent

from ..heads import photographed
from ..viewport import highlight
from . import face_search, session
from .session import Message


def register() -> None:
    """Hear of files that are opened or saved, and of steps that are undone."""
    highlight.subscribe()
    bpy.app.handlers.load_post.append(_forget)
    bpy.app.handlers.save_pre.append(_restore_for_file)
    for handlers in (bpy.app.handlers.undo_post, bpy.app.handlers.redo_post):
        handlers.append(_restore_poses)


def unregister() -> None:
    """Hear of them no longer."""
    highlight.unsubscribe()
    if _forget in bpy.app.handlers.load_post:
        bpy.app.handlers.load_post.remove(_forget)
    if _restore_for_file in bpy.app.handlers.save_pre:
        bpy.app.handlers.save_pre.remove(_restore_for_file)
    for handlers in (bpy.app.handlers.undo_post, bpy.app.handlers.redo_post):
        if _restore_poses in handlers:
            handlers.remove(_restore_poses)


@persistent
def _forget(*_: object) -> None:
    """What was of the file before; this one may have been saved amid a correction."""
    session.current().message = Message()
    session.current().corrected_photos.clear()
    face_search.forget()
    highlight.subscribe()  # files end subscriptions
    photographed.restore_all()


@persistent
def _restore_for_file(*_: object) -> None:
    """A file has heads as they are, whatever is being corrected; the correction shows them again."""
    photographed.restore_all()


@persistent
def _restore_poses(*_: object) -> None:
    """A step from amid a correction that has ended shows heads as photographed."""
    if not session.current().correcting:
        photographed.restore_all()
