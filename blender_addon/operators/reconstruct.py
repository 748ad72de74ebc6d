"""Reconstruct a photo: the main button. Needs bpy."""

import itertools
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import bpy
from bpy.props import FloatProperty, StringProperty
from mathutils import Vector

from ..blender import redraw
from ..errors import AddonError, JobCancelledError
from ..heads import placement, results
from ..heads.armature import with_rigs
from ..heads.hair import hair_of
from ..heads.loaded import LoadedHead
from ..heads.lookup import document_of
from ..state import face_search, session, settings
from ..state.properties import PLACEMENTS, PRODUCTS
from ..state.reconstruction import ReconstructionRequest, ReconstructionRun, parse_faces
from ..state.session import Message
from ..viewport import view3d
from ..viewport.stage_overlay import StageOverlay
from . import polls
from .modal_run import ModalRun
from .reporting import report_error, report_message, reports_errors

#: Numbers of folders for what heads look like on the way.
_numbers = itertools.count(1)
RESTARTED = "The engine stopped unexpectedly and was started again; the head is complete."


@polls.requires(polls.nothing_running, polls.object_mode, polls.engine_usable)
class PHOTOBUST_OT_reconstruct(ModalRun, bpy.types.Operator):
    """Make a 3D head of each face in the photo, at the 3D cursor or beside heads that stand there"""

    # From a panel it runs beside Blender (invoke, modal); from a script, in one go (execute). The two only
    # differ in who waits. Not REGISTER: "Adjust Last Operation" would run it again, and make Blender wait.
    bl_idname = "photobust.reconstruct"
    bl_label = "Reconstruct from Photo"
    bl_options = {"UNDO"}

    filepath: StringProperty(
        name="Photo",
        description="The photo; empty for the one chosen in the panel",
        subtype="FILE_PATH",
        options={"SKIP_SAVE"},
    )
    focal_mm: FloatProperty(
        name="Focal Length",
        description="35 mm equivalent; 0 for what the panel says, or else the photo's EXIF data",
        min=0.0,
        options={"SKIP_SAVE"},
    )
    faces: StringProperty(
        name="Faces",
        description='Numbers of the faces to make, the largest face is 1, such as "1, 3"; empty for all',
        options={"SKIP_SAVE"},
    )

    make: StringProperty(
        name="Make",
        description='"SURFACE", "HEAD" (animation-ready) or "BOTH"; empty for what the panel says',
        options={"SKIP_SAVE"},
    )
    placement: StringProperty(
        name="Placement",
        description='"BESIDE" other heads or "CURSOR"; empty for what the panel says',
        options={"SKIP_SAVE"},
    )

    _run: ReconstructionRun
    _pending: list[LoadedHead] | None
    _building: Iterator[str] | None
    _overlay: StageOverlay

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        self._begin(context)
        manager = context.window_manager
        manager.progress_begin(0.0, 1.0)
        try:
            self._pending = self._run.wait(lambda progress: manager.progress_update(progress.fraction))
        finally:
            manager.progress_end()
            session.current().run = None
        try:
            while self._pending or self._building:
                self._build_next(context, self._pending)
        except Exception as error:  # noqa: BLE001 (reported; what was made before has to be undoable)
            return self._give_up(error)
        return self._finish(context)

    @reports_errors
    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if not self.filepath and not context.scene.photobust.photo:
            bpy.ops.photobust.choose_photo("INVOKE_DEFAULT", reconstruct=True)
            return {"CANCELLED"}
        self._begin(context, shown=True)
        self._overlay = StageOverlay(self._places(context)[0])
        return self._begin_ticks(context)

    def _begin(self, context: bpy.types.Context, shown: bool = False) -> None:
        """Send the request; with `shown`, for something to be seen on the way."""
        self._scene_name = context.scene.name
        self._cursor = context.scene.cursor.location.copy()
        self._pending = self._building = None
        # Names, not objects: an undo while this goes on would leave references to nothing.
        self._made: list[str] = []
        self._collection = ""
        now = session.current()
        now.message = Message()
        request = self._request(context)
        if shown:
            request = replace(request, stages=now.scratch() / f"stages-{next(_numbers)}")
        self._product = self.make.upper() or context.scene.photobust.make
        self._placement = self.placement.upper() or context.scene.photobust.placement
        self._run = now.run = ReconstructionRun(now.client(settings.engine_choice(context).find()), request)

    def _request(self, context: bpy.types.Context) -> ReconstructionRequest:
        panel = context.scene.photobust
        photos = self._photos(context)
        several = photos if len(photos) > 1 else ()
        focal = self.focal_mm or (panel.focal_mm if panel.use_own_focal and not self.filepath else 0.0)
        faces = parse_faces(self.faces)
        if faces is not None and several:
            raise AddonError("Of several photos of a person the largest face counts: leave out the faces.")
        if faces is None and not self.filepath and not several:
            faces = face_search.chosen_faces(context)
            if faces == ():
                raise AddonError("No face is ticked: tick those that heads are to be made of.")
        make = self.make.upper() or panel.make
        if make not in {kind for kind, *_ in PRODUCTS}:
            raise AddonError(f'"{self.make}" cannot be made: say SURFACE, HEAD or BOTH.')
        if self.placement and self.placement.upper() not in {kind for kind, *_ in PLACEMENTS}:
            raise AddonError(f'"{self.placement}" is no placement: say BESIDE or CURSOR.')
        texture = int(panel.texture)
        folder = settings.results_folder(context)
        return ReconstructionRequest(
            photos[0],
            folder,
            focal or None,
            faces,
            make != "SURFACE",
            texture,
            photos=several,
            force=panel.force,
            facial_hair=panel.facial_hair.lower(),
        )

    def _photos(self, context: bpy.types.Context) -> tuple[Path, ...]:
        """The photo, or all of one person. Raises AddonError if one is not there."""
        given = Path(bpy.path.abspath(self.filepath)) if self.filepath else None
        photos = (given,) if given else face_search.chosen_photos(context.scene)
        if not photos:
            raise AddonError("Choose a photo first.")
        gone = next((photo for photo in photos if not photo.is_file()), None)
        if gone is not None:
            raise AddonError(f"There is no file {gone}: choose the photo again.")
        return photos

    def _tick(self, context: bpy.types.Context) -> set[str] | None:
        """Go on a little; what ends the operator, or None."""
        if self._pending is None:
            over = self._poll()
            if self._run.stage is not None:
                self._overlay.show(self._run.stage)
            if not over:
                return None
            self._pending = self._run.heads()
        if self._run.cancelling:
            raise JobCancelledError("Cancelled.")
        if context.mode != "OBJECT":
            # An object that comes amid someone's editing could not be undone by itself.
            if not session.current().message.text:
                session.current().message = Message("INFO", "Done. Leave for Object Mode to get the head.")
                redraw.sidebars()
            return None
        if self._pending or self._building:
            self._build_next(context, self._pending)  # one step a tick, so that Blender answers in between
        return None if self._pending or self._building else self._finish(context)

    def _build_next(self, context: bpy.types.Context, heads: list[LoadedHead]) -> None:
        """Build a little more of the face in work, or begin the next."""
        if self._building is None:
            self._building = self._begin_building(context, heads.pop(0))
            self._made.append(next(self._building))
        elif next(self._building, None) is None:
            self._building = None

    def _begin_building(self, context: bpy.types.Context, loaded: LoadedHead) -> Iterator[str]:
        collection = bpy.data.collections.get(self._collection)
        if collection is None:
            scene = bpy.data.scenes.get(self._scene_name) or context.scene
            collection = results.new_collection(scene, self._run.request.photo.stem)
            self._collection = collection.name
        places = self._places(context)
        return results.build_step_by_step(loaded, collection, places, self._product, self._run.seconds)

    def _places(self, context: bpy.types.Context) -> list[Vector]:
        """Where the next face's objects stand: clear of each other, and of other heads if that is wanted."""
        scene = bpy.data.scenes.get(self._scene_name) or context.scene
        count = results.places_needed(self._product)
        if self._placement == "CURSOR":
            first = len(self._made) * count
            return [placement.beside(self._cursor, first + k) for k in range(count)]
        context.view_layer.update()  # heads that were made a moment ago
        return placement.free_places(scene, self._cursor, count)

    def _finish(self, context: bpy.types.Context) -> set[str]:
        if self._run.request.force:
            # Once made, it is no longer asked for: the next photos may show somebody else by mistake.
            scene = bpy.data.scenes.get(self._scene_name) or context.scene
            scene.photobust.force = False
        found = context.scene.objects  # without them if the user went on in another scene
        made = [found[name] for name in self._made if name in found]
        note = ""
        if made:
            # With their armatures, so that moving and deleting do not leave these behind.
            results.select_only(context.view_layer, with_rigs(made))
            note = self._show(context, made)
        what = "a head" if len(self._made) == 1 else f"{len(self._made)} heads"
        if self._run.restarted:
            report_message(self, "WARNING", RESTARTED)
        elif self._run.request.photos:
            self._report_views(made, note)
        else:
            report_message(self, "INFO", f"Made {what} from {self._run.request.photo.name}.{note}")
        return {"FINISHED"}

    def _report_views(self, made: list[bpy.types.Object], note: str) -> None:
        """Say of how many photos of a person the head is, and why others were left out."""
        views = document_of(made[0]).views if made else ()
        left_out = [view.reason.rstrip(".") for view in views if not view.used]
        count = len(self._run.request.photos)
        of = f"{count - len(left_out)} of {count}" if left_out else count
        reasons = f" {'. '.join(left_out)}." if left_out else ""
        report_message(
            self, "WARNING" if left_out else "INFO", f"Made a head from {of} photos.{reasons}{note}"
        )

    def _show(self, context: bpy.types.Context, made: list[bpy.types.Object]) -> str:
        """Let the view show the new heads, as far as the user wants that; what there is to say of it."""
        wanted = settings.current(context)
        if wanted.show_colors:
            view3d.show_colors(context, made[0], always=False)
        if not wanted.frame_head:
            return ""
        context.view_layer.update()
        around = view3d.enclosing(context, [ob.matrix_world.translation for ob in made])
        whole = [*with_rigs(made), *(hair for head in made for hair in hair_of(head))]
        if view3d.frame_from_front(context, whole, alone=around is not None) and around is not None:
            return f' "{around.name}" is around it, so this view is in Local View: / leaves it.'
        return ""

    def _give_up(self, error: Exception) -> set[str]:
        """Report the error. What was made before it stays, as something that can be undone."""
        collection = bpy.data.collections.get(self._collection)
        if collection is not None and not collection.all_objects:
            bpy.data.collections.remove(collection)
        ended = report_error(self, error)
        return {"FINISHED"} if self._made else ended

    def _stop(self, context: bpy.types.Context) -> None:
        self._overlay.remove()
        if self._run.request.stages:
            shutil.rmtree(self._run.request.stages, ignore_errors=True)
        session.current().run = None
        self._end_ticks(context)
