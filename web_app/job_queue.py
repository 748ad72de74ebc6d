"""The jobs of all pages, done one after the other by one engine process, which is kept warm."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .addon import AddonError, EngineRequest, JobCancelledError, JobFailedError, Progress, WorkerClient
from .jobs import FoundFace, Job, JobState, OmittedPhoto
from .problems import Problem
from .settings import ServerSettings
from .texts import problem_text, texts

#: Seconds that the engine is listened to at a time; a cancelled job is noticed in between.
LISTEN_SECONDS = 0.1
#: A gray picture, on which the engine loads its models before the first photo comes.
WARM_UP_PICTURE = b"P5 64 64 255\n" + bytes([128]) * 64 * 64
#: Side of the pictures of faces to choose from, pixels.
THUMBNAIL_SIZE = 192
#: Names of the engine's errors that the photo is the reason of: it fails again.
PHOTO_ERRORS = (
    "PhotoError",
    "PhotoFormatError",
    "PhotoTooLargeError",
    "NoFaceError",
    "FaceTooSmallError",
    "ReconstructionError",
)
#: Those of them that say that the photo cannot be read.
UNREADABLE = ("PhotoError", "PhotoFormatError")
#: Progress, 0..1, that the search for faces is.
DETECTION_FRACTION = 0.05

log = logging.getLogger(__name__)


class JobQueue:
    """Does jobs. Lives on the event loop's thread; the engine's client is waited for on others."""

    def __init__(
        self,
        client: WorkerClient,
        folder: Path,
        settings: ServerSettings,
        clock: Callable[[], float],
        on_change: Callable[[], None],
    ) -> None:
        """Begin empty.

        Args:
            client: The engine's.
            folder: Private, for the picture to warm up on.
            settings: The server's limits.
            clock: Seconds that only grow.
            on_change: Called after each change of a job.
        """
        self.engine: dict[str, Any] = {}
        self._client = client
        self._folder = folder
        self._settings = settings
        self._clock = clock
        self._on_change = on_change
        self._waiting: deque[Job] = deque()
        self._current: Job | None = None
        self._wake = asyncio.Event()

    @property
    def is_full(self) -> bool:
        """Whether no further job is taken."""
        return len(self._waiting) >= self._settings.max_waiting

    @property
    def takes_several(self) -> bool:
        """Whether the engine makes one head of several photos of a person."""
        return "person" in self.engine.get("capabilities", ())

    def position(self, job: Job) -> int:
        """How many jobs are done before this one."""
        if job not in self._waiting:
            return 0
        return self._waiting.index(job) + (self._current is not None)

    def add(self, job: Job) -> None:
        """Put a job at the end. Raises Problem if there are too many."""
        if self.is_full:
            raise Problem(503, "busy")
        self._waiting.append(job)
        self._wake.set()
        self._on_change()

    def cancel(self, job: Job) -> None:
        """Take a job out, or stop it at its next step."""
        job.cancel_asked = True
        if job in self._waiting:
            self._waiting.remove(job)
            self._finish(job, JobState.CANCELLED)

    async def run(self) -> None:
        """Do jobs until this is cancelled."""
        await self._warm_up()
        while True:
            while not self._waiting:
                self._wake.clear()
                await self._wake.wait()
            job = self._current = self._waiting.popleft()
            try:
                with job.in_use():
                    await self._do(job)
            finally:
                self._current = None
                self._on_change()

    async def close(self) -> None:
        """Stop the engine."""
        await asyncio.to_thread(self._client.close)

    async def _warm_up(self) -> None:
        """Start the engine and have it load its models."""
        picture = self._folder / "warm_up.pgm"
        try:
            picture.write_bytes(WARM_UP_PICTURE)
            self.engine = await asyncio.to_thread(self._client.start)
            self._on_change()
            request = await asyncio.to_thread(self._client.submit_detect, picture)
            await asyncio.to_thread(request.wait, self._settings.job_seconds)
        except (AddonError, OSError) as error:
            log.warning("%s", error)  # whoever brings a photo is told, too

    async def _do(self, job: Job) -> None:
        """One job, whatever happens."""
        job.state = JobState.WORKING
        try:
            if job.cancel_asked:
                raise JobCancelledError(problem_text("cancelled"))
            if job.more_photos:
                await self._reconstruct_person(job)
                self._finish(job, JobState.DONE)
                return
            if not job.faces:
                await self._find_faces(job)
            usable = [face.index for face in job.faces if face.usable]
            if job.face is None and len(usable) == 1:
                job.face = usable[0]
            if job.face is None:
                self._finish(job, JobState.CHOOSE)
                return
            await self._reconstruct(job, job.face)
            self._finish(job, JobState.DONE)
        except JobCancelledError:
            self._finish(job, JobState.CANCELLED)
        except AddonError as error:
            job.problem = str(error)
            kind = getattr(error, "kind", None)
            job.retryable, job.readable = kind not in PHOTO_ERRORS, kind not in UNREADABLE
            self._finish(job, JobState.FAILED)
        except Exception:  # whatever it is: the next job has to be done
            log.exception("A job failed")
            job.problem = problem_text("internal")
            self._finish(job, JobState.FAILED)

    async def _find_faces(self, job: Job) -> None:
        """Look for the faces of a job's photo. Raises AddonError."""
        pictures = job.folder / "faces"
        answer = await self._answer(
            job,
            lambda: self._client.submit_detect(
                job.photo,
                max_faces=self._settings.max_faces,
                thumbnails=pictures,
                thumbnail_size=THUMBNAIL_SIZE,
            ),
            (0.0, DETECTION_FRACTION),
        )
        if answer.get("problem"):
            raise JobFailedError(answer["problem"]["type"], answer["problem"]["message"])
        faces = []
        lefts = sorted(_left_edge(face) for face in answer["faces"])
        for face in answer["faces"]:
            picture = Path(face["thumbnail"]) if face.get("thumbnail") else None
            faces.append(
                FoundFace(
                    int(face["index"]),
                    bool(face["usable"]),
                    picture.name if picture else None,
                    lefts.index(_left_edge(face)) + 1,
                )
            )
            if picture:
                job.files[picture.name] = picture
        job.faces = tuple(faces)

    async def _reconstruct(self, job: Job, face: int) -> None:
        """Make a head of one face. Raises AddonError."""
        out, surfaces = job.folder / f"head_{face + 1}", job.folder / "surfaces"
        answer = await self._answer(
            job,
            lambda: self._client.submit_reconstruct(
                job.photo,
                out,
                max_faces=self._settings.max_faces,
                faces=[face],
                options={"head": True, "surfaces": str(surfaces)},
            ),
            (DETECTION_FRACTION, 1.0),
        )
        self._keep(job, answer["faces"][0])

    async def _reconstruct_person(self, job: Job) -> None:
        """Make one head of several photos. Raises AddonError."""
        photos = [str(photo) for photo in (job.photo, *job.more_photos)]
        surfaces = job.folder / "surfaces"
        answer = await self._answer(
            job,
            lambda: self._client.submit_reconstruct(
                job.photo,
                job.folder / "head",
                # Who asked for one head has answered on the page that all photos are of one person.
                options={"photos": photos, "confirmed": True, "head": True, "surfaces": str(surfaces)},
            ),
            (0.0, 1.0),
        )
        made = answer["faces"][0]
        job.omitted = tuple(
            OmittedPhoto(str(view["name"]), str(view["reason"]))
            for view in made.get("views", ())
            if view.get("reason")
        )
        self._keep(job, made)

    def _keep(self, job: Job, made: dict[str, Any]) -> None:
        """Note what the engine has made of a face."""
        job.result = {name: Path(path) for name, path in made["files"].items()}
        job.files |= job.result
        job.quality = made.get("quality") or {}

    async def _answer(
        self, job: Job, submit: Callable[[], EngineRequest], span: tuple[float, float]
    ) -> dict[str, Any]:
        """The engine's answer.

        Args:
            job: Whose progress the request's is.
            submit: Sends the request.
            span: From where to where that takes the job's progress, 0..1.

        Raises:
            AddonError: The engine could not do it, or took too long.
        """
        request = await asyncio.to_thread(submit)
        deadline = self._clock() + self._settings.job_seconds
        while not request.done:
            for progress in await asyncio.to_thread(request.poll, LISTEN_SECONDS):
                self._show(job, progress, span)
            if job.cancel_asked:
                request.cancel(self._settings.cancel_seconds)
            if self._clock() > deadline and not request.done:
                await asyncio.to_thread(self._client.kill)
                raise JobFailedError("Timeout", problem_text("timeout"))
        return request.result()

    def _show(self, job: Job, progress: Progress, span: tuple[float, float]) -> None:
        """Tell the page what the engine is doing; `span` is as for `_answer`."""
        job.step, job.message = progress.step, progress.message or texts()["working"]
        job.fraction = max(job.fraction, span[0] + (span[1] - span[0]) * progress.fraction)
        for name, path in progress.files.items():
            job.files[name] = Path(path)
            job.surface = name
        self._on_change()

    def _finish(self, job: Job, state: JobState) -> None:
        job.state, job.finished = state, self._clock()
        self._on_change()


def _left_edge(face: dict[str, Any]) -> tuple[float, int]:
    """Where a face of the engine's answer begins, pixels; of those that begin together, the larger first."""
    return float(face["box"][0]), int(face["index"])
