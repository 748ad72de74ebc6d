"""Has Blender draw the add-on's panels again when something changed behind its back. Needs bpy."""

import bpy


def sidebars() -> None:
    """The sidebars of all 3D views, and the preferences."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "PREFERENCES":
                area.tag_redraw()
            elif area.type == "VIEW_3D":
                for region in area.regions:
                    if region.type == "UI":
                        region.tag_redraw()
