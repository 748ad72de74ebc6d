"""Choose the photo. Needs bpy."""

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty

from ..errors import AddonError
from .reporting import reports_errors


class PHOTOBUST_OT_choose_photo(bpy.types.Operator):
    """Choose the photo to make a head of"""

    bl_idname = "photobust.choose_photo"
    bl_label = "Choose Photo"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    reconstruct: BoolProperty(
        name="Reconstruct", description="Start reconstructing it at once", options={"SKIP_SAVE", "HIDDEN"}
    )
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
        if self.filepath:  # dropped into the window
            return self.execute(context)
        self.filepath = bpy.path.abspath(context.scene.photobust.photo)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        path = bpy.path.abspath(self.filepath)
        if not path or bpy.path.basename(path) == "":
            raise AddonError("No photo was chosen: pick a picture file.")
        context.scene.photobust.photo = path
        if self.reconstruct and not bpy.app.background:
            bpy.ops.photobust.reconstruct("INVOKE_DEFAULT")
        return {"FINISHED"}
