"""The panel's last part: documentation, and what to do about faults. Needs bpy."""

import bpy

from ..state import links
from .sidebar import SidebarPanel


class PHOTOBUST_PT_help(SidebarPanel, bpy.types.Panel):
    """Where to read, and where to complain."""

    bl_label = "Help"
    bl_options = {"DEFAULT_CLOSED"}
    bl_order = 100

    def draw(self, context: bpy.types.Context) -> None:
        draw_links(self.layout.column(align=True))


def draw_links(layout: bpy.types.UILayout) -> None:
    """The links, for the panel and the preferences."""
    if links.DOCUMENTATION_URL or links.documentation_file():
        layout.operator("photobust.open_documentation", icon="HELP")
    if links.TRACKER_URL:
        layout.operator("photobust.report_bug", icon="URL")
    else:
        layout.operator("photobust.report_bug", text="Copy Bug Report Details", icon="COPYDOWN")
