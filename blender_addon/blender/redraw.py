"""Has Blender draw the add-on's panels again when something changed behind its back. Needs bpy."""

import bpy

#: Seconds until panels are drawn once more: one whose rows have changed is cut at its former height first.
SECOND_TIME = 0.1


def sidebars() -> None:
    """The sidebars of all 3D views, and the preferences; now, and once more when their heights are known."""
    _tag()
    if not bpy.app.background and not bpy.app.timers.is_registered(_tag):
        bpy.app.timers.register(_tag, first_interval=SECOND_TIME)


def views() -> None:
    """All 3D views."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                area.tag_redraw()


def unregister() -> None:
    """Draw nothing any more."""
    if bpy.app.timers.is_registered(_tag):
        bpy.app.timers.unregister(_tag)


def _tag() -> None:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "PREFERENCES":
                area.tag_redraw()
            elif area.type == "VIEW_3D":
                for region in area.regions:
                    if region.type == "UI":
                        region.tag_redraw()
