"""The step "preview": the photo beside three views of the head. Needs bpy."""

from pathlib import Path
from typing import Any

from ...render.head_preview import render_folder
from ..result import StepResult

PREVIEW = "preview.png"
#: A picture of the face, cut from the photo, that the engine leaves beside the surface.
FACE_PICTURE = "photo.png"


def run(folder: Path, options: dict[str, Any]) -> StepResult:
    """Options: size (height in pixels), renderer. Raises RenderError, HeadFileError or SurfaceFileError."""
    picture = folder / FACE_PICTURE
    kind = render_folder(
        folder,
        folder / PREVIEW,
        photo=picture if picture.is_file() else None,
        size=int(options["size"]),
        renderer=options["renderer"],
    )
    text = f"the photo, and the {kind} from the front, three-quarter and the side"
    return StepResult({PREVIEW: text}, {"shows": kind})
