"""Make a head's hair again as the photo shows it. Needs bpy."""

from pathlib import Path

import bpy

from ..errors import AddonError
from ..heads import hair
from ..heads.hair_npz import FILE_NAME
from ..heads.head_npz import FILE_NAME as HEAD_FILE
from ..heads.lookup import require_head
from . import polls
from .reporting import report_message, reports_errors


@polls.requires(polls.object_mode, polls.head, polls.local_head, polls.animation_ready)
class PHOTOBUST_OT_comb_by_photo(bpy.types.Operator):
    """Make the hair again as the photo shows it: color, length, density and edited hair are set back"""

    bl_idname = "photobust.comb_by_photo"
    bl_label = "Comb by Photo"
    bl_options = {"REGISTER", "UNDO"}

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        head = require_head(context)
        folder = Path(bpy.path.abspath(head.photobust.folder))
        if not head.photobust.folder or not (folder / FILE_NAME).is_file():
            raise AddonError(_why_none(folder))
        if hair.is_combed(head, folder):
            report_message(self, "INFO", "The hair is as the photo shows it already: there is nothing to do.")
            return {"CANCELLED"}
        product = head.photobust.hair_product.lower()
        hair.remove_hair(head)
        hair.add_hair(head, folder, product if product in hair.PARTS and product != "none" else None)
        hair.reset_hair_properties(head)
        return {"FINISHED"}


def _why_none(folder: Path) -> str:
    """Why there is no hair in a result's folder, for an artist."""
    if (folder / HEAD_FILE).is_file():
        return (
            "No hair was made of this photo: it shows none, or Hair was None. Reconstruct it again with hair."
        )
    return f"The folder of this head has no {FILE_NAME}. Reconstruct the photo again."
