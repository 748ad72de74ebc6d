"""Have the engine make a corrected head thoroughly: wrap, blendshapes, texture, hair. Needs bpy."""

from pathlib import Path

import bpy

from ..errors import AddonError, JobCancelledError
from ..heads import adjustments
from ..heads.export import head_image
from ..heads.hair import facial_product
from ..heads.lookup import document_of, require_head
from ..heads.refresh import refresh_head
from ..state import session, settings
from ..state.reconstruction import ReconstructionRequest, ReconstructionRun
from ..state.session import Message
from . import polls
from .modal_run import ModalRun
from .reporting import report_message, reports_errors

#: Sides that a texture can have, texels.
TEXTURES = (1024, 2048, 4096)


@polls.requires(
    polls.nothing_running,
    polls.object_mode,
    polls.head,
    polls.local_head,
    polls.animation_ready,
    polls.engine_usable,
)
class PHOTOBUST_OT_apply_adjustments(ModalRun, bpy.types.Operator):
    """Make the head with its corrections: blendshapes, bones, texture and hair follow"""

    bl_idname = "photobust.apply_adjustments"
    bl_label = "Apply Corrections"
    bl_options = {"UNDO"}

    _run: ReconstructionRun
    _head: str

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        self._begin(context)
        try:
            self._run.wait()
        finally:
            session.current().run = None
        return self._finish()

    @reports_errors
    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        self._begin(context)
        return self._begin_ticks(context)

    def _begin(self, context: bpy.types.Context) -> None:
        head = require_head(context)
        request = request_of(head)
        now = session.current()
        now.message = Message()
        self._head = head.name
        self._run = now.run = ReconstructionRun(now.client(settings.engine_choice(context).find()), request)

    def _tick(self, context: bpy.types.Context) -> set[str] | None:
        if not self._poll() or context.mode != "OBJECT":
            return None
        return self._finish()

    def _finish(self) -> set[str]:
        if self._run.cancelling:
            raise JobCancelledError("Cancelled.")
        loaded = self._run.heads()[0]
        head = bpy.data.objects.get(self._head)
        if head is None:
            raise AddonError("The head is gone that the corrections were for.")
        kept = refresh_head(head, loaded)
        own = f" Pictures of your own are kept in the file: {', '.join(kept)}." if kept else ""
        report_message(self, "INFO", f"Made {head.name} with its corrections.{own}")
        return {"FINISHED"}

    def _stop(self, context: bpy.types.Context) -> None:
        session.current().run = None
        self._end_ticks(context)


def request_of(head: bpy.types.Object) -> ReconstructionRequest:
    """What to ask the engine for, to have a head made with its corrections. Raises AddonError."""
    note = head.photobust
    main = Path(bpy.path.abspath(note.photo))
    photos = tuple(Path(bpy.path.abspath(photo.path)) for photo in note.photos)
    gone = next((photo for photo in (main, *photos) if not photo.is_file()), None)
    if gone is not None:
        raise AddonError(f"The photo {gone} is not there any more: put it back.")
    face = int(head.get("photobust_face_index", 0))
    image = head_image(head)
    size = int(image.size[0]) if image is not None else TEXTURES[1]
    corrections = adjustments.document(head)
    return ReconstructionRequest(
        photos[0] if photos else main,
        Path(bpy.path.abspath(note.folder)).parent,
        focal_mm=document_of(head).chosen_focal_mm,
        faces=None if photos else (face,),
        head=True,
        texture=size if size in TEXTURES else TEXTURES[1],
        # Of several photos, the engine is told over which one points were dragged.
        adjustments=[{"photo": main.name, **corrections}] if photos else {str(face): corrections},
        photos=photos,
        force=document_of(head).is_confirmed,
        facial_hair=facial_product(head),
    )
