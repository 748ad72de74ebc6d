"""The panel's first part: from the photo to the button. Needs bpy."""

from typing import Any

import bpy

from ..blender import compat
from ..state import face_search
from . import engine_box
from .text import draw_message, draw_text

FACES_A_ROW = 3
THUMBNAIL_SCALE = 4.0


class PHOTOBUST_PT_photo(bpy.types.Panel):
    """Choose a photo, press the button."""

    bl_label = "Photo to Head"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Photobust"

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        shown = context.window_manager.photobust
        engine_box.draw_if_needed(layout, context)
        inputs = layout.column()
        inputs.enabled = not shown.running
        _draw_photo(inputs, context)
        if shown.running:
            _draw_run(layout, context)
        else:
            row = layout.row()
            row.scale_y = 1.6
            row.operator("photobust.reconstruct", icon="USER")
        if shown.message:
            draw_message(layout, context, shown.message_level, shown.message)


def _draw_photo(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    chosen = context.scene.photobust
    row = layout.row(align=True)
    row.prop(chosen, "photo", text="", icon="IMAGE_DATA")
    row.operator("photobust.choose_photo", text="", icon="FILEBROWSER")
    answer = face_search.answer_for(context.scene)
    _draw_focal(layout, chosen, answer)
    layout.row(align=True).prop(chosen, "make", expand=True)
    if chosen.make != "SURFACE":
        layout.prop(chosen, "texture")
    if answer:
        _draw_faces(layout, context)
    elif face_search.is_searching():
        layout.label(text="Looking for faces", icon="TIME")


def _draw_focal(
    layout: bpy.types.UILayout, chosen: bpy.types.PropertyGroup, answer: dict[str, Any] | None
) -> None:
    row = layout.row(align=True)
    row.prop(chosen, "use_own_focal", text="")
    field = row.row(align=True)
    field.enabled = chosen.use_own_focal
    if chosen.use_own_focal or not answer:
        field.prop(chosen, "focal_mm")
        return
    noted = answer["photo"].get("focal_mm35")
    field.label(text=f"Lens: {noted:.0f} mm (EXIF)" if noted else "Lens: 50 mm (assumed)")


def _draw_faces(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    faces = context.window_manager.photobust.faces
    if len(faces) < 2:
        return
    layout.label(text=f"{len(faces)} faces. Make heads of:")
    grid = layout.grid_flow(row_major=True, columns=FACES_A_ROW, even_columns=True, align=True)
    for face in faces:
        cell = grid.box().column(align=True)
        cell.enabled = face.usable
        icon = face_search.icon_of(face)
        if icon:
            cell.template_icon(icon, scale=THUMBNAIL_SCALE)
        cell.prop(face, "use", text=f"{face.index + 1}: {face.label}" if face.usable else "too small")


def _draw_run(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    shown = context.window_manager.photobust
    compat.draw_progress(layout, shown, "percent")
    draw_text(layout, shown.step, context, "TIME")
    row = layout.row()
    row.scale_y = 1.3
    row.operator("photobust.cancel", text="Cancel (Esc)", icon="X")
