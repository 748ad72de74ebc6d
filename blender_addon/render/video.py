"""Numbered PNG files -> an MP4 that everything plays: H.264, 4:2:0. Needs bpy.

By the program ffmpeg where there is one, else by what Blender has of it inside.
"""

import shutil
import subprocess
from pathlib import Path

import bpy

from ..blender import compat
from ..blender.atomic_file import written_atomically
from ..blender.temporary_data import temporary_blocks
from ..errors import VideoError
from . import mp4
from .renderers import quiet

#: How the pictures are numbered, for ffmpeg and for Python.
PATTERN = "%03d.png"
WAYS = ("auto", "ffmpeg", "blender", "none")
TIMEOUT = 300.0
#: x264's "visually lossless or nearly so"; Blender's PERC_LOSSLESS is 17, its HIGH 20.
QUALITY = "18"


def encode(folder: Path, count: int, path: Path, fps: int, way: str = "auto") -> str:
    """Make a video of pictures. An odd size loses a row or column.

    Args:
        folder: Has the pictures, named by PATTERN.
        count: How many.
        path: The file, which appears under its name only when it is complete.
        fps: Pictures a second.
        way: "auto", "ffmpeg" or "blender".

    Returns:
        By what it was made: "ffmpeg" or "blender".

    Raises:
        VideoError: It cannot be made.
    """
    program = shutil.which("ffmpeg")
    try:
        with written_atomically(path) as partial:
            return _encoded(program, folder, count, partial, fps, way)
    except OSError as error:
        raise VideoError(f"The video {path} cannot be written: {error}.") from error


def _encoded(program: str | None, folder: Path, count: int, path: Path, fps: int, way: str) -> str:
    """As `encode`, by the program ffmpeg, None if there is none."""
    if way == "ffmpeg" and program is None:
        raise VideoError("There is no program ffmpeg on the PATH: install it, or let Blender encode.")
    if program is not None and way in ("auto", "ffmpeg"):
        try:
            _by_ffmpeg(program, folder, path, fps)
            return "ffmpeg"
        except VideoError:
            if way == "ffmpeg":
                raise
    _by_blender(folder, count, path, fps)
    return "blender"


def _by_ffmpeg(program: str, folder: Path, path: Path, fps: int) -> None:
    # Colors are converted and marked as HD television's, or players would each guess.
    colors = "scale=trunc(iw/2)*2:trunc(ih/2)*2:out_color_matrix=bt709:out_range=tv"
    marks = ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"]
    command = [
        *(program, "-nostdin", "-y", "-loglevel", "error", "-framerate", str(fps), "-i", PATTERN),
        *("-vf", colors, "-c:v", "libx264", "-preset", "medium", "-crf", QUALITY, "-pix_fmt", "yuv420p"),
        *(*marks, "-color_range", "tv", "-movflags", "+faststart", "-an", str(path.absolute())),
    ]
    try:  # in the folder: a "%" in its name would be taken for a number's place
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise VideoError(f"ffmpeg was stopped: it took more than {TIMEOUT:.0f} s.") from error
    if done.returncode != 0 or not path.stat().st_size:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise VideoError(f"ffmpeg made no video: {said[-1] if said else done.returncode}.")


def _by_blender(folder: Path, count: int, path: Path, fps: int) -> None:
    if not bpy.app.build_options.codec_ffmpeg:
        raise VideoError("This Blender cannot make videos: install ffmpeg.")
    names = [PATTERN % k for k in range(count)]
    with temporary_blocks():
        scene = bpy.data.scenes.new("photobust video")
        compat.plain_colors(scene)
        strip = compat.image_strip(scene, folder / names[0])
        for name in names[1:]:
            strip.elements.append(name)
        width, height = strip.elements[0].orig_width, strip.elements[0].orig_height
        if not width or not height:
            raise VideoError(f"The pictures in {folder} cannot be read.")
        render = scene.render
        # An odd picture is cut by the strip's being centered in a scene that is a pixel smaller.
        render.resolution_x, render.resolution_y = width - width % 2, height - height % 2
        render.resolution_percentage = 100
        render.use_sequencer, render.use_compositing = True, False
        render.fps, render.fps_base = fps, 1.0
        scene.frame_start, scene.frame_end, scene.frame_step = 1, count, 1
        compat.set_up_video(scene)
        render.filepath = str(path.absolute())
        try:
            with quiet():
                bpy.ops.render.render(animation=True, scene=scene.name)
        except RuntimeError as error:
            raise VideoError(f"Blender made no video: {error}") from error
    if not path.is_file() or not path.stat().st_size:
        raise VideoError(f"Blender made no video at {path}.")
    try:
        path.write_bytes(mp4.moov_first(path.read_bytes()))
    except ValueError as error:
        raise VideoError(f"Blender's video is damaged ({error}).") from error
