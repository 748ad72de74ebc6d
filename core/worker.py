"""The engine as a process: `python -m core.worker` reads requests and answers events, one JSON object a line.

    {"id": 1, "method": "hello", "params": {}}
    {"id": 2, "method": "reconstruct", "params": {"photo": "a.jpg", "out": "heads", "focal_mm": null,
    "max_faces": 10}} {"id": 3, "method": "cancel", "params": {"id": 2}} {"id": 4, "method": "shutdown",
    "params": {}}

    {"id": 2, "event": "progress", "step": "detect", "fraction": 0.05, "message": "Looking for faces"}
    {"id": 2, "event": "result", "result": {"faces": [...], "photo": {...}, "timings": {...}}}
    {"id": 2, "event": "error", "error": {"type": "NoFaceError", "message": "No face found in a.jpg: ..."}}

Requests are done in turn; `cancel` and `shutdown` act at once, on waiting requests and between the steps
of the running one. Logs, also those of libraries that print, go to stderr. The process ends when its
stdin does.
"""

import json
import os
import platform
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from core import __version__
from core.errors import Cancelled, PhotobustError, RequestError

if TYPE_CHECKING:
    from core.reconstructor import Reconstructor

PROTOCOL_VERSION = 1
Request = dict[str, Any]


class Worker:
    """Answers requests from `source` on `sink`; `load` makes the reconstructor when it is first needed."""

    def __init__(self, source: BinaryIO, sink: BinaryIO, load: "Callable[[], Reconstructor]") -> None:
        self._source = source
        self._sink = sink
        self._load = load
        self._reconstructor: Reconstructor | None = None
        self._requests: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._cancelled: set[Any] = set()
        self._open: set[Any] = set()
        self._closing = threading.Event()
        self._writing = threading.Lock()

    def run(self) -> None:
        """Serve until shutdown or the end of the source."""
        threading.Thread(target=self._read, name="requests", daemon=True).start()
        while (request := self._requests.get()) is not None:
            self._serve(request)

    def _read(self) -> None:
        """Take requests off the source: at once those that concern others, the rest into the queue."""
        for line in self._source:
            if not line.strip():
                continue
            try:
                request = parse_request(line)
            except RequestError as error:
                self._send(None, error_event("RequestError", str(error)))
                continue
            method, params = request["method"], request["params"]
            if method == "cancel":
                known = params.get("id") in self._open
                if known:
                    self._cancelled.add(params["id"])
                self._send(request["id"], {"event": "result", "result": {"cancelled": known}})
            elif method == "shutdown":
                self._send(request["id"], {"event": "result", "result": {}})
                break
            else:
                self._open.add(request["id"])
                self._requests.put(request)
        self._closing.set()
        self._requests.put(None)

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
        except Exception as error:  # the process has to go on serving
            traceback.print_exc()
            answer = error_event(
                "InternalError", f"The engine failed ({type(error).__name__}: {error}); its log says more"
            )
        # Closed before it is answered: whoever has the answer can no longer cancel the request.
        self._open.discard(name)
        self._cancelled.discard(name)
        self._send(name, answer)

    def _do(self, request: Request) -> dict[str, Any]:
        if request["method"] == "hello":
            return versions()
        if request["method"] == "reconstruct":
            return self._reconstruct(request["id"], request["params"])
        raise RequestError(f"There is no method {request['method']!r}")

    def _reconstruct(self, name: Any, params: dict[str, Any]) -> dict[str, Any]:
        """Load a photo, reconstruct its faces and write them below the folder `out`."""
        source, out, focal_mm, max_faces = reconstruct_params(params)

        def cancelled() -> bool:
            return self._closing.is_set() or name in self._cancelled

        def progress(step: str, fraction: float, message: str) -> None:
            fraction = round(fraction, 3)
            self._send(name, {"event": "progress", "step": step, "fraction": fraction, "message": message})

        def progress_of_heads(step: str, fraction: float, message: str) -> None:
            progress(step, 0.05 + 0.9 * fraction, message)

        def check() -> None:
            if cancelled():
                raise Cancelled("The reconstruction was cancelled")

        check()
        if self._reconstructor is None:
            progress("start", 0.0, "Loading the models")
            self._reconstructor = self._load()
            check()
        from core.export import write_reconstruction
        from core.photo import load_photo

        start = time.perf_counter()
        progress("load", 0.02, "Reading the photo")
        photo = load_photo(source)
        timings = {"load": time.perf_counter() - start}
        heads = self._reconstructor.reconstruct(photo, focal_mm, max_faces, progress_of_heads, cancelled)
        timings["detect"] = heads[0].timings["detect"]
        faces = []
        for head in heads:
            check()
            progress("write", 0.95, "Writing the results")
            start = time.perf_counter()
            number = f"_{head.face_index + 1}" if len(heads) > 1 else ""
            folder = out / f"{folder_name(source)}{number}"
            files = write_reconstruction(head, photo, folder)
            own = {step: seconds for step, seconds in head.timings.items() if step != "detect"}
            faces.append(
                {
                    "folder": str(folder),
                    "files": {file: str(path) for file, path in files.items()},
                    "timings": {**own, "write": time.perf_counter() - start},
                    "vertices": len(head.surface.vertices),
                    "faces": len(head.surface.faces),
                }
            )
        about = {"name": photo.name, "sha256": photo.sha256, "width": photo.width, "height": photo.height}
        return {"faces": faces, "photo": about, "timings": timings}

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


def error_event(kind: str, message: str) -> dict[str, Any]:
    """The event that ends a request without a result."""
    return {"event": "error", "error": {"type": kind, "message": message}}


def parse_request(line: bytes) -> Request:
    """One request from its line. Raises RequestError."""
    try:
        request = json.loads(line)
    except ValueError as error:
        raise RequestError(f"A request has to be a JSON object on one line: {error}") from error
    if not isinstance(request, dict) or not isinstance(request.get("method"), str):
        raise RequestError('A request has to be a JSON object with "id", "method" and "params"')
    params = request.get("params") or {}
    if not isinstance(params, dict) or not isinstance(request.get("id"), (int, str)):
        raise RequestError('"params" has to be a JSON object and "id" a number or a text')
    return {"id": request["id"], "method": request["method"], "params": params}


def reconstruct_params(params: dict[str, Any]) -> tuple[Path, Path, float | None, int]:
    """(photo, out, focal_mm, max_faces) of a request to reconstruct. Raises RequestError."""
    photo, out = params.get("photo"), params.get("out")
    if not isinstance(photo, str) or not photo or not isinstance(out, str) or not out:
        raise RequestError('"photo" and "out" have to name a file and a folder')
    focal_mm, max_faces = params.get("focal_mm"), params.get("max_faces", 10)
    if focal_mm is not None and not (is_number(focal_mm) and 1 <= focal_mm <= 10_000):
        raise RequestError('"focal_mm" has to be a 35 mm equivalent focal length from 1 to 10000, or null')
    if not (isinstance(max_faces, int) and not isinstance(max_faces, bool) and max_faces >= 1):
        raise RequestError('"max_faces" has to be a whole number from 1 on')
    return Path(photo), Path(out), focal_mm, max_faces


def is_number(value: object) -> bool:
    """Whether a JSON value is a number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def folder_name(photo: Path) -> str:
    """Name of a photo's result folder: its stem, without the endings that Windows drops."""
    return photo.stem.rstrip(". ") or "photo"


def versions() -> dict[str, Any]:
    """What answers a `hello`."""
    return {
        "name": "Photobust",
        "version": __version__,
        "protocol": PROTOCOL_VERSION,
        "python": platform.python_version(),
        "pid": os.getpid(),
    }


def load_reconstructor() -> "Reconstructor":
    """The reconstructor with the project's models."""
    from core.reconstructor import Reconstructor

    return Reconstructor.from_pretrained()


def main() -> None:
    """Serve stdin and stdout."""
    # Libraries print where they like: stdout is kept for the protocol, and they get stderr instead.
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    # Unbuffered: a buffer that a thread reads from would keep the interpreter from ending.
    Worker(os.fdopen(0, "rb", buffering=0, closefd=False), sink, load_reconstructor).run()


if __name__ == "__main__":
    main()
