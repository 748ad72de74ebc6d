"""A full turn of a subject: numbered pictures, and a video of them. Needs bpy."""

import contextlib
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from ..blender.atomic_file import TEMPORARY_PREFIX
from ..blender.images import save_png
from ..blender.temporary_data import Closing
from ..errors import RenderError, VideoError
from . import video
from .render_scene import RenderScene
from .subjects import Build

STEM = "turntable"
#: Pictures of a turn.
FRAMES = 36
#: Side of a picture, pixels.
SIZE = 512
#: Pictures a second.
FPS = 18
#: The fewest pictures that are a turn.
MIN_FRAMES = 2
#: The most pictures, which their names' three digits can number.
MAX_FRAMES = 1000
PICTURE = re.compile(r"\d{3}\.png")


class Turntable(Closing):
    """A turn that is rendered picture by picture; to be used in a `with`, or closed.

    The pictures are STEM/000.png and so on in `out`, the first from the front, the last one step before the
    front comes again; the subject turns its right side to the viewer first. They appear when all of them are
    there, in the place of an earlier turn's; the video is STEM.mp4.
    """

    def __init__(
        self,
        build: Build,
        out: Path,
        renderer: str,
        *,
        frames: int = FRAMES,
        size: int = SIZE,
        samples: int | None = None,
        stem: str = STEM,
    ) -> None:
        self.frames, self.done = checked_frames(frames), 0
        self._folder, self._video = out / stem, out / f"{stem}.mp4"
        self._stack = contextlib.ExitStack()
        try:
            out.mkdir(parents=True, exist_ok=True)
            self._partial = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=out))
            self._stack.callback(shutil.rmtree, self._partial, ignore_errors=True)
            self._scene = self._stack.enter_context(RenderScene(build, renderer, size, samples))
        except OSError as error:
            raise RenderError(f"The folder {out} cannot be written: {error.strerror}.") from error
        except BaseException:
            self._stack.close()
            raise

    def step(self) -> bool:
        """Render the next picture; whether there are more to come. Raises RenderError."""
        save_png(
            self._partial / (video.PATTERN % self.done),
            self._scene.render_view(self.done * 360.0 / self.frames),
        )
        self.done += 1
        return self.done < self.frames

    def finish(self, way: str = "auto", fps: int = FPS) -> tuple[list[Path], Path | None, str]:
        """Put the pictures in their place and make the video.

        Gives the pictures, the video (None if there is none), and by what it was made ("ffmpeg", "blender",
        "none") or, if way is "auto" and nothing can, why not. Raises RenderError.
        """
        made: Path | None = None
        said = "none"
        if way != "none":
            try:
                said = video.encode(self._partial, self.frames, self._video, fps, way)
                made = self._video
            except VideoError as error:
                if way != "auto":
                    raise
                said = str(error)
        try:
            if made is None:
                self._video.unlink(missing_ok=True)  # an earlier turn's
            return self._move(), made, said
        except OSError as error:
            raise RenderError(f"{self._folder} cannot be written: {error.strerror}.") from error

    def _move(self) -> list[Path]:
        """Put the pictures in their place. Only an earlier turn's have to go, not what else may be there."""
        self._folder.mkdir(exist_ok=True)
        for path in self._folder.iterdir():
            if PICTURE.fullmatch(path.name):
                path.unlink()
        names = [video.PATTERN % k for k in range(self.frames)]
        for name in names:
            (self._partial / name).rename(self._folder / name)
        return [self._folder / name for name in names]


def render(  # noqa: PLR0913 (options with defaults, given by name)
    build: Build,
    out: Path,
    renderer: str,
    *,
    frames: int = FRAMES,
    size: int = SIZE,
    samples: int | None = None,
    way: str = "auto",
    fps: int = FPS,
    progress: Callable[[int], None] = lambda done: None,
) -> tuple[list[Path], Path | None, str]:
    """The same in one go; `progress` is called with the number of pictures so far."""
    with Turntable(build, out, renderer, frames=frames, size=size, samples=samples) as turn:
        more = True
        while more:
            more = turn.step()
            progress(turn.done)
        return turn.finish(way, fps)


def checked_frames(frames: int) -> int:
    """How many pictures a turn has, if that is possible. Raises RenderError."""
    if not MIN_FRAMES <= int(frames) <= MAX_FRAMES:
        raise RenderError(f"A turn can have {MIN_FRAMES} to {MAX_FRAMES} pictures, not {frames}.")
    return int(frames)
