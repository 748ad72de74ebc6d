"""Quads for the active mesh object. Needs bpy."""

import shutil
import sys
import tempfile
from pathlib import Path

import bpy
import numpy as np
from bpy.props import BoolProperty, EnumProperty, IntProperty, StringProperty

from ..blender import compat, redraw
from ..blender.log import log_engine_line
from ..errors import StepError
from ..mesh import retopology, retopology_files, retopology_report
from ..mesh.retopology_process import RetopologyProgram, RetopologyRun
from ..state import session
from ..state.session import Message
from . import polls
from .modal_run import ModalRun
from .reporting import report_message, reports_errors

TEXTURE_SIZES = [
    ("0", "None", "Keep the colors in the vertices only"),
    ("1024", "1024", "1024 pixels a side"),
    ("2048", "2048", "2048 pixels a side"),
    ("4096", "4096", "4096 pixels a side"),
]
INTERNAL = {"HIDDEN", "SKIP_SAVE"}


@polls.requires(polls.object_mode, polls.mesh)
class PHOTOBUST_OT_retopologize(ModalRun, bpy.types.Operator):
    """Rebuild the active mesh from even quads, with its colors, UVs and weights, and hide the original"""

    # From the panel it asks for the number (invoke), then runs beside Blender (invoke again, `confirmed`);
    # from a script, in one go (execute). "Adjust Last Operation" takes the result back and executes with
    # another number: in a window the result is put back, and what comes of another run beside Blender
    # replaces it.
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
        name="Bake Colors",
        description="Bake the vertex colors into a texture; for meshes that have no UVs yet",
        items=TEXTURE_SIZES,
        default="0",
    )
    confirmed: BoolProperty(options=INTERNAL)
    made: StringProperty(description="Name of the object that was made", options=INTERNAL)
    replaces: StringProperty(description="Name of the object that the new one replaces", options=INTERNAL)

    _asked = False

    @reports_errors
    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if not self.confirmed:
            self._asked = True
            return context.window_manager.invoke_props_dialog(self)
        self._begin(context)
        return self._begin_ticks(context)

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        adjusted = self.options.is_repeat
        if context.window and not bpy.app.background and (self._asked or adjusted):
            return self._run_beside(self.made if adjusted else "")
        self._begin(context)
        manager = context.window_manager
        manager.progress_begin(0.0, 1.0)
        try:
            self._run.wait(lambda progress: manager.progress_update(progress.fraction))
            return self._finish(context)
        finally:
            manager.progress_end()
            self._end()

    def cancel(self, context: bpy.types.Context) -> None:
        """Another file is opened, the window closed, the add-on switched off, or the dialog left."""
        if hasattr(self, "_timer"):
            self._stop(context)

    def _run_beside(self, replaces: str) -> set[str]:
        """Run it modally. This operator ends without a result; the other one has it, and its undo step."""
        try:
            bpy.ops.photobust.retopologize(
                "INVOKE_DEFAULT",
                quads=self.quads,
                texture=self.texture,
                confirmed=True,
                replaces=replaces,
            )
        except RuntimeError:  # it has reported an error, which bpy.ops raises
            self.report({"ERROR"}, session.current().message.text)
        return {"CANCELLED"}

    def _begin(self, context: bpy.types.Context) -> None:
        original = context.active_object
        now = session.current()
        if now.retopology is not None:
            now.retopology.cancel()  # the latest wish counts
        now.message = Message()
        self._original = original.name  # an undo while this goes on would leave a reference to nothing
        self._folder = Path(tempfile.mkdtemp(prefix="retopology-", dir=now.scratch()))
        try:
            self._materials = retopology_files.write_source(original, self._folder, self.quads)
            linear = np.array(original.matrix_world, np.float64)[:3, :3].tolist()
            self._run = RetopologyRun(
                _program(), self._folder, self.quads, int(self.texture), linear, log_engine_line
            )
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        now.retopology = self._run

    def _tick(self, context: bpy.types.Context) -> set[str] | None:
        """Go on a little; what ends the operator, or None."""
        if not self._poll():
            return None
        if context.mode != "OBJECT":
            self._run.result()  # an error can be told at once
            if not session.current().message.text:
                session.current().message = Message("INFO", "Done. Leave for Object Mode to get the quads.")
                redraw.sidebars()
            return None
        return self._finish(context)

    def _finish(self, context: bpy.types.Context) -> set[str]:
        result = self._run.result()
        original = bpy.data.objects.get(self._original)
        if original is None or original.type != "MESH":
            raise StepError(f"{self._original} is gone: what was made of it was thrown away.")
        # Found now: giving the new one its name may rename another, in some Blenders.
        replaced = bpy.data.objects.get(self.replaces) if self.replaces else None
        new, report = retopology_files.read_result(original, self._folder, self._materials, result)
        if replaced is not None:
            _remove(replaced)
        new.name = f"{original.name} quads"
        retopology.put_beside(context, original, new)
        if report.picture is not None:
            retopology.show_picture(new, report.picture)
        self.made = new.name
        report_message(self, "INFO", f"{new.name}: {report.quads} quads. {original.name} is hidden.")
        for text in report.remarks():
            report_message(self, "WARNING", text)
        return {"FINISHED"}

    def _stop(self, context: bpy.types.Context) -> None:
        self._end_ticks(context)
        self._end()

    def _end(self) -> None:
        self._run.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        if session.current().retopology is self._run:
            session.current().retopology = None
        redraw.sidebars()


def _program() -> RetopologyProgram:
    """This Blender, or the Python that this bpy module runs in."""
    if compat.is_plain_python():
        return RetopologyProgram(Path(sys.executable), is_blender=False)
    return RetopologyProgram(Path(bpy.app.binary_path), is_blender=True)


def _remove(one: bpy.types.Object) -> None:
    """Remove an object, and its mesh if nothing else uses it."""
    mesh = one.data
    bpy.data.objects.remove(one)
    if isinstance(mesh, bpy.types.Mesh) and not mesh.users:
        bpy.data.meshes.remove(mesh)
