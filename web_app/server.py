"""The server as a process: its port, its private folder, its connections."""

import asyncio
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from .addon import EngineProgram, PrivateProgram, WorkerClient
from .address import Address, is_unspecified
from .app import PageServer
from .exports import Exporter, find_tools
from .guard import Guard
from .job_queue import JobQueue
from .sessions import SessionStore
from .settings import ServerSettings

#: Names of private folders begin with this.
FOLDER_PREFIX = "photobust-page-"
#: Ports that are tried if nobody asks for one.
DEFAULT_PORT = 8770
PORT_TRIES = 20
#: Connections that the system keeps until the server takes them.
BACKLOG = 128
#: Seconds between two requests on a connection, and that answers may still take when the server is to end.
KEEP_ALIVE_SECONDS = 15
GRACE_SECONDS = 2

log = logging.getLogger(__name__)


def protocol_with_deadline(seconds: float) -> type[asyncio.Protocol]:
    """A protocol of connections that are closed if no request comes in time: they could be many.

    Args:
        seconds: How long a connection may be without a whole request's head.
    """

    class DeadlineProtocol(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._deadline = self.loop.call_later(seconds, self._close_if_silent)

        def connection_lost(self, exc: Exception | None) -> None:
            self._deadline.cancel()
            super().connection_lost(exc)

        def send_400_response(self, msg: str) -> None:
            # uvicorn's own answers twice: here, and when the request's answer is ready or half sent.
            if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                super().send_400_response(msg)
            else:
                self.transport.close()
            if self.cycle is not None:
                self.cycle.disconnected = True
                self.cycle.message_event.set()

        def _close_if_silent(self) -> None:
            if self.cycle is None:
                self.transport.close()

    return DeadlineProtocol


def open_port(host: str, port: int | None) -> socket.socket:
    """A socket that listens.

    Args:
        host: Where.
        port: Its port, None for the first free one from the usual on.

    Raises:
        OSError: There is no such address, or the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Who asks for all networks of IPv6 has those of IPv4 in them: the address that is told is one of these.
    both = family is socket.AF_INET6 and is_unspecified(host) and socket.has_dualstack_ipv6()
    tries = [port] if port is not None else range(DEFAULT_PORT, DEFAULT_PORT + PORT_TRIES)
    problem: OSError | None = None
    for number in tries:
        try:
            return socket.create_server((host, number), family=family, backlog=BACKLOG, dualstack_ipv6=both)
        except OSError as error:
            problem = error
    raise problem or OSError("no port")


@dataclass(frozen=True)
class Application:
    """What the server runs.

    Attributes:
        asgi: Answers requests.
        end_streams: Ends those answers that would go on for ever.
    """

    asgi: ASGIApp
    end_streams: Callable[[], None]


def make_application(
    address: Address,
    engine: EngineProgram,
    blender: str | None,
    folder: Path,
    settings: ServerSettings,
    user_umask: int = -1,
) -> Application:
    """The guarded application.

    Args:
        address: Where it answers.
        engine: The engine.
        blender: The Blender that the user names.
        folder: Private.
        settings: Its limits.
        user_umask: For the Blender that a user opens, which saves files of their own; -1: the process's.

    Raises:
        AddonError: The named Blender is no program.
    """
    temporary = folder / "temporary"
    temporary.mkdir(mode=0o700)
    store = SessionStore(folder, settings)

    def notify() -> None:
        for session in store:
            session.notify()

    client = WorkerClient(PrivateProgram(engine, temporary), log.debug)
    queue = JobQueue(client, temporary, settings, store.clock, notify)
    exporter = Exporter(find_tools(blender, address.is_local, temporary), temporary, user_umask)
    asgi = PageServer(store, queue, exporter, settings, address.is_local).application()
    return Application(Guard(asgi, address, settings), store.end_streams)


class AnnouncingServer(uvicorn.Server):
    """Says when it has begun, and when it is about to end."""

    def __init__(
        self, config: uvicorn.Config, on_start: Callable[[], Any], on_end: Callable[[], Any]
    ) -> None:
        super().__init__(config)
        self._on_start = on_start
        self._on_end = on_end

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        self._on_start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End."""
        self._on_end()
        await super().shutdown(sockets)


def make_server(app: Application, settings: ServerSettings, on_start: Callable[[], Any]) -> AnnouncingServer:
    """The server of an application; its `run` takes the sockets that listen.

    Args:
        app: The application.
        settings: Its limits.
        on_start: Called when a browser can come.
    """
    config = uvicorn.Config(
        app.asgi,
        http=protocol_with_deadline(settings.silence_seconds),
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=settings.max_connections,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    return AnnouncingServer(config, on_start, app.end_streams)
