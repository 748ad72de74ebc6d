"""What every request has to pass before the server looks at it, and what every answer carries."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .address import Address
from .settings import ServerSettings
from .texts import problem_text

#: Digits of a body's length that are read; with more, it is too long for sure.
MOST_DIGITS = 20
METHODS = ("GET", "HEAD", "POST")
#: What Sec-Fetch-Site says of requests of this page, and of an address typed in or opened by a program.
OWN_SITES = ("same-origin", "none")
#: What the browser may load and do: only what this server sends, and what the page itself makes of it. The
#: viewer writes style elements, and compiles a decoder of meshes from its own text.
POLICY = "; ".join(
    f"{name} {sources}"
    for name, sources in {
        "default-src": "'none'",
        "script-src": "'self' 'wasm-unsafe-eval'",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' blob: data:",
        "media-src": "'self' blob:",
        "connect-src": "'self' blob:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }.items()
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Guard:
    """Lets through what comes from this server's own page, or from no page at all; an ASGI application."""

    def __init__(self, app: ASGIApp, address: Address, settings: ServerSettings) -> None:
        """Stand before an application.

        Args:
            app: The application.
            address: Where the server answers.
            settings: Its limits.
        """
        self._app = app
        self._address = address
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or have it answered."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send_guarded)
            return
        path = self._address.path_below(scope["path"])
        if path == "":
            await RedirectResponse(f"{scope['path']}/")(scope, receive, send_guarded)
            return
        below = {**scope, "path": path, "raw_path": str(path).encode()}
        await self._app(below, receive, send_guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        """The answer to a request that goes no further, None for one that does."""
        headers = Headers(scope=scope)
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or not self._address.is_meant(hosts[0]):
            return refused(421, "host", url=f"http://{self._address.names[0]}:{self._address.port}/")
        if scope["method"] not in METHODS:
            return refused(405, "method")
        if any(origin.lower() != f"http://{hosts[0].lower()}" for origin in origins):
            return refused(403, "origin")
        # What a browser opens itself, such as a link followed from elsewhere, shows nothing to anybody else.
        opened = scope["method"] == "GET" and headers.get("sec-fetch-mode") == "navigate"
        if headers.get("sec-fetch-site", "none") not in OWN_SITES and not opened:
            return refused(403, "origin")
        if self._address.path_below(scope["path"]) is None:
            return refused(403, "token")
        length = headers.get("content-length")
        if length is not None and not (length.isascii() and length.isdigit()):
            return refused(400, "length")
        # Python reads no numbers of thousands of digits.
        digits = (length or "0").lstrip("0") or "0"
        if len(digits) > MOST_DIGITS or int(digits) > self._settings.max_photo_bytes:
            return refused(413, "size", megabytes=self._settings.max_photo_bytes >> 20)
        return None


def refused(status: int, code: str, **values: object) -> Response:
    """An answer that says what is wrong, for people."""
    return PlainTextResponse(problem_text(code, **values) + "\n", status, {"Connection": "close"})
