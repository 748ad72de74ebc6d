"""One run of the engine process: its pipes, its reader threads, its end. No bpy.

Used by `client`, which decides what to do when a process ends. Whatever else speaks the engine's
protocol, such as the batch's Blender worker, is run by the same code.
"""

import collections
import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from ..errors import EngineStartError
from .process_tree import kill_tree, no_window

#: Seconds the process may take to end by itself once it is told to.
CLOSE_GRACE = 3.0
LOG_LINES_KEPT = 400
LOG_LINES_SHOWN = 6

Events = queue.SimpleQueue[dict[str, Any]]


class EngineProgram(Protocol):
    """How to start a process that speaks the engine's protocol; see `locate.Engine`."""

    @property
    def display_name(self) -> str:
        """What messages call it."""

    @property
    def python(self) -> Path:
        """What is run, for messages."""

    @property
    def root(self) -> Path:
        """The folder that it is started in."""

    @property
    def background(self) -> bool:
        """Whether it gives way to other programs."""

    def command(self) -> list[str]:
        """Command line."""

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """Environment variables, made from the running process's."""


class EngineProcess:
    """A running `core.worker`. Each request brings the queue that its events go to.

    If the process ends first, the queue gets `{"event": "died", "reason": text, "retry": bool}`:
    `retry` says that the engine had worked before, so that starting it again makes sense.
    """

    def __init__(self, engine: EngineProgram, log: Callable[[str], None] | None = None) -> None:
        self._engine = engine
        self._log = log
        self._lock = threading.Lock()
        self._pending: dict[int, Events] = {}
        self._ended = False
        self._spoken = False
        self._closing = False
        self._log_tail: collections.deque[str] = collections.deque(maxlen=LOG_LINES_KEPT)
        try:
            self._popen = subprocess.Popen(
                engine.command(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=engine.root,
                env=engine.environment(os.environ),
                # A Ctrl-C in the terminal is for the client, which then stops the engine in good order.
                start_new_session=True,
                creationflags=_windows_flags(engine.background),
            )
        except OSError as error:
            raise EngineStartError(
                f"The {engine.display_name} could not be started with {engine.python}: "
                f"{error.strerror or error}. "
                f"Set up the {engine.display_name} again, or choose another program for it."
            ) from error
        if not (self._popen.stdin and self._popen.stdout and self._popen.stderr):
            raise AssertionError("all three pipes were asked for")
        self._stdin, self._stdout, self._stderr = self._popen.stdin, self._popen.stdout, self._popen.stderr
        self._log_reader = threading.Thread(target=self._read_log, name="photobust-log", daemon=True)
        self._reader = threading.Thread(target=self._read, name="photobust-reader", daemon=True)
        self._log_reader.start()
        self._reader.start()

    @property
    def alive(self) -> bool:
        """Whether requests still make sense."""
        return not self._ended and self._popen.poll() is None

    @property
    def pid(self) -> int:
        """Process id."""
        return self._popen.pid

    def send(
        self, request_id: int, method: str, params: dict[str, Any], events: Events | None = None
    ) -> None:
        """Send a request; what comes back for it, if anything, is put into `events`."""
        line = json.dumps({"id": request_id, "method": method, "params": params}) + "\n"
        with self._lock:
            if self._ended:
                if events is not None:
                    events.put(self._died())
                return
            if events is not None:
                self._pending[request_id] = events
            # If the pipe is broken the process has ended, and the reader is about to inform all who wait.
            with contextlib.suppress(OSError, ValueError):
                self._stdin.write(line.encode("ascii"))
                self._stdin.flush()

    def close(self) -> None:
        """Let the process end by itself, then less politely. Unfinished requests fail for good."""
        self._closing = True
        self.send(0, "shutdown", {})
        with contextlib.suppress(OSError, ValueError):
            self._stdin.close()
        try:
            self._popen.wait(CLOSE_GRACE)
        except subprocess.TimeoutExpired:
            self._kill_all()
        self._finish()

    def kill(self) -> None:
        """End the process now. Unfinished requests may be repeated on another one."""
        self._kill_all()
        self._finish()

    def _kill_all(self) -> None:
        # With the children it may have, which would hold its pipes open.
        kill_tree(self._popen)

    def _finish(self) -> None:
        self._popen.wait()
        self._reader.join(CLOSE_GRACE)
        for pipe in (self._stdin, self._stdout, self._stderr):
            with contextlib.suppress(OSError, ValueError):
                pipe.close()

    def _read(self) -> None:
        for raw in self._stdout:
            try:
                event = json.loads(raw)
                events = self._pending.get(event["id"])
            except (ValueError, TypeError, KeyError):
                self._keep_log(raw)
                continue
            self._spoken = True
            if event.get("event") != "progress":
                self._pending.pop(event["id"], None)
            if events is not None:
                events.put(event)
        self._popen.wait()
        # The last words on stderr are the reason; they may still be on their way.
        self._log_reader.join(CLOSE_GRACE)
        with self._lock:
            self._ended = True
            pending = list(self._pending.values())
            self._pending.clear()
        for events in pending:
            events.put(self._died())

    def _read_log(self) -> None:
        for raw in self._stderr:
            self._keep_log(raw)

    def _keep_log(self, raw: bytes) -> None:
        line = raw.decode("utf-8", "replace").rstrip()
        self._log_tail.append(line)
        if self._log:
            self._log(line)

    def _died(self) -> dict[str, Any]:
        if self._closing:
            return {
                "event": "died",
                "reason": f"The {self._engine.display_name} was stopped.",
                "retry": False,
            }
        what = "stopped unexpectedly" if self._spoken else "could not start"
        code = self._popen.returncode
        how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        reason = f"The {self._engine.display_name} {what} ({how}, {self._engine.python})."
        if "No module named" in "\n".join(self._log_tail):
            reason += " Packages are missing in that Python: set up the engine, or run `make setup`."
        last = [line for line in self._log_tail if line.strip()][-LOG_LINES_SHOWN:]
        if last:
            reason += " Its last words: " + " | ".join(last)
        return {"event": "died", "reason": reason, "retry": self._spoken}


def _windows_flags(background: bool) -> int:
    """How Windows is to start the engine; nothing elsewhere, where the engine sees to its priority itself."""
    if sys.platform != "win32":
        return 0
    flags = no_window()
    return flags | subprocess.BELOW_NORMAL_PRIORITY_CLASS if background else flags
