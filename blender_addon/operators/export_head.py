"""Write the animation-ready head for other programs. Needs bpy."""

from pathlib import Path

import bpy
from bpy.props import EnumProperty, StringProperty

from ..errors import AddonError
from ..heads import export as head_export
from ..heads.lookup import require_head
from . import polls
from .reporting import reports_errors

FORMATS = [
    ("glb", "GLB", "glTF: for the web and game engines"),
    ("fbx", "FBX", "For game engines and other 3D programs"),
    ("obj", "OBJ", "For everything; without shapes"),
    ("usd", "USD", "For pipelines; not in every Blender"),
]


class PHOTOBUST_OT_export_head(bpy.types.Operator):
    """Write the head with its texture and face shapes for other programs"""

    bl_idname = "photobust.export_head"
    bl_label = "Export Head"

    directory: StringProperty(
        name="Folder", description="Where the files go", subtype="DIR_PATH", options={"SKIP_SAVE"}
    )
    formats: EnumProperty(
        name="Formats", description="What to write", items=FORMATS, options={"ENUM_FLAG"}, default={"glb"}
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return polls.available(cls, context, polls.object_mode, polls.head, polls.animation_ready)

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        if not self.formats:
            raise AddonError("Choose at least one format.")
        head = require_head(context)
        folder = Path(bpy.path.abspath(self.directory or head.photobust.folder))
        paths = [
            head_export.export_head(context, head, folder, name, bpy.path.clean_name(head.name))
            for name, *_ in FORMATS
            if name in self.formats
        ]
        self.report({"INFO"}, f"Wrote {', '.join(path.name for path in paths)} to {folder}")
        return {"FINISHED"}

    @reports_errors
    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        self.directory = self.directory or require_head(context).photobust.folder
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}
