"""Choose over which of a person's photos the head is corrected. Needs bpy."""

import bpy
from bpy.props import IntProperty

from ..blender import redraw
from ..heads.correctable_photos import correctable_photos
from ..heads.lookup import require_head
from ..state import session
from . import polls
from .reporting import reports_errors


@polls.requires(polls.object_mode, polls.head, polls.animation_ready)
class PHOTOBUST_OT_correct_in_photo(bpy.types.Operator):
    """Look through this photo's camera, and correct the head there; pins of all photos count together"""

    bl_idname = "photobust.correct_in_photo"
    bl_label = "Correct in This Photo"
    bl_options = {"REGISTER"}

    view: IntProperty(name="View", description="As Match Camera counts them; 0 for the main photo", min=0)

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        head, now = require_head(context), session.current()
        known = any(photo.number == self.view for photo in correctable_photos(head))
        now.corrected_photos[head.name] = self.view if known else 0
        # While the head is corrected, what does so shows the photo by itself.
        if not now.correcting:
            bpy.ops.photobust.match_camera(view=now.corrected_photos[head.name])
            bpy.ops.ed.undo_push(message=self.bl_label)
        redraw.sidebars()
        return {"FINISHED"}
