"""A full turn of any mesh object, as pictures and a film. Needs bpy."""

from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, IntProperty, StringProperty

from ..blender import redraw
from ..errors import AddonError, JobCancelledError
from ..heads.lookup import active_head
from ..render import renderers, subjects
from ..render.turntable import FRAMES, SIZE, Turntable
from . import polls, running
from .reporting import report_error, report_message, reports_errors

#: Seconds between pictures in which Blender can draw and hear Esc.
TICK = 0.02
RENDERERS = [
    ("auto", "Automatic", "Workbench where it shows the object's materials, else Cycles"),
    ("workbench", "Workbench", "Quick; shows only textures and colors"),
    ("cycles", "Cycles", "Slow; shows every material"),
    ("eevee", "Eevee", "Shows most materials; needs a graphics card to be quick"),
]


@polls.requires(polls.mesh, polls.nothing_running)
class PHOTOBUST_OT_turntable(bpy.types.Operator):
    """Render the active mesh object turning once around, as pictures and a film"""

    # From the panel it runs a picture at a time (invoke, modal); from a script, in one go (execute).
    bl_idname = "photobust.turntable"
    bl_label = "Turntable"

    directory: StringProperty(
        name="Folder", description="Where the pictures go", subtype="DIR_PATH", options={"SKIP_SAVE"}
    )
    frames: IntProperty(name="Pictures", description="In a full turn", default=FRAMES, min=2, max=1000)
    size: IntProperty(name="Size", description="Side of the pictures, pixels", default=SIZE, min=64, max=8192)
    renderer: EnumProperty(name="Renderer", description="What renders the pictures", items=RENDERERS)
    film: BoolProperty(name="Film", description="Make a film of the pictures, too", default=True)

    _asked = False

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        if self._asked:  # the file browser has closed; from here on a picture at a time
            bpy.ops.photobust.turntable("INVOKE_DEFAULT", **self.as_keywords())
            return {"FINISHED"}
        self._begin(context)
        try:
            while self._turn.step():
                pass
            return self._finish()
        finally:
            self._turn.close()

    @reports_errors
    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if not self.directory:
            head = active_head(context)
            self.directory = head.photobust.folder if head else bpy.path.abspath("//")
            self._asked = True
            context.window_manager.fileselect_add(self)
            return {"RUNNING_MODAL"}
        self._begin(context)
        manager = context.window_manager
        manager.progress_begin(0, self.frames)
        self._status = running.StatusText()
        self._show(context)
        self._timer = manager.event_timer_add(TICK, window=context.window)
        manager.modal_handler_add(self)
        running.began(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        # Nothing else is let through: what is being rendered must not be undone meanwhile.
        if event.type == "ESC" and event.value == "PRESS":
            self._stop(context)
            return report_error(self, JobCancelledError("The turntable was stopped; nothing was written."))
        if event.type != "TIMER":
            return {"RUNNING_MODAL"}
        try:
            more = self._turn.step()
            self._show(context)
            if more:
                return {"RUNNING_MODAL"}
            ended = self._finish()
        except Exception as error:  # noqa: BLE001 (the last place before Blender shows a traceback)
            ended = report_error(self, error)
        self._stop(context)
        return ended

    def cancel(self, context: bpy.types.Context) -> None:
        """Another file is opened, the add-on switched off, or the file browser left."""
        if hasattr(self, "_turn"):
            self._stop(context)

    def _begin(self, context: bpy.types.Context) -> None:
        if not self.directory:
            raise AddonError("Choose a folder for the pictures.")
        ob = context.active_object
        subject = subjects.of_object(context, ob)
        renderer = renderers.CYCLES
        if self.renderer != "auto" or subject.faithful:
            renderer = renderers.named(self.renderer)
        self._folder = Path(bpy.path.abspath(self.directory))
        stem = f"{bpy.path.clean_name(ob.name)}_turntable"
        self._turn = Turntable(
            subject.build, self._folder, renderer, frames=self.frames, size=self.size, stem=stem
        )

    def _show(self, context: bpy.types.Context) -> None:
        context.window_manager.progress_update(self._turn.done)
        self._status.show(
            context, f"Turntable: picture {self._turn.done} of {self._turn.frames}    Esc: stop"
        )
        redraw.sidebars()

    def _finish(self) -> set[str]:
        pictures, film, said = self._turn.finish("auto" if self.film else "none")
        what = f"{len(pictures)} pictures" + (f" and {film.name}" if film else "")
        report_message(self, "INFO", f"Wrote {what} to {self._folder}")
        if self.film and not film:
            report_message(self, "WARNING", f"Wrote {what}, but no film: {said}")
        return {"FINISHED"}

    def _stop(self, context: bpy.types.Context) -> None:
        self._turn.close()
        context.window_manager.event_timer_remove(self._timer)
        context.window_manager.progress_end()
        self._status.clear(context)
        running.ended(self)
        redraw.sidebars()
