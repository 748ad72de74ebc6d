"""See the head as the photo does. Needs bpy."""

from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty

from ..errors import AddonError
from ..heads.face_document import PhotoCamera
from ..heads.lookup import document_of, require_head
from ..state import session
from ..viewport import camera_match, view3d
from ..viewport.backdrop import load_backdrop, pack_backdrop
from . import polls
from .reporting import report_message, reports_errors

#: Scales along the axes may differ by this much before a photo's view of the head is no longer the photo's.
UNEVEN = 1e-4


@polls.requires(polls.object_mode, polls.head)
class PHOTOBUST_OT_match_camera(bpy.types.Operator):
    """Look at the head through the photo's camera, with the photo behind it"""

    bl_idname = "photobust.match_camera"
    bl_label = "Match Camera"
    bl_options = {"REGISTER", "UNDO"}

    depth: EnumProperty(
        name="Photo",
        items=[("BACK", "Behind the Head", ""), ("FRONT", "Before the Head", "To compare the two")],
    )
    alpha: FloatProperty(name="Opacity", default=1.0, min=0.0, max=1.0, subtype="FACTOR")
    pack: BoolProperty(
        name="Pack the Photo",
        description="Keep the photo inside the .blend file; otherwise the file only refers to it",
    )

    view: IntProperty(
        name="View",
        description="Number of the photo, of a head that is of several; 0 for the main photo",
        min=0,
        options={"SKIP_SAVE"},
    )

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        head = require_head(context)
        photo, camera, orientation = self._photo_of(head)
        if camera is None:
            raise AddonError("This head came without its photo's camera: reconstruct the photo again.")
        image = load_backdrop(photo, orientation)
        if self.pack and image.packed_file is None:
            pack_backdrop(image, photo)
        # Where the head stands now, also if it was moved a moment ago by a script.
        context.view_layer.update()
        owner = camera_match.match_camera(context.scene, head, camera, image)
        camera_match.set_background(owner.data, image, self.depth, self.alpha)
        # What is looked through is also what Adjust corrects over.
        owner[camera_match.VIEW] = session.current().corrected_photos[head.name] = self._number(head)
        scale = head.matrix_world.to_scale()
        if max(scale) - min(scale) > UNEVEN * max(scale):
            report_message(
                self, "WARNING", "The head is scaled unevenly, so the photo does not fit: clear its scale."
            )
        points = (owner.matrix_world.translation, head.matrix_world.translation)
        hiding = view3d.enclosing(context, points)
        if hiding is not None:
            report_message(
                self, "WARNING", f'"{hiding.name}" is around the head or its camera and hides the fit.'
            )
        view3d.through_camera(context)
        return {"FINISHED"}

    def _photo_of(self, head: bpy.types.Object) -> tuple[Path, PhotoCamera | None, int]:
        """The photo that is wanted, its camera, and how it lies in its file. Raises AddonError."""
        record = document_of(head)
        paths, views = head.photobust.photos, record.views
        if self.view > min(len(paths), len(views)):
            raise AddonError(f"There is no photo {self.view} of this head.")
        number = self._number(head)
        if session.current().correcting and number != session.current().corrected_photos.get(head.name, 0):
            raise AddonError("Choose the photo in the panel Adjust, or end Adjust first, with Enter.")
        # Pins may have moved the head in the main photo: its camera is the record's own.
        if number == 0:
            return Path(bpy.path.abspath(head.photobust.photo)), record.camera, record.orientation
        view = views[self.view - 1]
        if not view.used:
            raise AddonError(f"This photo was left out: {view.reason}")
        return Path(bpy.path.abspath(paths[self.view - 1].path)), view.camera, view.orientation

    def _number(self, head: bpy.types.Object) -> int:
        """The view's number, 0 for the main photo however it was asked for."""
        return 0 if self.view - 1 == document_of(head).main_view else self.view
