"""Asks the engine what a head looks like with its pins, while one is dragged. No bpy."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..engine.client import START_TIMEOUT, EngineRequest, WorkerClient
from ..errors import EngineTimeoutError

#: Seconds that an answer of an engine that runs is waited for; it may be busy with a head.
ANSWER_TIMEOUT = 30.0
#: Seconds between two looks for an answer where nothing else is done meanwhile.
WAIT_TICK = 0.01


@dataclass(frozen=True)
class PinAnswer:
    """The engine's answer.

    Attributes:
        file: Its file with the shape.
        document: What else it says.
        adjustments: What was asked.
        view: The further photo of the person that was asked for; empty if none was.
    """

    file: Path
    document: dict[str, Any]
    adjustments: dict[str, Any]
    view: str = ""


@dataclass(frozen=True)
class _Question:
    """What is asked, of what, and until when the answer is waited for (`time.monotonic`)."""

    request: EngineRequest
    adjustments: dict[str, Any]
    view: str
    deadline: float


class PinPreview:
    """One question at a time; what comes meanwhile replaces what waits. Nothing here waits but `wait`.

    An engine that does not answer in time is left alone: it may be making a head.
    """

    def __init__(
        self,
        client: WorkerClient,
        folder: Path,
        file: Path,
        timeout: float = ANSWER_TIMEOUT,
        start_timeout: float = START_TIMEOUT,
    ) -> None:
        """Prepare.

        Args:
            client: Of the engine, which starts with the first question if it does not run.
            folder: The head's.
            file: Takes the engine's answers.
            timeout: Seconds that an answer is waited for, once there was one.
            start_timeout: Seconds that the answer of an engine that has to start is waited for.
        """
        self._client = client
        self._folder = folder
        self._file = file
        self._timeout = timeout
        self._start_timeout = start_timeout
        self._answered = False
        self._asked: _Question | None = None
        self._waiting: tuple[dict[str, Any], str] | None = None

    def ask(self, adjustments: dict[str, Any], view: str = "") -> None:
        """Ask what the head looks like with these corrections, also in a further photo of the person.

        Raises EngineStartError.
        """
        self._waiting = adjustments, view
        self.go_on()

    def poll(self) -> PinAnswer | None:
        """The answer that has come, if one has.

        Raises:
            EngineTimeoutError: It has not come in time.
            AddonError: What else went wrong.
        """
        asked = self._asked
        if asked is None:
            return None
        asked.request.poll()
        if not asked.request.done:
            if time.monotonic() > asked.deadline:
                self._asked = self._waiting = None
                raise EngineTimeoutError(
                    "The engine has not answered for a while. Try again when it is less busy, or stop it in "
                    "the add-on's preferences."
                )
            return None
        self._asked = None
        answer = asked.request.result()
        self._answered = True
        return PinAnswer(Path(str(answer.get("file", self._file))), answer, asked.adjustments, asked.view)

    def go_on(self) -> None:
        """Ask what waits; only after the last answer's file was read."""
        if self._asked is None and self._waiting is not None:
            (adjustments, view), self._waiting = self._waiting, None
            starts = not self._answered or self._client.pid is None
            timeout = self._start_timeout if starts else self._timeout
            params = {"folder": str(self._folder), "out": str(self._file), "adjustments": adjustments}
            if view:
                params["view"] = view
            request = self._client.submit("adjust", **params)
            self._asked = _Question(request, adjustments, view, time.monotonic() + timeout)

    def wait(self) -> PinAnswer:
        """Wait for the answer to what was asked last: for scripts, where no window is held up."""
        while self.busy:
            answer = self.poll()
            self.go_on()
            if answer is not None and not self.busy:
                return answer
            time.sleep(WAIT_TICK)
        raise RuntimeError("nothing was asked")

    @property
    def busy(self) -> bool:
        """Whether an answer is still to come."""
        return self._asked is not None or self._waiting is not None
