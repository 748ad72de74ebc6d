"""A photo on its way to a head, and what the page shows of it."""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from .addon import verdict


class JobState(Enum):
    """Where a job is."""

    WAITING = "waiting"
    WORKING = "working"
    CHOOSE = "choose"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


#: States that a job does not leave by itself.
AT_REST = (JobState.CHOOSE, JobState.DONE, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True)
class FoundFace:
    """A face that the engine has found in a photo.

    Attributes:
        index: The engine's, by size from 0 on.
        usable: Whether it is large enough.
        picture: Name of its picture's file, None if there is none.
        from_left: Its place among the photo's faces, counted from the left, from 1 on.
    """

    index: int
    usable: bool
    picture: str | None
    from_left: int


@dataclass(frozen=True)
class OmittedPhoto:
    """A photo of several that says nothing of the person.

    Attributes:
        name: Its file's.
        reason: A sentence.
    """

    name: str
    reason: str


@dataclass
class Job:
    """A photo, or several of one person, on the way to a head. Lives on the event loop's thread.

    Attributes:
        number: Tells it apart from the session's earlier ones.
        folder: Private; all of its files are below.
        photo: The photo's file, the first of several.
        more_photos: The others' files.
        state: Where it is.
        step: What the engine is doing, by its name.
        fraction: How much is done, 0..1.
        message: The same in a sentence.
        faces: Those of the photo, empty until they were looked for.
        face: Index of the one that becomes a head.
        surface: Name of the surface's file that comes first.
        files: Name -> path of what the page may have.
        result: Name -> path of those of them that the engine made of the face.
        quality: The engine's figures on the head.
        omitted: Photos that were not used.
        problem: What went wrong, a sentence.
        retryable: Whether the same photo may succeed: it was not the photo that went wrong.
        readable: Whether the photo could be read, as far as that has turned out.
        export: A format that is being made, None if none is.
        export_problem: Why the last one was not made.
        finished: When it came to rest, by the server's clock.
    """

    number: int
    folder: Path
    photo: Path
    more_photos: list[Path] = field(default_factory=list)
    state: JobState = JobState.WAITING
    step: str = ""
    fraction: float = 0.0
    message: str = ""
    faces: tuple[FoundFace, ...] = ()
    face: int | None = None
    surface: str | None = None
    files: dict[str, Path] = field(default_factory=dict)
    result: dict[str, Path] = field(default_factory=dict)
    quality: dict[str, Any] = field(default_factory=dict)
    omitted: tuple[OmittedPhoto, ...] = ()
    problem: str | None = None
    retryable: bool = True
    readable: bool = True
    export: str | None = None
    export_problem: str | None = None
    cancel_asked: bool = False
    finished: float = 0.0
    _users: int = 0
    _unused: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._unused.set()

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Its folder is being written to, and stays meanwhile."""
        self._users += 1
        self._unused.clear()
        try:
            yield
        finally:
            self._users -= 1
            if not self._users:
                self._unused.set()

    async def wait_until_unused(self) -> None:
        """Wait until nobody writes to its folder any more."""
        await self._unused.wait()

    @property
    def results_folder(self) -> Path | None:
        """The folder of the head's files, if there is one."""
        path = self.result.get("face.json")
        return path.parent if path and self.state is JobState.DONE else None

    def begin(self, face: int | None) -> None:
        """Go back to the beginning, to make a head of a face, or of the only one if none is named."""
        self.face, self.state = face, JobState.WAITING
        self.step, self.fraction, self.message = "", 0.0, ""
        self.files = {name: path for name, path in self.files.items() if name not in self.result}
        self.result, self.quality, self.surface = {}, {}, None
        self.problem = self.export = self.export_problem = None
        self.retryable, self.readable, self.cancel_asked = True, True, False

    def document(self, position: int) -> dict[str, Any]:
        """What the page is told, as JSON can hold it.

        Args:
            position: How many jobs are before this one.
        """
        judged = verdict(self.quality)
        return {
            "number": self.number,
            "name": self.photo.name,
            "state": self.state.value,
            "position": position,
            "step": self.step,
            "fraction": self.fraction,
            "message": self.message,
            "faces": [
                {
                    "index": face.index,
                    "usable": face.usable,
                    "picture": face.picture,
                    "from_left": face.from_left,
                }
                for face in self.faces
            ],
            "face": self.face,
            "surface": self.surface,
            "files": sorted(self.result) if self.state is JobState.DONE else [],
            "verdict": judged
            and {
                "grade": judged.grade.value,
                "summary": judged.summary,
                "error": judged.error,
                "remarks": list(judged.remarks),
            },
            "photos": 1 + len(self.more_photos),
            "omitted": [{"name": photo.name, "reason": photo.reason} for photo in self.omitted],
            "problem": self.problem,
            "retryable": self.retryable,
            "readable": self.readable,
            "export": self.export,
            "export_problem": self.export_problem,
        }
