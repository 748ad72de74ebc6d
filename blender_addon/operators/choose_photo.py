"""Choose the photo, or several of one person. Needs bpy."""

from pathlib import Path

import bpy
from bpy.props import BoolProperty, CollectionProperty, EnumProperty, IntProperty, StringProperty

from ..errors import AddonError
from ..state import face_search
from . import polls
from .reporting import reports_errors


class PhotoFiles:
    """The files that Blender's file browser gives, or that are dropped into the window."""

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    directory: StringProperty(subtype="DIR_PATH", options={"SKIP_SAVE", "HIDDEN"})
    files: CollectionProperty(type=bpy.types.OperatorFileListElement, options={"SKIP_SAVE", "HIDDEN"})
    # Blender's file browser reads these three.
    display_type: EnumProperty(
        items=[
            ("DEFAULT", "Default", "", 0),
            ("LIST_VERTICAL", "Vertical List", "", 1),
            ("LIST_HORIZONTAL", "Horizontal List", "", 2),
            ("THUMBNAIL", "Thumbnails", "", 3),
        ],
        default="THUMBNAIL",
        options={"HIDDEN", "SKIP_SAVE"},
    )
    filter_image: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})
    filter_folder: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if self.filepath or self.files:  # dropped into the window
            return self.execute(context)  # type: ignore[attr-defined,no-any-return]
        self.filepath = bpy.path.abspath(context.scene.photobust.photo)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def chosen(self) -> list[str]:
        """Paths of the files. Raises AddonError if there is none."""
        folder = Path(bpy.path.abspath(self.directory))
        paths = [str(folder / file.name) for file in self.files if file.name]
        single = bpy.path.abspath(self.filepath)
        if not paths and bpy.path.basename(single):
            paths = [single]
        if not paths:
            raise AddonError("No photo was chosen: pick a picture file.")
        return paths


class PHOTOBUST_OT_choose_photo(PhotoFiles, bpy.types.Operator):
    """Choose the photo to make a head of, or several photos of one person"""

    bl_idname = "photobust.choose_photo"
    bl_label = "Choose Photo"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}

    reconstruct: BoolProperty(
        name="Reconstruct", description="Start reconstructing it at once", options={"SKIP_SAVE", "HIDDEN"}
    )

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        face_search.choose_photos(context.scene, self.chosen())
        if self.reconstruct and not bpy.app.background:
            bpy.ops.photobust.reconstruct("INVOKE_DEFAULT")
        return {"FINISHED"}


@polls.requires(polls.photo_chosen)
class PHOTOBUST_OT_add_photos(PhotoFiles, bpy.types.Operator):
    """Add photos of the same person, from other sides or other days: one head is made of all of them"""

    bl_idname = "photobust.add_photos"
    bl_label = "Add Photos of This Person"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        known = {str(photo) for photo in face_search.chosen_photos(context.scene)}
        for path in self.chosen():
            if path not in known:
                context.scene.photobust.further_photos.add().path = path
                known.add(path)
        return {"FINISHED"}


@polls.requires(polls.photo_chosen)
class PHOTOBUST_OT_remove_photo(bpy.types.Operator):
    """Take this photo out of the list; its file stays"""

    bl_idname = "photobust.remove_photo"
    bl_label = "Remove Photo"
    bl_options = {"UNDO", "INTERNAL"}

    number: IntProperty(name="Number", description="Of the photo in the list, from 0 on", min=0)

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        photos = face_search.chosen_photos(context.scene)
        if self.number >= len(photos):
            raise AddonError(f"There are only {len(photos)} photos.")
        if self.number:
            context.scene.photobust.further_photos.remove(self.number - 1)
        elif len(photos) > 1:
            face_search.choose_photos(context.scene, photos[1:])
        else:
            context.scene.photobust.photo = ""
        return {"FINISHED"}
