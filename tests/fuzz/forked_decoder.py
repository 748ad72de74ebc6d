"""Processes that decode, made by fork: new interpreters for thousands of mutants would take hours."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import NoReturn
from unittest import mock

from core.image import isolated_decoding

#: Seconds between two looks whether a process has ended.
POLL_SECONDS = 0.001


class ForkedDecoder:
    """What `isolated_decoding` uses of `subprocess.Popen`; runs its `main` in a copy of this process."""

    def __init__(self, command: list[str], **_: object) -> None:
        self._arguments = command[-1]
        self._pid = 0
        self.returncode: int | None = None

    def __enter__(self) -> "ForkedDecoder":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def communicate(self, data: bytes, timeout: float) -> tuple[bytes, None]:
        """Hand over standard input, and wait for the end; standard output."""
        with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as sink:
            source.write(data)
            source.seek(0)
            self._pid = os.fork()
            if self._pid == 0:
                self._decode(source.fileno(), sink.fileno())
            end = time.monotonic() + timeout
            while not self._has_ended():
                if time.monotonic() > end:
                    raise subprocess.TimeoutExpired("fork", timeout)
                time.sleep(POLL_SECONDS)
            sink.seek(0)
            return sink.read(), None

    def _decode(self, source: int, sink: int) -> NoReturn:
        """The copy: do what the real process does, and end."""
        code = 1
        try:
            os.dup2(source, 0)
            os.dup2(sink, 1)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            sys.stdin = os.fdopen(0, "r", closefd=False)
            isolated_decoding.main(self._arguments)
            code = 0
        finally:
            os._exit(code)

    def _has_ended(self) -> bool:
        pid, status = os.waitpid(self._pid, os.WNOHANG)
        if pid:
            self.returncode = os.waitstatus_to_exitcode(status)
        return bool(pid)

    def kill(self) -> None:
        """End the process, if it still runs."""
        if self._pid and self.returncode is None:
            os.kill(self._pid, signal.SIGKILL)
            _, status = os.waitpid(self._pid, 0)
            self.returncode = os.waitstatus_to_exitcode(status)


@contextlib.contextmanager
def forked_decoders() -> Iterator[None]:
    """Have pictures decoded in copies of this process, where the system can make these."""
    if not hasattr(os, "fork"):
        yield
        return
    from PIL import Image

    Image.init()  # once, not in each copy
    with contextlib.suppress(ImportError):
        import pillow_heif  # noqa: F401
        import pillow_jxl  # noqa: F401
    with mock.patch.object(isolated_decoding.subprocess, "Popen", ForkedDecoder):
        yield
