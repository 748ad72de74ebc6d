"""Show a head's files. Needs bpy."""

from pathlib import Path

import bpy

from ..errors import AddonError
from ..heads.lookup import require_head
from . import polls
from .opening import open_path
from .reporting import reports_errors


@polls.requires(polls.head)
class PHOTOBUST_OT_open_folder(bpy.types.Operator):
    """Open the folder with this head's files: surface.ply, surface.glb, face.json and more"""

    bl_idname = "photobust.open_folder"
    bl_label = "Open Folder"

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        folder = Path(bpy.path.abspath(require_head(context).photobust.folder))
        if not folder.is_dir():
            raise AddonError(f"The folder {folder} is not there any more; reconstruct the photo again.")
        open_path(folder)
        return {"FINISHED"}
