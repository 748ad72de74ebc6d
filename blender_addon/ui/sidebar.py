"""Where the add-on's panels are. Needs bpy."""

import bpy

from ..heads.lookup import active_head, is_animation_ready


class SidebarPanel:
    """Mixin: a panel in the sidebar of 3D views, on the add-on's tab."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Photobust"


class HeadPanel(SidebarPanel):
    """Mixin: a panel of the sidebar that is there for animation-ready heads only."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Whether the active head has blendshapes and bones."""
        return is_animation_ready(active_head(context))
