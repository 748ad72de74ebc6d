"""Sentences in panels. Needs bpy."""

import textwrap

import bpy

#: Width of an average character of Blender's interface font at scale 1, pixels, and of a panel's margins.
CHARACTER, MARGIN = 6.3, 60.0
NARROWEST = 16
ICONS = {"INFO": "INFO", "WARNING": "ERROR", "ERROR": "CANCEL"}


def draw_text(
    layout: bpy.types.UILayout, text: str, context: bpy.types.Context, icon: str = "BLANK1"
) -> None:
    """A sentence over as many lines as the region's width asks for; Blender's labels do not wrap."""
    scale = context.preferences.system.ui_scale
    width = context.region.width / scale if context.region else 300.0
    column = layout.column(align=True)
    column.scale_y = 0.8
    for number, line in enumerate(textwrap.wrap(text, max(NARROWEST, int((width - MARGIN) / CHARACTER)))):
        column.label(text=line, icon="BLANK1" if number else icon)


def draw_message(layout: bpy.types.UILayout, context: bpy.types.Context, level: str, text: str) -> None:
    """A message with its sign, and the way to the log if something went wrong."""
    box = layout.box()
    box.alert = level == "ERROR"
    draw_text(box, text, context, ICONS[level])
    if level == "ERROR":
        box.operator("photobust.open_log", icon="TEXT")
