"""Write what was corrected of heads into a file that a batch repeats. Needs bpy."""

import json
from pathlib import Path

import bpy
from bpy.props import StringProperty
from bpy_extras.io_utils import ExportHelper

from ..blender.atomic_file import written_atomically
from ..errors import AddonError, ExportError
from ..heads import adjustments
from ..heads.lookup import document_of, is_animation_ready
from . import polls
from .reporting import report_message, reports_errors


@polls.requires(polls.head, polls.animation_ready)
class PHOTOBUST_OT_save_adjustments(ExportHelper, bpy.types.Operator):
    """Write the corrections of all heads of the scene into a file, for batch.py --pins"""

    bl_idname = "photobust.save_adjustments"
    bl_label = "Save Corrections"
    bl_options = {"REGISTER"}

    filename_ext = ".json"
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})

    @reports_errors
    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        _corrected_heads(context.scene)  # said before a file is chosen
        return ExportHelper.invoke(self, context, event)  # type: ignore[no-any-return]

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        heads = [
            {
                **_photo_of(head),
                "face": int(head.get("photobust_face_index", 0)),
                **adjustments.document(head),
            }
            for head in _corrected_heads(context.scene)
        ]
        path = Path(bpy.path.abspath(self.filepath))
        try:
            with written_atomically(path) as partial:
                partial.write_text(json.dumps(heads, indent=1), encoding="utf-8")
        except OSError as error:
            raise ExportError(f"{path} cannot be written ({error.strerror}): choose another name.") from error
        of_heads = "1 head" if len(heads) == 1 else f"{len(heads)} heads"
        report_message(self, "INFO", f"Wrote the corrections of {of_heads} to {path.name}.")
        return {"FINISHED"}


def _corrected_heads(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """The heads of a scene that were corrected by hand. Raises AddonError if there is none."""
    found = [
        head
        for head in scene.objects
        if head.photobust.is_head and is_animation_ready(head) and adjustments.is_corrected(head)
    ]
    if not found:
        raise AddonError("No head of this scene was corrected: drag pins, move sliders or ignore something.")
    return found


def _photo_of(head: bpy.types.Object) -> dict[str, str]:
    """Name and, if it is known, SHA-256 of the photo that a head was made of: many photos have one name."""
    about = document_of(head).document.get("input") or {}
    found = {"photo": str(about.get("name", ""))}
    return {**found, "sha256": str(about["sha256"])} if about.get("sha256") else found
