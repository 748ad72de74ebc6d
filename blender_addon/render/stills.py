"""Pictures of one subject from several sides, as PNG files. Needs bpy."""

from collections.abc import Mapping
from pathlib import Path

from ..blender.images import save_png
from ..errors import RenderError
from .render_scene import RenderScene
from .subjects import Build

#: Degrees about the vertical axis; positive ones show the subject's right side.
TURNS = {"front": 0.0, "threequarter": 40.0, "side": 90.0, "back": 180.0}
VIEWS = ("front", "threequarter", "side")
#: The smallest side of a picture, pixels.
MIN_SIZE = 16
#: The largest side of a picture, pixels.
MAX_SIZE = 8192


def render(
    build: Build,
    turns: Mapping[Path, float],
    renderer: str,
    size: int,
    *,
    samples: int | None = None,
    transparent: bool = False,
) -> None:
    """Write square PNG files of a subject from several sides.

    Args:
        build: Makes the subject in a collection.
        turns: Degrees about the vertical axis by file; positive ones show the subject's right side.
        renderer: WORKBENCH, CYCLES or EEVEE of `render.renderers`.
        size: Side of the pictures, pixels.
        samples: Per pixel, where the renderer takes any; None for its default.
        transparent: Leave out the backdrop.

    Raises:
        RenderError: A picture cannot be rendered or written.
    """
    with RenderScene(build, renderer, size, samples, transparent) as scene:
        for path, turn in turns.items():
            save_png(path, scene.render_view(turn))


def checked_size(size: int) -> int:
    """A picture's side in pixels, if it can be rendered. Raises RenderError."""
    if not MIN_SIZE <= int(size) <= MAX_SIZE:
        raise RenderError(f"Pictures can be {MIN_SIZE} to {MAX_SIZE} pixels high, not {size}.")
    return int(size)
