"""One press of "Reconstruct from Photo": the request, and reading what the engine wrote. No bpy.

A modal operator calls `poll` on a timer; nothing here keeps it waiting: the engine is another process, and
its files are read on a thread.
"""

import math
import time
from collections.abc import Callable, Sequence
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..engine.client import Progress, WorkerClient
from ..errors import AddonError, JobCancelledError
from ..heads.loaded import LoadedHead, load_heads
from ..heads.ply import SurfaceMesh, read_ply

#: Suffix of the files that show a head on the way.
STAGE_SUFFIX = ".ply"


@dataclass(frozen=True)
class ReconstructionRequest:
    """What is to be reconstructed, and where to put the files.

    `photos`: several of one person, of which one head is made, `photo` being the first; empty for one photo.
    `force`: use those, too, that seem to show somebody else.
    `focal_mm`: 35 mm equivalent, None to take the photo's own. `faces`: their numbers from 0 on, the largest
    first; None for all. `head`: make the animation-ready head too; `texture`: its texture's side, texels.
    `adjustments`: what is corrected of heads, by the faces' indices; of a person's a list, with the "photo".
    `facial_hair`: what brows and beard become, "none" to leave them in the texture.
    `stages`: a folder for what the heads look like on the way; None if nobody looks.
    """

    photo: Path
    out: Path
    focal_mm: float | None = None
    faces: tuple[int, ...] | None = None
    head: bool = False
    texture: int = 2048
    adjustments: dict[str, Any] | list[dict[str, Any]] | None = None
    stages: Path | None = None
    photos: tuple[Path, ...] = ()
    force: bool = False
    facial_hair: str = "none"

    @property
    def options(self) -> dict[str, Any]:
        """What only a request that wants it says, so that older engines understand the others."""
        options: dict[str, Any] = {"head": True, "texture": self.texture} if self.head else {}
        if self.head and self.facial_hair != "none":
            options["facial_hair"] = self.facial_hair
        if self.adjustments:
            options["adjustments"] = self.adjustments
        if self.stages is not None:
            options["stages"] = str(self.stages)
        if self.photos:
            options["photos"] = [str(photo.absolute()) for photo in self.photos]
            options["force"] = self.force
        return options


class ProgressEstimate:
    """Goes on between the engine's words, which come at the beginning of each step.

    It assumes that the work goes on at the rate so far, slows down toward the end, which it never reaches by
    itself, and never goes back.
    """

    def __init__(self) -> None:
        self._known, self._since, self._shown = 0.0, 0.0, 0.0

    def at(self, known: float, seconds: float) -> float:
        """The progress to show.

        Args:
            known: What the engine said last, 0..1.
            seconds: Since the beginning.
        """
        if known != self._known:
            self._known, self._since = known, seconds
        rate = self._known / self._since if self._since > 0.0 else 0.0
        rest = 1.0 - self._known
        guess = self._known
        if rest > 0.0:
            guess += rest * (1.0 - math.exp(-rate * (seconds - self._since) / rest))
        self._shown = max(self._shown, min(guess, 1.0))
        return self._shown


class ReconstructionRun:
    """A request on its way. Raises EngineDiedError if the engine cannot be started."""

    def __init__(self, client: WorkerClient, request: ReconstructionRequest) -> None:
        self.request = request
        self.restarted = False
        self.cancelling = False
        self._start = time.monotonic()
        self._estimate = ProgressEstimate()
        self._job = client.submit_reconstruct(
            request.photo,
            request.out,
            focal_mm=request.focal_mm,
            faces=request.faces,
            options=request.options,
        )
        self._reading: Future[list[LoadedHead]] | None = None
        self._stage: SurfaceMesh | None = None
        self._reading_stage: Future[SurfaceMesh] | None = None
        self._error: Exception | None = None

    @property
    def seconds(self) -> float:
        """Since the request was made."""
        return time.monotonic() - self._start

    @property
    def progress(self) -> Progress:
        """The last that is known."""
        if self.cancelling:
            return Progress("cancel", self._job.progress.fraction, "Cancelling")
        if self._reading:
            return Progress("read", max(0.97, self._job.progress.fraction), "Reading the results")
        last = self._job.progress
        return Progress(last.step, self._estimate.at(last.fraction, self.seconds), last.message)

    def poll(self, wait: float = 0.0) -> bool:
        """Take in what has happened, waiting up to `wait` seconds for news; whether it is over."""
        if self._error:
            return True
        if self._reading is None:
            news = self._job.poll(wait)
            self.restarted = self.restarted or any(progress.step == "restart" for progress in news)
            self._read_stages(news)
            if not self._job.done:
                return False
            try:
                answer = self._job.result()
            except Exception as error:  # noqa: BLE001 (kept for `heads`, which raises it where it can be reported)
                self._error = error
                return True
            pool = ThreadPoolExecutor(1, "photobust-files")
            self._reading = pool.submit(load_heads, self.request.photo, answer, self.request.photos)
            pool.shutdown(wait=False)
        return bool(futures.wait([self._reading], wait).done)

    @property
    def stage(self) -> SurfaceMesh | None:
        """What the face in work looks like so far, head frame; None if nothing is there yet."""
        reading = self._reading_stage
        if reading and reading.done():
            self._reading_stage = None
            if reading.exception() is None:  # one that cannot be read is only not shown
                self._stage = reading.result()
        return self._stage

    def _read_stages(self, news: Sequence[Progress]) -> None:
        """Begin to read the last file that came, in the request's own folder, on a thread."""
        names = [name for progress in news for name in progress.files if name.endswith(STAGE_SUFFIX)]
        if not names or self.request.stages is None:
            return
        pool = ThreadPoolExecutor(1, "photobust-stage")
        self._reading_stage = pool.submit(read_ply, self.request.stages / Path(names[-1]).name)
        pool.shutdown(wait=False)

    def wait(self, on_progress: Callable[[Progress], None] | None = None) -> list[LoadedHead]:
        """Wait until it is over, as a script does. Returns the heads or raises what went wrong."""
        while not self.poll(0.05):
            if on_progress:
                on_progress(self.progress)
        return self.heads()

    def heads(self) -> list[LoadedHead]:
        """The heads, the largest face first; raises what went wrong. Only when it is over."""
        if self._error:
            raise self._error
        if self.cancelling:
            raise JobCancelledError("Cancelled.")
        if self._reading is None:
            raise RuntimeError("the run is not over yet")
        return self._reading.result()

    def cancel(self) -> None:
        """Stop at the engine's next step; `poll` goes on until it has stopped."""
        self.cancelling = True
        self._job.cancel()


def parse_faces(text: str) -> tuple[int, ...] | None:
    """Numbers of faces as people count them -> as the engine does, from 0; None for all.

    Raises AddonError.
    """
    if not text.strip():
        return None
    try:
        numbers = tuple(int(word) for word in text.replace(",", " ").split())
    except ValueError:
        numbers = ()
    if not numbers or min(numbers) < 1:
        raise AddonError(f'"{text}" are no numbers of faces: give them as "1, 3"; the largest face is 1.')
    return tuple(sorted({number - 1 for number in numbers}))
