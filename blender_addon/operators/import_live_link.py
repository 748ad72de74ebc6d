"""Let a recording of Live Link Face move a head. Needs bpy."""

from pathlib import Path

import bpy
from bpy.props import BoolProperty, StringProperty
from bpy_extras.io_utils import ImportHelper

from ..animation.live_link_csv import read_recording
from ..animation.takes import TakeOptions, add_take
from ..heads.lookup import require_head
from . import polls
from .reporting import report_message, reports_errors


@polls.requires(polls.head, polls.local_head, polls.animation_ready)
class PHOTOBUST_OT_import_live_link(bpy.types.Operator, ImportHelper):
    """Make an Action of a recording of Live Link Face (.csv) that moves the active head"""

    bl_idname = "photobust.import_live_link"
    bl_label = "Import Live Link Face"
    bl_options = {"REGISTER", "UNDO", "PRESET"}

    filename_ext = ".csv"
    filter_glob: StringProperty(default="*.csv", options={"HIDDEN"})
    turn_head: BoolProperty(
        name="Turn Head", description="Turn the bones of neck and head as the recording's head", default=True
    )
    eye_bones: BoolProperty(
        name="Eyes by Bones",
        description="Turn the eyes' bones by the recorded angles, instead of by the eyeLook blendshapes",
        default=False,
    )
    set_range: BoolProperty(
        name="Set Frame Range", description="Let the scene's frame range end with the recording", default=True
    )

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        head, scene = require_head(context), context.scene
        path = Path(bpy.path.abspath(self.filepath))
        recording = read_recording(path)
        fps = scene.render.fps / scene.render.fps_base
        options = TakeOptions(scene.frame_start, fps, self.turn_head, self.eye_bones)
        add_take(head, recording, path.stem, options)
        last = scene.frame_start + recording.times[-1] * fps
        if self.set_range:
            scene.frame_end = max(scene.frame_start, int(last + 0.999))
        scene.frame_set(scene.frame_current)
        skipped = f"; {recording.skipped} lines could not be read" if recording.skipped else ""
        level = "WARNING" if recording.skipped else "INFO"
        report_message(self, level, f"{len(recording.times)} frames, {recording.times[-1]:.1f} s{skipped}")
        return {"FINISHED"}
