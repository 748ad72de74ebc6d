"""The server's application: what each address of the page answers."""

import asyncio
import contextlib
import errno
import json
import logging
import re
import shutil
from collections.abc import AsyncIterator
from html import escape
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from .addon import LIGHT_FILE, VIEWER_FILES, VIEWER_FOLDER, portable_folder_name
from .exports import Exporter
from .job_queue import JobQueue
from .jobs import AT_REST, Job, JobState
from .problems import Problem, answer_problem
from .sessions import Session, SessionStore
from .settings import ServerSettings
from .texts import PAGE_FOLDER, texts
from .uploads import receive_file, receive_message

log = logging.getLogger(__name__)

#: Address below static/ -> file. No other file is handed out from there.
STATIC = {path.name: path for path in PAGE_FOLDER.iterdir() if path.suffix in (".css", ".js")} | {
    name: VIEWER_FOLDER / name for name in (*VIEWER_FILES, LIGHT_FILE)
}
MEDIA_TYPES = {
    ".css": "text/css",
    ".fbx": "application/octet-stream",
    ".glb": "model/gltf-binary",
    ".js": "text/javascript",
    ".json": "application/json",
    ".npz": "application/octet-stream",
    ".ply": "application/octet-stream",
    ".png": "image/png",
    ".txt": "text/plain",
}
#: Seconds between two signs of life on a stream without events.
ALIVE_SECONDS = 10.0
MARKER = re.compile(r"\{\{([\w.]+)\}\}")
#: Endings of files, in lower case, as `Path.suffix` gives them.
SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")
#: Errors that tell that a disk is full or cannot be written to; others are faults of the server.
NOT_WRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)
#: Which of how many photos a request brings.
NUMBER = re.compile(r"[0-9]{1,3}")
#: Longest name of a photo that is looked at, characters.
MAX_NAME_LENGTH = 255


def index_html(local: bool = True) -> str:
    """The page, with the texts in it.

    Args:
        local: Whether the page's browser runs on the server's machine: what it says of privacy depends on it.
    """
    source = (PAGE_FOLDER / "index.html").read_text("utf-8")
    # In the script element only "</" could end it.
    values = {"texts": json.dumps(texts()).replace("</", "<\\/")}

    def filled(match: re.Match[str]) -> str:
        name = match[1]
        remote = "" if local else texts().get(f"{name}.remote", "")
        return values.get(name) or escape(remote or texts()[name])

    return MARKER.sub(filled, source)


def photo_name(given: str) -> str:
    """The file name for a photo: that which it had, as far as it can do no harm."""
    given = given[:MAX_NAME_LENGTH].replace("\\", "/").rpartition("/")[2]
    path = Path(given)
    suffix = path.suffix.lower()
    if not SUFFIX.fullmatch(suffix):
        suffix = ""
    stem = "".join(letter for letter in (path.stem if suffix else given) if letter.isprintable())
    return portable_folder_name(stem.strip() or "photo") + suffix


class PageServer:
    """Answers the page's requests."""

    def __init__(
        self,
        store: SessionStore,
        queue: JobQueue,
        exporter: Exporter,
        settings: ServerSettings,
        local: bool = True,
    ) -> None:
        """Take what the answers come from.

        Args:
            store: The open pages.
            queue: Their jobs.
            exporter: What needs a Blender.
            settings: The server's limits.
            local: Whether only this machine reaches the server.
        """
        self._store = store
        self._queue = queue
        self._exporter = exporter
        self._settings = settings
        self._index = index_html(local)
        self._uploads = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def application(self) -> Starlette:
        """The ASGI application."""
        page = "/api/pages/{page}"
        return Starlette(
            routes=[
                Route("/", self.index),
                Route("/favicon.ico", lambda _: Response(status_code=204)),
                Route("/static/{name}", self.static),
                Route("/api/pages", self.open_page, methods=["POST"]),
                Route(f"{page}/events", self.events),
                Route(f"{page}/photo", self.take_photo, methods=["POST"]),
                Route(f"{page}/face", self.choose_face, methods=["POST"]),
                Route(f"{page}/cancel", self.cancel, methods=["POST"]),
                Route(f"{page}/export", self.export, methods=["POST"]),
                Route(f"{page}/blender", self.open_in_blender, methods=["POST"]),
                Route(f"{page}/close", self.close_page, methods=["POST"]),
                Route(page + "/files/{number}/{name}", self.file),
            ],
            exception_handlers={
                Problem: answer_problem,
                OSError: answer_full_disk,
                404: not_found,
                405: not_found,
            },
            lifespan=self._lifespan,
        )

    async def index(self, request: Request) -> Response:
        """The page itself."""
        return HTMLResponse(self._index)

    async def static(self, request: Request) -> Response:
        """Its scripts and style, and the viewer."""
        path = STATIC.get(request.path_params["name"])
        if path is None:
            raise Problem(404, "file")
        return FileResponse(path, media_type=MEDIA_TYPES[path.suffix], headers={"Cache-Control": "no-cache"})

    async def open_page(self, request: Request) -> Response:
        """A page says that it is there, and gets its name and what it has to know."""
        await receive_message(request, self._settings)
        session = self._store.open()
        return JSONResponse(
            {
                "id": session.id,
                "max_bytes": self._settings.max_photo_bytes,
                "suffixes": self._queue.engine.get("photo_suffixes", []),
                "formats": self._exporter.formats,
                "blender": self._exporter.opens_blender,
                "version": self._queue.engine.get("version", ""),
            },
            201,
        )

    async def events(self, request: Request) -> Response:
        """What becomes of the page's photo, as it happens (server-sent events)."""
        session = self._session(request)
        if session.streams >= self._settings.max_streams:
            raise Problem(503, "streams")
        return StreamingResponse(self._news(session), media_type="text/event-stream")

    async def _news(self, session: Session) -> AsyncIterator[str]:
        session.streams += 1
        sent = None
        try:
            while not (session.closed or self._store.ending):
                seen, document = session.changes, json.dumps(self._document(session))
                yield f"data: {document}\n\n" if document != sent else ": alive\n\n"
                sent = document
                await session.wait_for_news(seen, ALIVE_SECONDS)
        finally:
            session.streams -= 1
            session.absent_since = self._store.clock()

    def _document(self, session: Session) -> dict[str, Any]:
        job = session.job
        return {
            "job": job and job.document(self._queue.position(job)),
            "expired": session.expired,
            # Known as soon as the engine is up.
            "max_photos": self._settings.max_photos if self._queue.takes_several else 1,
        }

    async def take_photo(self, request: Request) -> Response:
        """A photo comes; it takes the place of the one before.

        Several of one person come one after the other: "of" says how many, "index" which one this is.
        """
        session = self._session(request)
        index, count = self._photo_index(request, session)
        if self._queue.is_full:
            raise Problem(503, "busy")
        if session.uploading or self._uploads >= self._settings.max_uploads:
            raise Problem(503, "uploads")
        name = photo_name(request.query_params.get("name", ""))
        before = session.incoming if index else None
        job, photo = self._job_of_photo(session, before, index, name)
        session.incoming = None
        session.uploading = True
        self._uploads += 1
        try:
            taken = sum(path.stat().st_size for path in (job.photo, *job.more_photos) if path != photo)
            most = min(self._settings.max_photo_bytes, self._settings.max_person_bytes - taken)
            await receive_file(request, photo, most, self._settings)
        except BaseException:
            await asyncio.to_thread(discard, job.folder)
            raise
        finally:
            session.uploading = False
            self._uploads -= 1
            session.absent_since = self._store.clock()
        if session.closed:
            await asyncio.to_thread(discard, job.folder)
            raise Problem(404, "session")
        if index + 1 < count:
            session.incoming = job
            return JSONResponse({"number": job.number}, 202)
        self._drop(session)
        session.job, session.expired = job, False
        try:
            self._queue.add(job)
        except Problem:  # others have come meanwhile
            self._store.drop_job(session)
            raise
        return JSONResponse({"number": job.number}, 202)

    def _photo_index(self, request: Request, session: Session) -> tuple[int, int]:
        """Which of how many photos a request brings. Raises Problem."""
        given = [request.query_params.get(name, default) for name, default in (("index", "0"), ("of", "1"))]
        if not all(NUMBER.fullmatch(number) for number in given):
            raise Problem(400, "photos")
        index, count = map(int, given)
        known = 1 + len(session.incoming.more_photos) if session.incoming else 0
        if not index < count <= self._settings.max_photos or index not in (0, known):
            raise Problem(400, "photos")
        return index, count

    def _job_of_photo(self, session: Session, before: Job | None, index: int, name: str) -> tuple[Job, Path]:
        """The job that a photo belongs to, a new one for the first, and the photo's path."""
        if before is not None:
            photo = before.folder / f"photo_{index + 1}" / name  # names may be the same
            photo.parent.mkdir(mode=0o700)
            before.more_photos.append(photo)
            return before, photo
        if session.incoming is not None:
            self._store.discard_incoming(session)
        number = session.next_number()
        folder = session.folder / f"job_{number}"
        folder.mkdir(mode=0o700)
        return Job(number, folder, folder / name), folder / name

    async def choose_face(self, request: Request) -> Response:
        """One of several faces is to become a head."""
        _, job = self._job(request)
        message = await self._message(request)
        face = message.get("index")
        if type(face) is not int or not any(known.index == face and known.usable for known in job.faces):
            raise Problem(400, "face")
        if job.state not in AT_REST or job.export:
            raise Problem(409, "working")
        if self._queue.is_full:
            raise Problem(503, "busy")
        job.begin(face)
        self._queue.add(job)
        return JSONResponse({}, 202)

    async def cancel(self, request: Request) -> Response:
        """The page's job is to stop."""
        _, job = self._job(request)
        await receive_message(request, self._settings)
        if job.state not in AT_REST:
            self._queue.cancel(job)
        return JSONResponse({}, 202)

    async def export(self, request: Request) -> Response:
        """The head is wanted in a format that the engine does not write."""
        session, job = self._job(request)
        message = await self._message(request)
        format_ = message.get("format")
        if format_ not in self._exporter.formats or job.state is not JobState.DONE:
            raise Problem(409, "export")

        async def make() -> None:
            await self._exporter.export(job, format_)
            session.notify()

        task = asyncio.create_task(make())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.sleep(0)  # it begins, and says so
        session.notify()
        return JSONResponse({}, 202)

    async def open_in_blender(self, request: Request) -> Response:
        """The head is to be opened in Blender."""
        _, job = self._job(request)
        await receive_message(request, self._settings)
        await self._exporter.open_in_blender(job)
        return JSONResponse({}, 202)

    async def close_page(self, request: Request) -> Response:
        """The page was closed: all that is its goes."""
        session = self._session(request)
        await receive_message(request, self._settings)
        if session.job:
            self._queue.cancel(session.job)
        self._store.close(session)
        return Response(status_code=204)

    async def file(self, request: Request) -> Response:
        """A file of the page's job."""
        _, job = self._job(request)
        name = request.path_params["name"]
        path = job.files.get(name)
        if path is None or str(job.number) != request.path_params["number"] or not path.is_file():
            raise Problem(404, "file")
        headers = {"Content-Disposition": "attachment"} if path.suffix != ".png" else {}
        return FileResponse(path, media_type=MEDIA_TYPES.get(path.suffix), headers=headers)

    def _session(self, request: Request) -> Session:
        return self._store.get(request.path_params["page"])

    def _job(self, request: Request) -> tuple[Session, Job]:
        session = self._session(request)
        if session.job is None:
            raise Problem(404, "photo")
        return session, session.job

    async def _message(self, request: Request) -> dict[str, Any]:
        """The JSON object that a request brings. Raises Problem."""
        body = await receive_message(request, self._settings)
        try:
            message = json.loads(body)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            raise Problem(400, "message")
        return message

    def _drop(self, session: Session) -> None:
        """Stop and remove a session's job."""
        if session.job:
            self._queue.cancel(session.job)
            self._store.drop_job(session)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(self._settings.sweep_seconds)
            self._store.sweep()

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._queue.run()), asyncio.create_task(self._sweep())]
        for task in tasks:
            task.add_done_callback(report_end)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, *self._tasks, return_exceptions=True)
            self._exporter.close()
            await self._queue.close()
            await self._store.close_all()


async def not_found(request: Request, error: Exception) -> Response:
    """The answer to an address that is none."""
    status = getattr(error, "status_code", 404)
    return await answer_problem(request, Problem(status, "address"))


async def answer_full_disk(request: Request, error: Exception) -> Response:
    """The answer to a request for which a file or a folder could not be written. Raises any other error."""
    if getattr(error, "errno", None) not in NOT_WRITABLE:
        raise error
    log.warning("%s", error)
    return await answer_problem(request, Problem(507, "disk"))


def report_end(task: "asyncio.Task[None]") -> None:
    """Log why a task has ended that should not have."""
    if not task.cancelled():
        log.error("A part of the server has ended", exc_info=task.exception())


def discard(folder: Path) -> None:
    """Remove a folder and what is in it."""
    shutil.rmtree(folder, ignore_errors=True)
