"""Retopology in a Blender of its own, so that the window in front of the user goes on answering. No bpy.

QuadriFlow takes up to a minute, blocks the Blender that it runs in, and stops at once where Esc was pressed
since the last rendering, whatever that was meant for: Blender keeps one flag for all (`G.is_break`), which
only a few of its operations reset. In a process without a window it is never set, and a process can be ended.

The process gets a folder with the mesh (see `retopology_files`), and speaks the engine's protocol.
"""

import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ..engine.client import Progress, WorkerClient
from ..engine.locate import ONE_BLAS_THREAD
from ..errors import JobFailedError, StepError

SERVER_SCRIPT = Path(__file__).with_name("retopology_server.py")
#: The one method of the process.
METHOD = "retopologize"


@dataclass(frozen=True)
class RetopologyProgram:
    """What runs it, as `engine.process.EngineProgram`: a Blender, or a Python that has the bpy module."""

    python: Path
    is_blender: bool

    root: ClassVar[Path] = SERVER_SCRIPT.parent
    display_name: ClassVar[str] = "Blender process for retopology"
    background: ClassVar[bool] = True

    def command(self) -> list[str]:
        """Command line of the process."""
        if self.is_blender:
            options = ["--background", "--factory-startup", "--python-exit-code", "3"]
            return [str(self.python), *options, "--python", str(SERVER_SCRIPT)]
        return [str(self.python), "-u", str(SERVER_SCRIPT)]

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """`base`, in which Python writes UTF-8, and takes no module of this folder for another."""
        return {**base, **ONE_BLAS_THREAD, "PYTHONIOENCODING": "utf-8", "PYTHONSAFEPATH": "1"}


class RetopologyRun:
    """One run of the process. It ends with the Blender that started it, however that ends."""

    def __init__(
        self,
        program: RetopologyProgram,
        folder: str | os.PathLike,
        quads: int,
        texture: int,
        matrix: list[list[float]],
        log: Callable[[str], None] | None = None,
    ) -> None:
        """Start it.

        Args:
            program: What runs it.
            folder: With the mesh, as `retopology_files.write_source` leaves it.
            quads: About how many to make.
            texture: Side in pixels of the picture to bake, 0 for none.
            matrix: 3 by 3, from the object's frame to the world's.
            log: Called with each line that the process prints, on another thread.
        """
        # Sent once: what takes QuadriFlow down once does so again.
        self._client = WorkerClient(program, log, attempts=1)
        self._request = self._client.submit(
            METHOD, folder=str(folder), quads=quads, texture=texture, matrix=matrix
        )

    @property
    def progress(self) -> Progress:
        """What it is doing."""
        return self._request.progress

    @property
    def pid(self) -> int | None:
        """Process id, None if it is not running."""
        return self._client.pid

    def poll(self) -> bool:
        """Take in what has come; whether it is over."""
        self._request.poll()
        return self._request.done

    def result(self) -> dict[str, Any]:
        """What came of it, as `retopology_files.read_result` wants it.

        Raises:
            StepError: It could not be.
            JobCancelledError: It was cancelled.
            EngineDiedError: The process could not start, or ended unexpectedly.
        """
        try:
            return self._request.result()
        except JobFailedError as error:
            raise StepError(str(error)) from error

    def wait(self, on_progress: Callable[[Progress], None] | None = None) -> dict[str, Any]:
        """Wait for it to be over; returns and raises as `result`."""
        with contextlib.suppress(JobFailedError):  # which result() raises as what it is
            self._request.wait(on_progress=on_progress)
        return self.result()

    def cancel(self) -> None:
        """End the process: it will be over at the next poll."""
        self._request.cancel(grace=0.0)

    def close(self) -> None:
        """End the process, if it still runs."""
        self._client.kill()
