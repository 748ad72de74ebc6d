"""Take back all that was corrected of a head by hand. Needs bpy."""

from pathlib import Path

import bpy
from bpy.props import EnumProperty

from ..heads import adjustments
from ..heads.lookup import require_head
from ..heads.slider_file import sliders
from ..state import session, settings
from ..state.pin_preview import PinPreview
from . import polls
from .adjust_pins import show_answer
from .reporting import reports_errors


@polls.requires(polls.object_mode, polls.head, polls.animation_ready, polls.engine_usable)
class PHOTOBUST_OT_reset_pins(bpy.types.Operator):
    """Let all points be where the photo alone puts them"""

    bl_idname = "photobust.reset_pins"
    bl_label = "Reset All"
    bl_options = {"REGISTER", "UNDO"}

    what: EnumProperty(name="What", items=[("PINS", "Pins", ""), ("SLIDERS", "Sliders", "")])

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        head = require_head(context)
        if self.what == "SLIDERS":
            for name in sliders().names:
                setattr(head.photobust.sliders, name, 0.0)
            return {"FINISHED"}
        head.photobust.pins.clear()
        now = session.current()
        client = now.client(settings.engine_choice(context).find())
        folder = Path(bpy.path.abspath(head.photobust.folder))
        answer = PinPreview(client, folder, now.scratch()).last(adjustments.document(head))
        show_answer(context, head, answer)
        return {"FINISHED"}
