"""The panel's second part: what came out, and what can come next. Needs bpy."""

import bpy

from ..heads import landmarks as landmark_empties
from ..heads import surface_materials as materials
from ..heads.lookup import active_head, document_of, is_animation_ready, require_head
from ..heads.verdict import Grade, verdict
from .text import draw_text

ICONS = {Grade.GOOD: "CHECKMARK", Grade.CHECK: "INFO", Grade.POOR: "ERROR"}


class PHOTOBUST_PT_result(bpy.types.Panel):
    """What is known of the active head."""

    bl_label = "Result"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Photobust"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return active_head(context) is not None

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        head = require_head(context)
        record = document_of(head)
        layout.label(text=head.name, icon="USER")
        found = verdict(record.quality)
        if found:
            box = layout.box()
            draw_text(box, found.summary, context, ICONS[found.grade])
            if found.error:
                draw_text(box, found.error, context, "DRIVER_DISTANCE")
            for remark in found.remarks:
                draw_text(box, remark, context, "DOT")
        column = layout.column(align=True)
        column.scale_y = 1.2
        column.operator("photobust.match_camera", icon="CAMERA_DATA")
        column.operator(
            "photobust.show_confidence", icon="HIDE_OFF", depress=materials.shows_confidence(head)
        )
        column.operator(
            "photobust.landmarks", icon="EMPTY_DATA", depress=bool(landmark_empties.landmarks_of(head))
        )
        if is_animation_ready(head):
            column.operator("photobust.export_head", icon="EXPORT")
        column.operator("photobust.turntable", icon="RENDER_ANIMATION")
        column.operator("photobust.open_folder", icon="FILE_FOLDER")
        layout.label(text=f"{head.photobust.seconds:.1f} s from the click to the head", icon="TIME")
        if record.timings:
            steps = sorted(record.timings.items(), key=lambda item: -item[1])[:3]
            words = ", ".join(f"{step} {seconds:.2f} s" for step, seconds in steps)
            draw_text(layout, f"Longest steps: {words}", context)
