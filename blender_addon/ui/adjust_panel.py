"""Correcting a head by hand: pins over the photo, sliders, parts of the photo to ignore. Needs bpy."""

from typing import ClassVar

import bpy

from ..heads.lookup import require_head
from ..heads.slider_file import sliders
from ..state import session
from .sidebar import HeadPanel, SidebarPanel


class PHOTOBUST_PT_adjust(HeadPanel, bpy.types.Panel):
    """What is corrected of the active head."""

    bl_label = "Adjust"
    bl_options = {"DEFAULT_CLOSED"}
    buttons: ClassVar[dict[str, str]] = {
        "photobust.adjust_pins": "PINNED",
        "photobust.apply_adjustments": "CHECKMARK",
        "photobust.save_adjustments": "FILE_TICK",
    }

    def draw(self, context: bpy.types.Context) -> None:
        head = require_head(context)
        column = self.layout.column(align=True)
        column.row(align=True).prop(head.photobust, "pins_correct", expand=True)
        self.draw_button(column, context, "photobust.adjust_pins", depress=session.current().adjusting)
        row = column.row(align=True)
        row.label(text=f"{len(head.photobust.pins)} points placed")
        row.operator("photobust.reset_pins", icon="LOOP_BACK").what = "PINS"
        row = self.layout.row(align=True)
        row.operator("photobust.ignore_here", icon="BRUSH_DATA")
        if head.photobust.ignored_png:
            row.operator("photobust.ignore_nothing", text="", icon="X")
        column = self.layout.column(align=True)
        self.draw_button(column, context, "photobust.apply_adjustments")
        self.draw_button(column, context, "photobust.save_adjustments", scale=1.0)


class PHOTOBUST_PT_sliders(SidebarPanel, bpy.types.Panel):
    """A sculptor's sliders."""

    bl_label = "Sculpt"
    bl_parent_id = "PHOTOBUST_PT_adjust"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return bool(sliders().names)

    def draw_header_preset(self, context: bpy.types.Context) -> None:
        row = self.layout.row()
        row.operator("photobust.reset_pins", text="", icon="LOOP_BACK", emboss=False).what = "SLIDERS"

    def draw(self, context: bpy.types.Context) -> None:
        values = require_head(context).photobust.sliders
        found = sliders()
        for group in dict.fromkeys(found.groups):
            column = self.layout.column(align=True)
            column.label(text=group.title())
            for name, own in zip(found.names, found.groups, strict=True):
                if own == group:
                    column.prop(values, name, slider=True)


CLASSES = (PHOTOBUST_PT_adjust, PHOTOBUST_PT_sliders)
