"""Runs programs whose children end with them. No bpy."""

import contextlib
import queue
import signal
import subprocess
import threading
from collections.abc import Callable

from .process_tree import kill_tree, no_window

TICK = 0.5


class ProcessGroup:
    """One program at a time; `kill`, from any thread, ends it and all that it has started."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._popen: subprocess.Popen[bytes] | None = None
        self._killed = False

    def run(
        self,
        command: list[str],
        environment: dict[str, str],
        on_line: Callable[[str], object],
        on_tick: Callable[[], object] | None = None,
    ) -> int:
        """Run a command, handing on its output, stderr included, line by line. Returns its exit code.

        `on_tick` is called now and then meanwhile.
        """
        with self._lock:
            if self._killed:
                return -signal.SIGTERM
            self._popen = popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
                creationflags=no_window(),
            )
        lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        stdout = popen.stdout

        def read() -> None:
            with contextlib.suppress(OSError, ValueError):
                for raw in stdout or ():
                    lines.put(raw)
            lines.put(None)

        threading.Thread(target=read, name="photobust-output", daemon=True).start()
        try:
            while True:
                try:
                    raw = lines.get(timeout=TICK)
                except queue.Empty:
                    if on_tick:
                        on_tick()
                    continue
                if raw is None:
                    break
                on_line(raw.decode("utf-8", "replace").rstrip())
            return popen.wait()
        finally:
            self._end()
            if stdout:
                stdout.close()

    def kill(self) -> None:
        """End the program now; none will be started any more."""
        with self._lock:
            self._killed = True
        self._end()

    def _end(self) -> None:
        popen = self._popen
        if popen is None or popen.poll() is not None:
            return
        kill_tree(popen)
        popen.wait()
