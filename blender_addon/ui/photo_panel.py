"""The panel's first part: from the photo to the button. Needs bpy."""

from pathlib import Path
from typing import Any

import bpy

from ..blender import compat
from ..state import face_search, session, thumbnails
from . import engine_box
from .sidebar import SidebarPanel, stands_below_button
from .text import draw_message, draw_text

FACES_PER_ROW = 3
#: Height of a face's picture, in rows of the interface.
FACE_SCALE = 4.0
#: Height of the photo's picture, in rows of the interface.
PHOTO_SCALE = 4.5
#: The same in a list of several.
LISTED_PHOTO_SCALE = 2.0
#: Height of the main button, and of the progress in its place, in rows.
BUTTON_SCALE = 1.6


class PHOTOBUST_PT_photo(SidebarPanel, bpy.types.Panel):
    """Choose a photo, press the button."""

    bl_label = "Photo to Head"

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
            row.scale_y = BUTTON_SCALE
            row.operator("photobust.reconstruct", icon="USER")
        message = session.current().message
        if message.text and not stands_below_button(message.operator):
            draw_message(layout, context, message.level, message.text)


def _draw_photo(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    chosen = context.scene.photobust
    photos = face_search.chosen_photos(context.scene)
    if len(photos) > 1:
        _draw_photos(layout, chosen, photos)
    else:
        icon = thumbnails.photo_icon(photos[0]) if photos else 0
        if icon:
            layout.template_icon(icon, scale=PHOTO_SCALE)
        # The name, not the path, of which a narrow panel shows only the beginning, the same for many photos.
        name = photos[0].name if photos else "Choose Photo"
        layout.operator("photobust.choose_photo", text=name, icon="IMAGE_DATA")
    if photos:
        layout.operator("photobust.add_photos", text="More of This Person", icon="ADD")
    answer = face_search.answer_for(context.scene) if len(photos) < 2 else None
    _draw_focal(layout, chosen, answer)
    layout.row(align=True).prop(chosen, "make", expand=True)
    if chosen.make != "SURFACE":
        layout.prop(chosen, "texture", text="")
        layout.prop(chosen, "facial_hair", text="")
    layout.prop(chosen, "placement", text="")
    if answer:
        _draw_faces(layout, context, answer)


def _draw_photos(
    layout: bpy.types.UILayout, chosen: bpy.types.PropertyGroup, photos: tuple[Path, ...]
) -> None:
    """Several photos of one person: a list from which each can be removed."""
    layout.operator("photobust.choose_photo", text="Choose Photos", icon="IMAGE_DATA")
    box = layout.box().column(align=True)
    for number, photo in enumerate(photos):
        row = box.row(align=True)
        icon = thumbnails.photo_icon(photo)
        if icon:
            row.template_icon(icon, scale=LISTED_PHOTO_SCALE)
        row.label(text=photo.name)
        row.operator("photobust.remove_photo", text="", icon="X", emboss=False).number = number
    layout.prop(chosen, "force")


def _draw_focal(
    layout: bpy.types.UILayout, chosen: bpy.types.PropertyGroup, answer: dict[str, Any] | None
) -> None:
    row = layout.row(align=True)
    row.prop(chosen, "use_own_focal", text="")
    field = row.row(align=True)
    field.enabled = chosen.use_own_focal
    if chosen.use_own_focal:
        field.prop(chosen, "focal_mm", text="Lens")
    elif face_search.is_searching():
        field.label(text="Finding the faces")
    elif answer:
        noted = answer["photo"].get("focal_mm35")
        field.label(text=f"Lens: {noted:.0f} mm (EXIF)" if noted else "Lens: 50 mm (assumed)")
    else:
        field.label(text="Lens: as in the photo")


def _draw_faces(layout: bpy.types.UILayout, context: bpy.types.Context, answer: dict[str, Any]) -> None:
    """The faces to choose from, if there are several, and how many there are at least beside these."""
    faces = context.window_manager.photobust.faces
    if len(faces) < 2:
        return
    layout.label(text=f"{len(faces)} faces. Make heads of:")
    grid = layout.grid_flow(row_major=True, columns=FACES_PER_ROW, even_columns=True, align=True)
    for face in faces:
        cell = grid.box().column(align=True)
        cell.enabled = face.usable
        icon = thumbnails.face_icon(face.index)
        if icon:
            cell.template_icon(icon, scale=FACE_SCALE)
        cell.prop(face, "use", text=f"{face.index + 1}: {face.label}" if face.usable else "Too small")
    omitted = answer.get("faces_omitted", 0)
    if omitted:
        others = f"{omitted} smaller face{'s' * (omitted != 1)}"
        draw_text(layout, f"At least {others} left out: crop the photo to choose among them", context, "INFO")


def _draw_run(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """The progress, where the button was and as high, so that nothing below it moves far."""
    shown = context.window_manager.photobust
    row = layout.row(align=True)
    row.scale_y = BUTTON_SCALE
    compat.draw_progress(row, shown, "percent")
    row.operator("photobust.cancel", text="", icon="X")
    draw_text(layout, f"{shown.step} (Esc cancels)", context, "TIME")
