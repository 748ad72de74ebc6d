"""Write what an animated head does as a recording of Live Link Face. Needs bpy."""

from pathlib import Path

import bpy
from bpy.props import FloatProperty, StringProperty
from bpy_extras.io_utils import ExportHelper

from ..animation.live_link_csv import DEFAULT_RATE, csv_text
from ..animation.takes import recording_of
from ..blender.atomic_file import written_atomically
from ..errors import ExportError
from ..heads.lookup import require_head
from . import polls
from .reporting import report_message, reports_errors


@polls.requires(polls.head, polls.animation_ready)
class PHOTOBUST_OT_export_live_link(bpy.types.Operator, ExportHelper):
    """Write the active head's animation, over the scene's frame range, as Live Link Face does (.csv)"""

    bl_idname = "photobust.export_live_link"
    bl_label = "Export Live Link Face"
    bl_options = {"REGISTER", "PRESET"}

    filename_ext = ".csv"
    filter_glob: StringProperty(default="*.csv", options={"HIDDEN"})
    rate: FloatProperty(
        name="Frames a Second",
        description="Of the file, whatever the scene's are; the app's are 60",
        default=DEFAULT_RATE,
        min=1.0,
        max=240.0,
    )

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        scene = context.scene
        recording = recording_of(
            context, require_head(context), scene.frame_start, scene.frame_end, round(self.rate)
        )
        path = Path(bpy.path.abspath(self.filepath))
        try:
            with written_atomically(path) as partial:
                partial.write_text(csv_text(recording), encoding="utf-8", newline="\n")
        except OSError as error:
            raise ExportError(f"{path} cannot be written ({error}): choose another folder.") from error
        report_message(self, "INFO", f"Wrote {len(recording.times)} frames to {path.name}")
        return {"FINISHED"}
