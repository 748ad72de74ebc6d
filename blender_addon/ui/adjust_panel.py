"""Correcting a head by hand: pins over the photo, sliders, parts of the photo to ignore. Needs bpy."""

from typing import ClassVar

import bpy

from ..heads.correctable_photos import correctable_photos
from ..heads.lookup import require_head
from ..heads.slider_file import sliders
from ..state import session, thumbnails
from ..state.corrected_photo import chosen_photo
from .sidebar import HeadPanel, SidebarPanel

#: Height of a photo's picture, in rows of the interface.
PHOTO_SCALE = 2.0


class PHOTOBUST_PT_adjust(HeadPanel, bpy.types.Panel):
    """What is corrected of the active head."""

    bl_label = "Adjust"
    bl_options = {"DEFAULT_CLOSED"}
    buttons: ClassVar[dict[str, str]] = {
        "photobust.adjust_pins": "PINNED",
        "photobust.ignore_here": "BRUSH_DATA",
        "photobust.apply_adjustments": "CHECKMARK",
        "photobust.save_adjustments": "FILE_TICK",
    }

    def draw(self, context: bpy.types.Context) -> None:
        head = require_head(context)
        draw_photos(self.layout, head)
        column = self.layout.column(align=True)
        column.prop(head.photobust, "pins_correct", expand=True)
        self.draw_button(column, context, "photobust.adjust_pins", depress=session.current().adjusting)
        row = column.row(align=True)
        placed = len(head.photobust.pins)
        row.label(text=f"{placed} point{'s' * (placed != 1)}")
        row.operator("photobust.reset_pins", icon="LOOP_BACK").what = "PINS"
        column = self.layout.column(align=True)
        ignoring = session.current().ignoring
        self.draw_button(column, context, "photobust.ignore_here", depress=ignoring, scale=1.0)
        if head.photobust.ignored_png or head.photobust.further_ignored:
            column.operator("photobust.ignore_nothing", icon="X")
        column = self.layout.column(align=True)
        self.draw_button(column, context, "photobust.apply_adjustments")
        self.draw_button(column, context, "photobust.save_adjustments", scale=1.0)


def draw_photos(layout: bpy.types.UILayout, head: bpy.types.Object) -> None:
    """Of a head of several photos, a button for each over which it can be corrected."""
    photos = correctable_photos(head)
    if len(photos) < 2:
        return
    chosen = chosen_photo(head)
    box = layout.box().column(align=True)
    for photo in photos:
        row = box.row(align=True)
        icon = thumbnails.photo_icon(photo.path)
        if icon:
            row.template_icon(icon, scale=PHOTO_SCALE)
        pins = sum(pin.photo == photo.name for pin in head.photobust.pins)
        text = photo.file_name + (f" ({pins})" if pins else "")
        button = row.column(align=True)
        button.scale_y = PHOTO_SCALE
        shown = chosen.number == photo.number
        button.operator("photobust.correct_in_photo", text=text, depress=shown).view = photo.number


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
