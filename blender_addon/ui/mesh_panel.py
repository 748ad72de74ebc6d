"""The panel's third part: what works on any mesh, not only on heads. Needs bpy."""

from typing import ClassVar

import bpy

from ..blender import compat
from .sidebar import SidebarPanel
from .text import draw_text


class PHOTOBUST_PT_mesh(SidebarPanel, bpy.types.Panel):
    """Tools for the active mesh."""

    bl_label = "Mesh"
    buttons: ClassVar[dict[str, str]] = {
        "photobust.retopologize": "MOD_REMESH",
        "photobust.turntable": "RENDER_ANIMATION",
    }

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return context.active_object is not None and context.active_object.type == "MESH"

    def draw(self, context: bpy.types.Context) -> None:
        column = self.layout.column(align=True)
        shown = context.window_manager.photobust
        if shown.retopologizing:
            draw_text(column, f"Retopologizing: {shown.retopology_step}", context, "MOD_REMESH")
            compat.draw_progress(column, shown, "retopology_percent")
            column.operator("photobust.cancel_retopology", icon="X")
        else:
            self.draw_button(column, context, "photobust.retopologize")
        self.draw_button(column, context, "photobust.turntable")
