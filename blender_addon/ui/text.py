"""Sentences and messages in panels. Needs bpy."""

import bpy

from ..blender import compat
from .line_breaks import wrapped

#: What a line of text cannot have of a region's width, units of the interface: tabs, margins, box, icon.
MARGIN = 94.0
#: The least that it has, in narrow regions.
NARROWEST = 80.0
#: Width where no region says one, units of the interface.
DEFAULT_WIDTH = 300.0
ICONS = {"INFO": "INFO", "WARNING": "ERROR", "ERROR": "CANCEL"}


def draw_text(
    layout: bpy.types.UILayout, text: str, context: bpy.types.Context, icon: str = "BLANK1"
) -> None:
    """A sentence over as many lines as the region's width asks for; Blender's labels do not wrap."""
    scale = context.preferences.system.ui_scale
    width = context.region.width / scale if context.region else DEFAULT_WIDTH
    points = context.preferences.ui_styles[0].widget.points
    column = layout.column(align=True)
    column.scale_y = 0.8
    lines = wrapped(text, max(NARROWEST, width - MARGIN), lambda line: compat.text_width(line, points))
    for number, line in enumerate(lines):
        column.label(text=line, icon="BLANK1" if number else icon)


def draw_message(layout: bpy.types.UILayout, context: bpy.types.Context, level: str, text: str) -> None:
    """A message with its sign, and the way to the log if something went wrong."""
    box = layout.box()
    box.alert = level == "ERROR"
    draw_text(box, text, context, ICONS[level])
    if level == "ERROR":
        box.operator("photobust.open_log", icon="TEXT")
