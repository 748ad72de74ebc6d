"""The step "view": view.js, a light model of the head for the page of the batch. Needs bpy."""

import os
from pathlib import Path
from typing import Any

from ...errors import RenderError, StepError
from ...heads.head_npz import FILE_NAME, TEXTURE, read_head
from ...heads.ply import read_ply
from ...mesh.decimation import decimated
from ..preview_model import head_model, lash_window, surface_model, view_script
from ..preview_pictures import jpeg, load_texture, png, shrunk
from ..result import StepResult

VIEW, SURFACE = "view.js", "surface.ply"
#: Defaults: triangles of a surface (a head has its own ten thousand), side of a head's texture in pixels.
TRIANGLES, TEXTURE_SIDE = 30_000, 1024


def run(folder: Path, options: dict[str, Any]) -> StepResult:
    """Write view.js. `options`: triangles, texture (side in pixels), both optional.

    From the head if there is one, else from the surface.
    """
    try:
        triangles = int(options.get("triangles") or TRIANGLES)
        side = int(options.get("texture") or TEXTURE_SIDE)
    except (TypeError, ValueError) as error:
        raise StepError(f"The options triangles and texture of the view are numbers: {error}.") from error
    if triangles < 4 or side < 1:
        raise StepError("The options triangles and texture of the view must be greater than 0.")
    if (folder / FILE_NAME).is_file():
        source, model = "head", _head(folder, side)
    elif (folder / SURFACE).is_file():
        source, model = "surface", surface_model(decimated(read_ply(folder / SURFACE), triangles))
    else:
        raise StepError(f"There is neither a head nor a surface in {folder} to show on the page.")
    script = view_script(model)
    _write(folder / VIEW, script)
    return StepResult(
        {VIEW: f"light model of the {source}, which index.html shows"},
        {"source": source, "model_bytes": len(model)},
    )


def _head(folder: Path, side: int) -> bytes:
    data = read_head(folder / FILE_NAME)
    if not (folder / TEXTURE).is_file():
        return head_model(data, None)
    texture = load_texture(folder / TEXTURE)
    size = len(texture)
    window = lash_window(data, size)
    if window is None:
        return head_model(data, jpeg(shrunk(texture, side)))
    left, top, right, bottom = window
    lashes = png(texture[top:bottom, left:right])
    shares = (left / size, top / size, right / size, bottom / size)
    return head_model(data, jpeg(shrunk(texture, side)), lashes, shares)


def _write(path: Path, data: bytes) -> None:
    partial = path.with_name(path.name + ".part")
    try:
        partial.write_bytes(data)
        os.replace(partial, path)
    except OSError as error:
        raise RenderError(f"{path} cannot be written: {error.strerror}.") from error
