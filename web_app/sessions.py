"""The pages that are open: each has a private folder, which goes with it."""

import asyncio
import itertools
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from .jobs import AT_REST, Job, JobState
from .problems import Problem
from .settings import ServerSettings

#: Bytes of a session's name: nobody guesses 128 bits.
ID_BYTES = 16


class Session:
    """An open page: its folder, and the photo that it is about.

    Attributes:
        id: What only the page knows.
        folder: Private.
        job: The photo's; a page has one at a time.
        incoming: One that waits for further photos of the same person.
        closed: Whether the page was closed.
        uploading: Whether a photo is on its way.
        streams: How many streams of events are open.
        absent_since: Since when there is none.
        expired: Whether its last photo was removed because its time was over.
        changes: How often something has changed.
    """

    def __init__(self, folder: Path, now: float) -> None:
        self.id = secrets.token_urlsafe(ID_BYTES)
        self.folder = folder
        self.job: Job | None = None
        self.incoming: Job | None = None
        self.closed = False
        self.uploading = False
        self.streams = 0
        self.absent_since = now
        self.expired = False
        self.changes = 0
        self._numbers = itertools.count(1)
        self._changed = asyncio.Event()

    def next_number(self) -> int:
        """A number for its next job."""
        return next(self._numbers)

    def notify(self) -> None:
        """Wake up whoever waits for news."""
        self.changes += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait_for_news(self, since: int, seconds: float) -> None:
        """Wait until there were more changes than `since`, at most so long."""
        try:
            if self.changes == since:
                await asyncio.wait_for(self._changed.wait(), seconds)
        except TimeoutError:
            return


class SessionStore:
    """All open pages. Lives on the event loop's thread.

    Attributes:
        clock: Seconds that only grow.
        ending: Whether the server is about to end.
    """

    def __init__(
        self, folder: Path, settings: ServerSettings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin without any.

        Args:
            folder: Private; theirs are below.
            settings: The server's limits.
            clock: Seconds that only grow.
        """
        self.clock = clock
        self.ending = False
        self._folder = folder
        self._settings = settings
        self._sessions: dict[str, Session] = {}
        self._removals: set[asyncio.Task[None]] = set()

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._sessions.values()))

    def open(self) -> Session:
        """A new session. Raises Problem if there are too many."""
        if len(self._sessions) >= self._settings.max_sessions:
            raise Problem(503, "sessions")
        session = Session(self._folder / f"page-{secrets.token_hex(ID_BYTES)}", self.clock())
        session.folder.mkdir(mode=0o700)
        self._sessions[session.id] = session
        return session

    def get(self, session_id: str) -> Session:
        """The session of that name. Raises Problem if there is none (any more)."""
        session = self._sessions.get(session_id)
        if session is None:
            raise Problem(404, "session")
        return session

    def close(self, session: Session) -> None:
        """Forget a session, and remove its files as soon as nobody writes to them."""
        self._sessions.pop(session.id, None)
        session.closed = True
        job, session.job = session.job, None
        self._remove_later(job, session.folder)
        session.notify()

    def end_streams(self) -> None:
        """Let all streams of events end: the server is about to."""
        self.ending = True
        for session in self:
            session.notify()

    def drop_job(self, session: Session) -> None:
        """Remove a session's photo and all that was made of it."""
        job, session.job = session.job, None
        if job:
            self._remove_later(job, job.folder)

    def discard_incoming(self, session: Session) -> None:
        """Remove photos whose further ones will not come any more."""
        incoming, session.incoming = session.incoming, None
        if incoming:
            self._remove_later(incoming, incoming.folder)

    def sweep(self) -> None:
        """Close the sessions whose page has gone, and remove photos that have been here for too long."""
        now = self.clock()
        for session in self:
            gone = not session.streams and not session.uploading
            if gone and now - session.absent_since > self._settings.absent_seconds:
                self.close(session)
                continue
            job = session.job
            if job and job.state in AT_REST and now - job.finished > self._settings.keep_seconds:
                self.drop_job(session)
                session.expired = True
                session.notify()

    async def close_all(self) -> None:
        """Close all sessions and wait until their files are gone."""
        for session in self:
            self.close(session)
        await asyncio.gather(*self._removals)

    def _remove_later(self, job: Job | None, folder: Path) -> None:
        if job:
            job.cancel_asked = True
            if job.state is JobState.WAITING:
                job.state = JobState.CANCELLED
        task = asyncio.create_task(_remove(job, folder))
        self._removals.add(task)
        task.add_done_callback(self._removals.discard)


async def _remove(job: Job | None, folder: Path) -> None:
    if job:
        await job.wait_until_unused()
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
