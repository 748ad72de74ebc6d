"""What has to be forgotten or restored when another .blend file is opened or a step undone. Needs bpy."""

import bpy
from bpy.app.handlers import persistent

from ..heads import photographed
from . import face_search, session
from .session import Message


def register() -> None:
    """Hear of files that are opened, and of steps that are undone."""
    bpy.app.handlers.load_post.append(_forget)
    for handlers in (bpy.app.handlers.undo_post, bpy.app.handlers.redo_post):
        handlers.append(_restore_poses)


def unregister() -> None:
    """Hear of them no longer."""
    if _forget in bpy.app.handlers.load_post:
        bpy.app.handlers.load_post.remove(_forget)
    for handlers in (bpy.app.handlers.undo_post, bpy.app.handlers.redo_post):
        if _restore_poses in handlers:
            handlers.remove(_restore_poses)


@persistent
def _forget(*_: object) -> None:
    """Messages and faces are those of the file before, which may have been saved amid a correction."""
    session.current().message = Message()
    face_search.forget()
    photographed.restore_all()


@persistent
def _restore_poses(*_: object) -> None:
    """A step from amid a correction that has ended shows heads as photographed."""
    if not session.current().correcting:
        photographed.restore_all()
