"""Asks an ASGI application, without a socket in between."""

import asyncio
import contextlib
import json
from dataclasses import dataclass

from blender_addon.engine.locate import Engine
from tests.conftest import PATIENCE_SECONDS
from web_app.address import Address
from web_app.server import make_application
from web_app.settings import ServerSettings

PORT = 8770
HOST = f"127.0.0.1:{PORT}"


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        return self.json()["code"]


class Client:
    """One browser, or what pretends to be one."""

    def __init__(self, app):
        self.app = app

    async def ask(self, method, path, *chunks, headers=(), host=HOST, silent=False):
        """One request; `silent`: its body is announced and does not come to an end."""
        answer = Answer(0, {}, b"")
        waiting = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
        if not silent:
            waiting.append({"type": "http.request", "body": b"", "more_body": False})

        async def receive():
            if waiting:
                return waiting.pop(0)
            await asyncio.sleep(PATIENCE_SECONDS)
            return {"type": "http.disconnect"}

        async def send(message):
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                answer.body += message.get("body", b"")

        await asyncio.wait_for(self.app(scope(method, path, host, headers), receive, send), PATIENCE_SECONDS)
        return answer

    async def get(self, path, **options):
        return await self.ask("GET", path, **options)

    async def post(self, path, *chunks, **options):
        return await self.ask("POST", path, *chunks, **options)

    async def open(self):
        """A page of its own."""
        return Page(self, (await self.post("/api/pages")).json()["id"])


class Page:
    """An open page."""

    def __init__(self, client, name):
        self.client = client
        self.name = name
        self.base = f"/api/pages/{name}"

    async def send(self, name, body=b"photo"):
        return await self.client.post(f"{self.base}/photo?name={name}", body)

    async def post(self, what, message=None, **options):
        body = [] if message is None else [json.dumps(message).encode()]
        return await self.client.post(f"{self.base}/{what}", *body, **options)

    async def get(self, path):
        return await self.client.get(f"{self.base}/{path}")

    @contextlib.asynccontextmanager
    async def listening(self):
        """A stream of events that is open; gives the queue that they go to."""
        events, gone = asyncio.Queue(), asyncio.Event()
        asked = False

        async def receive():
            nonlocal asked
            if not asked:
                asked = True
                return {"type": "http.request", "body": b"", "more_body": False}
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message):
            body = message.get("body", b"").decode()
            if body.startswith("data: "):
                events.put_nowait(json.loads(body.removeprefix("data: ")))

        stream = asyncio.create_task(
            self.client.app(scope("GET", f"{self.base}/events", HOST, ()), receive, send)
        )
        try:
            yield events
        finally:
            gone.set()
            await asyncio.wait_for(stream, PATIENCE_SECONDS)

    async def until(self, *states, seen=None):
        """The job as soon as it is in one of the states; `seen` gets what came before."""
        async with self.listening() as events:
            while True:
                news = await asyncio.wait_for(events.get(), PATIENCE_SECONDS)
                job = news["job"]
                if seen is not None:
                    seen.append(news)
                if job and job["state"] in states:
                    return job


def scope(method, path, host, headers):
    path, _, query = path.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", host.encode()), *((n.lower().encode(), v.encode()) for n, v in headers)],
        "server": ("127.0.0.1", PORT),
        "client": ("127.0.0.1", 50000),
    }


@contextlib.asynccontextmanager
async def lifespan(app):
    """The application, running."""
    messages, started, stopped = asyncio.Queue(), asyncio.Event(), asyncio.Event()

    async def send(message):
        {"lifespan.startup.complete": started, "lifespan.shutdown.complete": stopped}[message["type"]].set()

    messages.put_nowait({"type": "lifespan.startup"})
    task = asyncio.create_task(
        app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, messages.get, send)
    )
    await asyncio.wait_for(started.wait(), PATIENCE_SECONDS)
    try:
        yield
    finally:
        messages.put_nowait({"type": "lifespan.shutdown"})
        await asyncio.wait_for(stopped.wait(), PATIENCE_SECONDS)
        await task


@contextlib.asynccontextmanager
async def running(folder, engine, blender=None, settings=None, address=None, user_umask=-1):
    """A client of a server whose engine is `engine`."""
    folder.mkdir(exist_ok=True)
    address = address or Address.of("127.0.0.1", PORT)
    app = make_application(
        address,
        Engine(engine),
        blender and str(blender),
        folder,
        settings or ServerSettings(),
        user_umask,
    )
    async with lifespan(app.asgi):
        yield Client(app.asgi)
