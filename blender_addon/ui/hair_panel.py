"""The active head's hair. Needs bpy."""

from typing import ClassVar

import bpy

from ..heads import hair
from ..heads.facial_hair import ALL_PARTS
from ..heads.lookup import active_head, is_animation_ready, require_head
from .sidebar import SidebarPanel, draw_choices


class PHOTOBUST_PT_hair(SidebarPanel, bpy.types.Panel):
    """What is shown of the hair, and how much of it."""

    bl_label = "Hair"
    buttons: ClassVar[dict[str, str]] = {
        "photobust.comb_by_photo": "BRUSHES_ALL",
    }

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        head = active_head(context)
        return head is not None and is_animation_ready(head) and bool(hair.known_hair(head))

    def draw(self, context: bpy.types.Context) -> None:
        head = require_head(context)
        note = head.photobust
        draw_choices(self.layout, note, "hair_product", columns=2)
        parts = {ob[hair.MARK] for ob in hair.hair_of(head)}
        column = self.layout.column(align=True)
        if "shell" in parts:
            column.active = note.hair_product != "NONE"
            column.prop(note, "hair_color", text="Color")
            column.prop(note, "hair_length", slider=True)
            column.prop(note, "hair_density", slider=True)
        if parts.intersection(ALL_PARTS):
            self.layout.label(text="Brows and Beard")
            self.layout.row(align=True).prop(note, "facial_hair_product", expand=True)
        self.draw_button(self.layout.column(), context, "photobust.comb_by_photo")


CLASSES = (PHOTOBUST_PT_hair,)
