"""Blender's renderers: which of them work here, and pictures out of them. Needs bpy.

Workbench is quick but needs OpenGL and takes the whole process down where there is none; `WorkbenchProbe`
finds that out in another process. Cycles always works. Eevee needs OpenGL and, without a graphics card, a lot
of time.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import bpy
import numpy as np

from ..blender import compat
from ..blender.exr_file import read_rgba
from ..errors import RenderError

# Blender's names of its renderers.
WORKBENCH = "BLENDER_WORKBENCH"
CYCLES = "CYCLES"
EEVEE = compat.EEVEE
#: What they are called in options.
NAMES = {"workbench": WORKBENCH, "cycles": CYCLES, "eevee": EEVEE}
#: Seconds that a picture may take to try Workbench: a busy machine may need minutes, and without OpenGL the
#: process ends at once.
PROBE_TIMEOUT = 300.0
PROBE = """
import bpy
scene = bpy.context.scene
scene.render.engine = "BLENDER_WORKBENCH"
scene.render.resolution_x = scene.render.resolution_y = 16
bpy.ops.render.render()
"""


class WorkbenchProbe:
    """Tries Workbench in a process of its own; started at once, so that other work can go on meanwhile."""

    def __init__(self) -> None:
        self._process: subprocess.Popen | None = None
        self._works = True
        if bpy.app.background:  # with a window open, OpenGL is there
            self._process = subprocess.Popen(
                _probe_command(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )

    def renderer(self) -> str:
        """WORKBENCH, or CYCLES where Workbench cannot run. Waits for the trial to end."""
        if self._process:
            try:
                self._works = self._process.wait(PROBE_TIMEOUT) == 0
            except subprocess.TimeoutExpired:
                self._works = False
            self.close()
        return WORKBENCH if self._works else CYCLES

    def close(self) -> None:
        """End the trial, finished or not."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


def _probe_command() -> list[str]:
    if compat.is_plain_python():
        return [sys.executable, "-c", PROBE]
    options = ["--background", "--factory-startup", "--python-exit-code", "1"]
    return [bpy.app.binary_path, *options, "--python-expr", PROBE]


def named(name: str) -> str:
    """The renderer that is called "workbench", "cycles" or "eevee"; "auto" or nothing: what works here.

    Blender's own names are understood, too. Raises RenderError.
    """
    name = (name or "auto").strip()
    if name.lower() == "auto":
        return WorkbenchProbe().renderer()
    if name.upper() in NAMES.values():
        return name.upper()
    renderer = NAMES.get(name.lower())
    if renderer is None:
        raise RenderError(f'There is no renderer "{name}": choose from auto, {", ".join(NAMES)}.')
    return renderer


def render_linear(scene: bpy.types.Scene) -> np.ndarray:
    """Render a scene: (H, W, 4) float32, top row first, linear light, colors multiplied by their alpha.

    Raises RenderError.
    """
    # Floats without compression are the quickest to write and to read, and are what filters need.
    settings = scene.render.image_settings
    settings.file_format, settings.color_mode, settings.color_depth = "OPEN_EXR", "RGBA", "32"
    settings.exr_codec = "NONE"
    with tempfile.TemporaryDirectory(prefix="photobust-") as folder:
        path = Path(folder) / "picture.exr"
        render_file(scene, path)
        picture = read_rgba(path.read_bytes())
        return _loaded(path) if picture is None else picture


def _loaded(path: Path) -> np.ndarray:
    """(H, W, 4) float32, top row first: a picture as Blender reads it. Raises RenderError."""
    image = bpy.data.images.load(str(path))
    try:
        width, height = image.size
        if not width or not height:
            raise RenderError(f"{path} cannot be read: is the disk of temporary files full?")
        values = np.empty(width * height * 4, np.float32)
        image.pixels.foreach_get(values)
    finally:
        bpy.data.images.remove(image)
    return values.reshape(height, width, 4)[::-1]


def render_file(scene: bpy.types.Scene, path: Path) -> None:
    """Render a scene into a file, in the format that is set in the scene. Raises RenderError."""
    scene.render.filepath = str(path)
    try:
        with quiet():
            result = bpy.ops.render.render(write_still=True, scene=scene.name)
    except RuntimeError as error:
        raise RenderError(f"Blender cannot render with {scene.render.engine}: {error}.") from error
    if "FINISHED" not in result or not path.is_file():
        raise RenderError(f"Blender made no picture with {scene.render.engine}.")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the renderer's own chatter, written by C code, off the terminal."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nothing:
            os.dup2(nothing.fileno(), 1)
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        for number, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, number)
            os.close(copy)
