"""Seconds by step of something that goes on, with its progress and its cancelling."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..errors import Cancelled

#: Called with a step's name, the fraction done in 0..1 and a sentence for people.
Progress = Callable[[str, float, str], None]


class Clock:
    """Times steps that follow one another: `lap` ends the one that has been going on since the last."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """Note the seconds of the step `name`."""
        now = time.perf_counter()
        self.seconds[name] = now - self._last
        self._last = now


class Stopwatch:
    """Times steps, reports their progress, and stops between them if it was asked to.

    Attributes:
        seconds: By step.
    """

    def __init__(
        self,
        progress: Progress | None = None,
        cancelled: Callable[[], bool] | None = None,
        start: float = 0.0,
        length: float = 1.0,
        seconds: dict[str, float] | None = None,
    ) -> None:
        """Start at zero.

        Args:
            progress: Called at the beginning of each step.
            cancelled: Whether to stop, asked at the beginning of each step.
            start: Fraction of the whole work that is done before the first step.
            length: Fraction of the whole work that the steps are.
            seconds: Of steps that were timed before.
        """
        self.seconds: dict[str, float] = dict(seconds or {})
        self._progress = progress
        self._cancelled = cancelled
        self._start, self._length = start, length

    @contextmanager
    def step(self, name: str, fraction: float, message: str) -> Iterator[None]:
        """Time a block.

        Args:
            name: Of the step.
            fraction: Of the steps' work that is done before this one, 0..1.
            message: A sentence for people.

        Raises:
            Cancelled: The work was cancelled before the block.
        """
        if self._cancelled and self._cancelled():
            raise Cancelled("The reconstruction was cancelled")
        if self._progress:
            self._progress(name, self._start + self._length * fraction, message)
        start = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
