"""Asks the engine what a head looks like with its pins, while one is dragged. No bpy."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..engine.client import EngineRequest, WorkerClient

#: Seconds that the last answer of a drag is waited for.
PATIENCE = 10.0


@dataclass(frozen=True)
class PinAnswer:
    """The engine's answer: its file with the shape, and what else it says."""

    file: Path
    document: dict[str, Any]


class PinPreview:
    """One question at a time; what comes meanwhile replaces what waits."""

    def __init__(self, client: WorkerClient, folder: Path, scratch: Path) -> None:
        """`folder` is the head's; the engine's answers go into the folder `scratch`."""
        self._client = client
        self._folder = folder
        self._file = scratch / "adjusted.npz"
        self._running: EngineRequest | None = None
        self._waiting: dict[str, Any] | None = None

    def ask(self, adjustments: dict[str, Any]) -> None:
        """Ask what the head looks like with these corrections."""
        self._waiting = adjustments
        self._send()

    def poll(self) -> PinAnswer | None:
        """The answer that has come, if one has. Raises what went wrong."""
        if self._running is None:
            return None
        self._running.poll()
        if not self._running.done:
            return None
        done, self._running = self._running, None
        answer = done.result()
        made = PinAnswer(Path(str(answer.get("file", self._file))), answer)
        return made

    def go_on(self) -> None:
        """Ask what waits; only after the last answer's file was read."""
        self._send()

    def last(self, adjustments: dict[str, Any]) -> PinAnswer:
        """Wait for the answer to a last question. Raises what went wrong."""
        self._waiting = None
        if self._running is not None:
            running, self._running = self._running, None
            running.wait(PATIENCE)
        self._waiting = adjustments
        self._send()
        if self._running is None:
            raise RuntimeError("nothing was asked")
        running, self._running = self._running, None
        answer = running.wait(PATIENCE)
        return PinAnswer(Path(str(answer.get("file", self._file))), answer)

    @property
    def busy(self) -> bool:
        """Whether an answer is still to come."""
        return self._running is not None or self._waiting is not None

    def _send(self) -> None:
        if self._running is None and self._waiting is not None:
            wanted, self._waiting = self._waiting, None
            self._running = self._client.submit(
                "adjust", folder=str(self._folder), out=str(self._file), adjustments=wanted
            )
