"""Requests to the page's server, as bytes on a connection, through its HTTP and up to its files."""

import asyncio
import logging
import re
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import h11

from blender_addon.engine.client import WorkerClient
from blender_addon.engine.locate import Engine
from tests.fuzz.target import Target
from web_app.address import Address
from web_app.app import PageServer
from web_app.exports import BlenderTools, Exporter
from web_app.guard import METHODS, Guard
from web_app.job_queue import JobQueue
from web_app.jobs import FoundFace, Job, JobState
from web_app.server import Application, make_server
from web_app.sessions import Session, SessionStore
from web_app.settings import ServerSettings

ADDRESS = Address.of("127.0.0.1", 8770)
HOST = f"127.0.0.1:{ADDRESS.port}"
#: In seeds: the name of an open page, and the length of a request's body, whatever faults it has by then.
PAGE_NAME = b"PAGE"
BODY_LENGTH = b"LENGTH"
#: Few bytes and short silences, so that a body that does not come costs little time.
SETTINGS = replace(ServerSettings(), max_photo_bytes=2000, silence_seconds=0.03)
#: What a request may be answered: neither 500, nor 507, for no name may be one that the disk does not take.
STATUSES = {200, 201, 202, 204, 206, 307, 400, 403, 404, 405, 408, 409, 413, 416, 421, 431, 503}
#: Content of a file beside the server's folder, which it never sends.
SECRET = b"nobody's business"
#: Looks at a request's progress, of `SETTINGS.silence_seconds` each.
MOST_LOOKS = 3000
HEAD_END = b"\r\n\r\n"
#: Turns of the event loop between a request's head and its body, at most.
MOST_TURNS = 12
EVENTS = b"text/event-stream"
FIRST_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


def request(line: str, body: str = "", *headers: str) -> bytes:
    """A request as a browser sends it."""
    head = [f"{line} HTTP/1.1", f"Host: {HOST}", "Accept: */*", *headers]
    if body:
        head.append(f"Content-Length: {BODY_LENGTH.decode()}")
    return "\r\n".join([*head, "", body]).encode()


def seeds() -> list[bytes]:
    """All that the page asks, and what strangers do."""
    page = f"/api/pages/{PAGE_NAME.decode()}"
    own = (f"Origin: http://{HOST}", "Sec-Fetch-Site: same-origin")
    return [
        request("GET /"),
        request("HEAD /", "", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"),
        request("GET /static/main.js", "", "Range: bytes=0-9,20-29", 'If-Range: "a"'),
        request("POST /api/pages", "{}", *own),
        request(f"GET {page}/events"),
        request(f"POST {page}/photo?name=a.jpg", "photo", *own),
        request(f"POST {page}/photo?name=..%2F..%2Fsecret.txt&index=0&of=2", "photo"),
        request(f"POST {page}/face", '{"index": 1}'),
        request(f"POST {page}/export", '{"format": "fbx"}'),
        request(f"POST {page}/cancel", "{}"),
        request(f"POST {page}/blender", "{}"),
        request(f"POST {page}/close", "{}"),
        request(f"GET {page}/files/1/head.png"),
        request(f"GET {page}/files/1/..%2F..%2F..%2Fsecret.txt"),
        request(f"GET {page}/files/{'1' * 256}/head.png"),
        request(f"POST {page}/face", "", "Transfer-Encoding: chunked") + b'c\r\n{"index": 0}\r\n0\r\n\r\n',
        request(f"POST {page}/cancel", "", f"Content-Length: {'0' * 256}"),
        request("GET /") + request(f"GET {page}/files/1/head.png", "", "Connection: close"),
    ]


class NoBlender(Exporter):
    """Says that it exports, and does nothing."""

    @property
    def formats(self) -> list[str]:
        return ["fbx"]

    async def export(self, job: Job, format_: str) -> None:
        assert format_ in self.formats


class Wire(asyncio.Transport):
    """A connection that keeps what the server says, and tells the server when it is closed."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__({"sockname": ("127.0.0.1", ADDRESS.port), "peername": ("127.0.0.1", 50_000)})
        self.sent = bytearray()
        self.closed = False
        self._protocol = protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += data

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        """Nothing more comes."""

    def resume_reading(self) -> None:
        """Nothing more comes."""


class Complaints(logging.Handler):
    """Keeps what servers log of errors of their own."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(self.format(record))


@dataclass(frozen=True)
class Server:
    """A server with one open page, whose head is made."""

    store: SessionStore
    session: Session
    job: Job
    config: Any
    state: Any


def open_server(folder: Path) -> Server:
    """A server without an engine and without sockets."""
    store = SessionStore(folder, SETTINGS)
    client = WorkerClient(Engine(folder / "no-engine", folder))
    queue = JobQueue(client, folder, SETTINGS, store.clock, lambda: None)
    exporter = NoBlender(BlenderTools(None, None, folder), folder)
    session = store.open()
    home = session.folder / "job_1"
    home.mkdir()
    files = {name: home / name for name in ("head.png", "face.json")}
    for path in files.values():
        path.write_bytes(b"a file of the head")
    faces = tuple(FoundFace(index, True, None, index + 1) for index in (0, 1))
    number = session.next_number()
    job = Job(number, home, home / "a.jpg", state=JobState.DONE, faces=faces, files=files, result=files)
    session.job = job
    app = Guard(PageServer(store, queue, exporter, SETTINGS).application(), ADDRESS, SETTINGS)
    server = make_server(Application(app, store.end_streams), SETTINGS, lambda: None)
    server.config.load()
    return Server(store, session, job, server.config, server.server_state)


async def converse(server: Server, data: bytes, turns: int) -> bytes:
    """What the server sends to somebody who sends `data` and leaves when all is answered.

    What follows the first request's head comes when the event loop has had so many turns.
    """
    protocol = server.config.http_protocol_class(
        config=server.config, server_state=server.state, app_state={}
    )
    wire = Wire(protocol)
    protocol.connection_made(wire)
    head, end, rest = data.partition(HEAD_END)
    for piece in filter(None, (head + end, rest)):  # no event loop hands over nothing
        if not wire.closed:
            protocol.data_received(piece)
        for _ in range(turns):
            await asyncio.sleep(0)
    looks = 0
    while server.state.tasks and EVENTS not in wire.sent:
        await asyncio.wait(set(server.state.tasks), timeout=SETTINGS.silence_seconds)
        looks += 1
        assert looks < MOST_LOOKS, "it does not answer"
    wire.close()
    await asyncio.sleep(0)
    while server.state.tasks:  # streams of events end when their reader has left
        await asyncio.wait(set(server.state.tasks), timeout=SETTINGS.silence_seconds)
        looks += 1
        assert looks < MOST_LOOKS, "it does not end"
    if server.store._removals:
        await asyncio.wait(server.store._removals)
    return bytes(wire.sent)


def asked(data: bytes) -> h11.Request | None:
    """The first request of what was sent, as another reader of HTTP takes it; None if it is none."""
    connection = h11.Connection(h11.SERVER)
    try:
        connection.receive_data(data)
        event = connection.next_event()
    except h11.RemoteProtocolError:
        return None
    return event if isinstance(event, h11.Request) else None


def check_permission(request: h11.Request) -> None:
    """A request that was granted was this server's page's, or nobody's."""
    headers: Sequence[tuple[bytes, bytes]] = list(request.headers)
    hosts = [value.decode("latin-1").lower() for name, value in headers if name == b"host"]
    origins = {value.decode("latin-1").lower() for name, value in headers if name == b"origin"}
    names = {f"{name}:{ADDRESS.port}" for name in ADDRESS.names}
    assert len(hosts) == 1 and hosts[0] in names, f"somebody else's name: {hosts}"
    assert origins <= {f"http://{hosts[0]}"}, f"somebody else's page: {origins}"
    assert request.method.decode() in METHODS


def check(data: bytes, folder: Path) -> None:
    """Every request has an answer, which is no traceback, and touches only what is the page's."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        home = Path(name)
        (home / "secret.txt").write_bytes(SECRET)
        (home / "private").mkdir()
        session, job, answer = served(data, home / "private")
        assert [path.name for path in sorted(home.iterdir())] == ["private", "secret.txt"]
        assert all(path.is_dir() for path in (home / "private").iterdir())
        assert job.face is None or type(job.face) is int, "true is no number of a face"
    check_answer(data.replace(PAGE_NAME, session.id.encode()), answer)


def served(data: bytes, folder: Path) -> tuple[Session, Job, bytes]:
    """The page and its job after the server has answered `data`, and what it has answered."""
    complaints = Complaints()

    async def main() -> tuple[Session, Job, bytes]:
        server = open_server(folder)
        for name in ("uvicorn.error", "asyncio"):  # now, since uvicorn configures its own anew
            logger = logging.getLogger(name)
            restored.enter_context(patch.object(logger, "handlers", [complaints]))
            restored.enter_context(patch.object(logger, "propagate", False))
        whole = data.replace(PAGE_NAME, server.session.id.encode())
        head, _, body = whole.partition(HEAD_END)
        measured = head.replace(BODY_LENGTH, b"%d" % len(body)) + whole[len(head) :]
        return server.session, server.job, await converse(server, measured, len(data) % MOST_TURNS)

    with ExitStack() as restored:
        session, job, answer = asyncio.run(main())
    assert not complaints.records, complaints.records
    return session, job, answer


def check_answer(data: bytes, answer: bytes) -> None:
    """The first answer says what is wrong, or was to be had by whoever sent `data`."""
    assert SECRET not in answer and b"Traceback" not in answer
    first = FIRST_STATUS.match(answer)
    if first is None:
        assert not answer
        return
    status = int(first[1])
    assert status in STATUSES, status
    if status < 300:
        assert b"content-security-policy" in answer.lower()
        request = asked(data.replace(BODY_LENGTH, b"1"))
        assert request is not None, "it answers what is no request"
        check_permission(request)


PAGE = Target(seeds, check)
