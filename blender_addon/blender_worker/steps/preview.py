"""The step "preview": the photo beside three views of the surface. Needs bpy."""

from pathlib import Path
from typing import Any

from ...render.previews import render_preview
from ..result import StepResult

PREVIEW = "preview.png"
#: A picture of the face, cut from the photo, that the engine leaves beside the surface.
FACE_PICTURE = "photo.png"


def run(folder: Path, options: dict[str, Any]) -> StepResult:
    """Options: size (height in pixels), renderer. Raises RenderError."""
    picture = folder / FACE_PICTURE
    render_preview(
        folder / "surface.ply",
        folder / PREVIEW,
        photo=picture if picture.is_file() else None,
        size=int(options["size"]),
        renderer=options["renderer"],
    )
    return StepResult({PREVIEW: "the photo, and the head from the front, three-quarter and the side"})
