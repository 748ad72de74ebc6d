"""Makes the add-on known to Blender, and takes it back without leaving anything. Needs bpy."""

import bpy

from . import operators
from .blender import log, redraw
from .operators import running
from .state import engine_monitor, face_search, file_change, properties, session, settings, thumbnails
from .ui import adjust_panel, face_panel, hair_panel, menus
from .ui.drop import handlers
from .ui.help_panel import PHOTOBUST_PT_help
from .ui.mesh_panel import PHOTOBUST_PT_mesh
from .ui.photo_panel import PHOTOBUST_PT_photo
from .ui.preferences import PhotobustPreferences
from .ui.result_panel import PHOTOBUST_PT_result

#: Order matters: panels and preferences refer to operators and properties.
CLASSES: tuple[type, ...] = (
    *properties.CLASSES,
    *operators.CLASSES,
    PhotobustPreferences,
    PHOTOBUST_PT_photo,
    PHOTOBUST_PT_result,
    *adjust_panel.CLASSES,
    *hair_panel.CLASSES,
    *face_panel.CLASSES,
    PHOTOBUST_PT_mesh,
    PHOTOBUST_PT_help,
    *handlers(),
)


def register() -> None:
    """Everything that Blender has to know."""
    session.open_session(log.log_engine_line, log.open_log(settings.user_folder()))
    engine_monitor.remove_leftovers()
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    properties.register()
    thumbnails.register()
    file_change.register()
    menus.register()


def unregister() -> None:
    """The same backward; ends the engine."""
    running.cancel_all(bpy.context)
    menus.unregister()
    file_change.unregister()
    engine_monitor.unregister()
    face_search.unregister()
    redraw.unregister()
    thumbnails.unregister()
    properties.unregister()
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
    session.close_session()
    log.close_log()
