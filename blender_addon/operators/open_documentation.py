"""Show the documentation. Needs bpy."""

import bpy

from ..errors import AddonError
from ..state import links
from .opening import open_path
from .reporting import reports_errors


class PHOTOBUST_OT_open_documentation(bpy.types.Operator):
    """Open the documentation of Photobust"""

    bl_idname = "photobust.open_documentation"
    bl_label = "Documentation"

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        if links.DOCUMENTATION_URL:
            bpy.ops.wm.url_open(url=links.DOCUMENTATION_URL)
            return {"FINISHED"}
        path = links.documentation_file()
        if path is None:
            raise AddonError("The documentation is not there: install the add-on again.")
        open_path(path)
        return {"FINISHED"}
