"""Show the landmarks. Needs bpy."""

import bpy
from bpy.props import EnumProperty

from ..errors import AddonError
from ..heads import landmarks as landmark_empties
from ..heads.lookup import document_of, require_head
from . import polls
from .reporting import reports_errors

#: Name in face.json, and number of the first, of each set of landmarks.
SETS = {"478": ("mediapipe478", 0), "68": ("ibug68", 1)}


@polls.requires(polls.object_mode, polls.head, polls.local_head)
class PHOTOBUST_OT_landmarks(bpy.types.Operator):
    """Add the face's landmarks as empties that move with the head, or take them away again"""

    bl_idname = "photobust.landmarks"
    bl_label = "Landmarks"
    bl_options = {"REGISTER", "UNDO"}

    points: EnumProperty(
        name="Points",
        items=[
            ("478", "478 (MediaPipe)", "MediaPipe's face landmarks, numbered from 0 as MediaPipe does"),
            ("68", "68 (iBUG)", "The landmarks of the 300-W challenge, numbered from 1 as there"),
        ],
    )

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        head = require_head(context)
        if landmark_empties.landmarks_of(head):
            landmark_empties.remove_landmarks(head)
            return {"FINISHED"}
        kind, first = SETS[self.points]
        points = document_of(head).landmarks(kind)
        if not len(points):
            raise AddonError("This head came without landmarks: reconstruct the photo again.")
        landmark_empties.add_landmarks(head, points, first)
        return {"FINISHED"}
