"""Client of the engine process `python -m core.worker`: JSON lines over its stdin and stdout. No bpy.

A `WorkerClient` owns at most one engine process. `submit` returns an `EngineRequest` at once; a modal
operator calls its `poll()` on a timer, a script its `wait()`. Events arrive on a reader thread, which only
puts them into the request's queue: everything else, callbacks included, happens on the thread that polls.

If the process dies, each unfinished request starts it again and is sent once more. The process ends when its
stdin closes, so it cannot outlive its client, however that ends.
"""

import itertools
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import EngineDiedError, EngineStartError, EngineTimeoutError, JobCancelledError, JobFailedError
from .process import EngineProcess, EngineProgram

#: Seconds a fresh engine may take to answer; generous, for cold disks and virus scanners.
START_TIMEOUT = 120.0
#: Seconds a cancelled request may take to stop by itself before the process is killed.
CANCEL_GRACE = 10.0
#: How often a request may be sent: once, and once more if the engine died of something.
MAX_ATTEMPTS = 2


@dataclass(frozen=True)
class Progress:
    """What a request is doing: a step's name, the fraction done, 0..1, and a sentence for people.

    Attributes:
        files: Name -> path of files that are complete already.
    """

    step: str
    fraction: float
    message: str
    files: Mapping[str, str] = field(default_factory=dict)


class WorkerClient:
    """Starts, talks to, restarts and stops one engine process."""

    def __init__(
        self, engine: EngineProgram, log: Callable[[str], None] | None = None, attempts: int = MAX_ATTEMPTS
    ) -> None:
        """Prepare; the engine starts with the first request.

        Args:
            engine: The program that is the engine.
            log: Called with each line of the engine's log, on a reader thread.
            attempts: How often a request is sent if the engine dies of it.
        """
        self.engine = engine
        self.attempts = attempts
        self._log = log
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._process: EngineProcess | None = None

    def __enter__(self) -> "WorkerClient":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Process id of the running engine, None if it is not running."""
        process = self._process
        return process.pid if process and process.alive else None

    def start(self, timeout: float = START_TIMEOUT) -> dict[str, Any]:
        """Start the engine if need be and wait until it answers.

        Args:
            timeout: Seconds to wait for.

        Returns:
            Its versions, by name.

        Raises:
            EngineStartError: It does not start.
            EngineTimeoutError: It did not answer in time.
        """
        return self.submit("hello").wait(timeout)

    def submit(self, method: str, **params: Any) -> "EngineRequest":
        """Send a request and return at once.

        Args:
            method: What the engine is to do.
            params: With what, as JSON can hold it.

        Returns:
            The request, to be polled or waited for.
        """
        request = EngineRequest(self, next(self._ids), method, params)
        self._send(request)
        return request

    def submit_reconstruct(
        self,
        photo: str | os.PathLike,
        out: str | os.PathLike,
        *,
        focal_mm: float | None = None,
        max_faces: int = 10,
        faces: Sequence[int] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> "EngineRequest":
        """Send a request to reconstruct and return at once.

        Args:
            photo: The photo's file.
            out: The folder to write into.
            focal_mm: Focal length, mm, 35 mm equivalent; None to take it from the photo's EXIF data.
            max_faces: How many faces to reconstruct at most.
            faces: The indices that "detect" gives to the faces that are wanted; None for all.
            options: What else the request says, such as {"head": True, "texture": 4096}; see `core.worker`.

        Returns:
            The request, to be polled or waited for.
        """
        return self.submit(
            "reconstruct",
            photo=str(Path(photo).absolute()),
            out=str(Path(out).absolute()),
            focal_mm=focal_mm,
            max_faces=max_faces,
            faces=None if faces is None else list(faces),
            **(options or {}),
        )

    def submit_detect(
        self,
        photo: str | os.PathLike,
        *,
        max_faces: int = 10,
        thumbnails: str | os.PathLike | None = None,
        thumbnail_size: int = 128,
    ) -> "EngineRequest":
        """Send a request to look for faces and return at once.

        Args:
            photo: The photo's file; to reconstruct it next is quicker then.
            max_faces: How many faces to look for at most.
            thumbnails: A folder for a square picture of each face; None if none are wanted.
            thumbnail_size: Side of such a picture, pixels.

        Returns:
            The request, to be polled or waited for.
        """
        return self.submit(
            "detect",
            photo=str(Path(photo).absolute()),
            max_faces=max_faces,
            thumbnails=None if thumbnails is None else str(Path(thumbnails).absolute()),
            thumbnail_size=thumbnail_size,
        )

    def close(self) -> None:
        """Stop the engine; unfinished jobs fail. The client may be used again: that starts a new engine."""
        with self._lock:
            process, self._process = self._process, None
        if process:
            process.close()

    def kill(self) -> None:
        """Stop the engine at once, whatever it is doing."""
        with self._lock:
            process, self._process = self._process, None
        if process:
            process.kill()

    def _send(self, request: "EngineRequest") -> None:
        with self._lock:
            if self._process is None or not self._process.alive:
                self._process = EngineProcess(self.engine, self._log)
            request.attempts += 1
            self._process.send(request.id, request.method, request.params, request.events)

    def _send_cancel(self, request: "EngineRequest") -> None:
        with self._lock:
            if self._process and self._process.alive:
                self._process.send(next(self._ids), "cancel", {"id": request.id})


class EngineRequest:
    """One request to the engine and what has come back for it so far."""

    def __init__(self, client: WorkerClient, request_id: int, method: str, params: dict[str, Any]) -> None:
        self.id = request_id
        self.method = method
        self.params = params
        self.progress = Progress("queued", 0.0, "Waiting for the engine")
        self.attempts = 0
        #: Filled by the reader thread, emptied by `poll`.
        self.events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._client = client
        self._result: dict[str, Any] | None = None
        self._error: Exception | None = None
        self._cancel_deadline: float | None = None

    @property
    def done(self) -> bool:
        """Whether `result` has an answer (a value or an exception)."""
        return self._result is not None or self._error is not None

    def poll(self, wait: float = 0.0) -> list[Progress]:
        """Take in what has arrived.

        Args:
            wait: Seconds to wait for something to come, at most.

        Returns:
            The new progress, oldest first.
        """
        news: list[Progress] = []
        while not self.done:
            try:
                event = self.events.get(timeout=wait) if wait > 0 else self.events.get_nowait()
            except queue.Empty:
                break
            wait = 0.0
            self._take(event, news)
        if not self.done and self._cancel_deadline is not None and time.monotonic() > self._cancel_deadline:
            self._client.kill()
            self._error = JobCancelledError("Cancelled; the engine did not stop by itself and was ended.")
        return news

    def result(self) -> dict[str, Any]:
        """Get the engine's answer; only for a request that is done.

        Returns:
            The answer; see `core.worker`.

        Raises:
            AddonError: What went wrong.
            RuntimeError: The request is not done.
        """
        if self._error is not None:
            raise self._error
        if self._result is None:
            raise RuntimeError("the request is not done yet")
        return self._result

    def wait(
        self,
        timeout: float | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        stop_engine: bool = True,
    ) -> dict[str, Any]:
        """Wait for the answer.

        Args:
            timeout: Seconds after which the answer is given up; None to wait for ever.
            on_progress: Called on this thread with each new progress.
            stop_engine: Whether the engine is stopped then, with whatever else it is doing.

        Returns:
            The answer; see `core.worker`.

        Raises:
            JobFailedError: The engine reports that it cannot be done.
            JobCancelledError: The request was cancelled.
            EngineStartError: The engine does not start.
            EngineDiedError: The engine died of it, again and again.
            EngineTimeoutError: It took longer than `timeout`.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            while not self.done:
                for progress in self.poll(0.1):
                    if on_progress:
                        on_progress(progress)
                if deadline is not None and not self.done and time.monotonic() > deadline:
                    if stop_engine:
                        self._client.kill()
                    self._error = EngineTimeoutError(
                        f"The {self._client.engine.display_name} gave no answer in {timeout:g} seconds "
                        f"(last: {self.progress.message}); "
                        f"{'it was stopped' if stop_engine else 'try again when it is less busy'}."
                    )
        except KeyboardInterrupt:
            self._client.kill()
            raise
        return self.result()

    def cancel(self, grace: float = CANCEL_GRACE) -> None:
        """Ask the engine to stop at the next step.

        Args:
            grace: Seconds after which it is killed if it has not.
        """
        if not self.done and self._cancel_deadline is None:
            self._cancel_deadline = time.monotonic() + grace
            self._client._send_cancel(self)

    def _take(self, event: dict[str, Any], news: list[Progress]) -> None:
        kind = event.get("event")
        if kind == "progress":
            files = event.get("files")
            self.progress = Progress(
                str(event.get("step", "")),
                float(event.get("fraction", 0.0)),
                str(event.get("message", "")),
                {str(name): str(path) for name, path in files.items()} if isinstance(files, dict) else {},
            )
            news.append(self.progress)
        elif kind == "result":
            self._result = event.get("result") or {}
        elif kind == "error":
            error = event.get("error") or {}
            message = str(error.get("message", "The engine failed without a reason."))
            cancelled = error.get("type") == "Cancelled"
            self._error = (
                JobCancelledError(message)
                if cancelled
                else JobFailedError(str(error.get("type", "")), message)
            )
        elif kind == "died":
            self._died(event, news)

    def _died(self, event: dict[str, Any], news: list[Progress]) -> None:
        if self._cancel_deadline is not None:
            self._error = JobCancelledError("Cancelled.")
        elif not event["retry"]:
            self._error = EngineStartError(event["reason"])
        elif self.attempts >= self._client.attempts:
            self._error = EngineDiedError(event["reason"])
        else:
            self.progress = Progress("restart", 0.0, "The engine stopped unexpectedly; starting it again")
            news.append(self.progress)
            self._client._send(self)
