"""The panel's second part: what came out, and what can come next. Needs bpy."""

from typing import ClassVar

import bpy

from ..heads import confidence
from ..heads import landmarks as landmark_empties
from ..heads.armature import drives_shapes, rig_of
from ..heads.lookup import active_head, document_of, is_animation_ready, require_head
from ..heads.verdict import Grade, verdict
from ..viewport import view3d
from .sidebar import SidebarPanel
from .text import draw_text

ICONS = {Grade.GOOD: "CHECKMARK", Grade.CHECK: "INFO", Grade.POOR: "ERROR"}


class PHOTOBUST_PT_result(SidebarPanel, bpy.types.Panel):
    """What is known of the active head."""

    bl_label = "Result"
    buttons: ClassVar[dict[str, str]] = {
        "photobust.show_colors": "COLOR",
        "photobust.match_camera": "CAMERA_DATA",
        "photobust.show_confidence": "HIDE_OFF",
        "photobust.landmarks": "EMPTY_DATA",
        "photobust.bones_drive_shapes": "BONE_DATA",
        "photobust.export_head": "EXPORT",
        "photobust.open_folder": "FILE_FOLDER",
    }

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return active_head(context) is not None

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        head = require_head(context)
        layout.label(text=head.name, icon="USER")
        if view3d.in_local_view(context):
            layout.operator("view3d.localview", text="Leave Local View")
        _draw_verdict(layout, context, head)
        column = layout.column(align=True)
        if view3d.hides_colors(context, head):
            self.draw_button(column, context, "photobust.show_colors")
        self.draw_button(column, context, "photobust.match_camera")
        _draw_views(column, context, head)
        shown = confidence.shows_confidence(head)
        self.draw_button(column, context, "photobust.show_confidence", depress=shown)
        if shown:
            _draw_legend(column, context)
        landmarks = bool(landmark_empties.landmarks_of(head))
        self.draw_button(column, context, "photobust.landmarks", depress=landmarks)
        rig = rig_of(head)
        if rig is not None:
            driving = drives_shapes(rig)
            self.draw_button(column, context, "photobust.bones_drive_shapes", depress=driving)
        if is_animation_ready(head):
            self.draw_button(column, context, "photobust.export_head")
        self.draw_button(column, context, "photobust.open_folder")
        if head.photobust.seconds:
            layout.label(text=f"Made in {head.photobust.seconds:.0f} s", icon="TIME")


def _draw_verdict(layout: bpy.types.UILayout, context: bpy.types.Context, head: bpy.types.Object) -> None:
    found = verdict(document_of(head).quality)
    if not found:
        return
    box = layout.box()
    draw_text(box, found.summary, context, ICONS[found.grade])
    if found.error:
        draw_text(box, found.error, context, "DRIVER_DISTANCE")
    for remark in found.remarks:
        draw_text(box, remark, context, "DOT")


def _draw_views(layout: bpy.types.UILayout, context: bpy.types.Context, head: bpy.types.Object) -> None:
    """Of a head of several photos: a button for the camera of each, and why others were left out."""
    views = document_of(head).views
    if not views:
        return
    box = layout.box().column(align=True)
    known = len(head.photobust.photos) == len(views)
    for number, view in enumerate(views, 1):
        if not view.used:
            draw_text(box, f"Left out: {view.reason}", context, "ERROR")
        elif known:
            text = f"{view.name} (main)" if view.main else view.name
            box.operator("photobust.match_camera", text=text, icon="IMAGE_DATA").view = number


def _draw_legend(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    shown = context.window_manager.photobust
    row = layout.box().row(align=True)
    for number, word in enumerate(confidence.LEGEND):
        cell = row.column(align=True)
        cell.prop(shown, f"legend_{number}", text="")
        cell.label(text=word)
