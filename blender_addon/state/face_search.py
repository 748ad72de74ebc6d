"""Searches the photo that was just chosen for faces, so that the artist can choose among them. Needs bpy.

This also starts the engine while the artist is still at it, and finds the focal length in the photo's EXIF
data. It is a convenience: where the engine is not ready, or in background mode, nothing happens.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import bpy

from ..blender import redraw
from ..blender.log import LOGGER
from ..errors import AddonError
from . import session, settings, thumbnails
from .session import FaceSearch, Message

TICK = 0.1


def unregister() -> None:
    """Stop searching."""
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)


def photo_changed(context: bpy.types.Context) -> None:
    """Another photo was chosen in the scene: search it for faces."""
    now = session.current()
    if now.run is None:
        now.message = Message()
    if bpy.app.background:
        return
    path = chosen_photo(context.scene)
    if path is None or not path.is_file():
        forget()
        return
    check = settings.check_engine(context)
    if check.state is None or check.state.ready:  # not checked yet: the photo is worth a try
        start(context, path)


def chosen_photo(scene: bpy.types.Scene) -> Path | None:
    """The scene's photo, None if there is none yet."""
    name = scene.photobust.photo
    return Path(bpy.path.abspath(name)) if name else None


def chosen_photos(scene: bpy.types.Scene) -> tuple[Path, ...]:
    """All photos that one head is to be made of, the scene's photo first; empty if there is none yet."""
    first = chosen_photo(scene)
    if first is None:
        return ()
    return (first, *(Path(bpy.path.abspath(photo.path)) for photo in scene.photobust.further_photos))


def choose_photos(scene: bpy.types.Scene, photos: Iterable[str | Path]) -> None:
    """Make these the scene's photos: one, or several of one person."""
    first, *further = dict.fromkeys(str(photo) for photo in photos)
    scene.photobust.photo = first  # forgets the further ones, and searches this one for faces
    for photo in further:
        scene.photobust.further_photos.add().path = photo


def start(context: bpy.types.Context, photo: Path) -> None:
    """Ask the engine for the photo's faces; they come into `window_manager.photobust.faces`."""
    now = session.current()
    forget()
    try:
        client = now.client(settings.engine_choice(context).find())
        job = client.submit_detect(photo, thumbnails=now.scratch() / "faces")
    except AddonError as error:
        LOGGER.info("no search for faces: %s", error)
        return
    now.face_search = FaceSearch(photo, job)
    if not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=TICK)


def forget() -> None:
    """No photo, no faces."""
    session.current().face_search = None
    bpy.context.window_manager.photobust.faces.clear()


def answer_for(scene: bpy.types.Scene) -> dict[str, Any] | None:
    """What is known of the scene's photo; None while nothing is."""
    search = session.current().face_search
    return search.answer if search and search.photo == chosen_photo(scene) else None


def is_searching() -> bool:
    """Whether the engine is still at it."""
    search = session.current().face_search
    return bool(search and not search.job.done)


def chosen_faces(context: bpy.types.Context) -> tuple[int, ...] | None:
    """The faces that are ticked; None for all, also when nothing is known of them."""
    if not answer_for(context.scene):
        return None
    faces = [face for face in context.window_manager.photobust.faces if face.usable]
    ticked = tuple(face.index for face in faces if face.use)
    return ticked if len(ticked) < len(faces) else None


def _tick() -> float | None:
    search = session.current().face_search
    if search is None:
        return None
    search.job.poll()
    if not search.job.done:
        return TICK
    try:
        search.answer = search.job.result()
    except AddonError as error:
        # Reconstructing the photo will report it; so far the user asked for nothing.
        LOGGER.info("searching for faces: %s", error)
    else:
        _show(search.answer)
    redraw.sidebars()
    return None


def _show(answer: dict[str, Any]) -> None:
    faces = bpy.context.window_manager.photobust.faces
    faces.clear()
    thumbnails.forget_faces()
    for found in answer["faces"]:
        face = faces.add()
        face.index = found["index"]
        face.usable = face.use = bool(found.get("usable", True))
        face.label = f"{found['size']:.0f} px"
        if found.get("thumbnail"):
            thumbnails.add_face(face.index, found["thumbnail"])
    problem = answer.get("problem")
    if problem and session.current().run is None:
        session.current().message = Message("WARNING", problem["message"])
