"""The engine as a process: `python -m core.worker` reads requests and answers events, one JSON object a line.

    {"id": 1, "method": "hello", "params": {}}
    {"id": 2, "method": "detect", "params": {"photo": "a.jpg", "max_faces": 10, "thumbnails": "folder"}}
    {"id": 3, "method": "reconstruct", "params": {"photo": "a.jpg", "out": "heads", "focal_mm": null,
    "max_faces": 10, "faces": [0, 2], "head": true, "texture": 2048, "preview_model": false,
    "surfaces": "folder", "stages": "folder"}}
    {"id": 4, "method": "adjust", "params": {"folder": "heads/a", "out": "a.npz", "adjustments": {...}}}
    {"id": 5, "method": "cancel", "params": {"id": 3}}
    {"id": 6, "method": "shutdown", "params": {}}

    {"id": 3, "event": "progress", "step": "detect", "fraction": 0.05, "message": "Finding the faces"}
    {"id": 3, "event": "progress", "step": "surface_ready", "fraction": 0.3, "message": "...",
    "files": {"surface_1.glb": "folder/surface_1.glb"}}
    {"id": 3, "event": "result", "result": {"faces": [...], "photo": {...}, "timings": {...}}}
    {"id": 3, "event": "error", "error": {"type": "NoFaceError", "message": "No face found in a.jpg: ..."}}

Requests are done in turn; `cancel` and `shutdown` act at once, on waiting requests and between the steps of
the running one. What `detect` has found is kept until another photo comes, and the indices that it gives to
faces are what `reconstruct` takes as `faces`. A folder given as `surfaces` gets the surface of each face,
surface_1.glb of the first, before the head is made of it; a progress event hands it over. A folder given as
`stages` gets prior_1.ply, the head that the landmarks suggest, and surface_1.ply in the same way. `adjust`
answers at once, beside the running request, with what corrections (`core.wrapping.adjustments`) make of a
finished head, also as in a further photo of the person, "view": "b.jpg"; `reconstruct` takes the same as
`adjustments`, by the faces' indices, {"0": {...}}, or as a list of which those of the photo count: [{"photo":
"a.jpg", "face": 0, ...}]. With "photos": ["a.jpg", "b.jpg"] instead of "photo" it makes one head of one
person's photos, in a folder named as the first of them, and says in "views" what became of each; "confirmed":
true says that they are of one person, "force": true uses those that seem to show somebody else, too. Logs,
also those of libraries that print, go to stderr. The process ends when its stdin does.
"""

import argparse
import contextlib
import json
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ..errors import PhotobustError, RequestError
from ..runtime.backend import AUTO, BACKENDS, ENVIRONMENT_VARIABLE
from ..runtime.memory import reuse_freed_memory
from .jobs import Jobs

if TYPE_CHECKING:
    from ..reconstructor import Reconstructor
    from ..wrapping.options import HeadOptions

Request = dict[str, Any]
#: Bytes that a request has less than; those of a photo with long paths have some thousand.
MAX_LINE_BYTES = 1_000_000
#: Requests that may wait; clients send some at a time.
MAX_OPEN_REQUESTS = 10_000
#: Requests that do not wait for others: people wait for them with a mouse in the hand.
QUICK = ("adjust",)
#: Requests that act as soon as they are read, however many wait.
IMMEDIATE = ("cancel", "shutdown")
#: Bytes read at once.
READ_BYTES = 65536
#: Seconds that the running step, and the end of the process, may still take when the client has gone: a step
#: takes one or two, and many times as long where other programs keep the processor busy.
ORPHAN_GRACE = 30.0
#: Seconds without a request after which memory that is free is given back.
IDLE_S = 1.0
#: Unix niceness (0 to 19) of an engine that runs in the background.
NICENESS = 4


class Worker:
    """Answers requests from `source` on `sink`."""

    def __init__(self, source: BinaryIO, sink: BinaryIO, jobs: Jobs) -> None:
        self._source = source
        self._sink = sink
        self._jobs = jobs
        self._requests: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._quick: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._cancelled: set[Any] = set()
        self._open: set[Any] = set()
        self._closing = threading.Event()
        self._writing = threading.Lock()

    def run(self) -> None:
        """Serve until shutdown or the end of the source."""
        threading.Thread(target=self._read, name="requests", daemon=True).start()
        quick = threading.Thread(target=self._serve_quick, name="quick requests", daemon=True)
        quick.start()
        while (request := self._next()) is not None:
            self._serve(request)
        quick.join(ORPHAN_GRACE)

    def _next(self) -> Request | None:
        """The next request, None to end.

        Memory that is free is given back if none comes for a while, not after each: the next photo of a batch
        needs it again, and to get it anew from the system takes a fifth of a photo's time.
        """
        try:
            return self._requests.get(timeout=IDLE_S)
        except queue.Empty:
            self._jobs.release_memory()
            return self._requests.get()

    def _serve_quick(self) -> None:
        """Serve what does not wait, until shutdown or the end of the source."""
        while (request := self._quick.get()) is not None:
            self._serve(request)

    def _read(self) -> None:
        """Take requests off the source until shutdown or its end; then see to it that the process ends."""
        try:
            for line in read_lines(self._source):
                if not self._accept(line):
                    break
        except Exception:  # noqa: BLE001 (whatever it is: nobody could reach this process any more)
            traceback.print_exc()
        self._closing.set()
        self._requests.put(None)
        self._quick.put(None)
        # A step that never ends must not keep a process that nobody talks to any more.
        time.sleep(ORPHAN_GRACE)
        os._exit(1)

    def _accept(self, line: bytes | None) -> bool:
        """Act on a line at once, or put its request into the queue; whether to go on reading."""
        try:
            if line is None:
                raise RequestError(f"A request has to be shorter than {MAX_LINE_BYTES} bytes")
            request = parse_request(line)
            if request["method"] not in IMMEDIATE:
                self._check_room(request["id"])
        except RequestError as error:
            self._send(None, error_event("RequestError", str(error)))
            return True
        name, method = request["id"], request["method"]
        if method == "shutdown":
            self._send(name, {"event": "result", "result": {}})
            return False
        if method == "cancel":
            other = request["params"].get("id")
            known = is_request_id(other) and other in self._open
            if known:
                self._cancelled.add(other)
            self._send(name, {"event": "result", "result": {"cancelled": known}})
        else:
            # A cancel that came just as an earlier request of this id ended was not meant for this one.
            self._cancelled.discard(name)
            self._open.add(name)
            (self._quick if method in QUICK else self._requests).put(request)
        return True

    def _check_room(self, name: Any) -> None:
        """Raises RequestError if one more request, of this id, cannot wait."""
        if len(self._open) >= MAX_OPEN_REQUESTS:
            raise RequestError(f"There are {MAX_OPEN_REQUESTS} requests already: wait for their answers")
        if name in self._open:
            raise RequestError("A request of this id is not answered yet: give the next one another id")

    def _serve(self, request: Request) -> None:
        """Do one request and answer it, whatever happens."""
        name = request["id"]
        try:
            answer = {"event": "result", "result": self._do(request)}
        except PhotobustError as error:
            answer = error_event(type(error).__name__, str(error))
        except MemoryError:
            traceback.print_exc()
            answer = error_event(
                "OutOfMemory", "The memory is full: close other programs, or make the photo smaller"
            )
        except Exception as error:  # noqa: BLE001 (the process has to go on serving)
            traceback.print_exc()
            answer = error_event(
                "InternalError", f"The engine failed ({type(error).__name__}: {error}); its log says more"
            )
        # Closed before it is answered: whoever has the answer can no longer cancel the request.
        self._open.discard(name)
        self._cancelled.discard(name)
        self._send(name, answer)

    def _do(self, request: Request) -> dict[str, Any]:
        name, params = request["id"], request["params"]

        def cancelled() -> bool:
            return self._closing.is_set() or name in self._cancelled

        def progress(
            step: str, fraction: float, message: str, files: Mapping[str, str] | None = None
        ) -> None:
            event = {"event": "progress", "step": step, "fraction": round(fraction, 3), "message": message}
            self._send(name, {**event, "files": dict(files)} if files else event)

        if request["method"] == "hello":
            return self._jobs.hello()
        if request["method"] == "adjust":
            return self._jobs.adjust(params)
        if request["method"] == "detect":
            return self._jobs.detect(params, progress, cancelled)
        if request["method"] == "reconstruct":
            return self._jobs.reconstruct(params, progress, cancelled)
        raise RequestError(f"There is no method {request['method']!r}")

    def _send(self, name: Any, event: dict[str, Any]) -> None:
        line = json.dumps({"id": name, **event}).encode("ascii") + b"\n"
        with self._writing:
            try:
                self._sink.write(line)
                self._sink.flush()
            except (OSError, ValueError):
                # Nobody listens any more: finish.
                self._closing.set()
                self._requests.put(None)
                self._quick.put(None)


def error_event(kind: str, message: str) -> dict[str, Any]:
    """The event that ends a request without a result."""
    return {"event": "error", "error": {"type": kind, "message": message}}


def read_lines(source: BinaryIO) -> Iterator[bytes | None]:
    """The lines of a source, without empty ones; None in place of one that has MAX_LINE_BYTES or more.

    Args:
        source: Unbuffered, so that a read returns what is there instead of waiting for more.
    """
    parts: list[bytes] = []
    length = 0
    while chunk := source.read(READ_BYTES):
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            # Of a line that is too long, only the beginning is kept.
            line, length = b"".join([*parts, end]), length + len(end)
            parts, too_long, length = [], length >= MAX_LINE_BYTES, 0
            if too_long:
                yield None
            elif line.strip():
                yield line
        length += len(rest)
        if length < MAX_LINE_BYTES:
            parts.append(rest)
    line = b"".join(parts)
    if length < MAX_LINE_BYTES and line.strip():
        yield line


def is_request_id(value: object) -> bool:
    """Whether a JSON value can name a request."""
    return isinstance(value, (int, str)) and not isinstance(value, bool)


def parse_request(line: bytes) -> Request:
    """One request from its line. Raises RequestError."""
    try:
        request = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"A request has to be a JSON object on one line: {error}") from error
    if not isinstance(request, dict) or not isinstance(request.get("method"), str):
        raise RequestError('A request has to be a JSON object with "id", "method" and "params"')
    params = request.get("params") or {}
    if not isinstance(params, dict) or not is_request_id(request.get("id")):
        raise RequestError('"params" has to be a JSON object and "id" a number or a text')
    return {"id": request["id"], "method": request["method"], "params": params}


def load_reconstructor(
    backend: str | None, threads: int | None, head: "HeadOptions | None" = None
) -> "Reconstructor":
    """The reconstructor with the project's models; how heads will be wanted, if they are."""
    from ..reconstructor import Reconstructor

    return Reconstructor.from_pretrained(backend=backend, threads=threads, head=head)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line as options."""
    parser = argparse.ArgumentParser(
        "python -m core.worker", description=(__doc__ or "").partition("\n\n")[0]
    )
    parser.add_argument(
        "--backend",
        choices=(AUTO, *BACKENDS),
        help=f"what runs the networks (default: ${ENVIRONMENT_VARIABLE}, else {AUTO}: the first that can)",
    )
    parser.add_argument(
        "--background", action="store_true", help="give way to other programs that want the processor"
    )
    parser.add_argument("--threads", type=int, metavar="N", help="of ONNX Runtime (default: all cores)")
    options = parser.parse_args(arguments)
    if options.threads is not None and options.threads < 1:
        parser.error("--threads must be at least 1")
    return options


def give_way() -> None:
    """Let other programs have the processor first: who waits for a head wants to go on working meanwhile."""
    if hasattr(os, "nice"):  # whoever starts this on Windows sees to it
        os.nice(NICENESS)
    # Linux may share the processor among sessions before it looks at single processes (sched(7), autogroup).
    # Where there is no such file, or it is not ours to write, the process's own niceness counts.
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(NICENESS), "ascii")


def main(arguments: Sequence[str] = ()) -> None:
    """Serve stdin and stdout."""
    options = parse(arguments)
    reuse_freed_memory()
    if options.background:
        give_way()
    # Libraries print where they like: stdout is kept for the protocol, and they get stderr instead.
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    # Unbuffered: a buffer that a thread reads from would keep the interpreter from ending.
    jobs = Jobs(lambda head: load_reconstructor(options.backend, options.threads, head), options.backend)
    Worker(os.fdopen(0, "rb", buffering=0, closefd=False), sink, jobs).run()
