"""What has to be forgotten when another .blend file is opened. Needs bpy."""

import bpy
from bpy.app.handlers import persistent

from . import face_search, session
from .session import Message


def register() -> None:
    """Hear of files that are opened."""
    bpy.app.handlers.load_post.append(_forget)


def unregister() -> None:
    """Hear of them no longer."""
    if _forget in bpy.app.handlers.load_post:
        bpy.app.handlers.load_post.remove(_forget)


@persistent
def _forget(*_: object) -> None:
    """Messages and faces are those of the file before."""
    session.current().message = Message()
    face_search.forget()
