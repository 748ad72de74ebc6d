"""Quads for the active mesh object. Needs bpy."""

import bpy
from bpy.props import EnumProperty, IntProperty

from ..mesh import retopology, retopology_report
from . import polls
from .reporting import report_message, reports_errors

SIZES = [
    ("0", "None", "Keep the colours in the vertices only"),
    ("1024", "1024", "1024 pixels a side"),
    ("2048", "2048", "2048 pixels a side"),
    ("4096", "4096", "4096 pixels a side"),
]


class PHOTOBUST_OT_retopologize(bpy.types.Operator):
    """Make the active mesh anew of even quads, with its colours, UVs and weights, and hide the original"""

    bl_idname = "photobust.retopologize"
    bl_label = "Retopologize"
    bl_options = {"REGISTER", "UNDO"}

    quads: IntProperty(
        name="Quads",
        description="About how many quads to make",
        default=5000,
        min=retopology_report.MIN_QUADS,
        max=retopology_report.MAX_QUADS,
        soft_max=50_000,
    )
    texture: EnumProperty(
        name="Bake Colours",
        description="Bake the vertex colours into a texture; for meshes that have no UVs yet",
        items=SIZES,
        default="0",
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return polls.available(cls, context, polls.object_mode, polls.mesh)

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        original = context.active_object
        if context.window:
            context.window.cursor_set("WAIT")
        try:
            new, report = retopology.retopologize(context, original, self.quads, int(self.texture))
            retopology.put_beside(context, original, new)
            if report.picture is not None:
                retopology.show_picture(new, report.picture)
        finally:
            if context.window:
                context.window.cursor_set("DEFAULT")
        report_message(self, "INFO", f"{new.name}: {report.quads} quads. {original.name} is hidden.")
        for text in report.remarks():
            report_message(self, "WARNING", text)
        return {"FINISHED"}
