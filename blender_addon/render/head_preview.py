"""The picture of a result that is shown first: the photo beside the head from three sides. Needs bpy."""

import os
from pathlib import Path

import numpy as np

from ..blender.images import load_picture, save_png
from ..heads.head_npz import FILE_NAME as HEAD_FILE
from . import subjects
from .previews import BACKGROUND, PREVIEW_TURNS, render_preview
from .render_scene import RenderScene
from .renderers import WORKBENCH

#: Samples that Cycles takes where it has to make previews.
SAMPLES = 8


def render_folder(
    folder: Path,
    out: str | os.PathLike,
    *,
    photo: str | os.PathLike | None = None,
    size: int = 512,
    renderer: str = WORKBENCH,
) -> str:
    """Write a PNG: the photo, then the head from the front, three-quarter and the side.

    Args:
        folder: A result's: with the animation-ready head, or the surface alone, which is shown instead.
        out: The file.
        photo: A square picture of the face, if there is one.
        size: Height in pixels.
        renderer: WORKBENCH, CYCLES or EEVEE of `render.renderers`.

    Returns:
        What it shows: "head" or "surface".

    Raises:
        RenderError: The picture cannot be rendered or written.
        HeadFileError: The head's files cannot be read.
        SurfaceFileError: The surface cannot be read.
    """
    if not (folder / HEAD_FILE).is_file():
        render_preview(folder / subjects.SURFACE_FILE, out, photo=photo, size=size, renderer=renderer)
        return "surface"
    subject = subjects.of_folder(folder, smooth=size > subjects.SMALL)
    pictures = [load_picture(photo, size)[..., :3]] if photo else []
    with RenderScene(subject.build, renderer, size, SAMPLES, transparent=True) as scene:
        for turn in PREVIEW_TURNS:
            view = scene.render_view(subject.observed_side * turn).astype(np.float32)
            alpha = view[..., 3:] / 255.0
            mixed = view[..., :3] * alpha + np.array(BACKGROUND) * (1.0 - alpha)
            pictures.append(np.rint(mixed).astype(np.uint8))
    save_png(out, np.concatenate(pictures, 1))
    return "head"
